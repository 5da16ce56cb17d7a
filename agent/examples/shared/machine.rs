//! What the whole machine does: how busy it is, and what belongs to a server.

use std::time::Duration;

use anyhow::Context as _;
use nix::unistd::Pid;
use procfs::{CurrentSI as _, KernelStats, process::Process};

/// Time that CPUs have spent on anything since the start, that of other virtual machines included.
pub(crate) fn busy() -> anyhow::Result<Duration> {
    let cpu = KernelStats::current()
        .context("cannot read /proc/stat")?
        .total;
    let rare = [cpu.irq, cpu.softirq, cpu.steal].map(Option::unwrap_or_default);
    let ticks = cpu.user + cpu.nice + cpu.system + rare.iter().sum::<u64>();
    Ok(Duration::from_secs_f64(
        ticks as f64 / procfs::ticks_per_second() as f64,
    ))
}

/// A process and those it has started.
pub(crate) fn with_children(pid: Pid) -> anyhow::Result<Vec<Pid>> {
    let main = Process::new(pid.as_raw())?.task_main_thread()?;
    let children = main.children().context("cannot read its children")?;
    let children = children.into_iter().map(i32::try_from);
    let children: Vec<i32> = children.collect::<Result<_, _>>()?;
    Ok([pid]
        .into_iter()
        .chain(children.into_iter().map(Pid::from_raw))
        .collect())
}
