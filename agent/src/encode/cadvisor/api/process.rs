//! A process as `ps` of v2 tells of it.

use serde::Serialize;

/// One process. The columns are those of ps(1), which cAdvisor runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Process {
    /// Whose it is: the name by `/etc/passwd`, else the number.
    pub user: String,
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub parent_pid: u32,
    /// When it started: the time of day within a day, the day before.
    pub start_time: String,
    /// CPU time over its life, in per cent of a CPU.
    pub percent_cpu: f64,
    /// Memory of the machine's, in per cent.
    pub percent_mem: f64,
    /// Bytes of it in memory.
    pub rss: u64,
    /// Bytes of its address space.
    pub virtual_size: u64,
    /// What it does, as `Ss`.
    pub status: String,
    /// CPU time, as `00:01:02`.
    pub running_time: String,
    /// Its cgroup, where the whole machine is asked for.
    pub cgroup_path: String,
    /// The name of its program.
    pub cmd: String,
    /// Files it has open; absent where that may not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fd_count: Option<usize>,
    /// The CPU that it ran on last.
    pub psr: i32,
}
