//! What a cgroup's own files say of its block I/O.
//!
//! `io.stat` of v2 counts all of it, descendants included (Documentation/admin-guide/cgroup-v2.rst, Linux 6.12). The
//! throttle's files of v1 leave out what the kernel writes back, and on newer kernels count only what stands under a
//! limit, so there zero may mean anything and is left out.

use std::{collections::BTreeMap, fs, path::Path};

use agent_ebpf::block_io::device;

/// What was done on one device.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct DeviceUse {
    /// Reads.
    pub read: Use,
    /// Writes.
    pub write: Use,
    /// Discards.
    pub discard: Use,
}

/// What was done of one kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Use {
    /// Bytes; `None` where the file does not tell.
    pub bytes: Option<u64>,
    /// Operations as they were asked for, before any were merged.
    pub operations: Option<u64>,
}

/// Uses by the device's number.
pub type DeviceUses = BTreeMap<u32, DeviceUse>;

/// Reads the files of the cgroup with these directories: its unified one and its blkio one, each where that hierarchy is
/// mounted. `None` where neither has files of block I/O.
pub fn read(unified: Option<&Path>, blkio: Option<&Path>) -> Option<DeviceUses> {
    let text = |folder: Option<&Path>, name| fs::read_to_string(folder?.join(name)).ok();
    if let Some(stat) = text(unified, "io.stat") {
        return Some(of_v2(&stat));
    }
    let bytes = text(blkio, "blkio.throttle.io_service_bytes_recursive")?;
    let operations = text(blkio, "blkio.throttle.io_serviced_recursive")?;
    Some(of_v1(&bytes, &operations))
}

/// Lines like `8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0`.
fn of_v2(stat: &str) -> DeviceUses {
    let mut uses = DeviceUses::new();
    for line in stat.lines() {
        let mut words = line.split(' ');
        let Some(number) = words.next().and_then(number) else {
            continue;
        };
        let values: BTreeMap<&str, u64> = words
            .filter_map(|word| word.split_once('='))
            .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
            .collect();
        let value = |name| values.get(name).copied();
        let of = |bytes, operations| Use {
            bytes: value(bytes),
            operations: value(operations),
        };
        let device = DeviceUse {
            read: of("rbytes", "rios"),
            write: of("wbytes", "wios"),
            discard: of("dbytes", "dios"),
        };
        // A device that only another controller of I/O has something to say of stands in the file, too.
        if device != DeviceUse::default() {
            uses.insert(number, device);
        }
    }
    uses
}

/// Lines like `254:0 Read 995328`, in both files.
fn of_v1(bytes: &str, operations: &str) -> DeviceUses {
    let mut uses = DeviceUses::new();
    for (text, is_bytes) in [(bytes, true), (operations, false)] {
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let &[device, kind, value] = words.as_slice() else {
                continue;
            };
            let (Some(number), Ok(value)) = (number(device), value.parse::<u64>()) else {
                continue;
            };
            let device = uses.entry(number).or_default();
            let kind = match kind {
                "Read" => &mut device.read,
                "Write" => &mut device.write,
                "Discard" => &mut device.discard,
                _ => continue,
            };
            let place = if is_bytes {
                &mut kind.bytes
            } else {
                &mut kind.operations
            };
            *place = Some(value);
        }
    }
    uses.retain(|_, device| {
        let kinds = [device.read, device.write, device.discard];
        kinds
            .iter()
            .any(|kind| kind.operations.is_some_and(|operations| operations > 0))
    });
    uses
}

fn number(text: &str) -> Option<u32> {
    let (major, minor) = text.split_once(':')?;
    Some(device(major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Documentation/admin-guide/cgroup-v2.rst, Linux 6.12.
    const V2: &str = "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n\
                      8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n";
    /// Of a Docker container with a limit, Linux 6.18.
    const V1_BYTES: &str = "254:0 Read 995328\n254:0 Write 50343936\n254:0 Sync 51339264\n254:0 Async 0\n\
                            254:0 Discard 0\n254:0 Total 51339264\nTotal 51339264\n";
    const V1_OPERATIONS: &str = "254:0 Read 15\n254:0 Write 49\n254:0 Sync 64\n254:0 Async 0\n254:0 Discard 0\n\
                                 254:0 Total 64\nTotal 64\n";
    /// Of its parent, which has none, Linux 6.18.
    const V1_ZERO: &str = "254:0 Read 0\n254:0 Write 0\n254:0 Sync 0\n254:0 Async 0\n254:0 Discard 0\n\
                           254:0 Total 0\nTotal 0\n";

    fn some(bytes: u64, operations: u64) -> Use {
        Use {
            bytes: Some(bytes),
            operations: Some(operations),
        }
    }

    #[test]
    fn v2_tells_each_device() {
        let uses = of_v2(V2);
        assert_eq!(uses.len(), 2);
        assert_eq!(
            uses[&device(8, 0)],
            DeviceUse {
                read: some(90_430_464, 8_950),
                write: some(299_008_000, 1_252),
                discard: some(50_331_648, 3_021),
            }
        );
    }

    #[test]
    fn a_device_of_which_v2_tells_no_use_is_not_there() {
        assert_eq!(
            of_v2("8:0 \n8:16 cost.usage=3\nnonsense\n"),
            DeviceUses::new()
        );
    }

    #[test]
    fn v1_tells_what_stands_under_a_limit() {
        let uses = of_v1(V1_BYTES, V1_OPERATIONS);
        let device = DeviceUse {
            read: some(995_328, 15),
            write: some(50_343_936, 49),
            discard: some(0, 0),
        };
        assert_eq!(uses.into_values().collect::<Vec<_>>(), [device]);
    }

    #[test]
    fn zero_on_v1_may_mean_anything() {
        assert_eq!(of_v1(V1_ZERO, V1_ZERO), DeviceUses::new());
    }

    #[test]
    fn each_file_serves_where_the_better_one_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("io.stat"), V2).unwrap();
        let throttle = [
            ("blkio.throttle.io_service_bytes_recursive", V1_BYTES),
            ("blkio.throttle.io_serviced_recursive", V1_OPERATIONS),
        ];
        for (name, text) in throttle {
            fs::write(path.join(name), text).unwrap();
        }
        let read = || read(Some(path), Some(path));
        assert_eq!(read(), Some(of_v2(V2)));
        fs::remove_file(path.join("io.stat")).unwrap();
        assert_eq!(read(), Some(of_v1(V1_BYTES, V1_OPERATIONS)));
        for (name, _) in throttle {
            fs::remove_file(path.join(name)).unwrap();
            assert_eq!(read(), None);
        }
    }

    #[test]
    fn a_cgroup_without_such_files_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(Some(folder.path()), Some(folder.path())), None);
        fs::write(folder.path().join("io.stat"), "").unwrap();
        assert_eq!(read(Some(folder.path()), None), Some(DeviceUses::new()));
    }
}
