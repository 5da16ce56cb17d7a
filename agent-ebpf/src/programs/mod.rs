//! The kernel programs: the maps they all use, then one file per subject.

#![expect(
    clippy::needless_pass_by_value,
    reason = "the hook macro hands the context over by value"
)]

pub(crate) mod block_io;
pub(crate) mod cgroup;
pub(crate) mod cpu;
pub(crate) mod ending;
pub(crate) mod lifecycle;
pub(crate) mod network;
pub(crate) mod paths;
pub(crate) mod preemption;
pub(crate) mod tasks;
pub(crate) mod tcp;

use core::ptr;

use agent_ebpf::{
    layout::{BlockLayout, KernelLayout, Settings},
    losses::Losses,
};
use aya_ebpf::{bindings::BPF_F_MMAPABLE, btf_maps::Array, macros::btf_map};

/// Flags of an array that the agent maps into its memory.
pub(crate) const MMAPABLE: usize = BPF_F_MMAPABLE as usize;

#[unsafe(no_mangle)]
pub(crate) static LAYOUT: KernelLayout = KernelLayout::ZERO;

#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = Settings::ZERO;

#[unsafe(no_mangle)]
pub(crate) static BLOCK: BlockLayout = BlockLayout::ZERO;

#[btf_map]
static LOSSES: Array<Losses, 1, MMAPABLE> = Array::new();

/// Reads a field of read-only data that the agent fills before loading: the compiler must not fold the zero it sees.
#[inline(always)]
pub(crate) fn constant<T: Copy>(field: &'static T) -> T {
    // SAFETY: a reference to a live static of plain integers.
    unsafe { ptr::read_volatile(field) }
}

/// Adds to the counter of [`Losses`] at `offset`.
#[inline(always)]
pub(crate) fn lost(offset: usize) {
    if let Some(losses) = LOSSES.get_ptr_mut(0) {
        // SAFETY: the pointer comes from the map and is checked; the offset is a field's.
        unsafe { add_atomic(losses.byte_add(offset).cast(), 1) };
    }
}

/// Adds where another context may add to the same counter.
///
/// # Safety
/// `counter` must point into a map value.
#[inline(always)]
pub(crate) unsafe fn add_atomic(counter: *mut u64, count: u64) {
    // The BPF target has no compare-and-swap, so `AtomicU64` has no `fetch_add` there; the instruction exists.
    #[cfg(target_arch = "bpf")]
    // SAFETY: the caller's.
    unsafe {
        core::intrinsics::atomic_xadd::<u64, u64, { core::intrinsics::AtomicOrdering::Relaxed }>(
            counter, count,
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: the caller's.
    unsafe {
        core::sync::atomic::AtomicU64::from_ptr(counter)
            .fetch_add(count, core::sync::atomic::Ordering::Relaxed);
    }
}

/// Adds with interrupts off: plainly where the stripe is this CPU's own, else atomically.
///
/// # Safety
/// `counter` must point into a map value, into a field that only callers of this function write.
#[inline(always)]
pub(crate) unsafe fn add_own(counter: *mut u64, count: u64) {
    if constant(&SETTINGS.shared_stripes) == 0 {
        // SAFETY: the caller's; no other context adds to this stripe's field while interrupts are off.
        unsafe { *counter += count };
    } else {
        // SAFETY: the caller's.
        unsafe { add_atomic(counter, count) };
    }
}
