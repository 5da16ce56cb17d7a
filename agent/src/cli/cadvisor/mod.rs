//! What a command line of cAdvisor asks for, so that whoever starts one starts this program in its place.
//!
//! The flags are a table in `flags.rs`, Go's way of writing them is in `syntax.rs`, what they stand for in `settings.rs`.
//! None of them is a reason not to start: what has no meaning here is warned of.

mod flags;
mod kinds;
mod settings;
mod syntax;
#[cfg(test)]
mod tests;

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::Args;

use flags::Means;
pub use settings::Meant;

/// What is said of it, with `--help`.
pub(super) const EXAMPLES: &str = "\
Examples:
  cgflux cadvisor --storage_driver=influxdb --storage_driver_host=influxdb:8086
      What `cadvisor` with these flags did. Under the name `cadvisor` (a link is enough) this
      program does it without the first word.
  cgflux cadvisor -storage_driver=influxdb -docker_only -print_settings > cgflux.toml
      The same as a configuration of our own, for `cgflux run`.

One dash or two, `--flag value` or `--flag=value`; of switches the latter alone. Configuration files
and CGFLUX_ variables are read too, and what a flag says stands above them. What cAdvisor did unasked
stands below them: its schema, database `cadvisor`, user and password `root`, and the page at port
8080 of every address.

  --storage_driver          influxdb, stdout; memory or none for the page alone
  --storage_driver_X        host, db (or name), user, password, secure, influxdb_retention_policy,
                            buffer_duration: the database, created if the server lacks it
  --housekeeping_interval   how often counters are read
  --storage_duration        how far back the page's charts reach
  --port, --listen_ip       where the page is
  --docker_only             false: services and other cgroups are shipped one by one, too
  --disable_metrics, --enable_metrics
                            memory, network, diskIO, disk, process, sched, oom_event, pressure
  --disable_root_cgroup_stats
                            the host as a whole is not measured
  --whitelisted_container_labels
                            labels that become tags
  --v                       4 and more for debug, 8 and more for trace
  --version, --help         as ever
  --print_settings          print what the others stand for, and end; not one of cAdvisor's

Its other flags have no effect, and a warning says why.

Variables of the images that ran it beside InfluxDB are read too: DB_HOST (with or without port, or a
URL), DB_NAME, DB_USER, DB_PASS, and PRE_CREATE_DB=\"cadvisor;nodemetrics\", whose first database is
that of the containers and whose second that of the host as a whole. They stand below files and
CGFLUX_ variables.";

/// What `cadvisor` takes.
#[derive(Args, Clone, Debug)]
pub struct CadvisorArgs {
    /// Flags of cAdvisor
    #[arg(value_name = "FLAGS")]
    pub arguments: Vec<OsString>,
}

/// What such a command line asks for.
#[derive(Clone, Debug)]
pub enum Asked {
    /// What there is to ask for.
    Help,
    /// Which version this is.
    Version,
    /// To see what it stands for.
    Settings(Meant),
    /// To run.
    Run(Meant),
}

impl CadvisorArgs {
    /// What they ask for.
    pub fn asked(&self) -> Asked {
        let read = syntax::read(&self.arguments);
        let is_said = |means| {
            let mut said = read.said.iter();
            said.any(|it| it.flag.means == means && it.text == "true")
        };
        if is_said(Means::Help) {
            Asked::Help
        } else if is_said(Means::Version) {
            Asked::Version
        } else if is_said(Means::PrintSettings) {
            Asked::Settings(settings::of(read))
        } else {
            Asked::Run(settings::of(read))
        }
    }
}

/// Whether a program of this name is to be cAdvisor.
pub(super) fn is_name(program: &OsStr) -> bool {
    Path::new(program).file_name() == Some(OsStr::new("cadvisor"))
}
