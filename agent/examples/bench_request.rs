//! What the program on block requests costs per request: `cargo xtask bench request`.
//!
//! Requests of 4 KiB to a loop device over a file in memory: nothing to wait for, so many a second. They end in the
//! kernel's own threads, so it is the kernel that measures: its statistics tell what a call of a program took, of an
//! empty one and of ours, one after the other in each round; the figures are medians of the differences within a round.
//! Statistics cost some 20 ns of each call, the empty program's too. Needs root and `losetup`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "shared/rounds.rs"]
mod rounds;
#[path = "shared/spread.rs"]
mod spread;

use std::{
    fs::{self, File, OpenOptions},
    os::{
        fd::OwnedFd,
        unix::fs::{FileExt as _, OpenOptionsExt as _},
    },
    path::PathBuf,
    process::Command,
    time::Instant,
};

use aya::{
    Btf, Ebpf, EbpfLoader, include_bytes_aligned,
    programs::BtfTracePoint,
    sys::{Stats, enable_stats},
};
use cgflux::{
    host::cgroup_tree::{Hierarchy, Layout},
    kernel::{Anchor, Kernel, Options, Role},
    metrics::catalog::{Families, Source},
};
use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};

use spread::spread;

static FLOOR: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/floor.o"));

/// Of one request; one such block is left out between two, so that no requests are merged.
const BLOCK: usize = 4096;
const BACKING: &str = "/dev/shm/cgflux-bench-request";
const CGROUP: &str = "/cgflux-bench-request";

/// What requests are made.
#[derive(Clone, Copy)]
enum Load {
    /// Read past the page cache: the owner is the request's.
    Read,
    /// Written past the page cache, the same.
    Write,
    /// Written to the page cache in the cgroup and to the device outside it: under cgroup v1 the owner is the page's.
    WriteBack,
}

fn main() -> anyhow::Result<()> {
    let (rounds, requests) = rounds::asked_for(10_000)?;
    let bench = Bench::new(requests)?;
    println!(
        "{rounds} rounds of {requests} requests each; ns per request, median [quartiles]\n{:<20} {:>24} {:>20} {:>20} {:>20}",
        "requests", "time without programs", "empty program", "our program", "above empty"
    );
    for (name, load) in [
        ("direct reads", Load::Read),
        ("direct writes", Load::Write),
        ("written back", Load::WriteBack),
    ] {
        let (mut none, mut empty, mut ours, mut above) = (vec![], vec![], vec![], vec![]);
        for _ in 0..rounds {
            none.push(bench.time(load)?);
            let floor = bench.measure(load, || bench.floor())?;
            let with = bench.measure(load, || bench.kernel())?;
            empty.push(floor);
            ours.push(with);
            above.push(with - floor);
        }
        println!(
            "{name:<20} {:>24} {:>20} {:>20} {:>20}",
            spread(none, 0),
            spread(empty, 0),
            spread(ours, 0),
            spread(above, 0)
        );
    }
    Ok(())
}

struct Bench {
    layout: Layout,
    requests: u64,
    device: LoopDevice,
    btf: Btf,
}

impl Bench {
    fn new(requests: u64) -> anyhow::Result<Self> {
        Ok(Self {
            layout: Layout::find()?,
            requests,
            device: LoopDevice::over_memory(requests * 2 * BLOCK as u64)?,
            btf: Btf::from_sys_fs()?,
        })
    }

    /// What a call of the programs that `set_up` returns takes, in nanoseconds. The cgroup is made after it, so that
    /// the programs give it its slot.
    fn measure<T>(
        &self,
        load: Load,
        set_up: impl Fn() -> anyhow::Result<T>,
    ) -> anyhow::Result<f64> {
        let programs = set_up()?;
        let statistics: OwnedFd = enable_stats(Stats::RunTime)?;
        self.in_cgroup(load)?;
        let (run_ns, calls) = cost_of_programs()?;
        drop((statistics, programs));
        anyhow::ensure!(
            calls >= self.requests,
            "{calls} calls for {} requests",
            self.requests
        );
        Ok(run_ns as f64 / calls as f64)
    }

    /// How long a request takes without programs, in nanoseconds.
    fn time(&self, load: Load) -> anyhow::Result<f64> {
        let took_ns = self.in_cgroup(load)?;
        Ok(took_ns as f64 / self.requests as f64)
    }

    fn in_cgroup(&self, load: Load) -> anyhow::Result<u128> {
        let folders: Vec<PathBuf> = self.hierarchies().map(|it| it.folder(CGROUP)).collect();
        let result = folders
            .iter()
            .try_for_each(fs::create_dir)
            .map_err(Into::into)
            .and_then(|()| self.make_requests(load));
        self.leave()?;
        for folder in folders.iter().filter(|folder| folder.exists()) {
            fs::remove_dir(folder)?;
        }
        result
    }

