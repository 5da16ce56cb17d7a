//! Many processes that wake twice a second and do nothing else: forked, not executed, so that 10,000 fit.

use std::io::{Read as _, Write as _, stdin, stdout};

use anyhow::Context as _;
use nix::{
    poll::{PollTimeout, poll},
    sys::{
        prctl,
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::{ForkResult, Pid, fork},
};

/// The first argument that makes this program [`run`].
pub(crate) const VERB: &str = "sleepers";

const REST_MS: u16 = 500;

/// Starts `count` of them and tells their process ids, one a line; ends them when standard input ends.
pub(crate) fn run(count: u32) -> anyhow::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let mut sleepers: Vec<Pid> = Vec::new();
    let told = tell(count, &mut sleepers);
    for sleeper in &sleepers {
        kill(*sleeper, Signal::SIGKILL)?;
    }
    for sleeper in sleepers {
        waitpid(sleeper, None)?;
    }
    told
}

fn tell(count: u32, sleepers: &mut Vec<Pid>) -> anyhow::Result<()> {
    for _ in 0..count {
        // SAFETY: this process has one thread, so that the child finds no lock held by another.
        match unsafe { fork() }.context("cannot start one more process")? {
            ForkResult::Child => sleep(),
            ForkResult::Parent { child } => {
                sleepers.push(child);
                writeln!(stdout(), "{child}")?;
            }
        }
    }
    stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn sleep() -> ! {
    // One that cannot be told to end with its parent ends at once.
    if prctl::set_pdeathsig(Signal::SIGKILL).is_err() {
        std::process::abort();
    }
    loop {
        // Of nothing: it waits for the time to pass.
        if poll(&mut [], PollTimeout::from(REST_MS)).is_err() {
            std::process::abort();
        }
    }
}
