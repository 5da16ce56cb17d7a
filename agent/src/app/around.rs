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
        census::{self, Times},
        cgroup_tree::{Layout, Mode},
        inventory::Inventory,
        limits, netns,
    },
    http::cadvisor::around::Around,
};

/// Where udev links devices by the ids of their filesystems.
const BY_UUID: &str = "/dev/disk/by-uuid";

/// Where Docker keeps its images unless it is told otherwise.
const DOCKER_ROOT: &str = "/var/lib/docker";

/// The machine, and its hierarchies of cgroups as they were at the start.
pub(super) struct Surroundings {
    inventory: Inventory,
    layout: Option<Layout>,
}

impl Surroundings {
    pub(super) fn new() -> Self {
        Self {
            inventory: Inventory::default(),
            layout: Layout::find().ok(),
        }
    }
}

impl Disks for Surroundings {
    fn number(&self, name: &str) -> Option<(u32, u32)> {
        self.inventory.disk_number(name)
    }
}

impl Around for Surroundings {
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
        // It becomes the name of a file.
        let is_id = uuid
            .bytes()
            .all(|it| it.is_ascii_alphanumeric() || it == b'-');
        let link = fs::canonicalize(Path::new(BY_UUID).join(uuid)).ok();
        link.filter(|_| is_id && !uuid.is_empty())
            .map(|device| device.display().to_string())
    }

    fn docker_root(&self) -> Option<String> {
        Path::new(DOCKER_ROOT)
            .is_dir()
            .then(|| DOCKER_ROOT.to_owned())
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
