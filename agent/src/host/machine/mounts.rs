//! `/proc/self/mountinfo` → which filesystems are worth telling, one mount point each.
//!
//! Read here and not through `procfs`, which leaves `\040` as it is and gives up at a byte that is no UTF-8: anybody
//! who may mount a FUSE filesystem makes up such names.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    path::PathBuf,
};

use super::MOST;

/// Filesystems of block devices that are always full, for nobody can write to them.
const IMAGES: [&str; 4] = ["cramfs", "erofs", "iso9660", "squashfs"];

/// Filesystems with storage of their own that no block device names.
const WITHOUT_DEVICE: [&str; 2] = ["bcachefs", "zfs"];

/// Filesystems of other machines, which may never answer.
const REMOTE: [&str; 14] = [
    "9p",
    "afs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.cephfs",
    "fuse.glusterfs",
    "fuse.s3fs",
    "fuse.sshfs",
    "glusterfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
];

/// A filesystem that is mounted somewhere.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Mount {
    /// Where.
    pub(super) point: PathBuf,
    /// What is mounted there.
    pub(super) device: String,
    /// The filesystem's type.
    pub(super) fstype: String,
    /// Whether it is another machine's.
    pub(super) is_remote: bool,
}

/// One line of the file.
struct Row {
    /// The device's numbers, the same for all mounts of one filesystem.
    device_numbers: Vec<u8>,
    /// Whether all of the filesystem is mounted, and not a folder of it.
    is_whole: bool,
    point: Vec<u8>,
    fstype: String,
    source: String,
}

/// The filesystems to ask, those of this machine first. Of several mounts of one filesystem the whole one is chosen, then
/// the one with the shortest mount point; what is hidden by a later mount at the same place is left out.
pub(super) fn worth_telling(mountinfo: &[u8]) -> Vec<Mount> {
    let rows: Vec<Row> = mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(row)
        .collect();
    let on_top: HashMap<&[u8], usize> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| (&row.point[..], at))
        .collect();
    let mut candidates: Vec<&Row> = rows
        .iter()
        .enumerate()
        .filter(|(at, row)| on_top.get(&row.point[..]) == Some(at) && is_worth_telling(row))
        .map(|(_, row)| row)
        .collect();
    candidates.sort_by_key(|row| (is_remote(row), !row.is_whole, row.point.len()));
    let (mut devices, mut names) = (HashSet::new(), HashSet::new());
    candidates
        .into_iter()
        .filter(|row| {
            devices.insert(&row.device_numbers)
                && names.insert(String::from_utf8_lossy(&row.point).into_owned())
        })
        .take(MOST)
        .map(|row| Mount {
            point: PathBuf::from(OsString::from_vec(row.point.clone())),
            device: row.source.clone(),
            fstype: row.fstype.clone(),
            is_remote: is_remote(row),
        })
        .collect()
}

fn is_worth_telling(row: &Row) -> bool {
    let fstype = row.fstype.as_str();
    let has_storage = row.source.starts_with("/dev/") && !IMAGES.contains(&fstype);
    (has_storage && fstype != "devtmpfs") || WITHOUT_DEVICE.contains(&fstype) || is_remote(row)
}