    fn make_requests(&self, load: Load) -> anyhow::Result<u128> {
        self.device.forget_pages()?;
        for hierarchy in self.hierarchies() {
            enter(hierarchy, CGROUP)?;
        }
        let mut block = Block([0; BLOCK]);
        let offsets = (0..self.requests).map(|at| at * 2 * BLOCK as u64);
        let began = match load {
            Load::Read => {
                let file = self.device.open(OFlag::O_DIRECT)?;
                let began = Instant::now();
                for offset in offsets {
                    file.read_exact_at(&mut block.0, offset)?;
                }
                began
            }
            Load::Write => {
                let file = self.device.open(OFlag::O_DIRECT)?;
                let began = Instant::now();
                for offset in offsets {
                    file.write_all_at(&block.0, offset)?;
                }
                began
            }
            Load::WriteBack => {
                let file = self.device.open(OFlag::empty())?;
                for offset in offsets {
                    file.write_all_at(&block.0, offset)?;
                }
                self.leave()?;
                let began = Instant::now();
                file.sync_all()?;
                began
            }
        };
        Ok(began.elapsed().as_nanos())
    }

    fn leave(&self) -> std::io::Result<()> {
        self.hierarchies().try_for_each(|it| enter(it, "/"))
    }

    /// The accounting hierarchy and, where they are others, those of block I/O and memory. Cgroups are made there in
    /// this order, as runtimes do.
    fn hierarchies(&self) -> impl Iterator<Item = &Hierarchy> {
        let accounting = self.layout.accounting();
        let io = self.layout.with("blkio");
        let io = io.filter(|it| it.id != accounting.id);
        let memory = self.layout.with("memory");
        let memory =
            memory.filter(|it| it.id != accounting.id && Some(it.id) != io.map(|io| io.id));
        [Some(accounting), io, memory].into_iter().flatten()
    }

    fn floor(&self) -> anyhow::Result<Ebpf> {
        const NAME: &str = "block_rq_complete";
        let mut ebpf = EbpfLoader::new().btf(Some(&self.btf)).load(FLOOR)?;
        let program: &mut BtfTracePoint = ebpf
            .program_mut(NAME)
            .ok_or_else(|| anyhow::anyhow!("the floor object has no {NAME}"))?
            .try_into()?;
        program.load(NAME, &self.btf)?;
        program.attach()?;
        Ok(ebpf)
    }

    fn kernel(&self) -> anyhow::Result<Kernel> {
        let accounting = self.layout.accounting();
        let mut kernel = Kernel::load(&Options {
            slots: 64,
            exact: true,
            anchor: match self.layout.unified() {
                Some(_) => Anchor::Unified,
                None => Anchor::Cpuacct,
            },
            hierarchy: accounting.id,
            root: accounting.id_of("/")?,
            io_hierarchy: self.layout.with("blkio").map(|it| it.id),
            memory_hierarchy: self.layout.with("memory").map(|it| it.id),
            skip: Vec::new(),
            network: false,
            families: Families::DEFAULT,
            mount: accounting.mount.clone(),
            storage: None,
        })?;
        kernel.attach(|role| !role.counts())?;
        let of_requests = [
            Role::Metric(Source::BlockRqComplete),
            Role::Instead(Source::BlockRqComplete),
        ];
        kernel.attach(|role| of_requests.contains(&role))?;
        Ok(kernel)
    }
}

/// Time and calls of all programs of this process since they were loaded (`bpf_prog_show_fdinfo` in
/// kernel/bpf/syscall.c, Linux 6.12). Those on births run some few times and do not weigh.
fn cost_of_programs() -> anyhow::Result<(u64, u64)> {
    let (mut run_ns, mut calls) = (0, 0);
    for entry in fs::read_dir("/proc/self/fdinfo")? {
        // The descriptor of the folder itself is closed when it is come to.
        let info = fs::read_to_string(entry?.path()).unwrap_or_default();
        let value = |name: &str| -> u64 {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or_default()
        };
        run_ns += value("run_time_ns:");
        calls += value("run_cnt:");
    }
    Ok((run_ns, calls))
}

/// Moves this process.
fn enter(hierarchy: &Hierarchy, path: &str) -> std::io::Result<()> {
    fs::write(hierarchy.folder(path).join("cgroup.procs"), "0")
}

/// A loop device over a file in memory; both go when it is dropped.
struct LoopDevice {
    path: PathBuf,
}

impl LoopDevice {
    fn over_memory(bytes: u64) -> anyhow::Result<Self> {
        File::create(BACKING)?.set_len(bytes)?;
        let output = Command::new("losetup")
            .args(["--find", "--show", BACKING])
            .output()?;
        let path = PathBuf::from(String::from_utf8(output.stdout)?.trim());
        let device = Self { path };
        anyhow::ensure!(
            output.status.success(),
            "no loop device: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(device)
    }

    fn open(&self, flags: OFlag) -> std::io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.bits())
            .open(&self.path)
    }

    /// Drops its page cache: pages stay charged to the cgroup that first used them.
    fn forget_pages(&self) -> anyhow::Result<()> {
        let file = self.open(OFlag::empty())?;
        file.sync_all()?;
        Ok(posix_fadvise(
            &file,
            0,
            0,
            PosixFadviseAdvice::POSIX_FADV_DONTNEED,
        )?)
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let detached = Command::new("losetup").arg("-d").arg(&self.path).status();
        detached.map(|_| ()).unwrap_or_default();
        fs::remove_file(BACKING).unwrap_or_default();
    }
}

/// Memory as direct I/O wants it: aligned to a whole block.
#[repr(align(4096))]
struct Block([u8; BLOCK]);
