//! The `cgflux` program.

fn main() {}
