//! One agent and one scripted load in cgroups, shared by the claims of a machine.
//!
//! A further claim about what is counted is a few lines: [`Lab::between`] with the group, the kernel's own counter and
//! ours.

use std::{ops::Deref, sync::LazyLock, thread, time::Duration};

use crate::{
    group::Group,
    harness::{AgentProcess, Entry, Home, pause},
};

/// How long the loads run before they are looked at.
const WARMING: Duration = Duration::from_secs(2);

/// How often each is looked at.
const LOOKS: usize = 2;

/// Name and script of each load, busybox's shell and tools only. Each rests most of the time: emulated CPUs are slow, and
/// the claims want some of their time too.
const LOADS: [(&str, &str); 7] = [
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
        "writing",
        "while :; do dd if=/dev/zero of=/disk/file bs=64k count=8 conv=fsync; sleep 1; done 2>/dev/null",
    ),
    (
        "talking",
        "(while :; do nc -l -p 7001 >/dev/null; done) & \
         while :; do dd if=/dev/zero bs=64k count=8 | nc 127.0.0.1 7001; sleep 1; done 2>/dev/null",
    ),
];

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
            lab.group(name).run(script);
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

    /// The names of all loads.
    pub(crate) fn loads(&self) -> impl Iterator<Item = &'static str> {
        self.groups.iter().map(|(name, _)| *name)
    }

    /// What we say of the load `name` lies between what the kernel said before and says after, but for what the
    /// kernel's file cuts off. Gives the entry.
    #[track_caller]
    pub(crate) fn between(
        &self,
        name: &str,
        what: &str,
        kernel: impl Fn(&Group) -> (u64, u64),
        ours: impl Fn(&Entry) -> u64,
    ) -> Entry {
        let mut last = None;
        for _ in 0..LOOKS {
            let group = self.group(name);
            let (before, cut) = kernel(group);
            let batch = self.agent.next_batch();
            let (after, _) = kernel(group);
            let entry = batch.at(&group.path()).expect("it is listed").clone();
            let ours = ours(&entry);
            let facts = format!("{name} {what}: kernel={before} ours={ours} kernel={after}");
            println!("{facts}");
            assert!(before <= ours + cut, "{facts}");
            assert!(ours <= after + cut, "{facts}");
            last = Some(entry);
        }
        last.expect("looked at")
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
