//! `bpf-linker`, compiled once against the LLVM of the kernel objects' compiler and kept.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{command, failure::Failure, session::Session, versions};

/// The linker that is there already: the one compiled for this tree, else a fitting one on `PATH`.
pub(crate) fn find(session: &Session) -> Option<PathBuf> {
    let compiled = compiled(session);
    if is_pinned_version(session, &compiled) {
        return Some(compiled);
    }
    // One from elsewhere brings an LLVM of its own, newer than ours or the same: it reads ours.
    // With our LLVM at hand it is not trusted, since its LLVM cannot be asked.
    let found = command::find_program("bpf-linker")?;
    (llvm_prefix().is_none() && is_pinned_version(session, &found)).then_some(found)
}

/// LLVM with its headers, where `bpf-linker` can be compiled against it.
pub(crate) fn llvm_prefix() -> Option<PathBuf> {
    let named = env::var_os("LLVM_PREFIX").map(PathBuf::from);
    let usual = versions::LLVM_PREFIXES.map(PathBuf::from);
    named.into_iter().chain(usual).find(|prefix| {
        let version = command::read(
            std::process::Command::new(prefix.join("bin/llvm-config")).arg("--version"),
        );
        version.is_some_and(|version| version.starts_with(&format!("{}.", versions::LLVM_MAJOR)))
    })
}

/// The linker, compiled now if it must be.
pub(crate) fn ensure(session: &Session) -> Result<PathBuf> {
    if let Some(linker) = find(session) {
        return Ok(linker);
    }
    let prefix = llvm_prefix().ok_or_else(|| {
        Failure::Unavailable(format!(
            "LLVM {} with its headers is not there: `cargo xtask setup` says how to get it",
            versions::LLVM_MAJOR
        ))
    })?;
    let folder = folder(session);
    let mut install = session.person.command(session.person.cargo());
    install
        .args([
            "install",
            "bpf-linker",
            "--version",
            versions::BPF_LINKER,
            "--locked",
        ])
        .args([
            "--no-default-features",
            "--features",
            versions::BPF_LINKER_FEATURE,
            "--force",
        ])
        .arg("--root")
        .arg(&folder)
        .arg("--target-dir")
        .arg(folder.join("build"))
        // LLVM does the work and comes compiled: this halves the wait, and linking takes no longer.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("LLVM_PREFIX", &prefix)
        .env("PATH", path_with(&prefix.join("bin")))
        .current_dir(session.tree.root());
    let label = format!("bpf-linker {}", versions::BPF_LINKER);
    command::run_hidden(&session.output, &label, &mut install)?;
    fs::remove_dir_all(folder.join("build")).context("cannot remove bpf-linker's build folder")?;
    Ok(compiled(session))
}

fn folder(session: &Session) -> PathBuf {
    let version = format!(
        "bpf-linker-{}-llvm-{}",
        versions::BPF_LINKER,
        versions::LLVM_MAJOR
    );
    session.tree.tools().join(version)
}

fn compiled(session: &Session) -> PathBuf {
    folder(session).join("bin/bpf-linker")
}

/// Starting it also shows that the LLVM it links is still there.
fn is_pinned_version(session: &Session, linker: &Path) -> bool {
    command::read(session.person.command(linker).arg("--version"))
        .is_some_and(|said| said.trim() == format!("bpf-linker {}", versions::BPF_LINKER))
}

fn path_with(folder: &Path) -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(env::split_paths(&path));
    // Only a folder with a colon in its name cannot be joined; then the old PATH has to do.
    env::join_paths(folders).unwrap_or(path)
}
