//! What each thread of the agent may do.
//!
//! Capabilities are a thread's own, and a thread begins with those of the one that starts it:
//!
//! - The main thread, with all that the network reaches, has none once the collector runs. Until then it opens files as
//!   the user that it is: what can be read at the start can be read again later.
//! - The collector keeps what reading the host takes; what loading programs takes it may only raise for that.
//! - The threads that the collector starts keep what reading takes.
//!
//! None gets anything back by running another program. A process of root is left as it is: whoever starts one means it
//! to use files that are other users', such as the state folder of the service.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};
use nix::{sys::prctl, unistd::geteuid};

/// Processes, their roots and namespaces, and the files of runtimes.
const READING: [Capability; 2] = [Capability::CAP_DAC_READ_SEARCH, Capability::CAP_SYS_PTRACE];

/// What opens files that are not the user's.
const OTHERS_FILES: [Capability; 2] = [
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
];

/// Why a thread has not given up what it should.
#[derive(Debug, thiserror::Error)]
#[error("cannot give up capabilities")]
pub struct KeptError(#[source] CapsError);

impl From<CapsError> for KeptError {
    fn from(error: CapsError) -> Self {
        Self(error)
    }
}

/// From here on this thread opens files as its user.
pub fn open_files_as_user() -> Result<(), KeptError> {
    if geteuid().is_root() {
        return Ok(());
    }
    let mut effective = caps::read(None, CapSet::Effective)?;
    effective.retain(|it| !OTHERS_FILES.contains(it));
    Ok(caps::set(None, CapSet::Effective, &effective)?)
}

/// Does `work` with all that this thread is permitted.
pub fn raised<T>(work: impl FnOnce() -> T) -> T {
    let sets = [CapSet::Effective, CapSet::Permitted].map(|set| caps::read(None, set));
    let [Ok(effective), Ok(permitted)] = sets else {
        return work();
    };
    if effective == permitted {
        return work();
    }
    let set = |these| {
        // To raise what is permitted, and to lower, is always allowed.
        if let Err(error) = caps::set(None, CapSet::Effective, these) {
            tracing::warn!(%error, "capabilities stay as they are");
        }
    };
    set(&permitted);
    let done = work();
    set(&effective);
    done
}

/// This thread, and all that it starts from here on, may do nothing that any process may not.
pub fn drop_all() -> Result<(), KeptError> {
    if geteuid().is_root() {
        tracing::info!("runs as root, with all its capabilities");
        return Ok(());
    }
    let none = CapsHashSet::new();
    keep(&none, &none)
}

/// This thread, the collector, keeps what it needs. Before Linux 5.19 even reading maps takes `CAP_BPF` where
/// `kernel.unprivileged_bpf_disabled` is set (`__sys_bpf`, kernel/bpf/syscall.c): `reads_maps` says whether it can be
/// done without.
pub fn keep_to_collect(reads_maps: impl Fn() -> bool) -> Result<(), KeptError> {
    if geteuid().is_root() {
        return Ok(());
    }
    let permitted = caps::read(None, CapSet::Permitted)?;
    let mut effective = of_these(&permitted, &READING);
    keep(&effective, &permitted)?;
    if !reads_maps() {
        effective.extend(of_these(&permitted, &[Capability::CAP_BPF]));
        keep(&effective, &permitted)?;
    }
    let to_load = permitted.difference(&effective).copied().collect();
    if !permitted.is_empty() {
        let (always, to_load) = (names(&effective), names(&to_load));
        tracing::info!(
            always,
            to_load,
            "the collector keeps these capabilities, the rest of the agent none"
        );
    }
    Ok(())
}

/// This thread, one that the collector started, reads and does nothing else.
pub fn keep_to_read() {
    if geteuid().is_root() {
        return;
    }
    let kept = caps::read(None, CapSet::Permitted)
        .map_err(KeptError::from)
        .and_then(|permitted| {
            let reading = of_these(&permitted, &READING);
            keep(&reading, &reading)
        });
    if let Err(error) = kept {
        tracing::warn!(%error, "a thread keeps more capabilities than it needs");
    }
}

fn of_these(permitted: &CapsHashSet, these: &[Capability]) -> CapsHashSet {
    let held = these.iter().filter(|it| permitted.contains(it));
    held.copied().collect()
}

/// Gives up all but these. The bounding set is not this process's to change, which takes `CAP_SETPCAP`; without new
/// privileges nothing can come of it.
fn keep(effective: &CapsHashSet, permitted: &CapsHashSet) -> Result<(), KeptError> {
    prctl::set_no_new_privs().map_err(|errno| CapsError::from(format!("no_new_privs: {errno}")))?;
    caps::clear(None, CapSet::Ambient)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Effective, effective)?;
    Ok(caps::set(None, CapSet::Permitted, permitted)?)
}

/// `CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE`
fn names(set: &CapsHashSet) -> String {
    let mut names: Vec<String> = set.iter().map(Capability::to_string).collect();
    names.sort_unstable();
    names.join(", ")
}
