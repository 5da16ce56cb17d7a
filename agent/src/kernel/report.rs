//! What became of each program, and why.

use std::fmt;

use aya::programs::ProgramError;
use nix::errno::Errno;

use super::{
    error::KernelError,
    programs::{ProgramSpec, Role},
};
use crate::metrics::catalog::{Family, Source};

/// One program of the table, and what became of it.
#[derive(Clone, Debug)]
pub struct ProgramReport {
    /// Which one.
    pub spec: &'static ProgramSpec,
    /// Attached or loaded, or why not.
    pub state: ProgramState,
    /// Whether the kernel refused it for lack of privileges.
    pub forbidden: bool,
}

/// What became of a program.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProgramState {
    /// In the kernel.
    Loaded,
    /// It has nothing to do.
    NotNeeded(NotNeeded),
    /// Not wanted: the settings name it.
    Skipped,
    /// The kernel lacks what it needs.
    Unsupported(String),
    /// The kernel refused it.
    Refused(String),
}

/// Why a program has nothing to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotNeeded {
    /// What it counts is not wanted.
    Off(Family),
    /// The program of this name does its work, and more.
    Better(&'static str),
    /// Run time is charged at switches, and it would charge it once more.
    ChargedAtSwitches,
}

impl fmt::Display for NotNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off(family) => f.write_str(family.when_off()),
            Self::Better(program) => write!(f, "{program} does the same, and more"),
            Self::ChargedAtSwitches => f.write_str("run time is charged at switches"),
        }
    }
}

/// The kernel source needs every program of the lifecycle, of the two births one, and one that tells CPU time.
pub(super) fn require(programs: &[ProgramReport]) -> Result<(), KernelError> {
    programs
        .iter()
        .filter(|report| report.spec.role == Role::Lifecycle)
        .try_for_each(is_there)?;
    let tells_time = |spec: &ProgramSpec| {
        let time = [
            Source::SchedStatRuntime,
            Source::SchedSwitch,
            Source::SchedSwitchTurns,
        ];
        spec.role.source().is_some_and(|it| time.contains(&it))
    };
    if is_loaded(programs, tells_time) {
        return Ok(());
    }
    programs
        .iter()
        .filter(|report| tells_time(report.spec))
        .try_for_each(is_there)
}

/// Whether the program is loaded, or not needed; the error says why it cannot be had.
fn is_there(report: &ProgramReport) -> Result<(), KernelError> {
    let reason = match &report.state {
        ProgramState::Loaded | ProgramState::NotNeeded(_) => return Ok(()),
        ProgramState::Skipped => "collect.skip_programs names it".to_owned(),
        ProgramState::Unsupported(reason) | ProgramState::Refused(reason) => reason.clone(),
    };
    Err(KernelError::Program {
        program: report.spec.name,
        reason,
        forbidden: report.forbidden,
    })
}

/// Whether one of these programs is loaded.
pub(super) fn is_loaded(programs: &[ProgramReport], which: impl Fn(&ProgramSpec) -> bool) -> bool {
    programs
        .iter()
        .any(|report| which(report.spec) && report.state == ProgramState::Loaded)
}

/// Whether privileges are what is missing. The verifier says EACCES of a program that it finds unsafe, too, but then tells why.
pub(super) fn is_forbidden(error: &ProgramError) -> bool {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => match io_error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPERM) => true,
            Some(Errno::EACCES) => verifier_log.to_string().trim().is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// The kernel's error in one line. The verifier's log follows it in the error's text; only its end tells why.
pub(super) fn refusal(error: &ProgramError) -> String {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => {
            let log = verifier_log.to_string();
            // Statistics come last.
            let is_reason = |line: &&str| {
                let statistics = ["processed", "stack depth", "verification time"];
                !line.is_empty() && !statistics.iter().any(|it| line.starts_with(it))
            };
            let last = log.lines().rev().find(is_reason);
            match last {
                Some(line) => format!("{io_error}: {line}"),
                None => io_error.to_string(),
            }
        }
        ProgramError::SyscallError(call) => format!("{}: {}", call.call, call.io_error),
        other => other.to_string(),
    }
}
