//! Tasks of one entry.

/// Tasks (processes and threads) in a cgroup and all below it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PidsTotals {
    /// How many there are.
    pub tasks: Option<u64>,
    /// How many there may be; `None` is no limit.
    pub limit: Option<u64>,
    /// How many there ever were at once.
    pub peak: Option<u64>,
    /// Forks that were refused because of the limit.
    pub refused: Option<u64>,
}
