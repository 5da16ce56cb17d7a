//! What a cgroup's own files say of its CPU use.
//!
//! Totals come from the unified `cpu.stat`, which gives usage for every cgroup, controllers or not
//! (Documentation/admin-guide/cgroup-v2.rst, Linux 6.12), else from cpuacct. The bandwidth controller's files are in
//! the unified directory on v2, in the `cpu` hierarchy's on v1.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use crate::snapshot::{Bandwidth, CpuLimit};

/// CPU time as a cgroup's files tell it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Total, in nanoseconds. The unified file tells whole microseconds.
    pub run_ns: u64,
    /// User and system time, in any common unit: only their ratio means something.
    pub user: u64,
    /// See `user`.
    pub system: u64,
}

/// One cgroup's files, those read often kept open.
#[derive(Debug)]
pub struct CpuFiles {
    times: Times,
    /// The directory with the bandwidth controller's files; `None` without that controller.
    bandwidth: Option<Layout>,
}

#[derive(Debug)]
enum Times {
    /// `cpu.stat`.
    Unified(File),
    /// `cpuacct.usage` and `cpuacct.stat`.
    Cpuacct { usage: File, stat: File },
}

#[derive(Debug)]
enum Layout {
    V1(PathBuf),
    V2(PathBuf),
}

impl CpuFiles {
    /// Opens the files of the cgroup with these directories: its unified one, its cpuacct one, its `cpu` one, each
    /// where that hierarchy is mounted and has the cgroup. Fails where no total can be read.
    pub fn open(
        unified: Option<&Path>,
        cpuacct: Option<&Path>,
        cpu: Option<&Path>,
    ) -> io::Result<Self> {
        let times = match (unified, cpuacct) {
            (Some(unified), _) => Times::Unified(File::open(unified.join("cpu.stat"))?),
            (None, Some(cpuacct)) => Times::Cpuacct {
                usage: File::open(cpuacct.join("cpuacct.usage"))?,
                stat: File::open(cpuacct.join("cpuacct.stat"))?,
            },
            (None, None) => return Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let v1 = cpu.filter(|path| path.join("cpu.cfs_period_us").exists());
        let v2 = unified.filter(|path| path.join("cpu.max").exists());
        let bandwidth = v1.map(|path| Layout::V1(path.to_owned()));
        let bandwidth = bandwidth.or_else(|| v2.map(|path| Layout::V2(path.to_owned())));
        Ok(Self { times, bandwidth })
    }

    /// Reads the totals. Fails once the cgroup is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        match &self.times {
            Times::Unified(stat) => {
                let text = read(stat)?;
                Ok(Usage {
                    run_ns: required(&text, "usage_usec")?.saturating_mul(1_000),
                    user: required(&text, "user_usec")?,
                    system: required(&text, "system_usec")?,
                })
            }
            Times::Cpuacct { usage, stat } => {
                let text = read(stat)?;
                Ok(Usage {
                    run_ns: read(usage)?.trim().parse().map_err(io::Error::other)?,
                    user: required(&text, "user")?,
                    system: required(&text, "system")?,
                })
            }
        }
    }

    /// Reads what the bandwidth controller did; `None` without it, or once the cgroup is gone.
    pub fn bandwidth(&self) -> Option<Bandwidth> {
        let (path, throttled, unit_ns) = match self.bandwidth.as_ref()? {
            Layout::V1(path) => (path, "throttled_time", 1),
            Layout::V2(path) => (path, "throttled_usec", 1_000),
        };
        let text = fs::read_to_string(path.join("cpu.stat")).ok()?;
        Some(Bandwidth {
            periods: field(&text, "nr_periods")?,
            throttled_periods: field(&text, "nr_throttled")?,
            throttled_ns: field(&text, throttled)?.saturating_mul(unit_ns),
        })
    }

    /// Reads the limit in force; `None` as for [`CpuFiles::bandwidth`].
    pub fn limit(&self) -> Option<CpuLimit> {
        let text = |path: &Path, name| fs::read_to_string(path.join(name)).ok();
        match self.bandwidth.as_ref()? {
            // No limit is -1 on v1, `max` on v2.
            Layout::V1(path) => Some(CpuLimit {
                quota_us: text(path, "cpu.cfs_quota_us")?.trim().parse().ok(),
                period_us: text(path, "cpu.cfs_period_us")?.trim().parse().ok()?,
            }),
            Layout::V2(path) => {
                let text = text(path, "cpu.max")?;
                let (quota, period) = text.trim().split_once(' ')?;
                Some(CpuLimit {
                    quota_us: quota.parse().ok(),
                    period_us: period.parse().ok()?,
                })
            }
        }
    }
}

fn read(file: &File) -> io::Result<String> {
    // Every file here is a few lines.
    let mut bytes = [0_u8; 1024];
    let length = file.read_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
}

fn required(text: &str, name: &str) -> io::Result<u64> {
    field(text, name)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no {name}")))
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')?
            .trim()
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    // Captured: Linux 6.12, cgroup v2, Docker 26, `--cpus 0.5`, trimmed to what is read.
    const V2_STAT: &str = "usage_usec 284756\nuser_usec 184000\nsystem_usec 100756\nnice_usec 0\n\
                           nr_periods 12\nnr_throttled 7\nthrottled_usec 401\n";

    #[test]
    fn v2_tells_usage_throttling_and_limit_in_one_directory() {
        let unified = folder(&[("cpu.stat", V2_STAT), ("cpu.max", "50000 100000\n")]);
        let files = CpuFiles::open(Some(unified.path()), None, None).unwrap();
        let usage = files.usage().unwrap();
        assert_eq!(
            usage,
            Usage {
                run_ns: 284_756_000,
                user: 184_000,
                system: 100_756
            }
        );
        let bandwidth = Bandwidth {
            periods: 12,
            throttled_periods: 7,
            throttled_ns: 401_000,
        };
        assert_eq!(files.bandwidth(), Some(bandwidth));
        let limit = CpuLimit {
            quota_us: Some(50_000),
            period_us: 100_000,
        };
        assert_eq!(files.limit(), Some(limit));
    }

    #[test]
    fn no_limit_is_no_quota_on_both_versions() {
        let v1 = folder(&[
            ("cpu.cfs_quota_us", "-1\n"),
            ("cpu.cfs_period_us", "100000\n"),
        ]);
        let v2 = folder(&[("cpu.stat", V2_STAT), ("cpu.max", "max 100000\n")]);
        let unlimited = Some(CpuLimit {
            quota_us: None,
            period_us: 100_000,
        });
        let hybrid = CpuFiles::open(Some(v2.path()), None, Some(v1.path())).unwrap();
        assert_eq!(hybrid.limit(), unlimited);
        assert_eq!(
            CpuFiles::open(Some(v2.path()), None, None).unwrap().limit(),
            unlimited
        );
    }

    #[test]
    fn cpuacct_serves_where_nothing_is_unified() {
        let v1 = folder(&[
            ("cpuacct.usage", "123456789\n"),
            ("cpuacct.stat", "user 7\nsystem 5\n"),
        ]);
        let files = CpuFiles::open(None, Some(v1.path()), None).unwrap();
        assert_eq!(
            files.usage().unwrap(),
            Usage {
                run_ns: 123_456_789,
                user: 7,
                system: 5
            }
        );
        assert_eq!(files.bandwidth(), None);
    }

    #[test]
    fn a_file_without_its_number_is_an_error() {
        let unified = folder(&[("cpu.stat", "user_usec 1\n")]);
        let files = CpuFiles::open(Some(unified.path()), None, None).unwrap();
        assert!(files.usage().is_err());
    }
}
