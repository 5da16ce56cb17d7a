//! What a machine of the matrix starts with: a small tree in memory, with the agent and the tests of tests/vm in it.
//!
//! Both are linked statically, for there is no other system in it than busybox.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    cargo::{self, Executable},
    command,
    failure::Failure,
    session::Session,
};

/// The processor that is emulated: its own machine code is the only one that the kernels and the agent agree on.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The test binary of the machines, declared in `agent/Cargo.toml`.
pub(crate) const TEST: &str = "vm";

/// Builds the agent and the tests, and packs them; gives the archive.
pub(crate) fn build(session: &Session) -> Result<PathBuf> {
    let busybox = command::find_program("busybox")
        .ok_or_else(|| Failure::Unavailable("there is no busybox".to_owned()))?;
    let built = build_static(session)?;
    let find = |target: &str, is_test| {
        let mut built = built.iter();
        let found = built.find(|it| it.target == target && it.is_test == is_test);
        found.with_context(|| format!("cargo built no `{target}`"))
    };
    let root = session.tree.vm().join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let agent = find("cgflux", false)?;
    let init = session.tree.root().join("tests/vm/init.sh");
    // The tests start the agent where cargo built it.
    let agents_place = agent.path.strip_prefix("/").unwrap_or(&agent.path);
    for (file, place) in [
        (busybox.as_path(), Path::new("bin/busybox")),
        (&init, Path::new("init")),
        (&agent.path, agents_place),
        (&find(TEST, true)?.path, Path::new("bin/vm")),
    ] {
        lay(file, &root.join(place))?;
    }
    pack(session, &busybox, &root)
}

fn build_static(session: &Session) -> Result<Vec<Executable>> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the machines are built for x86-64 processors only"
    );
    let mut cargo = cargo::cargo(session, &["test", "--no-run", "--package", "cgflux"]);
    cargo
        .args(["--test", TEST, "--target", TARGET, "--target-dir"])
        .arg(session.tree.vm().join("build"))
        // Encoded, since it goes before whatever the person has set for their own processor.
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            "-C\u{1f}target-feature=+crt-static",
        )
        // It is read into memory at each start.
        .env("CARGO_PROFILE_DEV_STRIP", "symbols");
    cargo::built(session, cargo)
}

fn lay(file: &Path, place: &Path) -> Result<()> {
    let folder = place.parent().context("a place in a folder")?;
    fs::create_dir_all(folder)?;
    fs::copy(file, place).with_context(|| format!("cannot copy {}", file.display()))?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// As the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst, Linux 6.12).
fn pack(session: &Session, busybox: &Path, root: &Path) -> Result<PathBuf> {
    let archive = session.tree.vm().join("root.cpio");
    let names = names(root, Path::new(""))?;
    let mut cpio = session.person.command(busybox);
    cpio.args(["cpio", "-o", "-H", "newc"]).current_dir(root);
    let mut child = cpio
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&archive)?)
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| command::cannot_run(&cpio))?;
    let mut list = child.stdin.take().context("cpio takes no list")?;
    for name in names {
        writeln!(list, "{}", name.display())?;
    }
    drop(list);
    ensure!(child.wait()?.success(), "busybox cpio failed");
    Ok(archive)
}

/// All that is in a folder, a folder before what is in it.
fn names(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = folder.join(entry.file_name());
        names.push(name.clone());
        if entry.file_type()?.is_dir() {
            names.extend(self::names(root, &name)?);
        }
    }
    Ok(names)
}
