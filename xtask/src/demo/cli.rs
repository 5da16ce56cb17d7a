//! What can be asked of the demo: by people, and by its own parts as root.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Subcommand};

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum DemoVerb {
    /// Start it without load, and show what its services say until Ctrl-C.
    Up {
        /// Return when everything is healthy, and leave it running.
        #[arg(short, long)]
        detach: bool,
    },
    /// What runs: command, state, health, port, CPU, memory, restarts, uptime.
    Ps {
        /// As JSON, with all ports and whole commands.
        #[arg(long)]
        json: bool,
    },
    /// What the services have said since they were started.
    Logs {
        /// redis, influxdb, collector, web or supervisor; all without.
        #[arg(value_parser = super::logs::names())]
        service: Option<String>,
        /// Go on until Ctrl-C, or until the demo ends.
        #[arg(short, long)]
        follow: bool,
        /// Only so many of the last lines of each.
        #[arg(short = 'n', long, value_name = "COUNT")]
        tail: Option<usize>,
    },
    /// Make load on the counter: `cgflux load` in a cgroup of its own.
    #[command(
        after_help = "Example: cargo xtask demo load -- --rate 2k --duration 30s --expect 'p99<5ms'"
    )]
    Load {
        /// Passed to `cgflux load`, instead of the two rates of `cargo xtask demo`.
        #[arg(last = true)]
        arguments: Vec<OsString>,
    },
    /// End all of it, and clear what a killed one has left behind.
    Down,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoTask {
    /// Start the supervisor and wait for it.
    Start(Start),
    /// Look after the services until told to stop.
    Supervise(Supervise),
    /// Become a service: enter its cgroup, drop root's rights, run its program.
    Launch(Launch),
    /// Make load until it ends.
    Load { arguments: Vec<OsString> },
    /// End the supervisor and clear up.
    Down,
}

#[derive(Args, Debug)]
pub(crate) struct Start {
    #[arg(long)]
    pub(super) agent: PathBuf,
    #[arg(long)]
    pub(super) manner: Manner,
}

/// What happens once all is up.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Manner {
    /// It is left alone.
    Detached,
    /// Its logs are shown.
    Logs,
    /// The seed's story is told: the counter, two rates of load, the table.
    Story,
}

#[derive(Args, Debug)]
pub(crate) struct Supervise {
    #[arg(long)]
    pub(super) agent: PathBuf,
    /// End with whoever started this.
    #[arg(long)]
    pub(super) bound: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Launch {
    /// Name of the service, and of its cgroup.
    #[arg(long)]
    pub(super) name: String,
    /// Whoever starts this; the program ends with it.
    #[arg(long)]
    pub(super) parent: i32,
    /// Working directory, entered while still root.
    #[arg(long)]
    pub(super) folder: PathBuf,
    /// User and group to become.
    #[arg(long, num_args = 2, value_names = ["UID", "GID"])]
    pub(super) user: Option<Vec<u32>>,
    #[arg(last = true, required = true)]
    pub(super) program: Vec<OsString>,
}
