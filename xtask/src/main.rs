//! `cargo xtask`: the developer tool.

fn main() {}
