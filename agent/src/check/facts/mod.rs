//! What there is: read, tried and asked, without judging any of it.
//!
//! Nothing here changes the machine: programs are attached for a moment only, and what would be created is not.

pub mod cgroups;
pub mod daemon;
pub mod delivery;
pub mod kernel;
pub mod privileges;
pub mod programs;
pub mod runtimes;
pub mod sandbox;
pub mod sinks;

use std::{fs, io, path::Path, time::Duration};

pub use cgroups::{CgroupFacts, Cgroups};
pub use daemon::{DaemonFacts, Holder, Page, StateFolder};
pub use delivery::{DeliveryFacts, KeptFacts, SocketFacts, SpoolFacts};
pub use kernel::KernelFacts;
pub use privileges::{Capability, Privileges};
pub use programs::{Programs, Refusal};
pub use runtimes::{Api, RuntimeFacts};
pub use sandbox::Sandbox;
pub use sinks::{SinkFacts, SinkState};

use crate::{
    config::{Budget, Collect, Config},
    host::cgroup_tree::Layout,
};

/// How long any server may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that was found out.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What the configuration asks for.
    pub collect: Collect,
    /// What that may cost.
    pub budget: Budget,
    /// The kernel.
    pub kernel: KernelFacts,
    /// This process.
    pub privileges: Privileges,
    /// The files that it sees.
    pub sandbox: Sandbox,
    /// The cgroup hierarchies.
    pub cgroups: Cgroups,
    /// What became of the kernel programs.
    pub programs: Programs,
    /// The container runtimes.
    pub runtimes: Vec<RuntimeFacts>,
    /// What the daemon needs beside numbers.
    pub daemon: DaemonFacts,
    /// Where points go.
    pub sinks: Vec<SinkFacts>,
    /// Where they wait until they are there, and where those of others come in.
    pub delivery: DeliveryFacts,
}

impl Facts {
    /// Finds everything out; takes a second, for the kernel verifies the programs.
    pub async fn gather(config: &Config) -> Self {
        let layout = Layout::find();
        let programs = programs::attach(&config.collect, layout.as_ref().ok());
        Self {
            collect: config.collect.clone(),
            budget: config.budget,
            kernel: KernelFacts::read(),
            privileges: Privileges::read(),
            sandbox: Sandbox::look(),
            cgroups: cgroups::read(layout),
            programs,
            runtimes: runtimes::look().await,
            daemon: DaemonFacts::look(config).await,
            sinks: sinks::ask(&config.sinks).await,
            delivery: DeliveryFacts::look(config),
        }
    }
}

/// Whether something can be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Access {
    /// It can.
    Open,
    /// It is not there.
    Missing,
    /// It is there, but not for this process.
    Forbidden,
    /// It cannot, for a reason of its own.
    Failed(String),
}

impl Access {
    /// Of a folder, by listing it.
    fn of_folder(path: &Path) -> Self {
        Self::of(fs::read_dir(path))
    }

    fn of<T>(tried: io::Result<T>) -> Self {
        match tried {
            Ok(_) => Self::Open,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound => Self::Missing,
                io::ErrorKind::PermissionDenied => Self::Forbidden,
                _ => Self::Failed(error.to_string()),
            },
        }
    }
}
