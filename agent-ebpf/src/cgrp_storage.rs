//! Kernel object that keeps slots in cgroup-local storage (Linux 6.2 and later).
#![cfg_attr(any(target_arch = "bpf", lint_kernel), no_std)]
#![cfg_attr(
    target_arch = "bpf",
    no_main,
    feature(core_intrinsics),
    allow(internal_features)
)]

#[cfg(any(target_arch = "bpf", lint_kernel))]
mod programs;
#[cfg(any(target_arch = "bpf", lint_kernel))]
#[path = "slots/cgrp_storage.rs"]
mod slots;

#[cfg(target_arch = "bpf")]
mod object;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
