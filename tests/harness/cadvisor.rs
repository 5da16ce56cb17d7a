//! A real cAdvisor, Debian 11's, to be held against.

use std::{env, net::SocketAddr, path::PathBuf, time::Duration};

use tempfile::TempDir;

use super::{eventually, http::free_addresses, program::Program, skip};

/// Fetched by `cargo xtask test`.
const CADVISOR: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/cadvisor-bullseye/usr/bin/cadvisor"
);

/// How long a start may take on a busy machine: it looks at every cgroup first.
const PATIENCE: Duration = Duration::from_mins(1);

/// One that looks at every container each second or two, and ends with the test.
pub(crate) struct Cadvisor {
    program: Program,
    address: SocketAddr,
    _folder: TempDir,
}

impl Cadvisor {
    /// `None` where there is none.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        let path = PathBuf::from(CADVISOR);
        if !path.exists() {
            return skip("no cAdvisor is fetched (cargo xtask test)");
        }
        let [address] = free_addresses();
        let folder = tempfile::tempdir().unwrap();
        let mut arguments = vec![
            format!("--listen_ip={}", address.ip()),
            format!("--port={}", address.port()),
            "--housekeeping_interval=1s".to_owned(),
            "--allow_dynamic_housekeeping=false".to_owned(),
            "--logtostderr".to_owned(),
        ];
        let docker = env::var("DOCKER_HOST").ok();
        arguments.extend(docker.map(|host| format!("--docker={host}")));
        let arguments = arguments.into_iter().map(Into::into).collect();
        let mut program = Program::start(path, arguments, folder.path().join("log"));
        eventually(PATIENCE, "cAdvisor answers", || {
            assert!(!program.has_ended(), "{}", program.log());
            std::net::TcpStream::connect(address)
        });
        Some(Self {
            program,
            address,
            _folder: folder,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        self.program.log()
    }
}
