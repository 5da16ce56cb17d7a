//! The machine as a whole: CPU time by mode, load, memory, disks, interfaces, filesystems, pressure.
//!
//! Read from `/proc` of the agent's own namespaces, so in a container of its own it tells of that one's network; of
//! filesystems the machine's are told where they may be looked at. What cannot be read is absent; that is told once. Nothing here waits: filesystems, which may, are asked on
//! threads of their own.

mod cpu;
mod disks;
mod filesystems;
mod interfaces;
mod load;
mod memory;
mod mounts;
mod pressure;
mod proc_file;

use std::time::Duration;

pub use mounts::covered;

use crate::snapshot::{CpuTimes, Machine, Timestamp};
use disks::Disks;
use filesystems::Filesystems;
use interfaces::Interfaces;
use pressure::PressureFiles;
use proc_file::ProcFile;

/// Most disks, interfaces and filesystems told, of each: far beyond what machines have, and a bound on what somebody
/// who makes them without end can cost.
const MOST: usize = 1_000;

/// Reads the machine, tick by tick.
#[derive(Debug)]
pub struct MachineReader {
    stat: ProcFile,
    loadavg: ProcFile,
    meminfo: ProcFile,
    vmstat: ProcFile,
    pressure: PressureFiles,
    disks: Disks,
    interfaces: Interfaces,
    filesystems: Filesystems,
    /// CPU time as it was told last.
    cpu: Option<CpuTimes>,
}

impl MachineReader {
    /// A reader that asks the filesystems once in `file_interval`, and the rest at each reading.
    pub fn new(file_interval: Duration) -> Self {
        Self {
            stat: ProcFile::new("/proc/stat"),
            loadavg: ProcFile::new("/proc/loadavg"),
            meminfo: ProcFile::new("/proc/meminfo"),
            vmstat: ProcFile::new("/proc/vmstat"),
            pressure: PressureFiles::new(),
            disks: Disks::new(),
            interfaces: Interfaces::new(),
            filesystems: Filesystems::new(file_interval),
            cpu: None,
        }
    }

    /// What there is to tell now.
    pub fn read(&mut self, now: Timestamp) -> Machine {
        let (cpu, scheduler) = self.stat.read_as(cpu::parse).unzip();
        if let Some(cpu) = cpu {
            let before = self.cpu.unwrap_or(cpu);
            self.cpu = Some(cpu.not_below(&before));
        }
        Machine {
            cpu: cpu.and(self.cpu),
            scheduler,
            load: self.loadavg.read_as(load::parse),
            uptime_ns: Some(now.boot_ns),
            memory: self.meminfo.read_as(memory::parse),
            paging: self
                .vmstat
                .read_as(memory::parse_paging)
                .unwrap_or_default(),
            pressure: self.pressure.read(),
            disks: self.disks.read(),
            interfaces: self.interfaces.read(),
            filesystems: self.filesystems.read(now.boot_ns),
        }
    }
}

/// Text like `captured` with bytes changed, lines missing, doubled and cut.
#[cfg(test)]
fn odd_text(captured: &'static str) -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::{collection::vec, prelude::*};

    let change = (any::<prop::sample::Index>(), any::<u8>());
    let turn = (any::<prop::sample::Index>(), 0..3_usize);
    (vec(change, 0..8), vec(turn, 0..4)).prop_map(move |(changes, turns)| {
        let mut lines: Vec<&str> = captured.split_inclusive('\n').collect();
        for (at, how) in turns {
            let at = at.index(lines.len());
            match how {
                0 if lines.len() > 1 => drop(lines.remove(at)),
                1 => lines.push(lines[at]),
                _ => lines[at] = &lines[at][..lines[at].len() / 2],
            }
        }
        let mut text = lines.concat().into_bytes();
        for (at, byte) in changes {
            if !text.is_empty() {
                let at = at.index(text.len());
                text[at] = byte;
            }
        }
        text
    })
}
