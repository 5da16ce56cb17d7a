//! `/proc/net/dev`: what network interfaces carried. One that never carried a packet is left out.
//!
//! Virtual pairs (veth, netkit) are left out: their names are made up anew for every container, so each would leave a
//! series behind, and what goes through them stands with the container.
//!
//! Read here and not through `procfs`, which gives up at a byte that is no UTF-8: a name may be any bytes but white
//! space, `/` and `:` (`dev_valid_name`, net/core/dev.c, Linux 6.12).

use std::{
    collections::{HashMap, HashSet},
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use super::{MOST, proc_file::ProcFile};
use crate::snapshot::{Interface, Traffic};

/// The interfaces there are.
#[derive(Debug)]
pub(super) struct Interfaces {
    file: ProcFile,
    known: Known,
}

/// By name, whether the interface is one end of a virtual pair.
type Known = HashMap<Vec<u8>, bool>;

impl Interfaces {
    pub(super) fn new() -> Self {
        Self {
            file: ProcFile::new("/proc/net/dev"),
            known: Known::new(),
        }
    }

    pub(super) fn read(&mut self) -> Vec<Interface> {
        let known = &mut self.known;
        let interfaces = self.file.read_as(|text| Some(take(known, text, is_pair)));
        interfaces.unwrap_or_default()
    }
}

/// The interfaces to tell. Of names that look alike, once what cannot be shown is replaced, the first stays.
fn take(known: &mut Known, text: &[u8], is_pair: impl Fn(&[u8]) -> bool) -> Vec<Interface> {
    let mut before = std::mem::take(known);
    let mut names = HashSet::new();
    let mut interfaces = Vec::new();
    // The first two lines are headings, without a colon.
    for (name, numbers) in text.split(|byte| *byte == b'\n').filter_map(named) {
        let (key, pair) = before
            .remove_entry(name)
            .unwrap_or_else(|| (name.to_owned(), is_pair(name)));
        known.insert(key, pair);
        // Most are pairs where there are many, so their numbers are not even looked at.
        if pair || interfaces.len() == MOST {
            continue;
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let Some((received, sent)) = traffic(numbers) else {
            continue;
        };
        let is_used = received.packets > 0 || sent.packets > 0;
        if is_used && names.insert(name.clone()) {
            interfaces.push(Interface {
                name,
                received,
                sent,
            });
        }
    }
    interfaces
}

/// The name on a line, and its numbers.
fn named(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let (name, numbers) = line.split_at(colon);
    let name = name.trim_ascii();
    (!name.is_empty()).then_some((name, numbers.get(1..)?))
}

/// Eight numbers of what came in and eight of what went out; the first four mean the same.
fn traffic(numbers: &[u8]) -> Option<(Traffic, Traffic)> {
    let numbers: Vec<u64> = std::str::from_utf8(numbers)
        .ok()?
        .split_ascii_whitespace()
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    let traffic = |at: usize| {
        Some(Traffic {
            bytes: *numbers.get(at)?,
            packets: *numbers.get(at + 1)?,
            errors: *numbers.get(at + 2)?,
            drops: *numbers.get(at + 3)?,
        })
    };
    Some((traffic(0)?, traffic(8)?))
}

/// Whether the interface is one end of a virtual pair: it is linked to another one, though it does not stand on it.
fn is_pair(name: &[u8]) -> bool {
    let folder = Path::new("/sys/class/net").join(OsStr::from_bytes(name));
    let number = |file| -> Option<u64> {
        let text = fs::read_to_string(folder.join(file)).ok()?;
        text.trim().parse().ok()
    };
    let linked = number("iflink").filter(|index| *index != 0);
    linked.is_some_and(|index| Some(index) != number("ifindex")) && !stands_on_another(&folder)
}

/// VLANs and the like have `lower_<name>` for what they stand on (`netdev_adjacent_sysfs_add`, net/core/dev.c,
/// Linux 6.12).
fn stands_on_another(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names = entries.map(|entry| entry.file_name());
    names.any(|name| name.as_bytes().starts_with(b"lower_"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured: Linux 6.18, beside Docker.
    const NET_DEV: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 2773205852 5839528    0    0    0     0          0         0 2773205852 5839528    0    0    0     0       0          0
  eth0: 4415476398  139811    1    2    3     4          5         6  6945199   81507    7    8    0     0       0          0
  ifb0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
veth1f2e3d4:     100       1    0    0    0     0          0         0      200       2    0    0    0     0       0          0
";

    fn read(text: &[u8]) -> Vec<Interface> {
        let is_pair = |name: &[u8]| name.starts_with(b"veth");
        take(&mut Known::new(), text, is_pair)
    }

    #[test]
    fn interfaces_in_use_but_virtual_pairs_are_told() {
        let traffic = |bytes, packets, errors, drops| Traffic {
            bytes,
            packets,
            errors,
            drops,
        };
        let interface = |name: &str, received, sent| Interface {
            name: name.to_owned(),
            received,
            sent,
        };
        let both = traffic(2_773_205_852, 5_839_528, 0, 0);
        assert_eq!(
            read(NET_DEV.as_bytes()),
            [
                interface("lo", both, both),
                interface(
                    "eth0",
                    traffic(4_415_476_398, 139_811, 1, 2),
                    traffic(6_945_199, 81_507, 7, 8)
                ),
            ]
        );
    }

    #[test]
    fn whether_it_is_a_pair_is_asked_once() {
        let mut known = Known::new();
        take(&mut known, NET_DEV.as_bytes(), |_| false);
        let again = take(&mut known, NET_DEV.as_bytes(), |_| panic!("asked again"));
        assert_eq!(again.len(), 3);
        take(&mut known, b"", |_| false);
        assert!(known.is_empty());
    }

    #[test]
    fn a_hostile_name_is_shown_as_it_can_be_and_hides_no_other() {
        let mut text = NET_DEV.as_bytes().to_vec();
        for name in [&b"a\xFF"[..], b"a\xFE", b"\"},x=1"] {
            text.extend(name);
            text.extend(b": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
        }
        let interfaces = read(&text);
        let names: Vec<&str> = interfaces.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["lo", "eth0", "a\u{FFFD}", "\"},x=1"]);
    }

    #[test]
    fn the_loopback_is_no_pair() {
        assert!(!is_pair(b"lo"));
        assert!(!is_pair(b"no-such-interface"));
    }

    proptest! {
        #[test]
        fn odd_text_is_no_reason_to_fail(text in super::super::odd_text(NET_DEV)) {
            let interfaces = read(&text);
            let names: HashSet<&String> = interfaces.iter().map(|it| &it.name).collect();
            prop_assert_eq!(names.len(), interfaces.len());
        }
    }
}
