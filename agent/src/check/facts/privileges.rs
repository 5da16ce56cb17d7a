//! Facts of this process: who it is, and which capabilities it holds where.

use std::{fs, os::unix::fs::MetadataExt as _};

use nix::{sys::resource, unistd};
use procfs::process::Process;

/// Inode number of the first user namespace: `PROC_USER_INIT_INO` of `include/linux/proc_ns.h`, the same since
/// Linux 3.8.
const FIRST_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// What this process may do.
#[derive(Clone, Debug)]
pub struct Privileges {
    /// Effective user.
    pub uid: u32,
    /// Effective capabilities, by number; `None` where `/proc` does not tell.
    pub effective: Option<u64>,
    /// Capabilities it could ever get; `None` where `/proc` does not tell.
    pub bounding: Option<u64>,
    /// Whether its capabilities are those of the machine, and not of a user namespace; `None` if unknown.
    pub first_user_namespace: Option<bool>,
    /// Whether system calls are filtered; `None` if unknown.
    pub seccomp: Option<bool>,
    /// Bytes it may lock into memory; `None` is no limit. Kernels before 5.11 charge maps to it.
    pub memlock_bytes: Option<u64>,
}

/// A capability by its number in include/uapi/linux/capability.h.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Capability {
    /// Its number.
    pub number: u8,
    /// Its name, as in `CAP_BPF`.
    pub name: &'static str,
}

impl Capability {
    /// `CAP_DAC_OVERRIDE`, which implies the next.
    pub const DAC_OVERRIDE: Self = Self::new(1, "CAP_DAC_OVERRIDE");
    /// `CAP_DAC_READ_SEARCH`
    pub const DAC_READ_SEARCH: Self = Self::new(2, "CAP_DAC_READ_SEARCH");
    /// `CAP_NET_ADMIN`
    pub const NET_ADMIN: Self = Self::new(12, "CAP_NET_ADMIN");
    /// `CAP_SYS_PTRACE`
    pub const SYS_PTRACE: Self = Self::new(19, "CAP_SYS_PTRACE");
    /// `CAP_SYS_ADMIN`, which implies the next two.
    pub const SYS_ADMIN: Self = Self::new(21, "CAP_SYS_ADMIN");
    /// `CAP_PERFMON`
    pub const PERFMON: Self = Self::new(38, "CAP_PERFMON");
    /// `CAP_BPF`
    pub const BPF: Self = Self::new(39, "CAP_BPF");

    const fn new(number: u8, name: &'static str) -> Self {
        Self { number, name }
    }

    /// The capability that includes this one, where the kernel asks for either: `bpf_capable` and `perfmon_capable`
    /// in include/linux/capability.h, `generic_permission` in fs/namei.c, Linux 6.12.
    pub fn implied_by(self) -> Option<Self> {
        match self {
            Self::BPF | Self::PERFMON => Some(Self::SYS_ADMIN),
            Self::DAC_READ_SEARCH => Some(Self::DAC_OVERRIDE),
            _ => None,
        }
    }

    /// Whether it, or one that includes it, is in a set of `/proc/PID/status`.
    fn is_in(self, set: u64) -> bool {
        let is_in = |capability: Self| set >> capability.number & 1 == 1;
        is_in(self) || self.implied_by().is_some_and(is_in)
    }
}

impl Privileges {
    /// Reads them.
    pub(super) fn read() -> Self {
        let status = Process::myself().and_then(|it| it.status()).ok();
        let memlock = resource::getrlimit(resource::Resource::RLIMIT_MEMLOCK);
        Self {
            uid: unistd::geteuid().as_raw(),
            effective: status.as_ref().map(|it| it.capeff),
            bounding: status.as_ref().and_then(|it| it.capbnd),
            first_user_namespace: fs::metadata("/proc/self/ns/user")
                .ok()
                .map(|it| it.ino() == FIRST_USER_NAMESPACE),
            seccomp: status.and_then(|it| it.seccomp).map(|mode| mode != 0),
            memlock_bytes: memlock
                .ok()
                .map(|(soft, _)| soft)
                .filter(|soft| *soft != resource::RLIM_INFINITY),
        }
    }

    /// Whether it holds `capability`, or one that includes it; `None` if unknown.
    pub fn holds(&self, capability: Capability) -> Option<bool> {
        Some(capability.is_in(self.effective?))
    }

    /// Whether it could hold `capability` with other settings of its own; `None` if unknown.
    pub fn may_hold(&self, capability: Capability) -> Option<bool> {
        Some(capability.is_in(self.bounding?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_held_by_itself_or_by_one_that_includes_it() {
        let with = |effective| Privileges {
            effective: Some(effective),
            ..Privileges::read()
        };
        assert_eq!(with(1 << 39).holds(Capability::BPF), Some(true));
        assert_eq!(with(1 << 21).holds(Capability::BPF), Some(true));
        assert_eq!(with(1 << 38).holds(Capability::BPF), Some(false));
        assert_eq!(with(1 << 1).holds(Capability::DAC_READ_SEARCH), Some(true));
        assert_eq!(with(1 << 21).holds(Capability::NET_ADMIN), Some(false));
    }
}
