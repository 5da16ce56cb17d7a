//! What the kernel programs missed, and what they cost.

use agent_ebpf::losses::Losses;

use crate::{
    kernel::{CostMeasurement, Kernel},
    metrics::{Sample, Value, catalog},
    snapshot::Timestamp,
};

/// The kernel side's state of health.
#[derive(Default)]
pub(super) struct Health {
    /// What the programs had missed before everything was adopted.
    before: Losses,
    losses: Losses,
    recursion_misses: u64,
    /// A measurement of what the programs cost, with the time it began.
    measuring: Option<(CostMeasurement, u64)>,
    /// What they cost when last measured.
    programs_cpus: Option<f64>,
    /// Cgroups that were there before the programs and found no free slot.
    unadopted: u64,
    /// Events that made no sense or could not be acted on.
    mishaps: u64,
    /// Addresses of this host that found no room.
    unlisted_addresses: usize,
}

/// What was lost since the last look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lost {
    /// Nothing that can be made good.
    Nothing,
    /// Births or deaths of cgroups.
    Events,
}

impl Health {
    /// From here on losses count.
    pub(super) fn begin(&mut self, before: Losses) {
        (self.before, self.losses) = (before, before);
    }

    /// From here on charges without a slot are losses: before, what ran had none because it was not adopted yet.
    pub(super) fn charges_begin(&mut self, before: Losses) {
        self.before.unslotted_charges = before.unslotted_charges;
        self.before.unseen_switch_ins = before.unseen_switch_ins;
        self.before.unslotted_packets = before.unslotted_packets;
    }

    /// A cgroup that was there before the programs found no free slot.
    pub(super) fn exhausted(&mut self) {
        if self.unadopted == 0 {
            tracing::error!(
                "more cgroups are here than there are slots; what got none is told by its file alone: raise \
                 collect.slots"
            );
        }
        self.unadopted += 1;
    }

    /// So many addresses of this host are not listed now.
    pub(super) fn unlisted(&mut self, addresses: usize) {
        if addresses > 0 && self.unlisted_addresses == 0 {
            tracing::warn!(
                addresses,
                "more addresses are on this host than can be listed; traffic to the others counts as outside"
            );
        }
        self.unlisted_addresses = addresses;
    }

    /// Something could not be done.
    pub(super) fn mishap(&mut self) {
        self.mishaps += 1;
    }

    /// Looks at what was lost, each tick.
    pub(super) fn read(&mut self, kernel: &Kernel, now: Timestamp) -> Lost {
        if let Some((measurement, since)) =
            self.measuring.take_if(|(_, since)| *since < now.boot_ns)
        {
            let length_ns = now.boot_ns - since;
            self.programs_cpus = Some(kernel.cost_ns(&measurement) as f64 / length_ns as f64);
        }
        let losses = match kernel.losses() {
            Ok(losses) => losses,
            Err(error) => {
                self.mishap();
                tracing::debug!(%error, "the kernel's losses cannot be read");
                return Lost::Nothing;
            }
        };
        let before = std::mem::replace(&mut self.losses, losses);
        if losses.slots_exhausted > before.slots_exhausted {
            tracing::error!(
                cgroups = losses.slots_exhausted - before.slots_exhausted,
                "new cgroups got no slot, so only their files tell of them; raise collect.slots"
            );
        }
        if losses.events_lost > before.events_lost {
            tracing::warn!("cgroup events were lost; looking through the tree");
            return Lost::Events;
        }
        Lost::Nothing
    }

    /// Reads what the kernel skipped because a program was already running, a file per program, and begins to measure
    /// what the programs cost, until the next tick.
    pub(super) fn read_slowly(&mut self, kernel: &Kernel, now: Timestamp) {
        self.recursion_misses = kernel.recursion_misses();
        self.measuring = kernel
            .measure_cost()
            .map(|measurement| (measurement, now.boot_ns));
    }

    /// CPUs that the programs used when last measured.
    pub(super) fn programs_cpus(&self) -> Option<f64> {
        self.programs_cpus
    }

    /// Programs come or go: a measurement under way would mix them up, and the last one is of others.
    pub(super) fn forget_cost(&mut self) {
        self.measuring = None;
        self.programs_cpus = None;
    }

    /// All of it as samples.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let (now, before) = (&self.losses, &self.before);
        let mut samples: Vec<Sample> = [
            (
                "slots_exhausted",
                now.slots_exhausted - before.slots_exhausted + self.unadopted,
            ),
            ("events_lost", now.events_lost - before.events_lost),
            (
                "unslotted_charges",
                now.unslotted_charges - before.unslotted_charges,
            ),
            (
                "unseen_switch_ins",
                now.unseen_switch_ins - before.unseen_switch_ins,
            ),
            (
                "block_records_exhausted",
                now.block_records_exhausted - before.block_records_exhausted,
            ),
            (
                "paths_exhausted",
                now.paths_exhausted - before.paths_exhausted,
            ),
            (
                "unslotted_packets",
                now.unslotted_packets - before.unslotted_packets,
            ),
            ("unlisted_addresses", self.unlisted_addresses as u64),
            ("recursion_misses", self.recursion_misses),
            ("event_mishaps", self.mishaps),
        ]
        .into_iter()
        .map(|(reason, count)| Sample::lost(reason, count))
        .collect();
        if let Some(cpus) = self.programs_cpus {
            samples.push(Sample::new(&catalog::AGENT_PROGRAMS, Value::Float(cpus)));
        }
        samples
    }
}
