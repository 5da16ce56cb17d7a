//! The machine's block devices: what each is called, and which pass their I/O on to others.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_ebpf::block_io::major_minor;
use nix::sys::statfs::{self, FsType, statfs};

/// Where the kernel shows devices by number.
const BY_NUMBER: &str = "/sys/dev/block";

/// File systems whose files are on no block device of this machine.
const WITHOUT_DEVICE: [FsType; 6] = [
    statfs::TMPFS_MAGIC,
    statfs::NFS_SUPER_MAGIC,
    statfs::SMB_SUPER_MAGIC,
    statfs::FUSE_SUPER_MAGIC,
    // 9p and CIFS (include/uapi/linux/magic.h, Linux 6.12).
    FsType(0x0102_1997),
    FsType(0xff53_4d42),
];

/// One whole device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BlockDevice {
    /// Its name, as in `/proc/diskstats`; `major:minor` for one that the kernel does not name.
    pub name: Arc<str>,
    /// Whether what is done on it is done once more on another device: a loop device over a file, device-mapper, md.
    /// The other one's numbers have it all.
    pub is_stacked: bool,
}

/// The devices asked for so far.
#[derive(Debug)]
pub struct BlockDevices {
    by_number: PathBuf,
    known: HashMap<u32, BlockDevice>,
}

impl Default for BlockDevices {
    fn default() -> Self {
        Self {
            by_number: BY_NUMBER.into(),
            known: HashMap::new(),
        }
    }
}

impl BlockDevices {
    /// Looks up the device with this number.
    pub fn learn(&mut self, number: u32) {
        let device = look(&self.by_number, number).unwrap_or_else(|| nameless(number));
        self.known.insert(number, device);
    }

    /// A device that was looked up, as it was then or at the last [`BlockDevices::look_again`].
    pub fn get(&self, number: u32) -> Option<&BlockDevice> {
        self.known.get(&number)
    }

    /// Whether the device with this number makes requests of what it is asked for, instead of handling bios itself: it
    /// has hardware queues then (`blk_mq_sysfs_register` in block/blk-mq-sysfs.c, Linux 5.10 and 6.12).
    pub fn makes_requests(&self, number: u32) -> bool {
        folder(&self.by_number, number).join("mq").is_dir()
    }

    /// Takes in what changed: a number can become another device's. One that is gone keeps its name.
    pub fn look_again(&mut self) {
        for (number, device) in &mut self.known {
            if let Some(found) = look(&self.by_number, *number) {
                *device = found;
            }
        }
    }
}

fn look(by_number: &Path, number: u32) -> Option<BlockDevice> {
    let folder = folder(by_number, number);
    let uevent = fs::read_to_string(folder.join("uevent")).ok()?;
    let name = uevent
        .lines()
        .find_map(|line| line.strip_prefix("DEVNAME="))?;
    Some(BlockDevice {
        name: name.into(),
        is_stacked: has_slaves(&folder) || is_backed_by_a_device(&folder),
    })
}

fn folder(by_number: &Path, number: u32) -> PathBuf {
    let (major, minor) = major_minor(number);
    by_number.join(format!("{major}:{minor}"))
}

fn nameless(number: u32) -> BlockDevice {
    let (major, minor) = major_minor(number);
    BlockDevice {
        name: format!("{major}:{minor}").into(),
        is_stacked: false,
    }
}

/// Whether it is made of other devices: device-mapper, md, bcache.
fn has_slaves(folder: &Path) -> bool {
    let slaves = fs::read_dir(folder.join("slaves"));
    slaves.is_ok_and(|mut slaves| slaves.next().is_some())
}

/// Whether it is a loop device over a file on a block device. A file that cannot be seen from here is taken for one.
fn is_backed_by_a_device(folder: &Path) -> bool {
    let Ok(file) = fs::read_to_string(folder.join("loop/backing_file")) else {
        return false;
    };
    let file_system = statfs(file.trim_end());
    !file_system.is_ok_and(|it| WITHOUT_DEVICE.contains(&it.filesystem_type()))
}

#[cfg(test)]
mod tests {
    use agent_ebpf::block_io::device;

    use super::*;

    fn devices(folders: &[(&str, &[(&str, &str)])]) -> (tempfile::TempDir, BlockDevices) {
        let root = tempfile::tempdir().unwrap();
        for (number, files) in folders {
            for (file, text) in *files {
                let path = root.path().join(number).join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        let devices = BlockDevices {
            by_number: root.path().to_owned(),
            known: HashMap::new(),
        };
        (root, devices)
    }

    fn learned(devices: &mut BlockDevices, major: u32, minor: u32) -> BlockDevice {
        let number = device(major, minor);
        devices.learn(number);
        devices.get(number).expect("just learned").clone()
    }

    #[test]
    fn a_disk_has_the_kernels_name_for_it_and_an_unknown_one_its_number() {
        let uevent = "MAJOR=259\nMINOR=0\nDEVNAME=nvme0n1\nDEVTYPE=disk\n";
        let (_root, mut devices) = devices(&[("259:0", &[("uevent", uevent)])]);
        let found = learned(&mut devices, 259, 0);
        assert_eq!((&*found.name, found.is_stacked), ("nvme0n1", false));
        assert_eq!(&*learned(&mut devices, 8, 16).name, "8:16");
    }

    #[test]
    fn what_stands_on_other_devices_is_stacked() {
        let root = env!("CARGO_MANIFEST_DIR");
        let (_root, mut devices) = devices(&[
            ("252:0", &[("uevent", "DEVNAME=dm-0\n"), ("slaves/vda", "")]),
            (
                "7:0",
                &[
                    ("uevent", "DEVNAME=loop0\n"),
                    ("loop/backing_file", &format!("{root}/Cargo.toml\n")),
                ],
            ),
            (
                "7:1",
                &[
                    ("uevent", "DEVNAME=loop1\n"),
                    ("loop/backing_file", "/dev/shm\n"),
                ],
            ),
            ("7:2", &[("uevent", "DEVNAME=loop2\n")]),
        ]);
        let stacked = [(252, 0), (7, 0), (7, 1), (7, 2)]
            .map(|(major, minor)| learned(&mut devices, major, minor).is_stacked);
        assert_eq!(stacked, [true, true, false, false]);
    }

    #[test]
    fn a_number_can_become_another_device_and_one_that_is_gone_keeps_its_name() {
        let (root, mut devices) = devices(&[("259:0", &[("uevent", "DEVNAME=nvme0n1\n")])]);
        learned(&mut devices, 259, 0);
        let name = |devices: &BlockDevices| {
            let found = devices.get(device(259, 0));
            found.map(|it| it.name.to_string())
        };
        fs::remove_dir_all(root.path().join("259:0")).unwrap();
        devices.look_again();
        assert_eq!(name(&devices).as_deref(), Some("nvme0n1"));
        fs::create_dir(root.path().join("259:0")).unwrap();
        fs::write(root.path().join("259:0/uevent"), "DEVNAME=nvme1n1\n").unwrap();
        devices.look_again();
        assert_eq!(name(&devices).as_deref(), Some("nvme1n1"));
    }
}
