//! What a snapshot costs: `cargo xtask bench snapshot`.
//!
//! Makes 100, 1,000 and 10,000 real cgroups and reads all their counters from the mapped records, without and with
//! their histograms; beside it, in the same rounds, what any other collector does: one `pread` of `cpu.stat` for each,
//! its descriptor kept open. Medians of the rounds. Needs root.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

#[path = "shared/unified.rs"]
mod unified;

use std::{
    fs::{self, File},
    hint::black_box,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use cgflux::kernel::{Event, Kernel};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const SIZES: [u32; 3] = [100, 1_000, 10_000];
const ROUNDS: usize = 31;

fn main() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    println!("µs for a snapshot of all cgroups, median of {ROUNDS} rounds [quartiles]");
    println!(
        "{:>8} {:>22} {:>22} {:>22} {:>28} {:>14}",
        "cgroups",
        "mapped, warm",
        "mapped, cold caches",
        "with histograms",
        "cpu.stat, kept open",
        "mapped bytes"
    );
    for size in SIZES {
        let forest = Forest::plant(size)?;
        let scalars = || {
            for slot in &forest.slots {
                black_box(forest.kernel.counters(*slot));
            }
        };
        let whole = || {
            for slot in &forest.slots {
                black_box(forest.kernel.totals(*slot));
            }
        };
        let files = || {
            let mut text = [0_u8; 512];
            for file in &forest.files {
                drop(black_box(file.read_at(&mut text, 0)));
            }
        };
        let (mut cold, mut warm, mut with_histograms, mut from_files) =
            (vec![], vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            from_files.push(timed(files));
            // Right after the files, which leave little of the records in the caches.
            cold.push(timed(scalars));
            warm.push(timed(scalars));
            with_histograms.push(timed(whole));
        }
        let mapped = forest.kernel.mapped_bytes();
        println!(
            "{size:>8} {:>22} {:>22} {:>22} {:>28} {mapped:>14}",
            spread(warm),
            spread(cold),
            spread(with_histograms),
            spread(from_files)
        );
    }
    Ok(())
}

/// Cgroups with slots, removed when dropped.
struct Forest {
    kernel: Kernel,
    parent: PathBuf,
    slots: Vec<u32>,
    files: Vec<File>,
}

impl Forest {
    fn plant(size: u32) -> anyhow::Result<Self> {
        let root = unified::root()?;
        let mut kernel = Kernel::load(&unified::options(&root, size + 64)?)?;
        kernel.attach_all()?;
        let parent = root.join("cgflux-bench-snapshot");
        fs::create_dir(&parent)?;
        let mut forest = Self {
            kernel,
            parent,
            slots: vec![],
            files: vec![],
        };
        for number in 0..size {
            let path = forest.parent.join(number.to_string());
            fs::create_dir(&path)?;
            forest.files.push(File::open(path.join("cpu.stat"))?);
            forest.take_events()?;
        }
        anyhow::ensure!(
            forest.slots.len() == size as usize + 1,
            "{} of {} cgroups got a slot",
            forest.slots.len(),
            size + 1
        );
        Ok(forest)
    }

    fn take_events(&mut self) -> anyhow::Result<()> {
        while let Some(event) = self.kernel.next_event() {
            if let Event::Born {
                slot: Some(slot), ..
            } = event
            {
                self.kernel.hold(slot)?;
                self.slots.push(slot);
            }
        }
        Ok(())
    }
}

impl Drop for Forest {
    fn drop(&mut self) {
        for number in 0..self.files.len() {
            drop(fs::remove_dir(self.parent.join(number.to_string())));
        }
        drop(fs::remove_dir(&self.parent));
    }
}

fn timed(work: impl Fn()) -> Duration {
    let before = Instant::now();
    work();
    before.elapsed()
}

fn spread(mut values: Vec<Duration>) -> String {
    values.sort();
    let at = |quarter: usize| values[(values.len() - 1) * quarter / 4].as_nanos() as f64 / 1_000.0;
    format!("{:.1} [{:.1}, {:.1}]", at(2), at(1), at(3))
}
