//! What the scheduler programs cost per context switch: `cargo xtask bench switch`.
//!
//! Two processes pass one byte to and fro over pipes, pinned to one CPU: nothing but switches, the worst case. Each
//! round measures, one after the other, no programs, as many empty programs as the chain has, the chain itself, and the
//! chain with a look at who took the CPU; the figures are medians of the differences within a round, so that a drift of the
//! machine cancels. CPU time is the processes' own, exact. What the look costs is told once more by the kernel's own
//! measuring of each call, which others on the machine hardly disturb. Needs root.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures"
)]

#[path = "shared/pair.rs"]
mod pair;
#[path = "shared/rounds.rs"]
mod rounds;
#[path = "shared/spread.rs"]
mod spread;
#[path = "shared/unified.rs"]
mod unified;

use std::{
    env,
    fs::File,
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::Context as _;
use aya::{
    Btf, Ebpf, EbpfLoader, include_bytes_aligned,
    programs::{BtfTracePoint, ProgramInfo, loaded_programs},
};
use cgflux::{
    kernel::{Kernel, Options, StorageKind},
    metrics::catalog::{Families, Family},
};

use pair::{Pair, Rounds, cpu_ns, enter, pin};
use spread::spread;

static FLOOR: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floor.o"));

/// Slot storage and whether run time is charged exactly.
const CHAINS: [(StorageKind, bool); 4] = [
    (StorageKind::CgrpStorage, true),
    (StorageKind::CgrpStorage, false),
    (StorageKind::Hash, true),
    (StorageKind::Hash, false),
];
/// Both processes in one cgroup, or each in its own, so that each switch changes the cgroup.
const PLACES: [(&str, [usize; 2]); 2] = [("one cgroup", [0, 0]), ("two cgroups", [0, 1])];

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [role, rounds] = arguments.as_slice()
        && (role == "ping" || role == "pong")
    {
        return play(role == "ping", rounds.parse()?);
    }
    let (rounds, trips) = rounds::asked_for(100_000)?;
    let bench = Bench::new(trips)?;
    println!(
        "{rounds} rounds of {} switches each; ns of CPU time per switch, median [quartiles]",
        trips * 2
    );
    println!(
        "{:<12} {:<11} {:<12}{} {:>20} {:>20}",
        "slots",
        "run time",
        "processes in",
        Rounds::HEADS,
        "who took the CPU",
        "of that, measured"
    );
    for (place, cgroups) in PLACES {
        for (storage, exact) in CHAINS {
            bench.chain(storage, exact, place, cgroups, rounds)?;
        }
    }
    Ok(())
}

struct Bench {
    pair: Pair,
    trips: u64,
    btf: Btf,
}

impl Bench {
    fn new(trips: u64) -> anyhow::Result<Self> {
        Ok(Self {
            pair: Pair::find()?,
            trips,
            btf: Btf::from_sys_fs()?,
        })
    }

