//! A time in which nothing was seen, because no agent ran.

/// From the last tick of one run of the agent to the first of the next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Gap {
    /// The last tick before, in nanoseconds since the Unix epoch.
    pub from_ns: i64,
    /// The first tick after.
    pub to_ns: i64,
    /// What it was.
    pub reason: GapReason,
}

/// What ended between two runs of the agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GapReason {
    /// The agent alone: cgroups and the kernel's own counters went on.
    Restart,
    /// The machine: everything begins at nothing.
    Reboot,
}

impl GapReason {
    /// Its word in points.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Reboot => "reboot",
        }
    }
}
