//! Filesystems that a test mounts. When dropped, they are unmounted.

use std::{
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount, umount2},
    sys::stat,
};
use tempfile::TempDir;

use super::skip;

/// An ext4 in a file, that nobody else writes to.
pub(crate) struct LoopFilesystem(Mounted);

/// A small file system in memory, which is soon full.
pub(crate) struct SmallDisk(Mounted);

/// A filesystem of another machine that never answers: nobody reads the requests that the kernel has for it.
pub(crate) struct DeadShare {
    /// Closed first: then the kernel answers for it.
    requests: Option<File>,
    mounted: Mounted,
}

struct Mounted {
    point: PathBuf,
    folder: TempDir,
}

impl LoopFilesystem {
    /// One of 32 MiB at a mount point of this name; `None` where no such can be made.
    #[track_caller]
    pub(crate) fn new(name: &str) -> Option<Self> {
        Self::within(tempfile::tempdir().unwrap(), name)
    }

    /// The same with its file and its mount point in this folder.
    #[track_caller]
    pub(crate) fn within(folder: TempDir, name: &str) -> Option<Self> {
        let point = folder.path().join(name);
        fs::create_dir(&point).unwrap();
        let image = folder.path().join("image");
        File::create(&image).unwrap().set_len(32 << 20).unwrap();
        let made = Command::new("mkfs.ext4").arg("-q").arg(&image).status();
        if !made.is_ok_and(|status| status.success()) {
            return skip("mkfs.ext4 is missing (apt-get install e2fsprogs)");
        }
        if !mount_image(&image, &point) {
            return skip("no loop device can be had");
        }
        Some(Self(Mounted { point, folder }))
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.0.point
    }

    /// Makes it read-only under those who have files of it open, as the kernel does when it finds it damaged.
    pub(crate) fn fail(&self) {
        let device = fs::metadata(&self.0.point).unwrap().dev();
        let (major, minor) = (stat::major(device), stat::minor(device));
        let device = fs::read_link(format!("/sys/dev/block/{major}:{minor}")).unwrap();
        let name = device.file_name().unwrap().to_str().unwrap();
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "by a test").unwrap();
    }

    /// Mounts it anew, writable; nobody may have a file of it open.
    #[track_caller]
    pub(crate) fn mend(&self) {
        umount(&self.0.point).unwrap();
        let image = self.0.folder.path().join("image");
        assert!(mount_image(&image, &self.0.point));
    }
}

fn mount_image(image: &Path, point: &Path) -> bool {
    let mut command = Command::new("mount");
    let command = command.args(["-o", "loop,errors=remount-ro"]);
    let status = command.arg(image).arg(point).status();
    status.is_ok_and(|status| status.success())
}

impl SmallDisk {
    /// One of so many MiB; `None` without the right to mount it.
    #[track_caller]
    pub(crate) fn new(mebibytes: u32) -> Option<Self> {
        let (folder, point) = place("small");
        let size = format!("size={mebibytes}m");
        let none = MsFlags::empty();
        if mount(Some("tmpfs"), &point, Some("tmpfs"), none, Some(&*size)).is_err() {
            return skip("no file system may be mounted (root may)");
        }
        Some(Self(Mounted { point, folder }))
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.0.point
    }
}

impl DeadShare {
    /// `None` without FUSE.
    #[track_caller]
    pub(crate) fn new() -> Option<Self> {
        let (folder, point) = place("dead");
        let requests = File::options().read(true).write(true).open("/dev/fuse");
        let Ok(requests) = requests else {
            return skip("/dev/fuse is missing (modprobe fuse)");
        };
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            requests.as_raw_fd()
        );
        mount(
            Some("nobody@nowhere:/"),
            &point,
            Some("fuse.sshfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        Some(Self {
            requests: Some(requests),
            mounted: Mounted { point, folder },
        })
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.mounted.point
    }

    /// Lets all who wait for it go on.
    pub(crate) fn answer(&mut self) {
        self.requests = None;
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // One that stays mounted stays in the way of its folder's removal, and of nothing else.
        umount2(&self.point, MntFlags::MNT_DETACH).unwrap_or_default();
    }
}

fn place(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let point = folder.path().join(name);
    fs::create_dir(&point).unwrap();
    (folder, point)
}
