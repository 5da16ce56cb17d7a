//! What the API tells that no batch has: read from the machine when somebody asks.

use crate::{
    container::Container,
    encode::cadvisor::{
        Part,
        api::{Disks, Limits, Machine, Process, System},
    },
};

/// The machine around the agent. Each answer may take some milliseconds of reading files.
pub trait Around: Disks + Send + Sync {
    /// What the machine has, but for what batches tell.
    fn machine(&self) -> Machine;

    /// What runs on it.
    fn system(&self) -> System;

    /// How cgroups are laid out, in words.
    fn cgroups(&self) -> String;

    /// What the cgroup at `path` is limited to.
    fn limits(&self, path: &str) -> Limits;

    /// When the first process of the cgroup at `path` started, in nanoseconds since the Unix epoch.
    fn started_ns(&self, path: &str) -> Option<i64>;

    /// The interfaces of a container's own network namespace; empty where they cannot be read.
    fn interfaces(&self, container: &Container) -> Vec<Part>;

    /// The processes of the cgroup at `path`, of `/` all of the machine; `None` where they cannot be listed.
    fn processes(&self, path: &str) -> Option<Vec<Process>>;

    /// The device of the filesystem with that id.
    fn device_of(&self, uuid: &str) -> Option<String>;

    /// The folder where Docker keeps its images, where it is there.
    fn docker_root(&self) -> Option<String>;
}

/// Where nothing is known of the machine.
pub(in crate::http) struct Nothing;

impl Disks for Nothing {
    fn number(&self, _name: &str) -> Option<(u32, u32)> {
        None
    }
}

impl Around for Nothing {
    fn machine(&self) -> Machine {
        Machine::default()
    }

    fn system(&self) -> System {
        System::default()
    }

    fn cgroups(&self) -> String {
        String::new()
    }

    fn limits(&self, _path: &str) -> Limits {
        Limits::default()
    }

    fn started_ns(&self, _path: &str) -> Option<i64> {
        None
    }

    fn interfaces(&self, _container: &Container) -> Vec<Part> {
        Vec::new()
    }

    fn processes(&self, _path: &str) -> Option<Vec<Process>> {
        None
    }

    fn device_of(&self, _uuid: &str) -> Option<String> {
        None
    }

    fn docker_root(&self) -> Option<String> {
        None
    }
}
