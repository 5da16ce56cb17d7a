//! One agent and the scripted loads in their cgroups, shared by the claims of a machine.
//!
//! A further claim about what is counted is one more [`Counter`]: which loads, the kernel's own number, ours.

use std::{ops::Deref, path::Path, sync::LazyLock, thread, time::Duration};

use cgflux::metrics::catalog;
use nix::unistd::sync;

use crate::{
    disk::{DiskStats, at_rest},
    group::Group,
    harness::{AgentProcess, Batch, Entry, Home, eventually, pause},
    machine::machine,
};

/// How long the loads run before they are looked at.
const WARMING: Duration = Duration::from_secs(2);

/// How often each is looked at.
const LOOKS: usize = 2;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Where the agent writes what it ships.
pub(crate) const POINTS: &str = "/tmp/points";

/// Files are read every second too, so that nothing has to be waited for, and plain cgroups are shipped.
const CONFIGURATION: &str = "[collect]\nfile_interval = \"1s\"\n[families.preemption]\nenabled = true\n\
                             [ship]\ncgroups = true\n";

/// Something that runs in a cgroup of its own.
struct Load {
    name: &'static str,
    /// Without this controller it does not run: it would have no bounds, or nothing to show.
    needs: Option<&'static str>,
    /// A limit set before it runs: controller, file and value of version 1, and of version 2.
    limit: Option<(&'static str, [&'static str; 2], [&'static str; 2])>,
    script: &'static str,
    /// Whether it comes to rest: then its group stays as it is, and counters can be compared for being the same.
    rests: bool,
}

const NO_LOAD: Load = Load {
    name: "",
    needs: None,
    limit: None,
    script: "",
    rests: false,
};

/// All loads, in busybox's shell and tools only. Each rests most of the time or soon for good: emulated CPUs are slow,
/// and the claims want some of their time too.
const LOADS: [Load; 14] = [
    Load {
        name: "busy",
        script: "while :; do i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; sleep 0.3; done",
        ..NO_LOAD
    },
    Load {
        name: "throttled",
        needs: Some("cpu"),
        // A twentieth of a CPU, and little enough of a period to be throttled many times a second.
        limit: Some((
            "cpu",
            ["cpu.cfs_quota_us", "5000"],
            ["cpu.max", "5000 100000"],
        )),
        script: "while :; do :; done",
        ..NO_LOAD
    },
    Load {
        name: "forking",
        script: "while :; do (true); (true); sleep 0.5; done",
        ..NO_LOAD
    },
    Load {
        name: "piping",
        script: "mkfifo /tmp/a /tmp/b; (cat </tmp/a >/tmp/b) & exec 3>/tmp/a 4</tmp/b; \
                 while :; do for i in 1 2 3 4 5 6 7 8 9 10; do echo x >&3; read -r line <&4; done; sleep 0.5; done",
        ..NO_LOAD
    },
    Load {
        name: "allocating",
        script: "while :; do dd if=/dev/zero of=/tmp/held bs=1M count=8; sleep 1; done 2>/dev/null",
        ..NO_LOAD
    },
    Load {
        name: "talking",
        script: "(while :; do nc -l -p 7001 >/dev/null; done) & \
                 while :; do dd if=/dev/zero bs=64k count=8 | nc 127.0.0.1 7001; sleep 1; done 2>/dev/null",
        ..NO_LOAD
    },
    Load {
        name: "holding",
        limit: Some(("pids", ["pids.max", "8"], ["pids.max", "8"])),
        needs: Some("pids"),
        script: "dd if=/dev/zero bs=1M count=4 of=/tmp/kept 2>/dev/null",
        rests: true,
    },
    Load {
        name: "crowded",
        needs: Some("pids"),
        limit: Some(("pids", ["pids.max", "4"], ["pids.max", "4"])),
        // One shell more than there is room for: it takes the one that wanted it with it.
        script: "(sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 &) 2>/dev/null",
        rests: true,
    },
    Load {
        name: "starved",
        needs: Some("memory"),
        limit: Some((
            "memory",
            ["memory.limit_in_bytes", "16777216"],
            ["memory.max", "16777216"],
        )),
        // Each reads a line without an end into memory.
        script: "for i in 1 2 3; do tail /dev/zero; done 2>/dev/null",
        rests: true,
    },
    Load {
        name: "direct",
        script: "dd if=/dev/zero of=/disk/direct bs=64k count=32 oflag=direct 2>/dev/null; \
                 dd if=/disk/direct of=/dev/null bs=64k iflag=direct 2>/dev/null",
        rests: true,
        ..NO_LOAD
    },
    Load {
        name: "writing",
        script: "dd if=/dev/zero of=/disk/synced bs=64k count=32 conv=fsync 2>/dev/null",
        rests: true,
        ..NO_LOAD
    },
    Load {
        name: "dirtying",
        // Whoever writes it back, it is not this one.
        script: "dd if=/dev/zero of=/disk/dirty bs=64k count=32 2>/dev/null",
        rests: true,
        ..NO_LOAD
    },
    // Two groups in a network namespace of their own, where nobody else says anything.
    Load {
        name: "serving",
        script: "exec unshare -n sh -c 'for all in all default; do \
                 switch=/proc/sys/net/ipv6/conf/$all/disable_ipv6; [ ! -e $switch ] || echo 1 >$switch; done; \
                 ip link set lo up; echo $$ >/tmp/namespace; sleep 1000 | nc -l -p 7002 >/tmp/received'",
        ..NO_LOAD
    },
    Load {
        name: "asking",
        script: "until [ -s /tmp/namespace ]; do sleep 0.1; done; \
                 exec nsenter -t $(cat /tmp/namespace) -n sh -c '\
                 until grep -q \":1B5A .* 0A \" /proc/net/tcp /proc/net/tcp6; do sleep 0.1; done; \
                 (dd if=/dev/zero bs=64k count=16 2>/dev/null; sleep 1000) | nc 127.0.0.1 7002'",
        ..NO_LOAD
    },
];

/// Something that the kernel tells and so do we.
#[derive(Clone, Copy)]
pub(crate) struct Counter {
    pub(crate) measurement: &'static str,
    pub(crate) field: &'static str,
    /// The loads that it is looked at in, as far as they run here.
    pub(crate) loads: &'static [&'static str],
    /// `None` where this layout's files do not tell it.
    pub(crate) kernel: fn(&Group) -> Option<Told>,
    pub(crate) ours: fn(&Entry) -> Option<u64>,
}

