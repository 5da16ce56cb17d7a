//! Scheduling of a live container, against what the kernel says of its only task.
//!
//! The task waits at a pipe and works when told to, by writing there from outside: no other task is in the container
//! meanwhile. When it waits again the kernel's numbers and ours are complete, so what both grew by is the same.

use std::{fs, time::Duration};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};

use crate::harness::{AgentProcess, Container, Docker, Entry, Home, eventually, skip};

const PATIENCE: Duration = Duration::from_mins(1);

/// Beside which a task has to wait for its CPU.
const BUSY: &str = "while :; do :; done";

/// A container whose only task does this, `$n` times for each time it is told to.
struct Lone {
    container: Container,
    pid: String,
}

/// What the kernel counts of a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Kernel {
    voluntary: u64,
    involuntary: u64,
    wait_ns: u64,
    /// Absent where the kernel does not show it.
    migrations: Option<u64>,
    run_ns: u64,
}

/// One look at a task that rests: what the kernel says, before and after what we say.
struct Look {
    kernel: Kernel,
    entry: Entry,
    /// Switches whose second half was not seen, on the whole machine so far.
    unseen: u64,
}

/// The kernel of some virtual machines does not call the program for each switch (README, what falls short). A wait
/// whose end was not seen is left out and counted, so a round may lack something; none may have too much.
#[test]
fn switches_and_waits_of_a_lone_task_are_those_that_the_kernel_counts_of_it() {
    const ROUNDS: usize = 10;
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    // Beside it on the same CPU, so that it is made to give way and waits; never moved, so that all waits are told.
    let pinned = ["--cpuset-cpus", "0"];
    let _rival = docker.run(&pinned, BUSY);
    let lone = Lone::new(&docker, &pinned, ":");
    let mut before = lone.look(&agent);
    let mut whole = 0;
    for _ in 0..ROUNDS {
        lone.work(100_000);
        let after = lone.rested(&agent, before.kernel.run_ns + 20_000_000);
        let kernel = |of: fn(&Kernel) -> u64| of(&after.kernel) - of(&before.kernel);
        let mut lacking = 0;
        for (field, kernel) in [
            ("voluntary_switches", kernel(|it| it.voluntary)),
            ("involuntary_switches", kernel(|it| it.involuntary)),
            ("runq_wait_ns", kernel(|it| it.wait_ns)),
            ("usage_ns", kernel(|it| it.run_ns)),
        ] {
            let ours = grown(&before, &after, field);
            println!("{field}: kernel={kernel} ours={ours}");
            assert!(0 < ours && ours <= kernel, "{field}");
            assert!(ours as f64 > kernel as f64 * 0.9, "{field}");
            lacking += kernel - ours;
        }
        let unseen = after.unseen - before.unseen;
        println!("switches to any task that were not seen: {unseen}");
        assert!(lacking == 0 || unseen > 0);
        whole += usize::from(lacking == 0);
        before = after;
    }
    println!("whole rounds: {whole} of {ROUNDS}");
    assert!(whole > 0, "each round lacked something");
}

#[test]
fn each_move_of_a_lone_task_to_another_cpu_is_counted_and_waits_are_never_too_long() {
    const MOVES: u64 = 60;
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let lone = Lone::new(&docker, &[], ":");
    let allowed = fs::read_to_string(format!("/proc/{}/status", lone.pid)).unwrap();
    if number_after(&allowed, "Cpus_allowed_list:\t0-").is_none() {
        return skip("a task cannot be moved between CPUs 0 and 1 here").unwrap_or_default();
    }
    lone.pin(0);
    let before = lone.look(&agent);
    if before.kernel.migrations.is_none() {
        return skip("the kernel does not tell a task's migrations (CONFIG_SCHED_DEBUG)")
            .unwrap_or_default();
    }
    for turn in 0..MOVES {
        lone.work(20_000);
        lone.pin(usize::from(turn % 2 == 0));
    }
    let after = lone.rested(&agent, before.kernel.run_ns + 1);
    let kernel = after.kernel.migrations.zip(before.kernel.migrations);
    let kernel = kernel.map(|(after, before)| after - before).unwrap();
    let ours = grown(&before, &after, "migrations");
    let wait_ns = after.kernel.wait_ns - before.kernel.wait_ns;
    let our_wait_ns = grown(&before, &after, "runq_wait_ns");
    println!("moved={MOVES} migrations: kernel={kernel} ours={ours}");
    println!("runq_wait_ns: kernel={wait_ns} ours={our_wait_ns}");
    assert_eq!(ours, kernel);
    assert!(ours >= MOVES, "{ours}");
    assert!(our_wait_ns <= wait_ns, "{our_wait_ns} of {wait_ns}");
}

