//! `mountinfo` → which filesystems are worth telling, one mount point each; and where one process has other files than
//! another.
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
    /// The folder of the filesystem that is mounted.
    folder: Vec<u8>,
    point: Vec<u8>,
    fstype: String,
    source: String,
}

/// The filesystems to ask, those of this machine first. Of several mounts of one filesystem the whole one is chosen, then
/// the one with the shortest mount point; what is hidden by a later mount at the same place is left out.
pub(super) fn worth_telling(mountinfo: &[u8]) -> Vec<Mount> {
    let rows = rows(mountinfo);
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
    candidates.sort_by_key(|row| (is_remote(row), row.folder != b"/", row.point.len()));
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

/// Folders at which one process has other files than the machine, where `own` and `machine` are what is mounted for
/// each; those below another one are left out.
pub fn covered(own: &[u8], machine: &[u8]) -> Vec<PathBuf> {
    let (own, machine) = (rows(own), rows(machine));
    let points = own
        .iter()
        .chain(machine.iter().filter(|it| is_worth_telling(it)));
    let mut points: Vec<&[u8]> = points.map(|row| &row.point[..]).collect();
    // A folder comes before what is in it.
    points.sort_unstable();
    points.dedup();
    let mut covered: Vec<&[u8]> = Vec::new();
    for point in points {
        let is_within = covered.iter().any(|it| is_at_or_below(point, it));
        if !is_within && stands_at(&own, point) != stands_at(&machine, point) {
            covered.push(point);
        }
    }
    let path = |point: &[u8]| PathBuf::from(OsString::from_vec(point.to_vec()));
    covered.into_iter().map(path).collect()
}

/// Which filesystem stands at a path, and which folder of it: by the last of the innermost mounts.
fn stands_at<'a>(rows: &'a [Row], path: &[u8]) -> Option<(&'a [u8], Vec<u8>)> {
    let above = rows.iter().filter(|row| is_at_or_below(path, &row.point));
    let row = above.max_by_key(|row| row.point.len())?;
    let rest = path.strip_prefix(&row.point[..]).unwrap_or_default();
    let parts = [&row.folder[..], rest].into_iter();
    let names = parts.flat_map(|part| part.split(|byte| *byte == b'/'));
    let folder = names.filter(|name| !name.is_empty()).collect::<Vec<_>>();
    Some((&row.device_numbers, folder.join(&b'/')))
}

fn is_at_or_below(path: &[u8], folder: &[u8]) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || folder == b"/")
}

fn rows(mountinfo: &[u8]) -> Vec<Row> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    lines.filter_map(row).collect()
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
    let folder = unescaped(fields.next()?);
    let point = unescaped(fields.next()?);
    let mut fields = fields.skip(1).skip_while(|field| *field != b"-").skip(1);
    let text = |field: &[u8]| String::from_utf8_lossy(&unescaped(field)).into_owned();
    let fstype = text(fields.next()?);
    let source = text(fields.next()?);
    (!point.is_empty()).then_some(Row {
        device_numbers,
        folder,
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
    fn what_a_sandbox_puts_over_the_machines_files_is_found() {
        let machine = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
                       28 27 0:5 / /dev rw - devtmpfs devtmpfs rw\n\
                       29 27 8:17 / /home rw - xfs /dev/sdb1 rw\n\
                       30 27 8:33 / /srv/data rw - ext4 /dev/sdc1 rw\n\
                       31 27 0:60 / /srv/o/merged rw - overlay overlay rw\n";
        let same = covered(machine.as_bytes(), machine.as_bytes());
        assert_eq!(same, Vec::<PathBuf>::new());
        // In the form of a unit with ProtectSystem=strict, ProtectHome=tmpfs, PrivateTmp=yes and PrivateDevices=yes, whose
        // namespace has neither the overlay nor the disk that were mounted later.
        let own = "127 1 254:0 / / ro - ext4 /dev/vda rw\n\
                   128 127 0:70 / /dev rw - tmpfs tmpfs rw\n\
                   129 127 8:17 / /home rw - xfs /dev/sdb1 rw\n\
                   130 129 0:71 / /home ro - tmpfs tmpfs rw\n\
                   131 127 254:0 /tmp/systemd-private-1/tmp /tmp rw - ext4 /dev/vda rw\n\
                   132 127 254:0 /usr /usr ro - ext4 /dev/vda rw\n";
        let expected = ["/dev", "/home", "/srv/data", "/tmp"].map(PathBuf::from);
        assert_eq!(covered(own.as_bytes(), machine.as_bytes()), expected);
        let container =
            "1 0 0:90 / / rw - overlay overlay rw\n2 1 0:91 / /tmp rw - tmpfs tmpfs rw\n";
        let expected = [PathBuf::from("/")];
        assert_eq!(covered(container.as_bytes(), machine.as_bytes()), expected);
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