    fn chain(
        &self,
        storage: StorageKind,
        exact: bool,
        place: &str,
        cgroups: [usize; 2],
        rounds: usize,
    ) -> anyhow::Result<()> {
        let usual = Families::DEFAULT;
        let with_takers = usual.with(Family::Preemption);
        let mut found = Rounds::default();
        let (mut above_usual, mut in_calls) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            let none = self.measure(cgroups, || Ok(()))?;
            let empty = self.measure(cgroups, || self.floor(exact))?;
            let ours = self.measure(cgroups, || self.kernel(storage, exact, usual))?;
            let more = self.measure(cgroups, || self.kernel(storage, exact, with_takers))?;
            found.add(none, empty, ours);
            above_usual.push(more - ours);
            let call_ns = |families| self.call_ns(cgroups, storage, exact, families);
            in_calls.push(call_ns(with_takers)? - call_ns(usual)?);
        }
        let charged = if exact { "exact" } else { "switch-only" };
        let storage = storage.as_str();
        let [above_usual, in_calls] = [above_usual, in_calls].map(|it| spread(it, 0));
        println!("{storage:<12} {charged:<11} {place:<12}{found} {above_usual:>20} {in_calls:>20}");
        Ok(())
    }

    /// How long the program on switches takes, by the kernel's measuring, in nanoseconds a call.
    fn call_ns(
        &self,
        cgroups: [usize; 2],
        storage: StorageKind,
        exact: bool,
        families: Families,
    ) -> anyhow::Result<f64> {
        let kernel = self.kernel(storage, exact, families)?;
        let _measuring = kernel
            .measure_cost()
            .context("the kernel does not measure its programs")?;
        self.pair.with(|| self.play_both(cgroups))?;
        let is_ours = |it: &ProgramInfo| {
            let name = it.name_as_str();
            name.is_some_and(|name| name.starts_with("sched_switch"))
        };
        let programs = loaded_programs().flatten().filter(is_ours);
        let newest = programs.max_by_key(ProgramInfo::id);
        let newest = newest.context("no program on switches is loaded")?;
        Ok(newest.run_time().as_nanos() as f64 / newest.run_count().max(1) as f64)
    }

    /// CPU time per switch in nanoseconds, while what `set_up` returns lives. The cgroups are made after it, so that
    /// the programs give them their slots.
    fn measure<T>(
        &self,
        cgroups: [usize; 2],
        set_up: impl Fn() -> anyhow::Result<T>,
    ) -> anyhow::Result<f64> {
        let programs = set_up()?;
        let result = self.pair.with(|| self.play_both(cgroups));
        drop(programs);
        result
    }

    fn play_both(&self, cgroups: [usize; 2]) -> anyhow::Result<f64> {
        let (from_ping, to_pong) = pipe()?;
        let (from_pong, to_ping) = pipe()?;
        let ping = self.player("ping", &self.pair.cgroups[cgroups[0]], from_pong, to_pong)?;
        let pong = self.player("pong", &self.pair.cgroups[cgroups[1]], from_ping, to_ping)?;
        let mut cpu_ns = 0_u64;
        for player in [ping, pong] {
            let output = player.wait_with_output()?;
            anyhow::ensure!(
                output.status.success(),
                "a player ended with {}",
                output.status
            );
            cpu_ns += String::from_utf8(output.stderr)?.trim().parse::<u64>()?;
        }
        Ok(cpu_ns as f64 / (self.trips * 2) as f64)
    }

    fn player(
        &self,
        role: &str,
        cgroup: &Path,
        input: PipeReader,
        output: PipeWriter,
    ) -> anyhow::Result<Child> {
        let child = Command::new(env::current_exe()?)
            .args([role, &self.trips.to_string()])
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::piped())
            .spawn()?;
        enter(cgroup, child.id())?;
        Ok(child)
    }

    fn floor(&self, exact: bool) -> anyhow::Result<Ebpf> {
        let mut ebpf = EbpfLoader::new().btf(Some(&self.btf)).load(FLOOR)?;
        let programs: &[&str] = if exact {
            &["sched_switch", "sched_stat_runtime"]
        } else {
            &["sched_switch"]
        };
        for name in programs {
            let program: &mut BtfTracePoint = ebpf
                .program_mut(name)
                .ok_or_else(|| anyhow::anyhow!("the floor object has no {name}"))?
                .try_into()?;
            program.load(name, &self.btf)?;
            program.attach()?;
        }
        Ok(ebpf)
    }

    fn kernel(
        &self,
        storage: StorageKind,
        exact: bool,
        families: Families,
    ) -> anyhow::Result<Kernel> {
        let mut kernel = Kernel::load(&Options {
            exact,
            families,
            ..self.pair.options(storage)?
        })?;
        kernel.attach_all()?;
        Ok(kernel)
    }
}

/// One player: pinned, it passes the byte on `trips` times and says what CPU time that took.
fn play(serves: bool, trips: u64) -> anyhow::Result<()> {
    pin()?;
    let mut input = File::open("/dev/stdin")?;
    let mut output = File::options().write(true).open("/dev/stdout")?;
    let mut byte = [0_u8];
    let mut pass = |first: bool| -> std::io::Result<()> {
        if first {
            output.write_all(&byte)?;
            input.read_exact(&mut byte)
        } else {
            input.read_exact(&mut byte)?;
            output.write_all(&byte)
        }
    };
    // Not counted: until both play.
    for _ in 0..100 {
        pass(serves)?;
    }
    let before = cpu_ns()?;
    for _ in 0..trips {
        pass(serves)?;
    }
    eprintln!("{}", cpu_ns()? - before);
    Ok(())
}
