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
pub(crate) struct LoopFilesystem {
    mounted: Mounted,
    image: PathBuf,
}

/// A disk that is soon full, in memory.
pub(crate) struct SmallDisk(Mounted);

/// A filesystem of another machine that never answers: nobody reads the requests that the kernel has for it.
pub(crate) struct DeadShare {
    /// Closed first: then the kernel answers for it.
    requests: Option<File>,
    mounted: Mounted,
}

struct Mounted {
    point: PathBuf,
    _folder: TempDir,
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
        Some(Self {
            mounted: Mounted {
                point,
                _folder: folder,
            },
            image,
        })
    }

    /// Where it is mounted.
    pub(crate) fn point(&self) -> &Path {
        &self.mounted.point
    }

    /// Makes it read-only under those who have files of it open, as the kernel does when it finds it damaged.
    pub(crate) fn fail(&self) {
        let device = fs::metadata(self.point()).unwrap().dev();
        let (major, minor) = (stat::major(device), stat::minor(device));
        let device = fs::read_link(format!("/sys/dev/block/{major}:{minor}")).unwrap();
        let name = device.file_name().unwrap().to_str().unwrap();
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "by a test").unwrap();
    }

    /// Has it end as with a power cut: what was not synced is not written any more, and whoever still writes is told of
    /// an error of the disk.
    pub(crate) fn cut_power(&self) {
        // `EXT4_IOC_SHUTDOWN` and `EXT4_GOING_FLAGS_NOLOGFLUSH` of `include/uapi/linux/ext4.h`, since Linux 4.10.
        const SHUTDOWN: libc::c_ulong = 0x8004_587d;
        let without_flush = 2_u32;
        let root = File::open(self.point()).unwrap();
        // SAFETY: the call reads one u32, which outlives it.
        let result = unsafe { libc::ioctl(root.as_raw_fd(), SHUTDOWN, &raw const without_flush) };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }

    /// Has it there again, writable, as the next boot finds it; nobody may have a file of it open.
    #[track_caller]
    pub(crate) fn mend(&self) {
        umount(self.point()).unwrap();
        assert!(mount_image(&self.image, self.point()), "it does not mount");
    }
}

impl SmallDisk {
    /// One of so many bytes; `None` without the right to mount it.
    #[track_caller]
    pub(crate) fn new(bytes: u64) -> Option<Self> {
        let (folder, point) = place("small");
        let options = format!("size={bytes},mode=0700");
        let none = MsFlags::empty();
        if mount(Some("tmpfs"), &point, Some("tmpfs"), none, Some(&*options)).is_err() {
            return skip("no file system may be mounted (root may)");
        }
        Some(Self(Mounted {
            point,
            _folder: folder,
        }))
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
            mounted: Mounted {
                point,
                _folder: folder,
            },
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

fn mount_image(image: &Path, point: &Path) -> bool {
    let mut command = Command::new("mount");
    let command = command.args(["-o", "loop,errors=remount-ro"]);
    let status = command.arg(image).arg(point).status();
    status.is_ok_and(|status| status.success())
}

fn place(name: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let point = folder.path().join(name);
    fs::create_dir(&point).unwrap();
    (folder, point)
}
