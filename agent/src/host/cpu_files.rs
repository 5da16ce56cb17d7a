//! What a cgroup's own files say of its CPU time.
//!
//! The unified `cpu.stat` gives it for every cgroup, controllers or not (Documentation/admin-guide/cgroup-v2.rst,
//! Linux 6.12), else cpuacct does.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use super::cgroup_file::{number, pairs};

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

/// One cgroup's files, kept open.
#[derive(Debug)]
pub struct CpuFiles(Times);

#[derive(Debug)]
enum Times {
    /// `cpu.stat`.
    Unified(File),
    /// `cpuacct.usage` and `cpuacct.stat`.
    Cpuacct { usage: File, stat: File },
}

/// Room for any file read here: each is a few lines.
type Buffer = [u8; 1024];

impl CpuFiles {
    /// Opens the files of the cgroup with these directories, its unified one and its cpuacct one, each where that
    /// hierarchy is mounted and has the cgroup. Fails where no total can be read.
    pub fn open(unified: Option<&Path>, cpuacct: Option<&Path>) -> io::Result<Self> {
        let times = match (unified, cpuacct) {
            (Some(unified), _) => Times::Unified(File::open(unified.join("cpu.stat"))?),
            (None, Some(cpuacct)) => Times::Cpuacct {
                usage: File::open(cpuacct.join("cpuacct.usage"))?,
                stat: File::open(cpuacct.join("cpuacct.stat"))?,
            },
            (None, None) => return Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        Ok(Self(times))
    }

    /// Reads the totals. Fails once the cgroup is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        let mut buffer: Buffer = [0; 1024];
        match &self.0 {
            Times::Unified(stat) => {
                let text = read(stat, &mut buffer)?;
                Ok(Usage {
                    run_ns: required(text, "usage_usec")?.saturating_mul(1_000),
                    user: required(text, "user_usec")?,
                    system: required(text, "system_usec")?,
                })
            }
            Times::Cpuacct { usage, stat } => {
                let text = read(stat, &mut buffer)?;
                let (user, system) = (required(text, "user")?, required(text, "system")?);
                let run_ns = number(read(usage, &mut buffer)?).ok_or_else(|| lacks("a number"))?;
                Ok(Usage {
                    run_ns,
                    user,
                    system,
                })
            }
        }
    }
}

fn read<'b>(file: &File, buffer: &'b mut Buffer) -> io::Result<&'b [u8]> {
    let length = file.read_at(buffer, 0)?;
    Ok(&buffer[..length])
}

fn required(text: &[u8], name: &str) -> io::Result<u64> {
    let mut pairs = pairs(text);
    let value = pairs.find_map(|(key, value)| (key == name.as_bytes()).then_some(value));
    value.ok_or_else(|| lacks(name))
}

fn lacks(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::cgroup_file::fixture::folder;

    // Captured: Linux 6.12, cgroup v2, Docker 26, trimmed.
    const V2_STAT: &str =
        "usage_usec 284756\nuser_usec 184000\nsystem_usec 100756\nnice_usec 0\nnr_periods 12\n";

    #[test]
    fn the_unified_file_tells_all() {
        let unified = folder(&[("cpu.stat", V2_STAT)]);
        let files = CpuFiles::open(Some(unified.path()), None).unwrap();
        assert_eq!(
            files.usage().unwrap(),
            Usage {
                run_ns: 284_756_000,
                user: 184_000,
                system: 100_756
            }
        );
    }

    #[test]
    fn cpuacct_serves_where_nothing_is_unified() {
        let v1 = folder(&[
            ("cpuacct.usage", "123456789\n"),
            ("cpuacct.stat", "user 7\nsystem 5\n"),
        ]);
        let files = CpuFiles::open(None, Some(v1.path())).unwrap();
        assert_eq!(
            files.usage().unwrap(),
            Usage {
                run_ns: 123_456_789,
                user: 7,
                system: 5
            }
        );
    }

    #[test]
    fn a_file_without_its_number_is_an_error() {
        let unified = folder(&[("cpu.stat", "user_usec 1\n")]);
        let files = CpuFiles::open(Some(unified.path()), None).unwrap();
        assert!(files.usage().is_err());
    }
}
