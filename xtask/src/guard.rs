//! Runs one program and ends it cleanly: signals and the invoker's death become its stop signal.
//!
//! Used on both sides of sudo. The invoking side cannot signal what sudo started, so it keeps a
//! line open to it: a pipe to its standard input, whose end means stop.

use std::{
    io::{self, Read as _},
    ops::ControlFlow,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};

use crate::command;

const WISHES: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

/// Whether a wish to stop has come to [`run_elevated`].
static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C reaches us as a signal and, through the invoker, as the end of the line: one wish.
const SAME_WISH: Duration = Duration::from_secs(1);

/// What can happen while a program runs.
#[derive(Debug)]
enum Event {
    Signal(i32),
    LineEnded,
    Ended(io::Result<ExitStatus>),
}

/// Wishes to stop that come as signals.
#[derive(Debug)]
pub(crate) struct Wishes(Receiver<Event>);

impl Wishes {
    /// From now on signals do nothing else.
    pub(crate) fn listen() -> Result<Self> {
        let (sender, events) = event_queue();
        listen_for_signals(sender)?;
        Ok(Self(events))
    }

    /// Waits no longer than `pause`; whether a wish came.
    pub(crate) fn within(&self, pause: Duration) -> bool {
        self.0.recv_timeout(pause).is_ok()
    }
}

/// As root: runs `program` until it ends, passing on every wish to stop. Between events `idle` is
/// called at each `pause`.
pub(crate) fn run_guarded(
    program: &mut Command,
    pause: Duration,
    mut idle: impl FnMut(),
) -> Result<ExitStatus> {
    // A process group of its own, so that Ctrl-C comes to it from us alone and only once.
    let status = run_until(program.process_group(0), pause, || {
        idle();
        ControlFlow::Continue(())
    })?;
    status.context("it was left running")
}

/// The same, until `idle` breaks off: then the program is left running and has no status.
pub(crate) fn run_until(
    program: &mut Command,
    pause: Duration,
    mut idle: impl FnMut() -> ControlFlow<()>,
) -> Result<Option<ExitStatus>> {
    let (sender, events) = event_queue();
    listen_for_signals(sender.clone())?;
    listen_to_the_line(sender.clone());
    let child = program
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| command::cannot_run(program))?;
    let pid = Pid::from_raw(child.id().try_into()?);
    wait_in_background(child, sender);

    let mut last_wish: Option<Instant> = None;
    loop {
        let wish = match events.recv_timeout(pause) {
            Ok(Event::Ended(status)) => {
                return status.map(Some).context("cannot wait for the program");
            }
            Ok(Event::Signal(SIGINT)) => Signal::SIGINT,
            Ok(Event::Signal(_) | Event::LineEnded) => Signal::SIGTERM,
            Err(RecvTimeoutError::Timeout) => {
                if idle().is_break() {
                    return Ok(None);
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => bail!("nobody is left to say how it ended"),
        };
        if last_wish.is_none_or(|last| last.elapsed() > SAME_WISH) {
            match kill(pid, wish) {
                // It has just ended, which is the next event.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error).context("cannot stop the program"),
            }
        }
        last_wish = Some(Instant::now());
    }
}

/// On the invoking side: runs `elevated`, keeping the line to it open until a wish to stop comes.
/// `read` is called with its standard output, where that is piped. Before and after it signals do what they usually do.
pub(crate) fn run_elevated(
    elevated: &mut Command,
    read: impl FnOnce(&mut Child) -> Result<()>,
) -> Result<ExitStatus> {
    let (sender, events) = event_queue();
    let usual = usual_again()?;
    usual.store(false, Ordering::Relaxed);
    listen_for_signals(sender)?;
    let mut child = elevated
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| command::cannot_run(elevated))?;
    let line = child.stdin.take();
    // Until the first wish, or for as long as the process lives.
    thread::spawn(move || {
        if events.recv().is_ok() {
            IS_STOPPED.store(true, Ordering::Relaxed);
        }
        drop(line);
    });
    let read = read(&mut child);
    let ended = child.wait().context("cannot wait for the program");
    usual.store(true, Ordering::Relaxed);
    read.and(ended)
}

/// Whether somebody has wished that this program stops.
pub(crate) fn is_stopped() -> bool {
    IS_STOPPED.load(Ordering::Relaxed)
}

/// Signals that were listened to once are never the kernel's again: this says whether they do what they would.
fn usual_again() -> Result<&'static AtomicBool> {
    static USUAL: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if let Some(usual) = USUAL.get() {
        return Ok(usual);
    }
    let usual = Arc::new(AtomicBool::new(false));
    for signal in WISHES {
        flag::register_conditional_default(signal, Arc::clone(&usual))
            .context("cannot watch signals")?;
    }
    Ok(USUAL.get_or_init(|| usual))
}

/// The exit code a shell would give.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| code.try_into().ok()).unwrap_or(1)
}

/// Holds more than can happen: a few signals, one end.
fn event_queue() -> (SyncSender<Event>, Receiver<Event>) {
    sync_channel(16)
}

fn listen_for_signals(events: SyncSender<Event>) -> Result<()> {
    let mut signals = Signals::new(WISHES).context("cannot watch signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if events.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn listen_to_the_line(events: SyncSender<Event>) {
    thread::spawn(move || {
        let mut nothing = [0; 64];
        // Nothing is ever said on it; an error is its end too.
        while io::stdin()
            .read(&mut nothing)
            .is_ok_and(|length| length > 0)
        {}
        // Where nobody receives any more the program has ended.
        drop(events.send(Event::LineEnded));
    });
}

fn wait_in_background(mut child: Child, events: SyncSender<Event>) {
    thread::spawn(move || drop(events.send(Event::Ended(child.wait()))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_ended_by_a_signal_has_the_code_a_shell_would_give() {
        assert_eq!(exit_code(ExitStatus::from_raw(15)), 143);
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
    }

    #[test]
    fn the_end_of_the_line_ends_the_elevated_program() {
        // Reading its standard input to the end is all that it does.
        let mut program = Command::new("cat");
        let status = run_elevated(&mut program, |_| {
            signal_hook::low_level::raise(SIGTERM).context("cannot raise")
        });
        assert!(status.unwrap().success());
    }
}
