//! Docker's `containers/<id>/config.v2.json`.
//!
//! The daemon writes it before it starts the container and removes it with the container: `docker run --rm` leaves
//! nothing to read after the end.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{folders_in, oci, state_file::StateFiles};
use crate::container::{Runtime, RuntimeInfo};

/// What is in the file of container `id` below one of the data roots.
pub(super) fn read(files: &mut StateFiles, roots: &[PathBuf], id: &str) -> Option<RuntimeInfo> {
    let config = roots.iter().find_map(|root| {
        file_of(files, root, id).or_else(|| {
            // With user namespaces on, all state is in a folder `<uid>.<gid>` of the data root.
            let remapped = folders_in(root).filter(|folder| is_remapped(folder));
            remapped
                .collect::<Vec<_>>()
                .iter()
                .find_map(|root| file_of(files, root, id))
        })
    })?;
    Some(config.into_info())
}

/// The keys of the kubelet (through cri-dockerd) or the container's own name and labels. `name` may begin with `/`,
/// as the daemon writes it.
pub(in crate::host) fn info(
    name: Option<&str>,
    image: Option<String>,
    labels: BTreeMap<String, String>,
) -> RuntimeInfo {
    let mut info = oci::kubernetes(&labels, BTreeMap::new());
    if info.name.is_none() || info.pod.is_none() || info.namespace.is_none() {
        let name = name.map(|name| name.trim_start_matches('/').to_owned());
        info = RuntimeInfo {
            name: name.filter(|name| !name.is_empty()),
            ..RuntimeInfo::default()
        };
    }
    RuntimeInfo {
        runtime: Some(Runtime::Docker),
        image,
        labels,
        ..info
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerFile {
    name: Option<String>,
    config: Option<Config>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    image: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

/// Below a data root: a folder for each container.
pub(super) const CONTAINERS: &str = "containers";

/// Largest file read; environment and labels are the user's.
const MAX_FILE: u64 = 1 << 20;

fn file_of(files: &mut StateFiles, root: &Path, id: &str) -> Option<ContainerFile> {
    let path = root.join(CONTAINERS).join(id).join("config.v2.json");
    files.json(&path, MAX_FILE)
}

impl ContainerFile {
    fn into_info(self) -> RuntimeInfo {
        let (image, labels) = self
            .config
            .map_or((None, None), |config| (config.image, config.labels));
        info(self.name.as_deref(), image, labels.unwrap_or_default())
    }
}

fn is_remapped(folder: &Path) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    folder
        .file_name()
        .and_then(|name| name.to_str()?.split_once('.'))
        .is_some_and(|(uid, gid)| is_number(uid) && is_number(gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_of_a_pod_is_named_by_the_kubelets_labels() {
        let labels = [
            ("io.kubernetes.container.name", "app"),
            ("io.kubernetes.pod.name", "web-6d8f7c9b5-x2x4z"),
            ("io.kubernetes.pod.namespace", "shop"),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let name = "/k8s_app_web-6d8f7c9b5-x2x4z_shop_3d5b2f0e_0";

        let info = info(Some(name), None, BTreeMap::from(labels));

        assert_eq!(info.name.as_deref(), Some("app"));
        assert_eq!(info.pod.as_deref(), Some("web-6d8f7c9b5-x2x4z"));
        assert_eq!(info.labels.len(), 3);
    }

    #[test]
    fn a_swarm_task_keeps_its_full_name() {
        let info = info(Some("/shop_web.3.k8dj2m1x9"), None, BTreeMap::new());
        assert_eq!(info.name.as_deref(), Some("shop_web.3.k8dj2m1x9"));
    }
}
