//! The machine around the agent: its cgroup hierarchies, what it has and uses as a whole, and what container runtimes say
//! of their containers.
//!
//! Numbers never wait for anything here: each answer may be missing, late, or never come.

pub mod bandwidth_files;
pub mod block_devices;
pub mod block_files;
pub mod census;
mod cgroup_file;
pub mod cgroup_tree;
pub mod cpu_files;
pub mod docker_api;
pub mod inventory;
pub mod layer_space;
pub mod limits;
pub mod machine;
pub mod machine_id;
pub mod memory_files;
pub mod netns;
pub mod oom_file;
pub mod outside;
pub mod pids_files;
pub mod pressure_files;
pub mod privileges;
pub mod process;
pub mod rstat;
mod runtimes;

pub use runtimes::Runtimes;
