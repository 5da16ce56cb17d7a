//! The claims that `cargo xtask vm` tries in machines of its own, each with another kernel or set up in another way.
//!
//! One module for what holds of every machine whose kernel programs count, one for what each boot adds. `init.sh` runs
//! them by the names on the kernel's command line (`xtask/src/vm/boots.rs`).
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by a panic, and says aloud what it saw and what it skips"
)]

mod checked;
mod counting;
mod disk;
mod group;
mod kept;
mod lab;
mod lacking;
mod layouts;
mod machine;
mod unprivileged;

#[path = "../kernel/chains.rs"]
mod chains;
#[expect(
    dead_code,
    unused_imports,
    reason = "a machine has neither Docker nor a database nor a browser"
)]
#[path = "../harness/mod.rs"]
mod harness;
#[path = "../kernel/remains.rs"]
mod remains;
#[path = "../kernel/sums.rs"]
mod sums;
