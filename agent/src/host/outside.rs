//! The machine's files, where this process has others in their place.
//!
//! The sandbox of a unit (`ProtectHome=`, `PrivateTmp=`) and a container give a process a tree of its own. Process 1 has
//! the machine's, and who may look into it (`CAP_SYS_PTRACE`) can open files through its root. A link to an absolute path
//! there leads back into the tree of this process, as any link does.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the machine's `/` is for this process: its own, unless process 1 has another tree that may be looked into.
pub fn machine_root() -> &'static Path {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt"));
    match (namespace("self"), namespace("1")) {
        (Ok(own), Ok(first)) if own != first => Path::new("/proc/1/root"),
        _ => Path::new("/"),
    }
}

/// The file that lists what is mounted below `root`, a [`machine_root`].
pub fn mountinfo(root: &Path) -> &'static Path {
    Path::new(if root == Path::new("/") {
        "/proc/self/mountinfo"
    } else {
        "/proc/1/mountinfo"
    })
}

/// `path`, a path below `root`, as this process can open it.
pub fn below(root: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// What is mounted for this process, and for process 1, whoever may look into that one.
pub fn both_mountinfos() -> io::Result<[Vec<u8>; 2]> {
    Ok([
        fs::read("/proc/self/mountinfo")?,
        fs::read("/proc/1/mountinfo")?,
    ])
}
