//! The machine around the agent, as cAdvisor's API tells of it: read by `host` when somebody asks.

use std::{
    fs,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    clock,
    container::Container,
    encode::cadvisor::{
        Part, PartKind,
        api::{Disks, Limits, Machine, Process, System},
    },
    host::{
        Runtimes,
        census::{self, Times},
        cgroup_tree::{Layout, Mode},
        inventory::Inventory,
        limits, netns,
        outside::machine_root,
    },
    http::cadvisor::around::Around,
};

/// Where udev links devices by the ids of their filesystems.
const BY_UUID: &str = "/dev/disk/by-uuid";

/// The machine, and its hierarchies of cgroups as they were at the start.
pub(super) struct ThisMachine {
    inventory: Inventory,
    layout: Option<Layout>,
}

impl ThisMachine {
    pub(super) fn new() -> Self {
        Self {
            inventory: Inventory::default(),
            layout: Layout::find().ok(),
        }
    }
}

impl Disks for ThisMachine {
    fn number(&self, name: &str) -> Option<(u32, u32)> {
        self.inventory.disk_number(name)
    }
}

impl Around for ThisMachine {
    fn machine(&self) -> Machine {
        self.inventory.machine()
    }

    fn system(&self) -> System {
        self.inventory.system()
    }

    fn cgroups(&self) -> String {
        let Some(layout) = &self.layout else {
            return "no hierarchy that accounts CPU time is mounted".to_owned();
        };
        let mode = match layout.mode {
            Mode::V1 => "version 1",
            Mode::Hybrid => "versions 1 and 2 beside each other",
            Mode::V2 => "version 2",
        };
        let mount = layout.accounting().mount.display();
        format!("{mode}; entries are those of {mount}")
    }

    fn limits(&self, path: &str) -> Limits {
        let layout = self.layout.as_ref();
        layout.map_or_else(Limits::default, |layout| limits::read(layout, path))
    }

    fn started_ns(&self, path: &str) -> Option<i64> {
        census::started_ns(self.layout.as_ref()?, path, times())
    }

    fn interfaces(&self, container: &Container) -> Vec<Part> {
        let by_cgroup = || census::process_of(self.layout.as_ref()?, &container.path);
        let Some(process) = container.pid.or_else(by_cgroup) else {
            return Vec::new();
        };
        let interfaces = netns::each_interface(process).unwrap_or_default();
        let parts = interfaces.into_iter().map(|(name, counters)| Part {
            kind: PartKind::Interface,
            name: name.into(),
            values: counters.map(Some).into(),
        });
        parts.collect()
    }

    fn processes(&self, path: &str) -> Option<Vec<Process>> {
        census::processes(self.layout.as_ref()?, path, times()).ok()
    }

    fn device_of(&self, uuid: &str) -> Option<String> {
        let mut bytes = uuid.bytes();
        let is_id = bytes.all(|it| it.is_ascii_alphanumeric() || it == b'-');
        // It becomes the name of a file.
        if uuid.is_empty() || !is_id {
            return None;
        }
        let device = fs::canonicalize(Path::new(BY_UUID).join(uuid)).ok()?;
        Some(device.display().to_string())
    }

    fn docker_root(&self) -> Option<String> {
        let root = Runtimes::new(machine_root()).docker_root()?;
        Some(root.display().to_string())
    }
}

fn times() -> Times {
    let taken = clock::now();
    let now = UNIX_EPOCH + Duration::from_nanos(taken.wall_ns.max(0).unsigned_abs());
    let since_boot = Duration::from_nanos(taken.boot_ns);
    Times {
        now,
        booted: now.checked_sub(since_boot).unwrap_or(UNIX_EPOCH),
    }
}
