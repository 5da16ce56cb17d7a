//! containerd's state folder: `io.containerd.runtime.v2.task/<namespace>/<id>/config.json`, one for each container
//! that runs.

use std::path::{Path, PathBuf};

use super::{
    folders_in,
    oci::{self, MAX_CONFIG},
    state_file::StateFiles,
};
use crate::container::{Runtime, RuntimeInfo};

/// What one of the state folders says of container `id`, in whichever of containerd's namespaces it is. Docker's own
/// namespace is passed by: there are no names in it.
pub(super) fn read(files: &mut StateFiles, states: &[PathBuf], id: &str) -> Option<RuntimeInfo> {
    states
        .iter()
        .flat_map(|state| folders_in(&state.join(TASKS)))
        .filter(|namespace| !namespace.ends_with("moby"))
        .find_map(|namespace| {
            let config = config_in(files, &namespace, id)?;
            Some(info(&namespace, id, &config))
        })
}

/// What one of the state folders says of the container whose cgroup is `/<namespace>/<id>`, as `ctr` and containerd's
/// own clients make it. Nothing about such a path tells that it is a container.
pub(super) fn read_path(
    files: &mut StateFiles,
    states: &[PathBuf],
    path: &str,
) -> Option<RuntimeInfo> {
    let (namespace, id) = path.strip_prefix('/')?.split_once('/')?;
    if id.contains('/') || matches!(namespace, "" | "." | "..") || matches!(id, "" | "." | "..") {
        return None;
    }
    states.iter().find_map(|state| {
        let namespace = state.join(TASKS).join(namespace);
        let config = config_in(files, &namespace, id)?;
        (config.cgroups_path() == Some(path)).then(|| info(&namespace, id, &config))
    })
}

/// Below the state folder: containers that run, by namespace.
pub(super) const TASKS: &str = "io.containerd.runtime.v2.task";

fn config_in(files: &mut StateFiles, namespace: &Path, id: &str) -> Option<oci::Config> {
    files.json(&namespace.join(id).join("config.json"), MAX_CONFIG)
}

fn info(namespace: &Path, id: &str, config: &oci::Config) -> RuntimeInfo {
    let mut info = config.info();
    info.runtime = Some(Runtime::Containerd);
    info.id = Some(id.to_owned());
    if info.pod.is_none() {
        // An id given by a person is the name; one of 64 digits is not.
        let own = (id.len() < 64).then(|| id.to_owned());
        let namespace = namespace.file_name().and_then(|name| name.to_str());
        info.name = info.name.or(own).map(|name| match namespace {
            None | Some("default") => name,
            Some(namespace) => format!("{namespace}/{name}"),
        });
    }
    info
}