/// What a file of the kernel tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) value: u64,
    /// By so much two readings at one time may be apart.
    pub(crate) slack: u64,
}

/// The agent that watches, and what it watches.
pub(crate) struct Lab {
    pub(crate) agent: AgentProcess,
    /// What the disk had done before the loads began, and what of it the agent knew.
    pub(crate) idle: (DiskStats, DiskStats),
    groups: Vec<(&'static Load, Group)>,
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
        let home = Home::with(CONFIGURATION);
        let agent = home.start(&["--file", POINTS]);
        // It ends with the machine.
        std::mem::forget(home);
        sync();
        let idle = eventually(PATIENCE, "the disk is at rest", || at_rest(&agent));
        let loads = LOADS.iter();
        let here = loads.filter(|load| load.needs.is_none_or(|needs| machine().has(needs)));
        let groups: Vec<_> = here.map(|load| (load, Group::new(load.name))).collect();
        if machine().is_locked_down() {
            // Without the path of a new cgroup, what belongs to it in other hierarchies is known after a look at the tree.
            agent.batch_right_after(&agent.next_batch());
        }
        for (load, group) in &groups {
            if let Some((controller, v1, v2)) = load.limit {
                group.set(controller, v1, v2);
            }
            group.count_io();
            let script = if load.rests {
                format!("{}; >{}; exec sleep 1000", load.script, rest(load.name))
            } else {
                load.script.to_owned()
            };
            // It runs until the machine ends; nobody waits for it.
            drop(group.run(&script));
        }
        pause(WARMING);
        Self {
            agent,
            idle,
            groups,
        }
    }

