//! What a cgroup's files say of its CPU limit and what was throttled.
//!
//! The bandwidth controller's files are in the unified directory on v2, in the `cpu` hierarchy's on v1
//! (Documentation/scheduler/sched-bwc.rst, Linux 6.12).

use std::path::Path;

use super::cgroup_file::{Buffer, CgroupFile, EMPTY, digits, number, pairs};
use crate::snapshot::{Bandwidth, CpuLimit};

/// One cgroup's files.
#[derive(Debug)]
pub struct BandwidthFiles {
    stat: CgroupFile,
    limit: Limit,
}

#[derive(Debug)]
enum Limit {
    V1 {
        quota: CgroupFile,
        period: CgroupFile,
    },
    V2(CgroupFile),
}

impl BandwidthFiles {
    /// Files of the cpu controller's own hierarchy.
    pub fn v1() -> Self {
        Self {
            stat: CgroupFile::new("cpu.stat"),
            limit: Limit::V1 {
                quota: CgroupFile::new("cpu.cfs_quota_us"),
                period: CgroupFile::new("cpu.cfs_period_us"),
            },
        }
    }

    /// Files of the unified hierarchy.
    pub fn v2() -> Self {
        Self {
            stat: CgroupFile::new("cpu.stat"),
            limit: Limit::V2(CgroupFile::new("cpu.max")),
        }
    }

    /// Reads everything in the cgroup's `folder`; `None` once it is gone, or without the controller, which may be
    /// enabled later.
    pub fn read(&mut self, folder: &Path) -> Option<(Bandwidth, CpuLimit)> {
        let mut buffer = EMPTY;
        let told = self.limit.read(folder, &mut buffer);
        let told = told.and_then(|limit| Some((self.read_stat(folder, &mut buffer)?, limit)));
        if told.is_none() {
            *self = match self.limit {
                Limit::V1 { .. } => Self::v1(),
                Limit::V2(_) => Self::v2(),
            };
        }
        told
    }

    fn read_stat(&mut self, folder: &Path, buffer: &mut Buffer) -> Option<Bandwidth> {
        let (throttled, unit_ns) = match self.limit {
            Limit::V1 { .. } => ("throttled_time", 1),
            Limit::V2(_) => ("throttled_usec", 1_000),
        };
        let text = self.stat.read(folder, buffer)?;
        let field = |name: &str| {
            pairs(text).find_map(|(key, value)| (key == name.as_bytes()).then_some(value))
        };
        Some(Bandwidth {
            periods: field("nr_periods")?,
            throttled_periods: field("nr_throttled")?,
            throttled_ns: field(throttled)?.saturating_mul(unit_ns),
        })
    }

    /// Closes all.
    pub fn close(&mut self) {
        self.stat.close();
        match &mut self.limit {
            Limit::V1 { quota, period } => {
                quota.close();
                period.close();
            }
            Limit::V2(limit) => limit.close(),
        }
    }
}

impl Limit {
    /// No limit is -1 on v1, `max` on v2.
    fn read(&mut self, folder: &Path, buffer: &mut Buffer) -> Option<CpuLimit> {
        match self {
            Self::V1 { quota, period } => Some(CpuLimit {
                quota_us: number(quota.read(folder, buffer)?),
                period_us: number(period.read(folder, buffer)?)?,
            }),
            Self::V2(limit) => {
                let text = limit.read(folder, buffer)?.strip_suffix(b"\n")?;
                let space = text.iter().position(|byte| *byte == b' ')?;
                Some(CpuLimit {
                    quota_us: digits(&text[..space]),
                    period_us: digits(&text[space + 1..])?,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::host::cgroup_file::fixture::folder;

    // Captured: Linux 6.12, cgroup v2, Docker 26, `--cpus 0.5`, trimmed.
    const V2_STAT: &str = "usage_usec 284756\nnr_periods 12\nnr_throttled 7\nthrottled_usec 401\n";
    // Linux 6.18, cgroup v1.
    const V1_STAT: &str = "nr_periods 12\nnr_throttled 7\nthrottled_time 401250\n";

    #[test]
    fn both_versions_tell_throttling_and_the_limit() {
        let v1 = folder(&[
            ("cpu.stat", V1_STAT),
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
        ]);
        let v2 = folder(&[("cpu.stat", V2_STAT), ("cpu.max", "50000 100000\n")]);
        for (mut files, folder, throttled_ns) in [
            (BandwidthFiles::v1(), v1, 401_250),
            (BandwidthFiles::v2(), v2, 401_000),
        ] {
            let bandwidth = Bandwidth {
                periods: 12,
                throttled_periods: 7,
                throttled_ns,
            };
            let limit = CpuLimit {
                quota_us: Some(50_000),
                period_us: 100_000,
            };
            assert_eq!(files.read(folder.path()), Some((bandwidth, limit)));
            files.close();
            assert_eq!(files.read(folder.path()), Some((bandwidth, limit)));
        }
    }

    #[test]
    fn no_limit_is_no_quota_on_both_versions() {
        let v1 = folder(&[
            ("cpu.stat", V1_STAT),
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
        ]);
        let v2 = folder(&[("cpu.stat", V2_STAT), ("cpu.max", "max 100000\n")]);
        for (mut files, folder) in [(BandwidthFiles::v1(), v1), (BandwidthFiles::v2(), v2)] {
            let (_, limit) = files.read(folder.path()).expect("told");
            assert_eq!((limit.quota_us, limit.period_us), (None, 100_000));
        }
    }

    #[test]
    fn a_controller_that_is_enabled_later_is_read_from_then_on() {
        let folder = folder(&[("cpu.stat", "usage_usec 1\n")]);
        let mut files = BandwidthFiles::v2();
        assert_eq!(files.read(folder.path()), None);
        fs::write(folder.path().join("cpu.stat"), V2_STAT).unwrap();
        fs::write(folder.path().join("cpu.max"), "max 100000\n").unwrap();
        assert!(files.read(folder.path()).is_some());
    }
}
