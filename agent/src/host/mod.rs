//! The machine around the agent: its cgroup hierarchies, and what container runtimes say of their
//! containers.
//!
//! Numbers never wait for anything here: each answer may be missing, late, or never come.

pub mod cgroup_tree;
pub mod cpu_files;
pub mod docker_api;
pub mod oom_file;
pub mod process;
mod runtimes;

pub use runtimes::Runtimes;
