//! One agent and one scripted load in cgroups, shared by the claims of a machine.
//!
//! A further claim about what is counted is one more [`Counter`]: which loads, the kernel's own number, ours.

use std::{ops::Deref, sync::LazyLock, thread, time::Duration};

use cgflux::metrics::catalog;

use crate::{
    group::Group,
    harness::{AgentProcess, Batch, Entry, Home, pause},
};

/// How long the loads run before they are looked at.
const WARMING: Duration = Duration::from_secs(2);

/// How often each is looked at.
const LOOKS: usize = 2;

/// Name and script of each load, busybox's shell and tools only. Each rests most of the time: emulated CPUs are slow, and
/// the claims want some of their time too.
const LOADS: [(&str, &str); 8] = [
    (
        "busy",
        "while :; do i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; sleep 0.3; done",
    ),
    ("throttled", "while :; do :; done"),
    ("forking", "while :; do (true); (true); sleep 0.5; done"),
    (
        "piping",
        "mkfifo /tmp/a /tmp/b; (cat </tmp/a >/tmp/b) & exec 3>/tmp/a 4</tmp/b; \
         while :; do for i in 1 2 3 4 5 6 7 8 9 10; do echo x >&3; read -r line <&4; done; sleep 0.5; done",
    ),
    (
        "allocating",
        "while :; do dd if=/dev/zero of=/tmp/held bs=1M count=8; sleep 1; done 2>/dev/null",
    ),
    (
        "holding",
        "dd if=/dev/zero bs=1M count=4 of=/tmp/kept 2>/dev/null; exec sleep 1000",
    ),
    (
        "writing",
        "while :; do dd if=/dev/zero of=/disk/file bs=64k count=8 conv=fsync; sleep 1; done 2>/dev/null",
    ),
    (
        "talking",
        "(while :; do nc -l -p 7001 >/dev/null; done) & \
         while :; do dd if=/dev/zero bs=64k count=8 | nc 127.0.0.1 7001; sleep 1; done 2>/dev/null",
    ),
];

/// The names of all loads.
pub(crate) const ALL_LOADS: [&str; LOADS.len()] = {
    let mut names = [""; LOADS.len()];
    let mut at = 0;
    while at < LOADS.len() {
        names[at] = LOADS[at].0;
        at += 1;
    }
    names
};

/// Something that the kernel tells and so do we.
pub(crate) struct Counter {
    pub(crate) measurement: &'static str,
    pub(crate) field: &'static str,
    /// The loads that it is looked at in.
    pub(crate) loads: &'static [&'static str],
    /// `None` where this layout's files do not tell it.
    pub(crate) kernel: fn(&Group) -> Option<Told>,
    pub(crate) ours: fn(&Entry) -> Option<u64>,
}

impl Counter {
    /// Whether this version of the agent has it.
    fn is_there(&self) -> bool {
        catalog::container().any(|it| it.measurement == self.measurement && it.field == self.field)
    }
}

/// What a file of the kernel tells.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) value: u64,
    /// By so much two readings at one time may be apart.
    pub(crate) slack: u64,
}

/// The agent that watches, and what it watches.
pub(crate) struct Lab {
    pub(crate) agent: AgentProcess,
    groups: Vec<(&'static str, Group)>,
}

/// The lab, for one test: if that fails, it prints the agent's log.
pub(crate) struct Visit(&'static Lab);

/// The lab, built at the first call.
pub(crate) fn lab() -> Visit {
    static LAB: LazyLock<Lab> = LazyLock::new(Lab::new);
    Visit(&LAB)
}

impl Lab {
    fn new() -> Self {
        // Files are read every second too, so that nothing has to be waited for.
        let home = Home::with("[collect]\nfile_interval = \"1s\"\n");
        let agent = home.start::<&str>(&[]);
        // It ends with the machine.
        std::mem::forget(home);
        let groups: Vec<(&str, Group)> = LOADS
            .iter()
            .map(|(name, _)| (*name, Group::new(name)))
            .collect();
        let lab = Self { agent, groups };
        // A twentieth of a CPU, and little enough of a period to be throttled many times a second.
        lab.group("throttled").set(
            "cpu",
            ("cpu.cfs_quota_us", "5000"),
            ("cpu.max", "5000 100000"),
        );
        for (name, script) in LOADS {
            // It runs until the machine ends; nobody waits for it.
            drop(lab.group(name).run(script));
        }
        pause(WARMING);
        lab
    }

    /// The group of the load `name`.
    #[track_caller]
    pub(crate) fn group(&self, name: &str) -> &Group {
        let found = self.groups.iter().find(|(known, _)| *known == name);
        &found.expect("a load").1
    }

    /// Each of `counters` lies, for each of its loads, between what the kernel said before and says after. Gives the
    /// last batch.
    #[track_caller]
    pub(crate) fn between(&self, counters: &[Counter]) -> Batch {
        let mut batch = self.look(counters);
        for _ in 1..LOOKS {
            batch = self.look(counters);
        }
        batch
    }

    #[track_caller]
    fn look(&self, counters: &[Counter]) -> Batch {
        let counted: Vec<(&Counter, &Group)> = counters
            .iter()
            .filter(|counter| counter.is_there())
            .flat_map(|counter| {
                let names = counter.loads.iter().map(|name| self.group(name));
                names.map(move |group| (counter, group))
            })
            .collect();
        let read = || -> Vec<Option<Told>> {
            counted
                .iter()
                .map(|(it, group)| (it.kernel)(group))
                .collect()
        };
        let before = read();
        let batch = self.agent.next_batch();
        let after = read();
        for (((counter, group), before), after) in counted.iter().zip(before).zip(after) {
            let Some((before, after)) = before.zip(after) else {
                continue;
            };
            let (path, field) = (group.path(), counter.field);
            let entry = batch.at(&path).expect("it is listed");
            let ours = (counter.ours)(entry).unwrap_or_else(|| panic!("no {field} in {entry:?}"));
            let (before_value, after_value) = (before.value, after.value);
            let facts =
                format!("{path} {field}: kernel={before_value} ours={ours} kernel={after_value}");
            println!("{facts}");
            // What is no total may fall, too.
            let least = before_value.min(after_value);
            let most = before_value.max(after_value);
            assert!(least <= ours + before.slack, "{facts}");
            assert!(ours <= most + after.slack, "{facts}");
        }
        batch
    }
}

impl Deref for Visit {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        self.0
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("--- log of the agent ---\n{}---", self.0.agent.log());
        }
    }
}
