//! Ring buffer records → events.

use agent_ebpf::lifecycle::{COMM_BYTES, CgroupEvent, InitExit, NewCgroup, PATH_BYTES, Victim};

use crate::container::CgroupId;

/// What happened to a cgroup of the accounting hierarchy, or to a process in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// It was made.
    Born {
        /// The new cgroup.
        cgroup: CgroupId,
        /// The slot it counts in; `None` if none was free, so that it counts in slot 0.
        slot: Option<u32>,
        /// Its path; `None` where the kernel does not tell or it is too long.
        path: Option<String>,
    },
    /// Its directory was removed; no task is in it any more.
    Removed {
        /// Which cgroup.
        cgroup: CgroupId,
        /// When, on `CLOCK_BOOTTIME`, in nanoseconds.
        boot_ns: u64,
    },
    /// Nothing can be charged to it any more.
    Released {
        /// Which cgroup.
        cgroup: CgroupId,
        /// The slot that was its own.
        slot: Option<u32>,
    },
    /// A task was moved into it.
    Joined {
        /// Which cgroup.
        cgroup: CgroupId,
        /// The task.
        pid: u32,
    },
    /// A process, or one more thread of one, was chosen to die because memory ran out.
    Victim {
        /// The cgroup it is in.
        cgroup: CgroupId,
        /// The process.
        pid: u32,
        /// Its name, which it chose itself.
        comm: String,
        /// When, on `CLOCK_BOOTTIME`, in nanoseconds.
        boot_ns: u64,
    },
    /// The first process of a pid namespace ended, or one of its threads; what was told last is how it ended.
    InitExited {
        /// The cgroup it is in.
        cgroup: CgroupId,
        /// The process.
        pid: u32,
        /// As `wait` tells it.
        status: u32,
        /// How deep its pid namespace is nested; the host's is 0.
        level: u32,
    },
}

impl Event {
    /// Decodes one record; `None` for one this version does not know.
    pub fn decode(record: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            record
                .get(at..at + 8)?
                .try_into()
                .ok()
                .map(u64::from_ne_bytes)
        };
        let short = |at: usize| {
            record
                .get(at..at + 4)?
                .try_into()
                .ok()
                .map(u32::from_ne_bytes)
        };
        let cgroup = CgroupId(number(std::mem::offset_of!(CgroupEvent, cgroup))?);
        let boot_ns = number(std::mem::offset_of!(CgroupEvent, boot_ns))?;
        let argument = short(std::mem::offset_of!(CgroupEvent, argument))?;
        Some(match short(std::mem::offset_of!(CgroupEvent, kind))? {
            CgroupEvent::MKDIR => Self::Born {
                cgroup,
                slot: (argument != 0).then_some(argument),
                path: record
                    .get(std::mem::offset_of!(NewCgroup, path)..)
                    .and_then(path),
            },
            CgroupEvent::RMDIR => Self::Removed { cgroup, boot_ns },
            CgroupEvent::RELEASE => Self::Released {
                cgroup,
                slot: (argument != 0).then_some(argument),
            },
            CgroupEvent::ATTACH => Self::Joined {
                cgroup,
                pid: argument,
            },
            CgroupEvent::VICTIM => {
                let at = std::mem::offset_of!(Victim, comm);
                Self::Victim {
                    cgroup,
                    pid: argument,
                    comm: comm(record.get(at..at + COMM_BYTES)?),
                    boot_ns,
                }
            }
            CgroupEvent::INIT_EXIT => Self::InitExited {
                cgroup,
                pid: argument,
                status: short(std::mem::offset_of!(InitExit, status))?,
                level: short(std::mem::offset_of!(InitExit, level))?,
            },
            _ => return None,
        })
    }
}

/// A path that is all there. One that fills its room may have been cut.
fn path(bytes: &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    (end > 0 && end < PATH_BYTES - 1).then(|| String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// A task's name, up to its NUL.
fn comm(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, path: Option<&str>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [11_u64, 1_000] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(5_u32.to_ne_bytes());
        if let Some(path) = path {
            let mut room = [0xaa_u8; PATH_BYTES];
            room[..path.len()].copy_from_slice(path.as_bytes());
            room[path.len().min(PATH_BYTES - 1)] = 0;
            bytes.extend(room);
        }
        bytes
    }

    fn born_at(path: Option<&str>) -> Event {
        let path = path.map(str::to_owned);
        Event::Born {
            cgroup: CgroupId(11),
            slot: Some(5),
            path,
        }
    }

    #[test]
    fn a_birth_carries_its_path_up_to_the_nul() {
        assert_eq!(
            Event::decode(&record(1, Some("/docker/ab"))),
            Some(born_at(Some("/docker/ab")))
        );
    }

    #[test]
    fn a_birth_without_or_with_a_cut_path_has_none() {
        assert_eq!(Event::decode(&record(1, None)), Some(born_at(None)));
        assert_eq!(
            Event::decode(&record(1, Some(&"x".repeat(PATH_BYTES - 1)))),
            Some(born_at(None))
        );
    }

    #[test]
    fn a_victims_name_ends_at_the_nul_and_may_be_anything_but_cut() {
        for (name, comm) in [
            (*b"tail\0garbage....", "tail"),
            (*b"sixteen bytes \xff\n", "sixteen bytes \u{fffd}\n"),
        ] {
            let whole = [record(5, None), name.to_vec()].concat();
            let victim = Event::Victim {
                cgroup: CgroupId(11),
                pid: 5,
                comm: comm.to_owned(),
                boot_ns: 1_000,
            };
            assert_eq!(Event::decode(&whole), Some(victim));
            assert_eq!(Event::decode(&whole[..whole.len() - 1]), None);
        }
    }

    #[test]
    fn the_end_of_a_first_process_carries_its_status_and_depth() {
        let mut whole = record(6, None);
        whole.extend(9_u32.to_ne_bytes());
        whole.extend(1_u32.to_ne_bytes());
        let exited = Event::InitExited {
            cgroup: CgroupId(11),
            pid: 5,
            status: 9,
            level: 1,
        };
        assert_eq!(Event::decode(&whole), Some(exited));
        assert_eq!(Event::decode(&whole[..whole.len() - 1]), None);
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_no_event() {
        let whole = record(2, None);
        assert_eq!(
            Event::decode(&whole),
            Some(Event::Removed {
                cgroup: CgroupId(11),
                boot_ns: 1_000
            })
        );
        for length in 0..whole.len() {
            assert_eq!(Event::decode(&whole[..length]), None, "length={length}");
        }
        assert_eq!(Event::decode(&record(99, None)), None);
    }
}
