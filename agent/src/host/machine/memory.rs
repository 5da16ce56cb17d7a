//! `/proc/meminfo` and `/proc/vmstat`: memory, swap space, faults.
//!
//! Read here and not through `procfs` 0.18, which has a map of all lines made at each reading, gives up where one of a
//! score is missing, and panics at some that no kernel writes.

use nix::unistd::{SysconfVar, sysconf};

use crate::snapshot::{Memory, Paging};

/// What `/proc/meminfo` says; `None` if not even the total is in it.
pub(super) fn parse(text: &[u8]) -> Option<Memory> {
    let text = std::str::from_utf8(text).ok()?;
    let mut memory = Memory::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let field = match name {
            "MemTotal" => &mut memory.total,
            "MemFree" => &mut memory.free,
            "MemAvailable" => &mut memory.available,
            "Buffers" => &mut memory.buffers,
            "Cached" => &mut memory.cached,
            "Active" => &mut memory.active,
            "Inactive" => &mut memory.inactive,
            "AnonPages" => &mut memory.anon,
            "Mapped" => &mut memory.mapped,
            "Shmem" => &mut memory.shmem,
            "SReclaimable" => &mut memory.slab_reclaimable,
            "SUnreclaim" => &mut memory.slab_unreclaimable,
            "KernelStack" => &mut memory.kernel_stack,
            "PageTables" => &mut memory.page_tables,
            "Dirty" => &mut memory.dirty,
            "Writeback" => &mut memory.writeback,
            "Committed_AS" => &mut memory.committed,
            "CommitLimit" => &mut memory.commit_limit,
            "Hugetlb" => &mut memory.hugetlb,
            "SwapTotal" => &mut memory.swap_total,
            "SwapFree" => &mut memory.swap_free,
            "SwapCached" => &mut memory.swap_cached,
            _ => continue,
        };
        *field = bytes(value);
    }
    memory.total.is_some().then_some(memory)
}

/// `  24684084 kB`, which are units of 1,024 bytes.
fn bytes(value: &str) -> Option<u64> {
    let kibibytes = value.trim().strip_suffix(" kB")?;
    Some(kibibytes.parse::<u64>().ok()?.saturating_mul(1024))
}

/// What `/proc/vmstat` says; of its 180 lines these few, so that the others need not be kept.
pub(super) fn parse_paging(text: &[u8]) -> Option<Paging> {
    let text = std::str::from_utf8(text).ok()?;
    let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok()??;
    let page_bytes = u64::try_from(page_bytes).ok()?;
    let mut paging = Paging::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(' ') else {
            continue;
        };
        let value = || value.parse::<u64>().ok();
        let bytes = || Some(value()?.saturating_mul(page_bytes));
        match name {
            "pswpin" => paging.swapped_in_bytes = bytes(),
            "pswpout" => paging.swapped_out_bytes = bytes(),
            "pgfault" => paging.faults = value(),
            "pgmajfault" => paging.major_faults = value(),
            "oom_kill" => paging.oom_kills = value(),
            _ => {}
        }
    }
    Some(paging)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured: Linux 6.18, cut.
    const MEMINFO: &str = "\
MemTotal:       24684084 kB
MemFree:        23526072 kB
MemAvailable:   24078524 kB
Buffers:            1148 kB
Cached:            57116 kB
SwapCached:            0 kB
Active:            31136 kB
Inactive:          28076 kB
Active(anon):       1636 kB
SwapTotal:             0 kB
SwapFree:              0 kB
Dirty:               176 kB
Writeback:             0 kB
AnonPages:         20688 kB
Mapped:            10964 kB
Shmem:              8956 kB
SReclaimable:     824356 kB
SUnreclaim:       145048 kB
KernelStack:        1448 kB
PageTables:         2292 kB
CommitLimit:    12342040 kB
Committed_AS:      70488 kB
HugePages_Total:       0
Hugetlb:               0 kB
";

    const VMSTAT: &str = "\
nr_free_pages 5881518
pswpin 3
pswpout 5
pgfault 442192478
pgmajfault 161890
oom_kill 0
pgmajfault_extra 7
";

    #[test]
    fn kilobytes_become_bytes() {
        let memory = parse(MEMINFO.as_bytes()).unwrap();
        assert_eq!(memory.total, Some(24_684_084 * 1024));
        assert_eq!(memory.available, Some(24_078_524 * 1024));
        assert_eq!(memory.dirty, Some(176 * 1024));
        assert_eq!(memory.slab_unreclaimable, Some(145_048 * 1024));
        assert_eq!((memory.swap_total, memory.hugetlb), (Some(0), Some(0)));
        assert_eq!(
            memory.active,
            Some(31_136 * 1024),
            "and not the anonymous part"
        );
    }

    #[test]
    fn what_a_kernel_does_not_tell_is_absent() {
        let without = MEMINFO.replace("Hugetlb:               0 kB\n", "");
        assert_eq!(parse(without.as_bytes()).unwrap().hugetlb, None);
        assert_eq!(parse(b"MemFree: 1 kB\n"), None);
        let paging = parse_paging(b"pgfault 1\n").unwrap();
        assert_eq!((paging.faults, paging.oom_kills), (Some(1), None));
    }

    #[test]
    fn pages_swapped_become_bytes() {
        let page = u64::try_from(sysconf(SysconfVar::PAGE_SIZE).unwrap().unwrap()).unwrap();
        let expected = Paging {
            swapped_in_bytes: Some(3 * page),
            swapped_out_bytes: Some(5 * page),
            faults: Some(442_192_478),
            major_faults: Some(161_890),
            oom_kills: Some(0),
        };
        assert_eq!(parse_paging(VMSTAT.as_bytes()), Some(expected));
    }

    proptest! {
        #[test]
        fn odd_text_is_no_reason_to_fail(
            memory in super::super::odd_text(MEMINFO),
            paging in super::super::odd_text(VMSTAT),
        ) {
            let _parsed = (parse(&memory), parse_paging(&paging));
        }
    }
}
