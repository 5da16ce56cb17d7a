//! Families: what is off is not loaded, not read and not told; the rest is as exact as ever, over every reload.

use std::{collections::BTreeSet, fs, time::Duration};

use aya::programs::loaded_programs;
use nix::sys::signal::Signal;
use serde_json::Value as Json;

use crate::harness::{AgentProcess, Batch, Container, Docker, Entry, Home, cgroup, eventually};

const PATIENCE: Duration = Duration::from_mins(1);

/// Files are read often, so that what is on is soon there.
const OFTEN: &str = "[collect]\nfile_interval = \"1s\"\n";

/// A load that every family tells something of.
const LOAD: &str = "while :; do dd if=/dev/zero of=/f bs=64k count=4 oflag=direct 2>/dev/null; ping -c 1 -W 1 127.0.0.1 >/dev/null; sleep 0.05; done";

/// What a family is made of.
struct Family {
    name: &'static str,
    /// Its kernel programs, as the kernel cuts their names to 15 bytes.
    programs: &'static [&'static str],
    /// Where the API has it, and one of its fields; none for the host as a whole.
    field: Option<(&'static str, &'static str)>,
    /// What its names on `/metrics` begin with.
    prefix: &'static str,
    /// Files that it keeps open.
    files: &'static [&'static str],
}

const FAMILIES: [Family; 9] = [
    Family {
        name: "sched",
        // Cut, `sched_process_exec` looks like `sched_process_exit`, which stays.
        programs: &["sched_switch", "sched_migrate_t", "sched_process_f"],
        field: Some(("cpu", "voluntary_switches")),
        prefix: "cgflux_container_voluntary_switches",
        files: &[],
    },
    Family {
        name: "block_io",
        programs: &["block_rq_complet"],
        field: Some(("io", "writes")),
        prefix: "cgflux_container_io_",
        files: &[],
    },
    Family {
        name: "network",
        programs: &[
            "network_ingress",
            "network_egress",
            "inet_sock_set_s",
            "tcp_retransmit_",
        ],
        field: Some(("net", "rx_bytes")),
        prefix: "cgflux_container_network_",
        files: &[],
    },
    Family {
        name: "memory",
        programs: &[],
        field: Some(("mem", "usage_bytes")),
        prefix: "cgflux_container_memory_",
        files: &["/memory.usage_in_bytes", "/memory.current", "/memory.stat"],
    },
    Family {
        name: "pressure",
        programs: &[],
        field: Some(("psi", "cpu_some_ns")),
        prefix: "cgflux_container_pressure_",
        files: &["cpu.pressure"],
    },
    Family {
        name: "pids",
        programs: &[],
        field: Some(("pids", "pids")),
        prefix: "cgflux_container_pids",
        files: &["pids.current"],
    },
    Family {
        name: "space",
        programs: &[],
        field: Some(("fs", "size_bytes")),
        prefix: "cgflux_container_fs_",
        files: &[],
    },
    Family {
        name: "oom",
        programs: &["mark_victim"],
        field: Some(("mem", "oom_kills")),
        prefix: "cgflux_container_oom_kills",
        files: &[],
    },
    Family {
        name: "host",
        programs: &[],
        field: None,
        prefix: "cgflux_host_",
        files: &["/proc/diskstats"],
    },
];

