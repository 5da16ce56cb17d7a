//! Kernel object that keeps slots in cgroup-local storage (Linux 6.2 and later).
#![cfg_attr(target_arch = "bpf", no_std, no_main, feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    expect(
        internal_features,
        reason = "the atomic add that the target has and the library does not offer"
    )
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