fn is_remote(row: &Row) -> bool {
    REMOTE.contains(&row.fstype.as_str())
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`: `proc_pid_mountinfo(5)`. The part before the dash
/// has any number of fields from the seventh on.
fn row(line: &[u8]) -> Option<Row> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device_numbers = fields.nth(2)?.to_owned();
    let is_whole = fields.next()? == b"/";
    let point = unescaped(fields.next()?);
    let mut fields = fields.skip(1).skip_while(|field| *field != b"-").skip(1);
    let text = |field: &[u8]| String::from_utf8_lossy(&unescaped(field)).into_owned();
    let fstype = text(fields.next()?);
    let source = text(fields.next()?);
    (!point.is_empty()).then_some(Row {
        device_numbers,
        is_whole,
        point,
        fstype,
        source,
    })
}

/// The kernel writes some bytes as a backslash and three octal digits (`mangle_path`, `fs/seq_file.c`, Linux 6.12).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (
                b'\\',
                [
                    a @ b'0'..=b'3',
                    b @ b'0'..=b'7',
                    c @ b'0'..=b'7',
                    after @ ..,
                ],
            ) => {
                plain.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = after;
            }
            _ => plain.push(*byte),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured: Linux 6.18; what follows the first five lines is written in the same form.
    const MOUNTINFO: &str = r"22 27 0:21 / /proc rw,relatime - proc proc rw
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334460k
25 24 0:23 / /dev/shm rw,relatime - tmpfs tmpfs rw,size=24684084k
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
38 31 0:31 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
50 27 254:0 /var/lib/docker/volumes/x/_data /srv rw,relatime shared:1 - ext4 /dev/vda rw,discard
51 27 8:17 /sub /mnt/part rw,relatime shared:1 master:2 - xfs /dev/sdb1 rw
52 27 8:17 / /mnt/the\040whole rw,relatime - xfs /dev/sdb1 rw
53 27 0:50 / /mnt/nas rw,relatime - nfs4 nas:/export rw,vers=4.2
54 27 7:0 / /snap/core/1 ro,relatime - squashfs /dev/loop0 ro
55 27 0:51 / /tank rw,relatime - zfs tank rw
56 27 8:33 / /covered rw,relatime - ext4 /dev/sdc1 rw
57 27 0:52 / /covered rw,relatime - tmpfs tmpfs rw
58 27 0:53 / /var/lib/docker/overlay2/a/merged rw,relatime - overlay overlay rw
";

    fn points(text: &[u8]) -> Vec<String> {
        let mounts = worth_telling(text).into_iter();
        mounts
            .map(|mount| mount.point.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn each_filesystem_with_storage_is_told_once_and_others_machines_last() {
        let expected = ["/", "/tank", "/mnt/the whole", "/mnt/nas"];
        assert_eq!(points(MOUNTINFO.as_bytes()), expected);
        let mounts = worth_telling(MOUNTINFO.as_bytes());
        let remote: Vec<bool> = mounts.iter().map(|it| it.is_remote).collect();
        assert_eq!(remote, [false, false, false, true]);
        assert_eq!(
            (mounts[3].device.as_str(), mounts[3].fstype.as_str()),
            ("nas:/export", "nfs4")
        );
    }

    #[test]
    fn a_hostile_mount_point_hides_no_other() {
        let mut text = b"60 27 8:1 / /a\xFF rw - ext4 /dev/sda1 rw\n".to_vec();
        text.extend(b"61 27 8:2 / /a\xFE rw - ext4 /dev/sda2 rw\n");
        text.extend(b"62 27 8:3 / /new\\012line\\134,=\" rw - ext4 /dev/sda3 rw\n");
        text.extend(MOUNTINFO.as_bytes());
        let points = points(&text);
        for point in ["/", "/a\u{FFFD}", "/new\nline\\,=\""] {
            assert!(points.iter().any(|it| it == point), "{point:?}: {points:?}");
        }
        assert_eq!(points.len(), 6);
    }

    #[test]
    fn only_what_the_kernel_escapes_is_unescaped() {
        for (field, plain) in [
            (&br"a\040b"[..], &b"a b"[..]),
            (br"\134040", br"\040"),
            (br"\04", br"\04"),
            (br"\400", br"\400"),
            (b"\\", b"\\"),
        ] {
            assert_eq!(unescaped(field), plain);
        }
    }

    proptest! {
        #[test]
        fn odd_text_is_no_reason_to_fail(text in super::super::odd_text(MOUNTINFO)) {
            let points = points(&text);
            let distinct: HashSet<&String> = points.iter().collect();
            prop_assert_eq!(distinct.len(), points.len());
        }
    }
}
