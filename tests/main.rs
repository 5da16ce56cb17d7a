//! The system tests: the real binary, on the real kernel, beside real containers. See `README.md` beside this file.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic, and says aloud what it saw and what it skips"
)]

mod containers;
mod delivery;
mod demo;
mod faults;
mod grafana;
mod harness;
mod kernel;
mod load;
mod packages;
mod web;
