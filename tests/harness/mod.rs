//! What the tests speak in: agents, containers, cgroups, batches. Each thing ends what it began when it is dropped.
//!
//! A helper panics where it cannot do its work, at the line of the test that called it, and prints what the agent had
//! to say. A thing that a machine may lack is an `Option`; [`skip`] has then said so.

mod agent;
mod batch;
mod browser;
mod cadvisor;
pub(crate) mod cgroup;
mod compose;
mod docker;
pub(crate) mod guest;
mod http;
mod influxdb;
mod latencies;
pub(crate) mod ledger;
mod lines;
mod mounts;
mod netns;
pub(crate) mod pair;
mod program;
mod prometheus;
mod redis;
mod root_counter;
pub(crate) mod scripted;
pub(crate) mod tls;
mod tmux;
pub(crate) mod unprivileged;
mod victoria;
mod wait;
pub(crate) mod web;

use std::{env, panic::Location, path::PathBuf};

use tempfile::TempDir;

pub(crate) use agent::{AgentProcess, Home};
pub(crate) use batch::{Batch, Entry};
pub(crate) use browser::Browser;
pub(crate) use cadvisor::Cadvisor;
pub(crate) use cgroup::Cgroup;
pub(crate) use compose::{Compose, Stack};
pub(crate) use docker::{Container, Docker};
pub(crate) use guest::Guest;
pub(crate) use http::{Answer, Request};
pub(crate) use influxdb::{InfluxServer, InfluxServer2, Influxd, quoted};
pub(crate) use ledger::Ledger;
pub(crate) use lines::{Line, parse, written};
pub(crate) use mounts::{DeadShare, LoopFilesystem, SmallDisk};
pub(crate) use netns::{Interface, Ip, Namespace, Veth};
pub(crate) use prometheus::Prometheus;
pub(crate) use redis::Redis;
pub(crate) use root_counter::RootCounter;
pub(crate) use tmux::Tmux;
pub(crate) use victoria::VictoriaMetrics;
pub(crate) use wait::{eventually, pause};
pub(crate) use web::Web;

/// Says that the test at the caller's line does not run here, and why. Where all must run, as in continuous
/// integration, `CGFLUX_TESTS_SKIP=never` makes it a failure.
#[track_caller]
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    let test = Location::caller();
    println!("SKIP {test}: {reason}");
    let may = env::var("CGFLUX_TESTS_SKIP").map_or(true, |may| may != "never");
    assert!(may, "nothing may be skipped here: {reason}");
    None
}

/// Where tests may leave files.
pub(crate) fn run_folder() -> PathBuf {
    env::var_os("CGFLUX_TEST_RUN").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../target/run").into(),
        PathBuf::from,
    )
}

/// A folder on a disk, which a temporary one elsewhere need not be.
pub(crate) fn disk_folder() -> TempDir {
    let on_disk = env::var_os("CGFLUX_TESTS_DISK");
    let on_disk = on_disk.unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(on_disk).unwrap()
}

/// Nanoseconds since the Unix epoch.
pub(crate) fn wall_ns() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_nanos()).unwrap()
}
