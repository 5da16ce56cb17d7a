//! `/proc/diskstats`: what block devices did. Partitions are left out, they are part of their disk; so is what was
//! never used.
//!
//! Stacked devices (device mapper, md) stand beside the disks they are made of, under names of their own.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use procfs::{DiskStat, DiskStats, FromBufRead as _};

use super::{MOST, proc_file::ProcFile};
use crate::snapshot::{Disk, Requests, SECTOR_BYTES};

const MILLISECOND_NS: u64 = 1_000_000;

/// The devices seen, and what their times have grown to.
#[derive(Debug)]
pub(super) struct Disks {
    file: ProcFile,
    seen: HashMap<String, Seen>,
}

/// A device between two readings.
#[derive(Debug)]
struct Seen {
    is_partition: bool,
    /// Requests completed, to tell a device that was made anew under the same name.
    completed: u64,
    times: Times,
}

/// The device's times, which the kernel tells as milliseconds in 32 bits: after 50 days they begin again
/// (`diskstats_show`, block/genhd.c, Linux 6.12).
#[derive(Debug, Default)]
struct Times {
    reading: Clock,
    writing: Clock,
    discarding: Clock,
    flushing: Clock,
    busy: Clock,
    weighted: Clock,
}

/// A time that begins again after 2³² milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    last_ms: Option<u32>,
    total_ms: u64,
}

impl Disks {
    pub(super) fn new() -> Self {
        Self {
            file: ProcFile::new("/proc/diskstats"),
            seen: HashMap::new(),
        }
    }

    pub(super) fn read(&mut self) -> Vec<Disk> {
        let parsed = self
            .file
            .read_as(|text| DiskStats::from_buf_read(text).ok());
        self.take(parsed.map_or_else(Vec::new, |stats| stats.0), is_partition)
    }

    fn take(
        &mut self,
        stats: Vec<DiskStat>,
        is_partition: impl Fn(&DiskStat) -> bool,
    ) -> Vec<Disk> {
        let mut disks = Vec::new();
        let mut there = HashSet::new();
        for stat in stats.into_iter().filter(was_used) {
            if there.len() == MOST || !there.insert(stat.name.clone()) {
                continue;
            }
            let completed = completed(&stat);
            let seen = self.seen.entry(stat.name.clone()).or_insert_with(|| Seen {
                is_partition: is_partition(&stat),
                completed,
                times: Times::default(),
            });
            if completed < seen.completed {
                seen.is_partition = is_partition(&stat);
                seen.times = Times::default();
            }
            seen.completed = completed;
            if !seen.is_partition {
                disks.push(disk(stat, &mut seen.times));
            }
        }
        self.seen.retain(|name, _| there.contains(name));
        disks
    }
}

fn was_used(stat: &DiskStat) -> bool {
    completed(stat) > 0
}

fn completed(stat: &DiskStat) -> u64 {
    [
        Some(stat.reads),
        Some(stat.writes),
        stat.discards,
        stat.flushes,
    ]
    .into_iter()
    .flatten()
    .fold(0, u64::saturating_add)
}

/// As sysfs says; a device that it does not know is taken for a whole one.
fn is_partition(stat: &DiskStat) -> bool {
    let device = format!("/sys/dev/block/{}:{}", stat.major, stat.minor);
    fs::exists(Path::new(&device).join("partition")).unwrap_or(false)
}

fn disk(stat: DiskStat, times: &mut Times) -> Disk {
    let bytes = |sectors: u64| sectors.saturating_mul(SECTOR_BYTES);
    Disk {
        reads: Requests {
            count: stat.reads,
            merged: stat.merged,
            bytes: bytes(stat.sectors_read),
            time_ns: times.reading.advance_ns(stat.time_reading),
        },
        writes: Requests {
            count: stat.writes,
            merged: stat.writes_merged,
            bytes: bytes(stat.sectors_written),
            time_ns: times.writing.advance_ns(stat.time_writing),
        },
        discards: stat.discards.map(|count| Requests {
            count,
            merged: stat.discards_merged.unwrap_or_default(),
            bytes: bytes(stat.sectors_discarded.unwrap_or_default()),
            time_ns: times
                .discarding
                .advance_ns(stat.time_discarding.unwrap_or_default()),
        }),
        flushes: stat.flushes,
        flush_ns: stat.time_flushing.map(|ms| times.flushing.advance_ns(ms)),
        in_flight: stat.in_progress,
        io_ns: times.busy.advance_ns(stat.time_in_progress),
        weighted_io_ns: times.weighted.advance_ns(stat.weighted_time_in_progress),
        name: stat.name,
    }
}