#[test]
fn each_program_that_is_started_is_one_fork_one_exec_and_one_exit() {
    const PROGRAMS: u64 = 50;
    let Some(docker) = Docker::here() else { return };
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let lone = Lone::new(&docker, &[], "/bin/busybox true");
    for _ in 0..3 {
        let before = lone.look(&agent);
        lone.work(PROGRAMS);
        let after = lone.rested(&agent, before.kernel.run_ns + 1);
        let ours = ["forks", "execs", "exits"].map(|field| grown(&before, &after, field));
        println!("programs={PROGRAMS} forks, execs, exits={ours:?}");
        assert_eq!(ours, [PROGRAMS; 3]);
    }
}

impl Lone {
    #[track_caller]
    fn new(docker: &Docker, options: &[&str], work: &str) -> Self {
        let script = format!(
            "mkfifo /go; while :; do read -r n </go; \
             i=0; while [ $i -lt $n ]; do {work}; i=$((i+1)); done; done"
        );
        let container = docker.run(options, &script);
        let pid = container.pid();
        let lone = Self { container, pid };
        eventually(PATIENCE, "it waits at its pipe", || lone.rests());
        lone
    }

    /// Has it work, and waits until it has been told.
    #[track_caller]
    fn work(&self, times: u64) {
        fs::write(format!("/proc/{}/root/go", self.pid), format!("{times}\n")).unwrap();
    }

    /// Lets it run on this CPU only.
    #[track_caller]
    fn pin(&self, cpu: usize) {
        let mut cpus = CpuSet::new();
        cpus.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(self.pid.parse().unwrap()), &cpus).unwrap();
    }

    /// Whether it waits for somebody to open the other end of its pipe, alone.
    fn rests(&self) -> Result<(), String> {
        let read = |file: &str| {
            fs::read_to_string(format!("/proc/{}/{file}", self.pid)).unwrap_or_default()
        };
        let (place, children) = (
            read("syscall"),
            read(&format!("task/{}/children", self.pid)),
        );
        let is_there = fs::exists(format!("/proc/{}/root/go", self.pid)).unwrap_or_default();
        // Of x86-64 and arm64: `open`, `openat`.
        let opens = ["2 ", "257 ", "56 "].iter().any(|it| place.starts_with(it));
        (is_there && opens && children.is_empty())
            .then_some(())
            .ok_or(format!("{place} {children}"))
    }

    /// The kernel's numbers, and ours of the same rest.
    #[track_caller]
    fn look(&self, agent: &AgentProcess) -> Look {
        self.rested(agent, 0)
    }

    /// The same once it has used so much CPU time.
    #[track_caller]
    fn rested(&self, agent: &AgentProcess, used_ns: u64) -> Look {
        eventually(PATIENCE, "it rests", || {
            self.rests()?;
            let kernel = self.kernel();
            let batch = agent.next_batch();
            let after = self.kernel();
            if kernel != after || kernel.run_ns < used_ns {
                return Err(format!("{kernel:?}, then {after:?}"));
            }
            let entry = batch.container(&self.container.id).ok_or("not listed")?;
            let entry = entry.clone();
            let unseen = batch.losses("unseen_switch_ins");
            Ok(Look {
                kernel,
                entry,
                unseen,
            })
        })
    }

    #[track_caller]
    fn kernel(&self) -> Kernel {
        let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", self.pid)).unwrap();
        let (status, stat) = (read("status"), read("schedstat"));
        let sched = fs::read_to_string(format!("/proc/{}/sched", self.pid)).unwrap_or_default();
        let mut times = stat.split_ascii_whitespace().map(|it| it.parse().unwrap());
        let mut time = || times.next().expect("three numbers");
        Kernel {
            run_ns: time(),
            wait_ns: time(),
            voluntary: number_after(&status, "\nvoluntary_ctxt_switches:").unwrap(),
            involuntary: number_after(&status, "\nnonvoluntary_ctxt_switches:").unwrap(),
            migrations: number_after(&sched, "\nse.nr_migrations"),
        }
    }
}

/// What ours grew by.
#[track_caller]
fn grown(before: &Look, after: &Look, field: &str) -> u64 {
    after.entry.expect(field) - before.entry.expect(field)
}

/// The number that follows this in a text.
fn number_after(text: &str, key: &str) -> Option<u64> {
    let (_, rest) = text.split_once(key)?;
    let rest = rest.trim_start_matches([' ', '\t', ':']);
    let end = rest.find(|it: char| !it.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}
