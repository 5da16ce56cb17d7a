//! How a container's main process ended, as far as anybody says it.

use serde::Serialize;

/// Exit codes above this tell of a signal, by the habit of shells and runtimes.
const SIGNALLED: i64 = 128;

/// Signals there are.
const SIGNALS: i64 = 64;

/// The code of a process that SIGKILL ended, as of one that memory ran out for.
const KILLED: i64 = SIGNALLED + 9;

/// The end of a main process. `None` is unknown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Exit {
    /// Its exit code; 128 + signal where a signal ended it.
    pub code: Option<i64>,
    /// The signal that ended it, if one did.
    pub signal: Option<i64>,
    /// Whether the kernel killed it because memory ran out.
    pub oom: Option<bool>,
}

impl Exit {
    /// What the kernel says: the status as `wait` tells it, and whether the process was a victim.
    pub fn of_status(status: u32, oom: bool) -> Self {
        let signal = i64::from(status & 0x7f);
        Self {
            code: Some(if signal == 0 {
                i64::from(status >> 8 & 0xff)
            } else {
                SIGNALLED + signal
            }),
            signal: (signal != 0).then_some(signal),
            oom: Some(oom),
        }
    }

    /// What a runtime says: the code, and whether memory ran out in the container, which may have hit another process.
    pub fn of_code(code: i64, out_of_memory: bool) -> Self {
        let signal = code - SIGNALLED;
        Self {
            code: Some(code),
            signal: (1..=SIGNALS).contains(&signal).then_some(signal),
            oom: if code == KILLED {
                out_of_memory.then_some(true)
            } else {
                Some(false)
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_code_or_a_signal() {
        let exit = |code, signal| Exit {
            code: Some(code),
            signal,
            oom: Some(false),
        };
        assert_eq!(Exit::of_status(0, false), exit(0, None));
        assert_eq!(Exit::of_status(3 << 8, false), exit(3, None));
        assert_eq!(Exit::of_status(137 << 8, false), exit(137, None));
        assert_eq!(Exit::of_status(9, false), exit(137, Some(9)));
        // With a core dump.
        assert_eq!(Exit::of_status(0x80 + 11, false), exit(139, Some(11)));
    }

    #[test]
    fn a_code_alone_tells_of_a_lack_of_memory_only_where_it_fits() {
        let told = |code, out_of_memory| {
            let exit = Exit::of_code(code, out_of_memory);
            (exit.signal, exit.oom)
        };
        assert_eq!(told(0, true), (None, Some(false)));
        assert_eq!(told(137, true), (Some(9), Some(true)));
        assert_eq!(told(137, false), (Some(9), None));
        assert_eq!(told(255, false), (None, Some(false)));
        assert_eq!(told(128, false), (None, Some(false)));
    }
}