impl Clock {
    /// The time in nanoseconds when the kernel says `ms`. The little that it may go backwards by, when it is read while
    /// it is counted, is no new beginning.
    fn advance_ns(&mut self, ms: u64) -> u64 {
        let now_ms = u32::try_from(ms & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        match self.last_ms {
            None => (self.last_ms, self.total_ms) = (Some(now_ms), ms),
            Some(last_ms) => {
                let grown_ms = now_ms.wrapping_sub(last_ms);
                if grown_ms <= u32::MAX / 2 {
                    self.last_ms = Some(now_ms);
                    self.total_ms = self.total_ms.saturating_add(u64::from(grown_ms));
                }
            }
        }
        self.total_ms.saturating_mul(MILLISECOND_NS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured: Linux 6.18; `vda1` added in the same form.
    const DISKSTATS: &str = "   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 4081842 258252 275903690 56192692 1814880 1202659 266965312 3707234 0 1779176 60356262 1136040 140 207518512 393425 362362 62909
 254       1 vda1 4081841 258252 275903690 56192692 1814880 1202659 266965312 3707234 0 1779176 60356262 1136040 140 207518512 393425 0 0
 253       0 zram0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
";

    fn stats(text: &str) -> Vec<DiskStat> {
        DiskStats::from_buf_read(text.as_bytes()).unwrap().0
    }

    fn read(disks: &mut Disks, text: &str) -> Vec<Disk> {
        disks.take(stats(text), |stat| stat.name == "vda1")
    }

    #[test]
    fn whole_devices_that_were_used_are_told() {
        let disks = read(&mut Disks::new(), DISKSTATS);
        let expected = Disk {
            name: "vda".to_owned(),
            reads: Requests {
                count: 4_081_842,
                merged: 258_252,
                bytes: 275_903_690 * 512,
                time_ns: 56_192_692_000_000,
            },
            writes: Requests {
                count: 1_814_880,
                merged: 1_202_659,
                bytes: 266_965_312 * 512,
                time_ns: 3_707_234_000_000,
            },
            discards: Some(Requests {
                count: 1_136_040,
                merged: 140,
                bytes: 207_518_512 * 512,
                time_ns: 393_425_000_000,
            }),
            flushes: Some(362_362),
            flush_ns: Some(62_909_000_000),
            in_flight: 0,
            io_ns: 1_779_176_000_000,
            weighted_io_ns: 60_356_262_000_000,
        };
        assert_eq!(disks, [expected]);
    }

    #[test]
    fn a_kernel_that_counts_no_discards_and_flushes_tells_none() {
        let disks = read(&mut Disks::new(), "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n");
        assert_eq!((disks[0].discards, disks[0].flushes), (None, None));
        assert_eq!(disks[0].in_flight, 9);
    }

    #[test]
    fn a_time_goes_on_where_32_bits_begin_again() {
        let line = |reads: u64, ms: u64| format!("8 0 sda {reads} 0 0 {ms} 0 0 0 0 0 0 0\n");
        let mut disks = Disks::new();
        let mut read_ms =
            |reads, ms| read(&mut disks, &line(reads, ms))[0].reads.time_ns / 1_000_000;
        assert_eq!(read_ms(1, 4_294_967_290), 4_294_967_290);
        assert_eq!(read_ms(2, 4), 4_294_967_300);
        assert_eq!(read_ms(3, 3), 4_294_967_300, "read while it was counted");
        assert_eq!(read_ms(4, 10), 4_294_967_306);
        assert_eq!(read_ms(1, 5), 5, "made anew");
    }

    #[test]
    fn a_device_that_is_gone_is_forgotten() {
        let mut disks = Disks::new();
        read(&mut disks, DISKSTATS);
        assert_eq!(read(&mut disks, ""), []);
        assert!(disks.seen.is_empty());
    }

    proptest! {
        #[test]
        fn odd_text_is_no_reason_to_fail(texts in prop::collection::vec(super::super::odd_text(DISKSTATS), 1..4)) {
            let mut disks = Disks::new();
            for text in texts {
                if let Ok(stats) = DiskStats::from_buf_read(&text[..]) {
                    disks.take(stats.0, |_| false);
                }
            }
        }

        /// Whatever is added up in 32 bits, the total loses nothing.
        #[test]
        fn times_add_up(steps in prop::collection::vec(0_u64..1 << 31, 1..50)) {
            let (mut clock, mut total_ms) = (Clock::default(), 0);
            clock.advance_ns(0);
            for step_ms in steps {
                total_ms += step_ms;
                prop_assert_eq!(clock.advance_ns(total_ms & 0xFFFF_FFFF), total_ms * MILLISECOND_NS);
            }
        }
    }
}
