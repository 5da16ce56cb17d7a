//! An OCI bundle's `config.json`: what its annotations say of a container.
//!
//! containerd's CRI, CRI-O, nerdctl and `ctr` all leave names there, each under keys of its own. This file knows the
//! keys; where bundles are is left to its neighbours.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::container::RuntimeInfo;

/// The part of `config.json` that names a container. Everything else is skipped.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Config {
    annotations: Option<BTreeMap<String, String>>,
    linux: Option<Linux>,
}

#[derive(Debug, Deserialize)]
struct Linux {
    #[serde(rename = "cgroupsPath")]
    cgroups_path: Option<String>,
}

/// Largest `config.json` read; seccomp profiles make up to 100 kB common.
pub(super) const MAX_CONFIG: u64 = 1 << 20;

impl Config {
    /// The cgroup the bundle asks for; of a cgroupfs runtime it is the path.
    pub(super) fn cgroups_path(&self) -> Option<&str> {
        self.linux.as_ref()?.cgroups_path.as_deref()
    }

    /// What the annotations say.
    pub(super) fn info(&self) -> RuntimeInfo {
        let none = BTreeMap::new();
        let annotations = self.annotations.as_ref().unwrap_or(&none);
        let get = |key: &str| {
            annotations
                .get(key)
                .filter(|value| !value.is_empty())
                .cloned()
        };
        if get("io.container.manager").as_deref() == Some("libpod") {
            return RuntimeInfo {
                pod: get("io.kubernetes.cri-o.SandboxID"),
                ..RuntimeInfo::default()
            };
        }
        // Of containerd's CRI, 1.6 and later.
        if let Some(kind) = get("io.kubernetes.cri.container-type") {
            let sandbox = (kind == "sandbox").then(|| SANDBOX_NAME.to_owned());
            return RuntimeInfo {
                name: get("io.kubernetes.cri.container-name").or(sandbox),
                image: get("io.kubernetes.cri.image-name"),
                namespace: get("io.kubernetes.cri.sandbox-namespace"),
                pod: get("io.kubernetes.cri.sandbox-name"),
                ..RuntimeInfo::default()
            };
        }
        if get("io.kubernetes.cri-o.ContainerType").is_some() {
            let labels = get("io.kubernetes.cri-o.Labels");
            let labels = labels.and_then(|labels| serde_json::from_str(&labels).ok());
            let image = get("io.kubernetes.cri-o.ImageName");
            return RuntimeInfo {
                image: image.or_else(|| get("io.kubernetes.cri-o.Image")),
                ..kubernetes(annotations, labels.unwrap_or_default())
            };
        }
        RuntimeInfo {
            name: get("nerdctl/name"),
            labels: annotations
                .iter()
                .filter(|(key, _)| !key.starts_with("nerdctl/"))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
            ..RuntimeInfo::default()
        }
    }
}

/// Kubernetes' name of the container that holds a pod's namespaces.
const SANDBOX_NAME: &str = "POD";

/// What the keys that the kubelet gives every container say, wherever they stand; the name within the pod.
pub(super) fn kubernetes(
    keys: &BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
) -> RuntimeInfo {
    RuntimeInfo {
        name: keys.get("io.kubernetes.container.name").cloned(),
        namespace: keys.get("io.kubernetes.pod.namespace").cloned(),
        pod: keys.get("io.kubernetes.pod.name").cloned(),
        labels,
        ..RuntimeInfo::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nerdctl_names_a_container_in_its_own_keys() {
        let config: Config = serde_json::from_str(
            r#"{"annotations": {"nerdctl/name": "nginx", "nerdctl/namespace": "default", "tier": "web"}}"#,
        )
        .expect("valid");
        let info = config.info();
        assert_eq!(info.name.as_deref(), Some("nginx"));
        assert_eq!(info.labels.len(), 1);
    }

    #[test]
    fn a_config_without_annotations_says_nothing() {
        for text in ["{}", r#"{"annotations": null, "linux": {}}"#] {
            let config: Config = serde_json::from_str(text).expect("valid");
            assert_eq!(config.info(), RuntimeInfo::default());
            assert_eq!(config.cgroups_path(), None);
        }
    }
}
