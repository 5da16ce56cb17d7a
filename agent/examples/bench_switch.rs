//! What the scheduler programs cost per context switch: `cargo xtask bench switch`.
//!
//! Two processes pass one byte to and fro over pipes, pinned to one CPU: nothing but switches, the worst case. Each
//! round measures, one after the other, no programs, as many empty programs as the chain has, and the chain itself;
//! the figures are medians of the differences within a round, so that a drift of the machine cancels. CPU time is the
//! processes' own, exact. Needs root.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints its figures"
)]

use std::{
    env,
    fs::{self, File},
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use aya::{Btf, Ebpf, EbpfLoader, include_bytes_aligned, programs::BtfTracePoint};
use cgflux::{
    container::CgroupId,
    kernel::{Anchor, Kernel, Options, StorageKind},
    metrics::catalog::Families,
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

static FLOOR: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floor.o"));

const UNIFIED: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
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
    let rounds = arguments.first().map_or(Ok(31), |rounds| rounds.parse())?;
    let trips = arguments
        .get(1)
        .map_or(Ok(100_000), |trips| trips.parse())?;
    let bench = Bench::new(trips)?;
    println!(
        "{rounds} rounds of {} switches each; ns of CPU time per switch, median [quartiles]",
        trips * 2
    );
    println!(
        "{:<12} {:<11} {:<12} {:>20} {:>20} {:>20} {:>20}",
        "slots",
        "run time",
        "processes in",
        "no programs",
        "empty programs",
        "above none",
        "above empty"
    );
    for (place, cgroups) in PLACES {
        for (storage, exact) in CHAINS {
            bench.chain(storage, exact, place, cgroups, rounds)?;
        }
    }
    Ok(())
}

struct Bench {
    root: PathBuf,
    cgroups: [PathBuf; 2],
    trips: u64,
    btf: Btf,
}

impl Bench {
    fn new(trips: u64) -> anyhow::Result<Self> {
        let root = UNIFIED
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.join("cgroup.procs").exists())
            .ok_or_else(|| anyhow::anyhow!("no unified cgroup hierarchy is mounted"))?;
        let cgroups = ["a", "b"].map(|name| root.join(format!("cgflux-bench-{name}")));
        Ok(Self {
            root,
            cgroups,
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
        let (mut none, mut empty, mut above_none, mut above_empty) =
            (vec![], vec![], vec![], vec![]);
        for _ in 0..rounds {
            let without = self.measure(cgroups, || Ok(()))?;
            let floor = self.measure(cgroups, || self.floor(exact))?;
            let with = self.measure(cgroups, || self.kernel(storage, exact))?;
            none.push(without);
            empty.push(floor);
            above_none.push(with - without);
            above_empty.push(with - floor);
        }
        println!(
            "{:<12} {:<11} {place:<12} {:>20} {:>20} {:>20} {:>20}",
            storage.as_str(),
            if exact { "exact" } else { "switch-only" },
            spread(none),
            spread(empty),
            spread(above_none),
            spread(above_empty)
        );
        Ok(())
    }

    /// CPU time per switch in nanoseconds, while what `set_up` returns lives. The cgroups are made after it, so that
    /// the programs give them their slots.
    fn measure<T>(
        &self,
        cgroups: [usize; 2],
        set_up: impl Fn() -> anyhow::Result<T>,
    ) -> anyhow::Result<f64> {
        let programs = set_up()?;
        for cgroup in &self.cgroups {
            fs::create_dir(cgroup)?;
        }
        let result = self.play_both(cgroups);
        for cgroup in &self.cgroups {
            fs::remove_dir(cgroup)?;
        }
        drop(programs);
        result
    }

    fn play_both(&self, cgroups: [usize; 2]) -> anyhow::Result<f64> {
        let (from_ping, to_pong) = pipe()?;
        let (from_pong, to_ping) = pipe()?;
        let ping = self.player("ping", &self.cgroups[cgroups[0]], from_pong, to_pong)?;
        let pong = self.player("pong", &self.cgroups[cgroups[1]], from_ping, to_ping)?;
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
        fs::write(cgroup.join("cgroup.procs"), child.id().to_string())?;
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

    fn kernel(&self, storage: StorageKind, exact: bool) -> anyhow::Result<Kernel> {
        let mut kernel = Kernel::load(&Options {
            slots: 64,
            exact,
            anchor: Anchor::Unified,
            hierarchy: 0,
            root: CgroupId(fs::metadata(&self.root)?.ino()),
            mount: self.root.clone(),
            io_hierarchy: None,
            memory_hierarchy: None,
            by_address: true,
            network: false,
            families: Families::ALL,
            storage: Some(storage),
        })?;
        kernel.attach(|_| true)?;
        Ok(kernel)
    }
}

/// One player: pinned, it passes the byte on `trips` times and says what CPU time that took.
fn play(serves: bool, trips: u64) -> anyhow::Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &cpus)?;
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
    let before = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    for _ in 0..trips {
        pass(serves)?;
    }
    let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)? - before;
    eprintln!("{}", used.tv_sec() * 1_000_000_000 + used.tv_nsec());
    Ok(())
}

/// Median and quartiles.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4];
    format!("{:.0} [{:.0}, {:.0}]", at(2), at(1), at(3))
}
