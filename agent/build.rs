//! Takes the ready kernel objects into the build. Compiles nothing and needs no BPF toolchain.
//!
//! They come from the folder `CGFLUX_BPF_DIR`, else from `target/bpf`, where `cargo xtask build`
//! puts them. The agent embeds them from `OUT_DIR`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Named as the programs in `agent-ebpf/Cargo.toml`.
const OBJECTS: [&str; 3] = ["cgrp-storage.o", "hash.o", "floor.o"];

fn main() {
    println!("cargo::rerun-if-env-changed=CGFLUX_BPF_DIR");
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = package.parent().unwrap_or(package);
    let named = env::var_os("CGFLUX_BPF_DIR").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| workspace.join("target/bpf"));
    for object in OBJECTS {
        take(&folder.join(object), object);
    }
}

fn take(ready: &Path, object: &str) {
    println!("cargo::rerun-if-changed={}", ready.display());
    let out = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join(object);
    if let Err(error) = fs::copy(ready, out) {
        println!(
            "cargo::error=cannot take the kernel object {} ({error}): `cargo xtask build` makes \
             it, or CGFLUX_BPF_DIR names a folder of ready ones",
            ready.display()
        );
    }
}
