//! The figures as a table: medians over the rounds, and each way beside its floor within a round.

use std::{collections::BTreeMap, fmt};

use super::{
    median::median,
    spread::spread,
    ways::{Lines, Spent, WAYS, Way},
};

/// What the rounds found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rounds: BTreeMap<Way, Vec<Figures>>,
    bytes_per_line: f64,
    packed_per_line: f64,
}

/// One way in one round.
#[derive(Clone, Copy, Debug)]
struct Figures {
    lines_per_second: f64,
    cpu_us_per_line: f64,
    database_us_per_line: f64,
    /// Bytes on disk per byte of lines.
    written: f64,
}

impl Report {
    /// Takes in what a way used in the round that is going on.
    pub(crate) fn add(&mut self, way: Way, lines: &Lines, spent: Spent) {
        let count = lines.count as f64;
        self.bytes_per_line = lines.bytes as f64 / count;
        self.packed_per_line = lines.packed_bytes as f64 / count;
        self.rounds.entry(way).or_default().push(Figures {
            lines_per_second: count / spent.wall.as_secs_f64(),
            cpu_us_per_line: spent.cpu.as_secs_f64() * 1e6 / count,
            database_us_per_line: spent.database_cpu.as_secs_f64() * 1e6 / count,
            written: spent.written_bytes as f64 / lines.bytes as f64,
        });
    }

    fn of(&self, way: Way) -> &[Figures] {
        self.rounds.get(&way).map_or(&[], Vec::as_slice)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = self.packed_per_line / self.bytes_per_line;
        writeln!(
            f,
            "{:<42}{:>10}{:>24}{:>22}{:>14}{:>12}{:>12}",
            "median [quartiles]",
            "lines/s",
            "CPU us/line",
            "of its floor's CPU",
            "InfluxDB's",
            "disk/line",
            "disk/packed"
        )?;
        for way in WAYS {
            let (name, floor) = described(way);
            let figures = self.of(way);
            let every = |value: fn(&Figures) -> f64| figures.iter().map(value).collect();
            let beside = figures.iter().zip(self.of(floor));
            let ratios = beside.map(|(one, floor)| one.cpu_us_per_line / floor.cpu_us_per_line);
            let written = median(every(|it| it.written));
            writeln!(
                f,
                "{name:<42}{:>10.0}{:>24}{:>22}{:>14.2}{written:>12.2}{:>12.2}",
                median(every(|it| it.lines_per_second)),
                spread(every(|it| it.cpu_us_per_line), 2),
                if way == floor {
                    "floor".to_owned()
                } else {
                    spread(ratios.collect(), 2)
                },
                median(every(|it| it.database_us_per_line)),
                written / packed,
            )?;
        }
        write!(
            f,
            "\nA line has {:.0} bytes, {:.0} when compressed as the spool does it. disk/line: bytes written to disk per byte of \
             lines; disk/packed: per byte of compressed lines.",
            self.bytes_per_line, self.packed_per_line
        )
    }
}

/// What a way is called, and what it is to be compared with.
fn described(way: Way) -> (&'static str, Way) {
    match way {
        Way::Requests => ("sent: bare requests", Way::Requests),
        Way::Memory => ("sent: a sink without spool", Way::Requests),
        Way::Spool => ("sent: a sink with its spool", Way::Requests),
        Way::Log => ("kept: gzip, append, fdatasync", Way::Log),
        Way::Kept => ("kept: a spool while the server is away", Way::Log),
        Way::Drained => ("drained: that spool, the server back", Way::Requests),
    }
}
