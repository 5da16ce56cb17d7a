//! What the programs on packets need: a place to attach, the addresses of this host, and to be told to forget.

use std::{
    collections::HashSet,
    fs::File,
    net::IpAddr,
    os::fd::{AsFd as _, AsRawFd as _},
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

use agent_ebpf::network::{Recent, mapped};
use aya::{
    maps::{HashMap, MapData, MapError},
    programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType, Program, ProgramError},
};
use memmap2::{MmapOptions, MmapRaw};
use nix::errno::Errno;

use super::{KernelError, open, programs::Direction};

/// Addresses that can be told apart from those outside; far beyond what a machine runs, and a bound on what a user who
/// gives a container addresses without end can cost.
pub(super) const MAX_ADDRESSES: u32 = 1 << 14;

/// The network side of the programs.
#[derive(Debug)]
pub(super) struct Network {
    /// The root of the unified hierarchy.
    root: File,
    addresses: HashMap<MapData, [u8; 16], u8>,
    /// What stands in `addresses`.
    listed: HashSet<[u8; 16]>,
    /// One [`Recent`] a CPU.
    recent: MmapRaw,
}

impl Network {
    /// For the unified hierarchy mounted at `root`.
    pub(super) fn new(
        root: &Path,
        addresses: HashMap<MapData, [u8; 16], u8>,
        recent: &MapData,
        cpus: usize,
    ) -> Result<Self, KernelError> {
        let recent = MmapOptions::new()
            .len(cpus * size_of::<Recent>())
            .map_raw(recent.fd().as_fd().as_raw_fd())
            .map_err(KernelError::Mmap)?;
        Ok(Self {
            root: open(root)?,
            addresses,
            listed: HashSet::new(),
            recent,
        })
    }

    /// Attaches a program to the packets of all cgroups. By a link, which goes with this process and stands beside
    /// other links and what others attached so that it can be shared; flags are not for links (`cgroup_bpf_link_attach`
    /// in kernel/bpf/cgroup.c, Linux 6.12: each is as if attached with `BPF_F_ALLOW_MULTI`).
    pub(super) fn attach(
        &self,
        program: &mut Program,
        direction: Direction,
    ) -> Result<(), ProgramError> {
        let program: &mut CgroupSkb = program.try_into()?;
        let direction = match direction {
            Direction::Ingress => CgroupSkbAttachType::Ingress,
            Direction::Egress => CgroupSkbAttachType::Egress,
        };
        program
            .attach(&self.root, direction, CgroupAttachMode::Single)
            .map(|_| ())
    }

    /// Makes these the addresses of this host; returns how many found no room.
    pub(super) fn set_addresses(&mut self, wanted: &HashSet<IpAddr>) -> Result<usize, MapError> {
        let wanted: HashSet<[u8; 16]> = wanted.iter().map(key).collect();
        for gone in self.listed.extract_if(|listed| !wanted.contains(listed)) {
            self.addresses.remove(&gone)?;
        }
        let mut unlisted = 0;
        for new in wanted {
            if self.listed.contains(&new) {
                continue;
            }
            if self.listed.len() < MAX_ADDRESSES as usize {
                self.addresses.insert(new, 1, 0)?;
                self.listed.insert(new);
            } else {
                unlisted += 1;
            }
        }
        Ok(unlisted)
    }

    /// Empties what the programs remember.
    pub(super) fn forget_recent(&self) {
        for place in 0..self.recent.len() / size_of::<u64>() {
            #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins at a page")]
            // SAFETY: the place is within the mapping; the programs read and write whole words there, too.
            let word = unsafe { &*self.recent.as_ptr().cast::<AtomicU64>().add(place) };
            word.store(0, Ordering::Relaxed);
        }
    }
}

/// An address as the programs look for it.
fn key(address: &IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => mapped(address.octets()),
        IpAddr::V6(address) => address.octets(),
    }
}

/// Whether privileges are what is missing, or somebody else's claim, which looks the same.
pub(super) fn is_forbidden(error: &ProgramError) -> bool {
    let ProgramError::SyscallError(call) = error else {
        return false;
    };
    call.io_error.raw_os_error().map(Errno::from_raw) == Some(Errno::EPERM)
}
