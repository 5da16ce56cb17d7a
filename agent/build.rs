//! Hands the kernel objects to the program's source.

fn main() {
    let from = std::env::var("CGFLUX_BPF_DIR").unwrap_or("../target/bpf".into());
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for object in ["cgrp-storage.o", "hash.o", "floor.o"] {
        std::fs::copy(format!("{from}/{object}"), format!("{out}/{object}"))
            .expect("run `cargo xtask build` first");
        println!("cargo::rerun-if-changed={from}/{object}");
    }
}
