//! Facts of the files of this process: where the machine has others.

use std::path::{Path, PathBuf};

use crate::host::{machine, outside};

/// What a sandbox, or a container, puts over the machine's files.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    /// Folders that are others for this process, without those in them; none too where process 1 does not tell.
    pub covered: Vec<PathBuf>,
    /// Whether the machine's can be opened all the same.
    pub is_open: bool,
}

impl Sandbox {
    /// Compares what is mounted.
    pub(super) fn look() -> Self {
        let mounted = outside::both_mountinfos();
        let covered = mounted.map(|[own, machines]| machine::covered(&own, &machines));
        Self {
            covered: covered.unwrap_or_default(),
            is_open: outside::machine_root() != Path::new("/"),
        }
    }
}
