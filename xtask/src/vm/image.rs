//! What a machine of the matrix starts with: a small tree in memory, with the agent and the tests of tests/vm in it.
//!
//! They bring along the shared libraries that they need, for there is no other system in it than busybox.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{cargo, command, failure::Failure, session::Session};

/// The test binary of the machines, declared in `agent/Cargo.toml`.
pub(crate) const TEST: &str = "vm";

/// Builds the agent and the tests, and packs them; gives the archive.
pub(crate) fn build(session: &Session) -> Result<PathBuf> {
    ensure!(
        cfg!(target_arch = "x86_64"),
        "the machines are built for x86-64 processors only"
    );
    let busybox = command::find_program("busybox")
        .ok_or_else(|| Failure::Unavailable("there is no busybox".to_owned()))?;
    // Of the whole workspace, so that what is shared has the features that the other tests have built it with.
    let arguments = ["test", "--no-run", "--workspace", "--test", TEST];
    let built = cargo::build(session, &arguments)?;
    let find = |target: &str, is_test| {
        let mut built = built.iter();
        let found = built.find(|it| it.target == target && it.is_test == is_test);
        found.with_context(|| format!("cargo built no `{target}`"))
    };
    let root = session.tree.vm().join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let (agent, test) = (&find("cgflux", false)?.path, &find(TEST, true)?.path);
    let init = session.tree.root().join("tests/vm/init.sh");
    for (file, place) in [(&busybox, "bin/busybox"), (&init, "init")] {
        lay(file, &root.join(place))?;
    }
    // The tests start the agent where cargo built it, and the loader looks for libraries where they are here.
    for (program, place) in [(agent, inside(&root, agent)), (test, root.join("bin/vm"))] {
        strip(session, "strip", program, &place)?;
        for library in libraries(program)? {
            lay(&library, &inside(&root, &library))?;
        }
    }
    pack(session, &busybox, &root, "root.cpio")
}

/// Where a file of this system is below `root`.
fn inside(root: &Path, file: &Path) -> PathBuf {
    root.join(file.strip_prefix("/").unwrap_or(file))
}

/// Copies a file, as a program.
pub(super) fn lay(file: &Path, place: &Path) -> Result<()> {
    make_folder_of(place)?;
    fs::copy(file, place).with_context(|| format!("cannot copy {}", file.display()))?;
    fs::set_permissions(place, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Copies a program without what is for debuggers: each boot reads it into memory.
pub(super) fn strip(session: &Session, tool: &str, program: &Path, place: &Path) -> Result<()> {
    make_folder_of(place)?;
    let mut strip = session.person.command(tool);
    command::run(&session.output, strip.arg("-o").arg(place).arg(program))
}

fn make_folder_of(place: &Path) -> Result<()> {
    Ok(fs::create_dir_all(
        place.parent().context("a place in a folder")?,
    )?)
}

/// The shared libraries that a program needs, and the loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let told = command::read(Command::new("ldd").arg(program));
    let told = told.with_context(|| format!("cannot run ldd {}", program.display()))?;
    Ok(told.lines().filter_map(library).collect())
}

/// Out of a line of ldd(1): `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x7f…)`, or `/lib64/ld-linux-x86-64.so.2
/// (0x7f…)`. What has no path is in the kernel.
fn library(line: &str) -> Option<PathBuf> {
    let path = line.rsplit("=>").next()?.split_whitespace().next()?;
    path.starts_with('/').then(|| path.into())
}

/// As the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst, Linux 6.12).
pub(super) fn pack(session: &Session, busybox: &Path, root: &Path, name: &str) -> Result<PathBuf> {
    let archive = session.tree.vm().join(name);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let told = "\tlinux-vdso.so.1 (0x00007f3db1143000)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f3daf61e000)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f3db1145000)\n";
        let found: Vec<_> = told.lines().filter_map(library).collect();
        let expected = [
            "/lib/x86_64-linux-gnu/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
