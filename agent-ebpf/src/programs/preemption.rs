//! Who ran while tasks waited, dealt out where a turn ends.
//!
//! Runs within [`super::cpu::sched_switch_turns`]: interrupts off, the run queue locked.

use core::ptr;

use agent_ebpf::preemption::{NOBODY, PLACES, Taker, Takers, Turns, place_for};
use aya_ebpf::{btf_maps::Array, macros::btf_map};

use super::{
    LAYOUT, MMAPABLE, add_own,
    cgroup::{Task, load},
    constant,
    cpu::record,
};

#[btf_map]
static TURNS: Array<Turns, 1> = Array::new();

#[btf_map]
static TAKERS: Array<Takers, 1, MMAPABLE> = Array::new();

/// This CPU's turns.
#[inline(always)]
pub(super) fn turns(cpu: u32) -> Option<*mut Turns> {
    TURNS.get_ptr_mut(cpu)
}

/// Deals out the wait before the turn of `prev` that ends here, and remembers the turn. Without a wait that is known, a
/// switch before it was not seen.
///
/// # Safety
/// `prev` must be the hook's argument, `turns` this CPU's.
#[inline(always)]
pub(super) unsafe fn end(
    turns: *mut Turns,
    prev: *const Task,
    slot: u32,
    cpu: u32,
    wait_ns: Option<u64>,
) {
    // SAFETY: nobody but this CPU's programs reads or writes the record while they run, and they do so one at a time.
    let turns = unsafe { &mut *turns };
    // SAFETY: the caller's.
    let began_ns: u64 = unsafe { load(prev, constant(&LAYOUT.task_last_arrival)) };
    match wait_ns {
        None => turns.miss(),
        Some(0) => {}
        Some(wait_ns) => {
            if let Some(takers) = TAKERS.get_ptr_mut(record(slot, cpu)) {
                // SAFETY: the pointer comes from the map and is checked; interrupts are off.
                unsafe {
                    let left_ns =
                        turns.deal(began_ns, wait_ns, |taker, ns| take(takers, slot, taker, ns));
                    add_own(&raw mut (*takers).unknown_ns, left_ns);
                }
            }
        }
    }
    turns.add(slot, began_ns);
}

/// The CPU rests.
///
/// # Safety
/// `turns` must be this CPU's.
#[inline(always)]
pub(super) unsafe fn rest(turns: *mut Turns) {
    // SAFETY: the caller's; see [`end`].
    unsafe { (*turns).forget() };
}

/// Adds to what `taker`, a slot or [`NOBODY`], took from `waiting`. Where CPUs share stripes, two of them may take one free place at once: what
/// the one adds then counts for the other, once.
///
/// # Safety
/// `takers` must be this CPU's record of `waiting`.
#[inline(always)]
unsafe fn take(takers: *mut Takers, waiting: u32, taker: u32, ns: u64) {
    // SAFETY: the caller's; the agent may make a place free at any time, but by whole words.
    unsafe {
        if taker == waiting {
            add_own(&raw mut (*takers).own_ns, ns);
            return;
        }
        if taker == NOBODY {
            add_own(&raw mut (*takers).unknown_ns, ns);
            return;
        }
        let places = (&raw mut (*takers).takers).cast::<Taker>();
        let key = Taker::key_of(taker);
        let at = place_for(key, |at| {
            ptr::read_volatile(&raw const (*places.add(at)).key)
        });
        if at >= PLACES {
            add_own(&raw mut (*takers).rest_ns, ns);
            return;
        }
        let place = places.add(at);
        ptr::write_volatile(&raw mut (*place).key, key);
        add_own(&raw mut (*place).ns, ns);
    }
}