#[test]
fn each_family_goes_and_comes_by_sighup_and_the_others_stay() {
    let Some(docker) = Docker::here() else { return };
    let home = Home::with(OFTEN);
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&[], LOAD);
    let there: Vec<&Family> = eventually(PATIENCE, "what this machine tells is told", || {
        let look = Look::at(&agent, &container);
        let there: Vec<&Family> = FAMILIES.iter().filter(|it| look.tells(it)).collect();
        let wanted = ["sched", "network", "memory", "pids", "oom", "host"];
        let names: Vec<&str> = there.iter().map(|it| it.name).collect();
        let has_all = wanted.iter().all(|it| names.contains(it));
        has_all.then_some(there).ok_or(format!("{names:?}"))
    });
    println!(
        "told here: {:?}",
        there.iter().map(|it| it.name).collect::<Vec<_>>()
    );
    let mut totals = Totals::default();
    for off in &there {
        let before = Look::at(&agent, &container);
        totals.go_on(&before, "before");
        home.configure(&format!("{OFTEN}{}", switched_off(off.name)));
        reload(&agent);
        eventually(PATIENCE, "the family is gone", || {
            let look = Look::at(&agent, &container);
            totals.go_on(&look, off.name);
            look.lacks(off).then_some(()).ok_or(look.told(off))
        });
        let look = eventually(PATIENCE, "the others are there", || {
            let look = Look::at(&agent, &container);
            totals.go_on(&look, off.name);
            let mut others = there.iter().filter(|it| it.name != off.name);
            let missing = others.find(|it| !look.tells(it));
            missing.map_or(Ok(look), |it| {
                Err(format!("{} without {}", it.name, off.name))
            })
        });
        assert_eq!(look.states(), [(off.name.to_owned(), "off".to_owned())]);
        is_exact(&agent, &container);
        home.configure(OFTEN);
        reload(&agent);
        eventually(PATIENCE, "the family is back", || {
            let look = Look::at(&agent, &container);
            totals.go_on(&look, off.name);
            look.tells(off).then_some(()).ok_or(look.told(off))
        });
        let gone = before
            .programs
            .difference(&Look::at(&agent, &container).programs)
            .count();
        assert_eq!(gone, 0, "all programs of {} are back", off.name);
        println!(
            "{}: off and on; {} totals watched",
            off.name,
            totals.seen.len()
        );
    }
    assert_eq!(agent.batch().losses("regressions"), 0);
}

#[test]
fn families_that_are_off_at_the_start_are_not_loaded_and_come_by_sighup() {
    let Some(docker) = Docker::here() else { return };
    let off: String = FAMILIES.iter().map(|it| switched_off(it.name)).collect();
    let home = Home::with(&format!("{OFTEN}{off}"));
    let agent = home.start::<&str>(&[]);
    let container = docker.run(&[], LOAD);
    let look = eventually(PATIENCE, "the container is told", || {
        let look = Look::at(&agent, &container);
        look.entry.is_some().then_some(look).ok_or("not yet")
    });
    for family in &FAMILIES {
        assert!(look.lacks(family), "{}", look.told(family));
    }
    println!("loaded with everything off: {:?}", look.programs);
    is_exact(&agent, &container);
    let command = |verb: &str| {
        let output = home.command(verb).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let report: Json = serde_json::from_str(&command("check --json")).unwrap();
    for family in &FAMILIES {
        let item = family_item(&report, family.name);
        assert_eq!(item["details"]["state"], "off", "{item}");
    }
    let listing = command("config check");
    assert!(
        listing.contains("[families.network]\nenabled = false"),
        "{listing}"
    );
    assert!(!listing.contains("container_net"), "{listing}");
    home.configure(OFTEN);
    reload(&agent);
    for family in FAMILIES
        .iter()
        .filter(|it| !["space", "block_io", "pressure"].contains(&it.name))
    {
        eventually(PATIENCE, "the family comes", || {
            let look = Look::at(&agent, &container);
            look.tells(family).then_some(()).ok_or(look.told(family))
        });
    }
    let before = Look::at(&agent, &container).bytes();
    container.exec("dd if=/dev/zero bs=1M count=3 2>/dev/null | nc -l -p 99 & sleep 0.5; sleep 3 | nc 127.0.0.1 99 | wc -c");
    let grown = eventually(PATIENCE, "packets are counted", || {
        let grown = Look::at(&agent, &container)
            .bytes()
            .zip(before)
            .map(|(now, then)| now - then);
        grown
            .filter(|grown| *grown >= 3 << 20)
            .ok_or(format!("{grown:?}"))
    });
    println!("3 MiB over loopback after the switch: {grown} bytes received");
    assert!(grown < 4 << 20, "{grown}");
}

#[test]
fn a_configuration_that_does_not_hold_changes_nothing() {
    let home = Home::with(&switched_off("host"));
    let agent = home.start::<&str>(&[]);
    home.configure("[families.network]\nenabled = \"perhaps\"\n");
    agent.signal(Signal::SIGHUP);
    eventually(PATIENCE, "it is refused", || {
        let log = agent.log();
        let refused = log.contains("the configuration does not hold")
            && log.contains("families.network.enabled")
            && log.contains("cgflux.toml:2");
        refused.then_some(()).ok_or(log)
    });
    let programs = programs_of(&agent);
    assert!(programs.contains("network_ingress"), "{programs:?}");
    assert_eq!(agent.next_batch().machine("cpu", "user_ns"), None);
    home.configure("[collect]\nslots = 128\n");
    agent.signal(Signal::SIGHUP);
    eventually(
        PATIENCE,
        "what waits is named, what does not is done",
        || {
            let log = agent.log();
            let named = log.contains("collect.slots") && log.contains("at the next start");
            let is_back = agent.batch().machine("cpu", "user_ns").is_some();
            (named && is_back).then_some(()).ok_or(log)
        },
    );
}

#[test]
fn beyond_the_cpu_budget_families_are_shed_loudly_and_come_back_with_another_budget() {
    let budget =
        |percent: &str| format!("{OFTEN}[budget]\ncpu_percent = {percent}\nwindow = \"5s\"\n");
    // Nothing that ticks each second costs as little.
    let home = Home::with(&budget("0.001"));
    let agent = home.start::<&str>(&[]);
    eventually(PATIENCE, "two families are shed", || {
        let shed = agent.batch().agent("families_shed");
        (shed >= 2)
            .then_some(())
            .ok_or(format!("{shed} shed: {}", agent.log()))
    });
    let log = agent.log();
    let space = log
        .find("family=\"space\"")
        .unwrap_or_else(|| panic!("{log}"));
    let pressure = log
        .find("family=\"pressure\"")
        .unwrap_or_else(|| panic!("{log}"));
    assert!(space < pressure, "in the stated order: {log}");
    let told = log
        .lines()
        .find(|line| line.contains("family=\"space\""))
        .unwrap();
    println!("{told}");
    assert!(
        told.contains("WARN") && told.contains("budget=\"0.001 %\""),
        "{told}"
    );
    let metrics = agent.metrics();
    assert!(
        metrics.contains("cgflux_family_state{family=\"space\",state=\"shed\"} 1"),
        "{metrics}"
    );
    assert!(!metrics.contains("\ncgflux_container_fs_"), "{metrics}");
    let address = agent.address().to_string();
    let mut check = home.command("check --json");
    let output = check.env("CGFLUX_HTTP__LISTEN", address).output().unwrap();
    let report: Json = serde_json::from_slice(&output.stdout).unwrap();
    let item = family_item(&report, "space");
    assert_eq!(
        (&item["details"]["state"], &item["level"]),
        (&"shed".into(), &"warn".into())
    );
    home.configure(&budget("900"));
    reload(&agent);
    eventually(PATIENCE, "all of them are back", || {
        let batch = agent.next_batch();
        let shed = batch.agent("families_shed");
        (shed == 0).then_some(()).ok_or(format!("{shed} shed"))
    });
    let batch = agent.next_batch();
    assert_eq!(batch.agent("families_shed"), 0);
    assert!(batch.agent("sheds") >= 2);
}

/// What `check` says of a family.
#[track_caller]
fn family_item<'a>(report: &'a Json, family: &str) -> &'a Json {
    let mut sections = report["sections"].as_array().unwrap().iter();
    let section = sections.find(|it| it["name"] == "families").unwrap();
    let mut items = section["items"].as_array().unwrap().iter();
    items.find(|it| it["name"] == family).unwrap()
}

