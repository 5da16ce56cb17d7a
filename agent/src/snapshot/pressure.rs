//! Pressure stall information (Documentation/accounting/psi.rst) of one entry.

/// Time stalled since the making of the cgroup, in nanoseconds; `None` where the kernel does not tell it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PressureTotals {
    /// For want of a CPU.
    pub cpu: Stalls,
    /// For want of memory.
    pub memory: Stalls,
    /// For want of I/O.
    pub io: Stalls,
    /// By interrupts: all of it is `full`.
    pub irq: Stalls,
}

/// Time stalled for want of one thing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Stalls {
    /// Some task waited.
    pub some_ns: Option<u64>,
    /// All tasks that were not idle waited.
    pub full_ns: Option<u64>,
}
