//! The network namespaces of the entries: what their interfaces carried beyond what was counted for entries, and the
//! addresses that are on this host.
//!
//! The host's own namespace has addresses only: packets pass its interfaces on their way to others, several times, and
//! what is left of those belongs to nobody.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
    process,
};

use agent_ebpf::network::{NetworkCounters, Traffic};

use super::roster::Due;
use crate::{
    container::CgroupId,
    host::netns::{self, Names, Namespace},
    snapshot::Interfaces,
};

/// Whose namespace is the host's.
const INIT: u32 = 1;

/// All namespaces that entries are in.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    host: Option<Namespace>,
    spaces: HashMap<Namespace, Space>,
    members: HashMap<CgroupId, Namespace>,
    host_addresses: Vec<IpAddr>,
    /// Whether addresses came or went since they were last asked for.
    moved: bool,
}

/// One namespace.
#[derive(Debug, Default)]
struct Space {
    /// Entries in it; the first was made first, and speaks for it.
    members: BTreeSet<CgroupId>,
    /// A process in it.
    process: u32,
    interfaces: Interfaces,
    /// Whether the interfaces were read in this tick, so that what entries own can be taken off.
    is_read: bool,
    /// What was counted for members that ended.
    settled: NetworkCounters,
    /// What was counted for all members, as far as it was added up in this tick.
    owned: NetworkCounters,
    unowned: Option<Traffic>,
    addresses: Vec<IpAddr>,
    /// Which interfaces there were when the addresses were last read, and how often they were looked at since.
    addresses_of: Option<Names>,
    looks: u64,
}

/// How often a namespace is looked at before its addresses are read again though its interfaces are the same ones.
const ADDRESSES_EVERY: u64 = 6;

/// The first looks, at which its addresses are read each time: they may be given after the interfaces.
const FIRST_LOOKS: u64 = 12;

impl Namespaces {
    /// Reads the host's own addresses. To be called once in a pass.
    pub(super) fn look_at_host(&mut self) {
        // Where init may not be looked at, this process stands for it: it is meant to run on the host.
        let own = || netns::of_process(process::id());
        self.host = netns::of_process(INIT).or_else(|_| own()).ok();
        if let Ok(addresses) = netns::addresses(INIT)
            && addresses != self.host_addresses
        {
            self.host_addresses = addresses;
            self.moved = true;
        }
    }

    /// Looks where an entry is, and reads its namespace if it speaks for it.
    pub(super) fn look(&mut self, due: &Due) {
        let entry = due.entry;
        let process = due.process;
        let Ok(namespace) = netns::of_process(process) else {
            return;
        };
        if self.host.is_none() || self.host == Some(namespace) {
            self.leave(entry);
            return;
        }
        if self.members.get(&entry) != Some(&namespace) {
            self.leave(entry);
            self.members.insert(entry, namespace);
        }
        let space = self.spaces.entry(namespace).or_default();
        space.members.insert(entry);
        if space.members.first() == Some(&entry) {
            space.process = process;
            self.moved |= space.look();
        }
    }

    /// Reads the interfaces of all namespaces, where nothing but them tells of traffic.
    pub(super) fn look_at_interfaces(&mut self) {
        for (namespace, space) in &mut self.spaces {
            if !space.is_read && netns::of_process(space.process).is_ok_and(|it| it == *namespace) {
                space.read_interfaces();
            }
            space.is_read = false;
        }
    }

    /// Adds what was counted for an entry.
    pub(super) fn own(&mut self, entry: CgroupId, counters: &NetworkCounters) {
        let namespace = self.members.get(&entry);
        if let Some(space) = namespace.and_then(|it| self.spaces.get_mut(it))
            && space.is_read
        {
            space.owned += counters;
        }
    }

    /// Takes what entries own off what was carried, where the interfaces were read in this tick: they were read before,
    /// so that what is under way is nobody's in neither. To be called when all entries have been added.
    pub(super) fn close(&mut self) {
        for space in self.spaces.values_mut().filter(|space| space.is_read) {
            space.is_read = false;
            let mut owned = std::mem::take(&mut space.owned);
            owned += &space.settled;
            let now = space.interfaces.without(&owned);
            let before = space.unowned.unwrap_or_default();
            space.unowned = Some(Traffic {
                rx_bytes: now.rx_bytes.max(before.rx_bytes),
                rx_packets: now.rx_packets.max(before.rx_packets),
                tx_bytes: now.tx_bytes.max(before.tx_bytes),
                tx_packets: now.tx_packets.max(before.tx_packets),
            });
        }
    }

    /// What nobody owns of the traffic in the namespace that `entry` speaks for, as last found.
    pub(super) fn unowned(&self, entry: CgroupId) -> Option<Traffic> {
        self.spoken_for(entry)?.unowned
    }

    /// What the interfaces carried of the namespace that `entry` speaks for, as last read.
    pub(super) fn interfaces(&self, entry: CgroupId) -> Option<Interfaces> {
        self.spoken_for(entry).map(|space| space.interfaces)
    }

    /// An entry ended, of which `counters` were counted in the end. Its namespace may live on with others.
    pub(super) fn end(&mut self, entry: CgroupId, counters: &NetworkCounters) {
        let namespace = self.members.get(&entry);
        if let Some(space) = namespace.and_then(|it| self.spaces.get_mut(it)) {
            space.settled += counters;
        }
        self.leave(entry);
    }

    /// All addresses on this host, if they changed since they were last asked for.
    pub(super) fn addresses(&mut self) -> Option<HashSet<IpAddr>> {
        if !std::mem::take(&mut self.moved) {
            return None;
        }
        let spaces = self.spaces.values();
        let theirs = spaces.flat_map(|space| &space.addresses);
        Some(self.host_addresses.iter().chain(theirs).copied().collect())
    }

    fn spoken_for(&self, entry: CgroupId) -> Option<&Space> {
        let space = self.spaces.get(self.members.get(&entry)?)?;
        (space.members.first() == Some(&entry)).then_some(space)
    }

    fn leave(&mut self, entry: CgroupId) {
        let Some(namespace) = self.members.remove(&entry) else {
            return;
        };
        let Some(space) = self.spaces.get_mut(&namespace) else {
            return;
        };
        space.members.remove(&entry);
        if space.members.is_empty() {
            self.spaces.remove(&namespace);
            self.moved = true;
        }
    }
}

impl Space {
    fn read_interfaces(&mut self) -> Option<Names> {
        let (interfaces, names) = netns::interfaces(self.process).ok()?;
        self.interfaces = interfaces;
        self.is_read = true;
        Some(names)
    }

    /// Reads the interfaces, and the addresses where they may be others; whether they are.
    fn look(&mut self) -> bool {
        let names = self.read_interfaces();
        self.looks += 1;
        let may_be_others = names != self.addresses_of
            || self.looks <= FIRST_LOOKS
            || self.looks.is_multiple_of(ADDRESSES_EVERY);
        if !may_be_others {
            return false;
        }
        let Ok(addresses) = netns::addresses(self.process) else {
            return false;
        };
        self.addresses_of = names;
        let are_others = addresses != self.addresses;
        self.addresses = addresses;
        are_others
    }
}
