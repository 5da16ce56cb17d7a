//! `/proc/pressure`: time in which tasks were stalled (Documentation/accounting/psi.rst, Linux 6.12).
//!
//! Read here and not through `procfs`, which wants two lines of each file: before Linux 5.13 `cpu` has no `full`, and
//! `irq` never has `some`.

use super::proc_file::ProcFile;
use crate::snapshot::Pressure;

/// One file a resource.
#[derive(Debug)]
pub(super) struct PressureFiles {
    cpu: ProcFile,
    memory: ProcFile,
    io: ProcFile,
    irq: ProcFile,
}

/// The two totals of a file, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Stalled {
    some_ns: Option<u64>,
    full_ns: Option<u64>,
}

impl PressureFiles {
    pub(super) fn new() -> Self {
        Self {
            cpu: ProcFile::new("/proc/pressure/cpu"),
            memory: ProcFile::new("/proc/pressure/memory"),
            io: ProcFile::new("/proc/pressure/io"),
            irq: ProcFile::new("/proc/pressure/irq"),
        }
    }

    pub(super) fn read(&mut self) -> Pressure {
        let stalled = |file: &mut ProcFile| file.read_as(parse).unwrap_or_default();
        let (memory, io) = (stalled(&mut self.memory), stalled(&mut self.io));
        Pressure {
            // Of the whole machine `full` is always zero: somebody has the CPU.
            cpu_some_ns: stalled(&mut self.cpu).some_ns,
            memory_some_ns: memory.some_ns,
            memory_full_ns: memory.full_ns,
            io_some_ns: io.some_ns,
            io_full_ns: io.full_ns,
            irq_full_ns: stalled(&mut self.irq).full_ns,
        }
    }
}

/// `some avg10=0.01 avg60=0.06 avg300=4.65 total=5687644647`, and the same of `full`; totals are microseconds.
fn parse(text: &[u8]) -> Option<Stalled> {
    let text = std::str::from_utf8(text).ok()?;
    let total_ns = |kind: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(kind))?;
        let (_, total_us) = line.rsplit_once(" total=")?;
        Some(total_us.parse::<u64>().ok()?.saturating_mul(1_000))
    };
    let stalled = Stalled {
        some_ns: total_ns("some"),
        full_ns: total_ns("full"),
    };
    (stalled != Stalled::default()).then_some(stalled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Captured: Linux 6.18.
    const IO: &str = "\
some avg10=0.02 avg60=0.10 avg300=1.74 total=1154302248
full avg10=0.02 avg60=0.10 avg300=1.37 total=548713925
";

    #[test]
    fn totals_become_nanoseconds() {
        let expected = Stalled {
            some_ns: Some(1_154_302_248_000),
            full_ns: Some(548_713_925_000),
        };
        assert_eq!(parse(IO.as_bytes()), Some(expected));
    }

    #[test]
    fn one_line_of_two_is_enough() {
        let lines: Vec<&str> = IO.lines().collect();
        let some = parse(lines[0].as_bytes()).unwrap();
        assert_eq!((some.some_ns.is_some(), some.full_ns), (true, None));
        let full = parse(lines[1].as_bytes()).unwrap();
        assert_eq!((full.some_ns, full.full_ns.is_some()), (None, true));
        assert_eq!(parse(b""), None);
    }

    proptest! {
        #[test]
        fn odd_text_is_no_reason_to_fail(text in super::super::odd_text(IO)) {
            let _parsed = parse(&text);
        }
    }
}
