//! Kernel object that keeps slots in cgroup-local storage.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod panic;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
