//! Facts of the container runtimes: whether what tells names, images and labels can be read.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{Access, PATIENCE};
use crate::{
    client::{GetError, Server, get},
    host::{Runtimes, docker_api::DEFAULT_SOCKET, outside},
    text::chain,
};

/// One runtime.
#[derive(Clone, Debug)]
pub struct RuntimeFacts {
    /// Its name.
    pub name: &'static str,
    /// Its state folders, whether or not they are there.
    pub folders: Vec<(PathBuf, Access)>,
    /// Its API; `None` for one whose API is not asked.
    pub api: Option<(PathBuf, Api)>,
}

/// Whether an API answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Api {
    /// It does; who it says it is.
    Answers(String),
    /// There is no socket, or nobody behind it.
    Missing,
    /// The socket is not for this process.
    Forbidden,
    /// It does not answer as it should.
    Silent(String),
}

/// Looks at all of them.
pub(super) async fn look() -> Vec<RuntimeFacts> {
    let mut runtimes: Vec<RuntimeFacts> = Vec::new();
    let root = outside::machine_root();
    for (name, folder) in Runtimes::new(root).folders() {
        let access = Access::of_folder(&folder);
        // As it is called on the machine; `/var/run` is `/run` on most.
        let path = folder.strip_prefix(root).unwrap_or(&folder);
        let path = Path::new("/").join(path);
        let path = path.canonicalize().unwrap_or(path);
        match runtimes.iter_mut().find(|it| it.name == name) {
            Some(runtime) if runtime.folders.iter().any(|(known, _)| *known == path) => {}
            Some(runtime) => runtime.folders.push((path, access)),
            None => runtimes.push(RuntimeFacts {
                name,
                folders: vec![(path, access)],
                api: None,
            }),
        }
    }
    if let Some(docker) = runtimes.iter_mut().find(|it| it.name == "docker") {
        let socket = PathBuf::from(DEFAULT_SOCKET);
        docker.api = Some((socket.clone(), docker_api(socket).await));
    }
    runtimes
}

/// `/_ping` is the one request that every version of the API answers, without a version in its path.
async fn docker_api(socket: PathBuf) -> Api {
    match get(&Server::at_socket(socket), "/_ping", PATIENCE).await {
        Ok(answer) if answer.status == 200 => {
            let header = |name| answer.headers.get(name)?.to_str().ok();
            Api::Answers(match (header("server"), header("api-version")) {
                (Some(server), Some(version)) => format!("{server}, API {version}"),
                (Some(who), None) | (None, Some(who)) => who.to_owned(),
                (None, None) => "without a name".to_owned(),
            })
        }
        Ok(answer) => Api::Silent(format!("it answers with status {}", answer.status)),
        Err(GetError::Connect { source, .. }) => match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Api::Missing,
            io::ErrorKind::PermissionDenied => Api::Forbidden,
            _ => Api::Silent(source.to_string()),
        },
        Err(error) => Api::Silent(chain(&error)),
    }
}
