//! Programs as a unit starts them: a user without rights, but for some capabilities.

use std::{os::unix::process::CommandExt as _, process::Command, thread};

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;

/// `SECBIT_NO_SETUID_FIXUP` of include/uapi/linux/securebits.h.
const NO_SETUID_FIXUP: libc::c_int = 1 << 2;

/// A user that owns nothing.
pub(crate) const NOBODY: u32 = 65_534;

/// What the unit gives the agent.
pub(crate) const OF_THE_UNIT: [Capability; 5] = [
    Capability::CAP_BPF,
    Capability::CAP_PERFMON,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_SYS_PTRACE,
];

/// Starts a command, by `start`, as that user with these capabilities and no other.
#[track_caller]
pub(crate) fn started<T: Send + 'static>(
    mut command: Command,
    capabilities: &[Capability],
    start: impl FnOnce(&mut Command) -> T + Send + 'static,
) -> T {
    let capabilities: CapsHashSet = capabilities.iter().copied().collect();
    // Both are of a thread; the process that it starts inherits them. The change of user must leave the ambient set as
    // it is, which is then all that a program without capabilities of its own has.
    let child = thread::spawn(move || {
        // SAFETY: it takes a number and touches no memory.
        let set = unsafe { libc::prctl(libc::PR_SET_SECUREBITS, NO_SETUID_FIXUP) };
        Errno::result(set).unwrap();
        caps::set(None, CapSet::Inheritable, &capabilities).unwrap();
        caps::set(None, CapSet::Ambient, &capabilities).unwrap();
        start(command.uid(NOBODY).gid(NOBODY))
    });
    child.join().unwrap()
}
