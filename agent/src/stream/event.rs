//! Something that happened to an entry.

use serde::Deserialize;

use super::Who;

/// One of `/api/v1/events`.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// The tick that saw it, in nanoseconds since the Unix epoch.
    pub taken: i64,
    /// `start`, `exit`, `oom`, or what a later version knows.
    pub event: String,
    /// To whom, as it was called then.
    #[serde(flatten)]
    pub who: Who,
    /// Of a kill: the process.
    pub pid: Option<u32>,
    /// Of a kill: what the process was called.
    pub comm: Option<String>,
    /// Of an end: all CPU time it ever used.
    pub usage_ns: Option<u64>,
    /// Of an end: the status of its main process.
    pub exit_code: Option<i64>,
    /// Of an end: the signal that ended its main process.
    pub signal: Option<i64>,
    /// Of an end: whether memory ran out in it.
    pub oom: Option<bool>,
}