    /// The names of all loads that run here.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.groups.iter().map(|(load, _)| load.name)
    }

    /// The group of the load `name`.
    #[track_caller]
    pub(crate) fn group(&self, name: &str) -> &Group {
        self.find(name).expect("a load that runs here")
    }

    fn find(&self, name: &str) -> Option<&Group> {
        let mut groups = self.groups.iter();
        groups
            .find(|(load, _)| load.name == name)
            .map(|(_, group)| group)
    }

    /// What the agent says of the group of the load `name`.
    #[track_caller]
    pub(crate) fn entry<'b>(&self, batch: &'b Batch, name: &str) -> &'b Entry {
        batch.at(&self.group(name).path()).expect("it is listed")
    }

    /// Waits until all loads that come to rest have.
    #[track_caller]
    pub(crate) fn rests(&self) {
        for (load, _) in self.groups.iter().filter(|(load, _)| load.rests) {
            eventually(PATIENCE, "the load comes to rest", || {
                let is_there = Path::new(&rest(load.name)).exists();
                is_there.then_some(()).ok_or(load.name)
            });
        }
    }

    /// Each of `counters` lies, for each of its loads, between what the kernel said before and says after. Gives the
    /// last batch.
    #[track_caller]
    pub(crate) fn between(&self, counters: &[Counter]) -> Batch {
        let mut batch = None;
        for _ in 0..LOOKS {
            let (looks, seen) = self.look(counters);
            for look in looks {
                let facts = look.facts();
                // What this layout does not tell is claimed elsewhere.
                let Some((before, after)) = look.before.zip(look.after) else {
                    continue;
                };
                println!("{facts}");
                let ours = look.ours.expect(&facts);
                // What is no total may fall, too.
                let least = before.value.min(after.value);
                let most = before.value.max(after.value);
                assert!(least <= ours + before.slack, "{facts}");
                assert!(ours <= most + after.slack, "{facts}");
            }
            batch = Some(seen);
        }
        batch.expect("a look")
    }

    /// Each of `counters` is, for each of its loads, what the kernel says, once they are at rest; and what the kernel
    /// does not tell is absent. Gives the batch.
    #[track_caller]
    pub(crate) fn agree(&self, counters: &[Counter]) -> Batch {
        self.rests();
        let (looks, batch) = eventually(PATIENCE, "both say the same", || {
            let (looks, batch) = self.look(counters);
            match looks.iter().find(|look| !look.is_same()) {
                Some(look) => Err(look.facts()),
                None => Ok((looks, batch)),
            }
        });
        for look in &looks {
            println!("{}", look.facts());
        }
        batch
    }

    fn look(&self, counters: &[Counter]) -> (Vec<Look>, Batch) {
        let counted: Vec<(Counter, &Group)> = counters
            .iter()
            .inspect(|counter| assert!(counter.is_there(), "no {}", counter.field))
            .flat_map(|counter| {
                let groups = counter.loads.iter().filter_map(|name| self.find(name));
                groups.map(move |group| (*counter, group))
            })
            .collect();
        let read = || -> Vec<Option<Told>> {
            let each = counted.iter();
            each.map(|(it, group)| (it.kernel)(group)).collect()
        };
        let before = read();
        let batch = self.agent.next_batch();
        let after = read();
        let looks = counted.iter().zip(before).zip(after);
        let looks = looks.map(|(((counter, group), before), after)| Look {
            path: group.path(),
            field: counter.field,
            before,
            ours: (counter.ours)(batch.at(&group.path()).expect("it is listed")),
            after,
        });
        (looks.collect(), batch)
    }
}

/// One counter of one group, looked at once.
struct Look {
    path: String,
    field: &'static str,
    before: Option<Told>,
    ours: Option<u64>,
    after: Option<Told>,
}

impl Look {
    fn is_same(&self) -> bool {
        match (self.before, self.ours) {
            (Some(told), Some(ours)) => {
                self.after == Some(told) && ours.abs_diff(told.value) <= told.slack
            }
            (None, None) => self.after.is_none(),
            _ => false,
        }
    }

    fn facts(&self) -> String {
        let number = |it: Option<u64>| it.map_or("absent".to_owned(), |it| it.to_string());
        let told = |it: Option<Told>| number(it.map(|it| it.value));
        format!(
            "{} {}: kernel={} ours={} kernel={}",
            self.path,
            self.field,
            told(self.before),
            number(self.ours),
            told(self.after)
        )
    }
}

impl Counter {
    /// Whether the catalog has it.
    fn is_there(&self) -> bool {
        catalog::container().any(|it| it.measurement == self.measurement && it.field == self.field)
    }
}

/// What a load leaves when it has come to rest.
fn rest(name: &str) -> String {
    format!("/tmp/rest-{name}")
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
