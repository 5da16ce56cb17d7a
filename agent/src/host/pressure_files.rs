//! What a cgroup's files say of pressure: how long its tasks were stalled.
//!
//! They stand in the unified hierarchy, controllers or not (`cgroup_psi_files` in kernel/cgroup/cgroup.c, Linux 6.12),
//! where the kernel was built with `CONFIG_PSI` and has it switched on.

use std::path::Path;

use super::cgroup_file::{CgroupFile, digits, lines};
use crate::snapshot::{PressureTotals, Stalls};

/// One cgroup's files.
#[derive(Debug)]
pub struct PressureFiles {
    cpu: CgroupFile,
    memory: CgroupFile,
    io: CgroupFile,
    /// Only where the kernel accounts the time of interrupts (`CONFIG_IRQ_TIME_ACCOUNTING`), since 6.1.
    irq: CgroupFile,
}

impl Default for PressureFiles {
    fn default() -> Self {
        Self {
            cpu: CgroupFile::new("cpu.pressure"),
            memory: CgroupFile::new("memory.pressure"),
            io: CgroupFile::new("io.pressure"),
            irq: CgroupFile::new("irq.pressure"),
        }
    }
}

impl PressureFiles {
    /// Reads everything in the cgroup's unified `folder`; `None` once it is gone, or without PSI.
    pub fn read(&mut self, folder: &Path) -> Option<PressureTotals> {
        let totals = self.read_all(folder);
        if totals.is_none() {
            *self = Self::default();
        }
        totals
    }

    fn read_all(&mut self, folder: &Path) -> Option<PressureTotals> {
        if !self.cpu.open(folder) {
            return None;
        }
        let mut buffer = [0; 256];
        let mut read = |file: &mut CgroupFile| file.read(folder, &mut buffer).map(stalls);
        let irq = read(&mut self.irq).unwrap_or_default();
        let memory = read(&mut self.memory).unwrap_or_default();
        let io = read(&mut self.io).unwrap_or_default();
        // Last: if it answers, the cgroup was there for the others.
        let cpu = read(&mut self.cpu)?;
        Some(PressureTotals {
            cpu,
            memory,
            io,
            irq,
        })
    }

    /// Closes all.
    pub fn close(&mut self) {
        for file in [&mut self.cpu, &mut self.memory, &mut self.io, &mut self.irq] {
            file.close();
        }
    }
}

/// Of each line the total, which is in microseconds.
fn stalls(text: &[u8]) -> Stalls {
    const TOTAL: &[u8] = b" total=";
    let mut stalls = Stalls::default();
    for line in lines(text) {
        let at = line.windows(TOTAL.len()).position(|it| it == TOTAL);
        let total_us = at.and_then(|at| digits(&line[at + TOTAL.len()..]));
        let total_ns = total_us.map(|us| us.saturating_mul(1_000));
        if line.starts_with(b"some ") {
            stalls.some_ns = total_ns;
        } else if line.starts_with(b"full ") {
            stalls.full_ns = total_ns;
        }
    }
    stalls
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::cgroup_file::fixture::captured;

    fn told(some_us: u64, full_us: u64) -> Stalls {
        Stalls {
            some_ns: Some(some_us * 1_000),
            full_ns: Some(full_us * 1_000),
        }
    }

    #[test]
    fn totals_are_told_in_nanoseconds() {
        let expected = PressureTotals {
            cpu: told(25_087, 9_109),
            memory: told(18_855, 18_855),
            io: told(64_895, 64_866),
            irq: Stalls::default(),
        };
        let totals = PressureFiles::default().read(&captured("v1-6.18"));
        assert_eq!(totals, Some(expected));
    }

    #[test]
    fn a_kernel_that_tells_no_full_cpu_pressure_tells_the_rest() {
        let old = PressureFiles::default().read(&captured("v2-5.10")).unwrap();
        assert_eq!(
            old.cpu,
            Stalls {
                some_ns: Some(2_244_456_000),
                full_ns: None
            }
        );
        assert_eq!(old.memory, told(7_724_491, 7_698_515));
    }

    #[test]
    fn without_pressure_files_nothing_is_told() {
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(PressureFiles::default().read(empty.path()), None);
    }

    #[test]
    fn a_line_without_its_total_is_no_zero() {
        assert_eq!(
            stalls(b"some avg10=0.00 total=x\nfull total\n"),
            Stalls::default()
        );
    }
}
