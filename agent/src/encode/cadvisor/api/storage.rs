//! The machine's filesystems, as `storage` of v2 tells them.

use serde::Serialize;

use super::{super::host, machine::MachineFilesystem, time::Time};
use crate::metrics::Sample;

/// The label of the filesystem that everything is below.
const ROOT: &str = "root";

/// One filesystem.
#[derive(Clone, Debug, Serialize)]
pub struct FsInfo {
    timestamp: Time,
    device: String,
    mountpoint: String,
    capacity: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<u64>,
    labels: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inodes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inodes_free: Option<u64>,
}

impl FsInfo {
    /// All of them. `labelled` are folders whose filesystems have a label by which they are asked for.
    pub fn all_of(
        samples: &[Sample],
        wall_ns: i64,
        labelled: &[(&'static str, String)],
    ) -> Vec<Self> {
        let mut all: Vec<Self> = host::filesystems(samples)
            .map(|it| Self {
                timestamp: Time(wall_ns),
                device: it.device.to_owned(),
                mountpoint: it.mount.to_owned(),
                capacity: it.limit_bytes,
                available: it.available_bytes,
                usage: it.usage_bytes,
                labels: Vec::new(),
                inodes: it.inodes,
                inodes_free: it.inodes_free,
            })
            .collect();
        let root = (ROOT, "/".to_owned());
        for (label, folder) in labelled.iter().chain([&root]) {
            let holds = |it: &&mut Self| is_below(folder, &it.mountpoint);
            let innermost = all
                .iter_mut()
                .filter(holds)
                .max_by_key(|it| it.mountpoint.len());
            if let Some(holder) = innermost {
                holder.labels.push(label);
            }
        }
        all
    }

    /// Whether it has that label.
    pub fn has_label(&self, label: &str) -> bool {
        self.labels.contains(&label)
    }

    /// Its device.
    pub fn device(&self) -> &str {
        &self.device
    }
}

impl MachineFilesystem {
    /// The machine's filesystems as `MachineInfo` has them.
    pub fn all_of(samples: &[Sample]) -> Vec<Self> {
        let all = host::filesystems(samples);
        all.map(|it| Self {
            device: it.device.to_owned(),
            capacity: it.limit_bytes,
            kind: "vfs",
            inodes: it.inodes,
            has_inodes: it.inodes.is_some(),
        })
        .collect()
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
