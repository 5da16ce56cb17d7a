//! How many system calls processes make, counted by the kernel's tracepoint on their entry. Needs root.

use std::{fs, path::Path};

use anyhow::Context as _;
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::Pid,
};
use perf_event::{Builder, events::Tracepoint};
use procfs::process::Process;

const EVENT: &str = "events/raw_syscalls/sys_enter/id";

const MOUNTED: &str = "/sys/kernel/tracing";

/// Counts until it is read; nothing of it stays.
pub(crate) struct Counter {
    /// One for each thread there was, which counts those that it starts too.
    threads: Vec<perf_event::Counter>,
}

impl Counter {
    /// Counts for these processes from now on.
    pub(crate) fn on(pids: &[Pid]) -> anyhow::Result<Self> {
        let event = Tracepoint::with_id(id()?);
        let mut threads = Vec::new();
        for pid in pids {
            for thread in Process::new(pid.as_raw())?.tasks()? {
                let mut builder = Builder::new(event);
                builder
                    .observe_pid(thread?.tid)
                    .any_cpu()
                    .inherit(true)
                    // The entry is in the kernel already.
                    .include_kernel();
                let mut counter = builder.build().context("cannot count system calls")?;
                counter.enable()?;
                threads.push(counter);
            }
        }
        Ok(Self { threads })
    }

    /// How many there were.
    pub(crate) fn read(mut self) -> anyhow::Result<u64> {
        let counts = self.threads.iter_mut().map(perf_event::Counter::read);
        counts
            .sum::<Result<_, _>>()
            .context("cannot read how many system calls there were")
    }
}

/// The kernel's number for the event.
fn id() -> anyhow::Result<u64> {
    let mounted = fs::read_to_string(Path::new(MOUNTED).join(EVENT));
    let text = mounted.or_else(|_| from_a_mount_of_our_own())?;
    text.trim().parse().context("the tracepoint's number")
}

/// Mounts the tracing filesystem for a moment.
fn from_a_mount_of_our_own() -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let (kind, nothing) = (Some("tracefs"), None::<&str>);
    mount(kind, folder.path(), kind, MsFlags::empty(), nothing)
        .context("cannot mount the tracing filesystem")?;
    let text = fs::read_to_string(folder.path().join(EVENT));
    umount2(folder.path(), MntFlags::empty())?;
    text.context("the kernel has no tracepoint on system calls")
}
