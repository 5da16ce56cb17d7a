//! What the kernel programs and the agent agree on.
//!
//! A *slot* is the small number under which the kernel programs count for one cgroup. Slot 0 takes what has no slot
//! of its own: the root cgroup and everything unknown, so sums always close. A slot's records are all zero when it is
//! taken; only the programs write them while it is held, only the agent zeroes them when it is given back.
#![no_std]

pub mod cpu;
