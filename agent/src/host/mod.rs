//! The host outside the kernel programs: the cgroup tree, its files, the runtimes' state.

pub mod cpu_files;
pub mod process;
