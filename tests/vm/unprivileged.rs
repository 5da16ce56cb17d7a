//! The agent as its unit runs it: a user without rights, but for some capabilities.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Output},
    thread,
};

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;

/// `SECBIT_NO_SETUID_FIXUP` of include/uapi/linux/securebits.h.
const NO_SETUID_FIXUP: libc::c_int = 1 << 2;

/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// Runs a command as that user with these capabilities and no other.
#[track_caller]
pub(crate) fn run(mut command: Command, capabilities: &[Capability]) -> Output {
    let capabilities: CapsHashSet = capabilities.iter().copied().collect();
    // Both are of a thread; the process that it starts inherits them. The change of user must leave the ambient set as
    // it is, which is then all that a program without capabilities of its own has.
    let child = thread::spawn(move || {
        // SAFETY: it takes a number and touches no memory.
        let set = unsafe { libc::prctl(libc::PR_SET_SECUREBITS, NO_SETUID_FIXUP) };
        Errno::result(set).unwrap();
        caps::set(None, CapSet::Inheritable, &capabilities).unwrap();
        caps::set(None, CapSet::Ambient, &capabilities).unwrap();
        command.uid(NOBODY).gid(NOBODY).output().unwrap()
    });
    child.join().unwrap()
}
