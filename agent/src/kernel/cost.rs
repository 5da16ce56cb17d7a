//! What the programs cost, and how often the kernel passed them over.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use aya::{
    programs::Program,
    sys::{Stats, enable_stats},
};

use super::Kernel;

/// The kernel measures its programs as long as this lives; that itself costs some 45 ns a call, so not for long.
#[derive(Debug)]
pub struct CostMeasurement {
    run_ns: u64,
    _statistics: OwnedFd,
}

impl Kernel {
    /// Calls of each program that the kernel skipped because it was already running on that CPU, summed
    /// (`recursion_misses` in the program's fdinfo, Linux 5.12 and later).
    pub fn recursion_misses(&self) -> u64 {
        self.former_misses + self.sum_of_programs("recursion_misses:")
    }

    /// Begins to measure what the programs cost. Fails without `CAP_SYS_ADMIN`.
    pub fn measure_cost(&self) -> Option<CostMeasurement> {
        let statistics = enable_stats(Stats::RunTime).ok()?;
        Some(CostMeasurement {
            run_ns: self.sum_of_programs("run_time_ns:"),
            _statistics: statistics,
        })
    }

    /// CPU time the programs used since `since`, in nanoseconds.
    pub fn cost_ns(&self, since: &CostMeasurement) -> u64 {
        self.sum_of_programs("run_time_ns:")
            .saturating_sub(since.run_ns)
    }

    /// Sums a line of the programs' fdinfo (`bpf_prog_show_fdinfo` in kernel/bpf/syscall.c, Linux 6.12).
    fn sum_of_programs(&self, name: &str) -> u64 {
        self.ebpf
            .programs()
            .filter_map(|(_, program)| line_of(program, name))
            .sum()
    }
}

/// A line of a program's fdinfo; `None` if it is not loaded.
pub(super) fn line_of(program: &Program, name: &str) -> Option<u64> {
    let fd = program.fd().ok()?.as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
    let value = info.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().parse().ok()
}
