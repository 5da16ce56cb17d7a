//! Facts of the kernel: version, type information, BPF, lockdown.

use std::{fs, io::Read as _, path::Path};

use super::Access;
use crate::kernel::VMLINUX;

/// What the kernel is and allows, before anything is tried.
#[derive(Clone, Debug)]
pub struct KernelFacts {
    /// As `uname -r` tells it; empty where `/proc` does not.
    pub release: String,
    /// Its type information.
    pub type_information: Access,
    /// Whether `/sys` is mounted.
    pub sysfs: bool,
    /// Whether it has the `bpf` system call; `None` where `/proc/sys` is not there to tell.
    pub bpf: Option<bool>,
    /// Whether it compiles programs; `None` where this process cannot know: only the first network namespace tells.
    pub jit: Option<bool>,
    /// The lockdown in force: `none`, `integrity` or `confidentiality`; `None` where securityfs does not tell.
    pub lockdown: Option<String>,
}

impl KernelFacts {
    /// Reads them.
    pub(super) fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).ok();
        let release = text("/proc/sys/kernel/osrelease").unwrap_or_default();
        let lockdown = text("/sys/kernel/security/lockdown");
        Self {
            release: release.trim().to_owned(),
            type_information: type_information(Path::new(VMLINUX)),
            sysfs: Path::new("/sys/kernel").exists(),
            bpf: Path::new("/proc/sys/kernel")
                .exists()
                // Made by kernel/bpf/syscall.c, or on its behalf, since Linux 4.4.
                .then(|| Path::new("/proc/sys/kernel/unprivileged_bpf_disabled").exists()),
            jit: text("/proc/sys/net/core/bpf_jit_enable").map(|value| value.trim() != "0"),
            lockdown: lockdown.as_deref().and_then(in_force),
        }
    }

    /// Major and minor version; `None` if the release is in no known form.
    pub fn version(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release.split(|char: char| !char.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        Some((major, numbers.next()?.parse().ok()?))
    }
}

/// Opened, and known by its first bytes: `BTF_MAGIC` of `include/uapi/linux/btf.h`.
fn type_information(path: &Path) -> Access {
    let mut magic = [0; 2];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    match Access::of(read) {
        Access::Open if magic != 0xeb9f_u16.to_ne_bytes() => {
            Access::Failed("it is not in the form of type information".to_owned())
        }
        access => access,
    }
}

/// The choice in brackets, as in `none [integrity] confidentiality`.
fn in_force(text: &str) -> Option<String> {
    let (_, rest) = text.split_once('[')?;
    let (choice, _) = rest.split_once(']')?;
    Some(choice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lockdown_in_force_stands_in_brackets() {
        let lockdown = in_force("none [integrity] confidentiality\n");
        assert_eq!(lockdown.as_deref(), Some("integrity"));
        assert_eq!(in_force("none\n"), None);
    }

    #[test]
    fn a_release_tells_its_version_however_it_goes_on() {
        for (release, version) in [
            ("6.1.0-28-amd64", Some((6, 1))),
            ("5.10", Some((5, 10))),
            ("7.0-rc1", Some((7, 0))),
            ("", None),
            ("next", None),
        ] {
            let facts = KernelFacts {
                release: release.to_owned(),
                ..KernelFacts::read()
            };
            assert_eq!(facts.version(), version, "{release}");
        }
    }
}