/// One look at the agent.
struct Look {
    batch: Batch,
    entry: Option<Entry>,
    metrics: String,
    programs: BTreeSet<String>,
    files: Vec<String>,
}

impl Look {
    #[track_caller]
    fn at(agent: &AgentProcess, container: &Container) -> Self {
        let batch = agent.next_batch();
        Self {
            entry: batch.container(&container.id).cloned(),
            batch,
            metrics: agent.metrics(),
            programs: programs_of(agent),
            files: open_files(agent),
        }
    }

    fn has_field(&self, family: &Family) -> bool {
        match family.field {
            Some((group, field)) => self.entry.as_ref().is_some_and(|entry| {
                let groups = entry.families.get(group);
                groups.is_some_and(|fields| fields.get(field).is_some())
            }),
            None => self.batch.machine("cpu", "user_ns").is_some(),
        }
    }

    /// Of others there may be final totals of what ended before.
    fn has_metric(&self, family: &Family) -> bool {
        let name = self
            .entry
            .as_ref()
            .map(|entry| format!("name=\"{}\"", entry.name));
        let is_its = |line: &str| match (family.field, &name) {
            (Some(_), Some(name)) => line.contains(name.as_str()),
            (Some(_), None) => false,
            (None, _) => true,
        };
        let mut lines = self.metrics.lines();
        lines.any(|line| line.starts_with(family.prefix) && is_its(line))
    }

