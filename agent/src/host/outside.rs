//! The machine's files, where this process has others in their place.
//!
//! The sandbox of a unit (`ProtectHome=`, `PrivateTmp=`) and a container give a process a tree of its own. Process 1 has
//! the machine's, and who may look into it (`CAP_SYS_PTRACE`) can open files through its root. A link to an absolute path
//! there leads back into the tree of this process, as any link does.

use std::{
    fs,
    path::{Path, PathBuf},
};

use procfs::process::Process;

use crate::container::{Kind, identify};

/// Where the machine's `/` is for this process: its own, unless process 1 has another tree that may be looked into. Where
/// the containers of a pod share process ids, process 1 is but one of theirs.
pub fn machine_root() -> &'static Path {
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt"));
    let (own, first) = (namespace("self"), namespace("1"));
    let has_others = matches!((own, first), (Ok(own), Ok(first)) if own != first);
    if has_others && is_first_the_machines() {
        Path::new("/proc/1/root")
    } else {
        Path::new("/")
    }
}

fn is_first_the_machines() -> bool {
    Process::new(1).is_ok_and(|it| !is_in_container(&it))
}

/// Whether it runs in a container; also of one whose cgroups cannot be told.
pub(super) fn is_in_container(process: &Process) -> bool {
    process.cgroups().map_or(true, |cgroups| {
        cgroups.into_iter().any(|it| is_of_container(&it.pathname))
    })
}

fn is_of_container(cgroup: &str) -> bool {
    identify(cgroup).runtime.kind() == Kind::Container
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

/// What is mounted for this process, and for the machine's process 1, whoever may look into that one; `None` where
/// process 1 is none of the machine's, or cannot be asked.
pub fn both_mountinfos() -> Option<[Vec<u8>; 2]> {
    let read = |process: &str| fs::read(format!("/proc/{process}/mountinfo")).ok();
    is_first_the_machines().then_some(())?;
    Some([read("self")?, read("1")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_the_machine_are_told_from_those_in_containers() {
        let id = "0123456789abcdef".repeat(4);
        for path in [
            "/",
            "/../../init.scope",
            "/system.slice/docker.service",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker.service",
            &format!("/machine.slice/libpod-conmon-{id}.scope"),
        ] {
            assert!(!is_of_container(path), "{path}");
        }
        for path in [
            format!("/docker/{id}"),
            // As it looks from within another one of the pod.
            format!("/../cri-containerd-{id}.scope"),
            format!("/system.slice/docker-{id}.scope/docker/0"),
            format!("/kubepods/besteffort/pod0d7a8a3a-f4c6-4d6c-a9e1-0f2e1a6f3f3f/{id}"),
        ] {
            assert!(is_of_container(&path), "{path}");
        }
    }
}
