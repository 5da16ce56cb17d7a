//! cAdvisor's REST API as JSON: moments, limits and facts of the machine → its objects, under its names.
//!
//! Pure: what is not in a [`Moment`](super::moment::Moment) is handed in by `http::cadvisor`. Names, types and units are
//! those of `info/v1` and `info/v2` of google/cadvisor; v0.38.7 and v0.60 agree in all that is written here, but for what
//! only the later one has.

mod container;
mod event;
mod filesystem;
mod machine;
mod process;
mod spec;
mod stats;
mod storage;
mod summary;
#[cfg(test)]
mod tests;
mod time;
mod v2;

use std::{cell::RefCell, collections::HashMap};

pub use container::{ContainerInfo, Reference, View, Viewed};
pub use event::{Event, EventType};
pub use machine::{
    Attributes, Cache, Core, DiskInfo, Hugepages, Machine, MachineFilesystem, NetInfo, Node, System,
};
pub use process::Process;
pub use spec::{Identity, Limits};
pub use stats::Stats;
pub use storage::FsInfo;
pub use summary::DerivedStats;
pub use time::Time;
pub use v2::{ContainerV2, MachineStats, SpecV2, StatsV2_0};

/// Numbers of disks by their names.
pub trait Disks {
    /// Major and minor number of the disk called so.
    fn number(&self, name: &str) -> Option<(u32, u32)>;
}

/// Asks for each name once.
pub struct KnownDisks<'a> {
    disks: &'a dyn Disks,
    known: RefCell<HashMap<String, Option<(u32, u32)>>>,
}

impl<'a> KnownDisks<'a> {
    /// What these say.
    pub fn by(disks: &'a dyn Disks) -> Self {
        Self {
            disks,
            known: RefCell::default(),
        }
    }
}

impl Disks for KnownDisks<'_> {
    fn number(&self, name: &str) -> Option<(u32, u32)> {
        let mut known = self.known.borrow_mut();
        match known.get(name) {
            Some(number) => *number,
            None => *known
                .entry(name.to_owned())
                .or_insert_with(|| self.disks.number(name)),
        }
    }
}

/// Stands for no limit, as Go's greatest number without a sign.
pub const UNLIMITED: u64 = u64::MAX;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