    fn loaded(&self, family: &Family) -> bool {
        family.programs.iter().any(|it| self.programs.contains(*it))
    }

    fn opened(&self, family: &Family) -> bool {
        let mut files = self.files.iter();
        files.any(|it| family.files.iter().any(|its| it.contains(its)))
    }

    fn tells(&self, family: &Family) -> bool {
        self.has_field(family) && self.has_metric(family)
    }

    fn lacks(&self, family: &Family) -> bool {
        !(self.has_field(family)
            || self.has_metric(family)
            || self.loaded(family)
            || self.opened(family))
    }

    fn told(&self, family: &Family) -> String {
        format!(
            "{}: field={} metric={} loaded={} opened={} programs={:?}",
            family.name,
            self.has_field(family),
            self.has_metric(family),
            self.loaded(family),
            self.opened(family),
            self.programs
        )
    }

    /// The families that are said not to be measured, with why.
    fn states(&self) -> Vec<(String, String)> {
        let lines = self.metrics.lines();
        let of_state = lines.filter_map(|it| it.strip_prefix("cgflux_family_state{family=\""));
        of_state
            .filter_map(|it| {
                let (family, rest) = it.split_once('"')?;
                let (_, rest) = rest.split_once('"')?;
                Some((family.to_owned(), rest.split_once('"')?.0.to_owned()))
            })
            // Off unless asked for.
            .filter(|(family, _)| family != "preemption")
            .collect()
    }

    fn bytes(&self) -> Option<u64> {
        self.entry.as_ref()?.network_with("rx_bytes", "loopback")
    }
}

/// Totals on `/metrics`, none of which may ever be less than it was.
#[derive(Default)]
struct Totals {
    seen: std::collections::BTreeMap<String, f64>,
}

impl Totals {
    #[track_caller]
    fn go_on(&mut self, look: &Look, when: &str) {
        let lines = look.metrics.lines();
        for line in lines.filter(|it| it.starts_with("cgflux_container_")) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let is_total = name.split('{').next().unwrap().ends_with("_total");
            if !is_total {
                continue;
            }
            let value: f64 = value.parse().unwrap();
            let before = self.seen.insert(name.to_owned(), value);
            let before = before.unwrap_or_default();
            assert!(value >= before, "{when}: {name} was {before}, is {value}");
        }
    }
}

/// The programs that the agent holds, by the names that the kernel shows.
pub(super) fn programs_of(agent: &AgentProcess) -> BTreeSet<String> {
    let mut held = BTreeSet::new();
    for file in fs::read_dir(format!("/proc/{}/fdinfo", agent.pid())).unwrap() {
        // A descriptor may be closed meanwhile.
        let info = fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        let number = info.lines().find_map(|it| it.strip_prefix("prog_id:\t"));
        held.extend(number.and_then(|it| it.trim().parse::<u32>().ok()));
    }
    let programs = loaded_programs().flatten();
    let its = programs.filter(|it| held.contains(&it.id()));
    its.filter_map(|it| it.name_as_str().map(str::to_owned))
        .collect()
}

fn open_files(agent: &AgentProcess) -> Vec<String> {
    let files = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    let paths = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    paths.map(|it| it.display().to_string()).collect()
}

fn switched_off(family: &str) -> String {
    format!("[families.{family}]\nenabled = false\n")
}

/// Sends SIGHUP and waits until the configuration is read.
#[track_caller]
fn reload(agent: &AgentProcess) {
    let times = |log: &str| log.matches("the configuration is read again").count();
    let before = times(&agent.log());
    agent.signal(Signal::SIGHUP);
    eventually(PATIENCE, "the configuration is read again", || {
        (times(&agent.log()) > before)
            .then_some(())
            .ok_or(agent.log())
    });
}

/// The container's CPU time lies between the kernel's own counter before and after.
#[track_caller]
fn is_exact(agent: &AgentProcess, container: &Container) {
    let before_us = cgroup::usage_us(&container.cgroup_path()).unwrap();
    let entry = agent.next_batch().container(&container.id).cloned();
    let after_us = cgroup::usage_us(&container.cgroup_path()).unwrap();
    let ours_ns = entry.expect("it is listed").usage_ns();
    let facts = format!("kernel={before_us}us ours={ours_ns}ns kernel={after_us}us");
    println!("{facts}");
    assert!(
        before_us * 1_000 <= ours_ns + 1_000 && ours_ns <= after_us * 1_000 + 1_000,
        "{facts}"
    );
}
