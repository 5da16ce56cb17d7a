//! How the program ends: one number a cause, so that a service manager knows whether to try again.

use std::process::{ExitCode, Termination};

/// Why the program ended. The unit file lists those after which a restart cannot help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// All went well.
    Ok,
    /// Something failed that may go better next time.
    Failure,
    /// The command line asks for what does not exist.
    Usage,
    /// `check`: it runs, but lacks some metrics.
    Degraded,
    /// The kernel lacks a feature. `EX_UNAVAILABLE` of sysexits(3).
    KernelFeature,
    /// The process lacks privileges. `EX_NOPERM` of sysexits(3).
    Privileges,
    /// The configuration does not hold. `EX_CONFIG` of sysexits(3).
    Configuration,
}

impl Exit {
    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Degraded => 3,
            Self::KernelFeature => 69,
            Self::Privileges => 77,
            Self::Configuration => 78,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}
