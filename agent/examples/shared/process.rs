//! Processes: those started here, ended when dropped, and what any used.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail};
use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
    },
    time::ClockId,
    unistd::Pid,
};

/// A program that was started here. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it says goes to `log`.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let child = tied(command)
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        Ok(Self { child, log })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        pid(self.child.id())
    }

    /// Its log so far; fails if it has ended.
    pub(crate) fn said(&mut self) -> anyhow::Result<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        if let Some(status) = self.child.try_wait()? {
            bail!("it ended with {status}:\n{log}");
        }
        Ok(log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already; then waiting does not take long.
        if kill(self.pid(), Signal::SIGTERM).is_ok() {
            drop(self.child.wait());
        }
    }
}

/// The same, to end when this process does, however that ends.
pub(crate) fn tied(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only prctl(2) and sigprocmask(2) are called, which are plain system calls.
    unsafe {
        command.pre_exec(|| {
            // Not SIGKILL: a server of several processes takes the others along.
            prctl::set_pdeathsig(Signal::SIGTERM)?;
            // It ends by a signal that is blocked here.
            Ok(SigSet::empty().thread_set_mask()?)
        })
    }
}

/// CPU time of a process and all its threads, ended ones included, in nanoseconds; `None` if it has ended.
///
/// The process's CPU clock, of `clock_getcpuclockid`: exact, where `utime` and `stime` of `/proc/PID/stat` say the same
/// in hundredths of a second.
pub(crate) fn cpu_ns(pid: Pid) -> anyhow::Result<Option<u64>> {
    let time = ClockId::pid_cpu_clock_id(pid).and_then(ClockId::now);
    match time {
        Ok(time) => {
            let seconds = u64::try_from(time.tv_sec()).unwrap_or_default();
            let rest = u64::try_from(time.tv_nsec()).unwrap_or_default();
            Ok(Some(seconds * 1_000_000_000 + rest))
        }
        Err(Errno::ESRCH | Errno::EINVAL) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read the CPU clock of {pid}")),
    }
}

fn pid(id: u32) -> Pid {
    // The kernel's ids are below 2^22.
    Pid::from_raw(i32::try_from(id).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_clock_of_a_process_that_is_gone_is_none() {
        let mut child = Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        assert_eq!(cpu_ns(pid(child.id())).unwrap(), None);
        assert!(cpu_ns(Pid::this()).unwrap().unwrap() > 0);
    }
}
