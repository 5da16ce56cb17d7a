//! Numbered points: which were handed over, and which of them are stored.
//!
//! The number of a point says all of it: its series, its time, its values. So what is read back is either that point,
//! or it is wrong; and a number that is read back twice was stored under two keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    ops::RangeInclusive,
};

use super::{Line, wall_ns};

/// The measurement of all of its points.
const MEASUREMENT: &str = "ledger";

/// How many series there are.
const SERIES: u64 = 7;

const MILLISECOND_NS: i64 = 1_000_000;

/// The points of one test.
pub(crate) struct Ledger {
    /// The number of the next point.
    next: u64,
    /// Its time. Whole milliseconds: some servers know no shorter time.
    next_ns: i64,
    /// Number → time, of every point so far.
    times: BTreeMap<u64, i64>,
}

/// What a server has of a ledger's points.
#[derive(Default)]
pub(crate) struct Findings {
    /// Points that it was asked about.
    pub(crate) points: usize,
    /// Numbers that are not there.
    pub(crate) missing: BTreeSet<u64>,
    /// Numbers that are there more than once.
    pub(crate) doubled: BTreeSet<u64>,
    /// Numbers whose series, time or value is another one, or that were never handed out.
    pub(crate) wrong: BTreeSet<u64>,
}

impl Ledger {
    /// Its points follow each other by a millisecond, the first an hour ago.
    pub(crate) fn new() -> Self {
        Self::at(wall_ns() - 3_600_000 * MILLISECOND_NS)
    }

    /// The same with the first point at this time.
    pub(crate) fn at(wall_ns: i64) -> Self {
        Self {
            next: 0,
            next_ns: wall_ns - wall_ns % MILLISECOND_NS,
            times: BTreeMap::new(),
        }
    }

    /// Has the next points stand at another time, at which this ledger has none.
    pub(crate) fn go_to(&mut self, wall_ns: i64) {
        self.next_ns = wall_ns - wall_ns % MILLISECOND_NS;
    }

    /// How many points it has so far.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// The times of the first and the last of these points.
    pub(crate) fn range(&self, numbers: RangeInclusive<u64>) -> RangeInclusive<i64> {
        self.times[numbers.start()]..=self.times[numbers.end()]
    }

    /// The next points, as lines.
    pub(crate) fn lines(&mut self, count: u64) -> String {
        let mut lines = String::new();
        for number in self.next..self.next + count {
            let at_ns = self.next_ns;
            let series = number % SERIES;
            // Both types a field may have, and one that says which point it is.
            let half = number as f64 / 2.0;
            writeln!(
                lines,
                "{MEASUREMENT},series=s{series} n={number}i,half={half:?} {at_ns}"
            )
            .unwrap();
            self.times.insert(number, at_ns);
            self.next_ns += MILLISECOND_NS;
        }
        self.next += count;
        lines
    }

    /// Takes the last points back: it is not known whether they were handed over.
    pub(crate) fn doubt(&mut self, count: u64) -> Doubted {
        Doubted(self.times.split_off(&(self.next - count)))
    }

    /// Compares it with all points of a server, where a point is a line of two fields.
    pub(crate) fn compare(&self, stored: &[Line]) -> Findings {
        self.compare_doubting(stored, &Doubted::default())
    }

    /// The same with a server that has each field on its own.
    pub(crate) fn compare_fields(&self, stored: &[Line]) -> Findings {
        let mut whole = BTreeMap::<_, Vec<Line>>::new();
        for line in stored {
            let key = (line.tag("series"), line.wall_ns);
            let points = whole.entry(key).or_default();
            let lacking =
                |point: &&mut Line| line.fields.keys().all(|it| !point.fields.contains_key(it));
            match points.iter_mut().find(lacking) {
                Some(point) => point.fields.extend(line.fields.clone()),
                None => points.push(line.clone()),
            }
        }
        let whole: Vec<Line> = whole.into_values().flatten().collect();
        self.compare(&whole)
    }

    /// The same where other points may be stored too.
    pub(crate) fn compare_doubting(&self, stored: &[Line], doubted: &Doubted) -> Findings {
        let mut findings = Findings {
            points: self.times.len(),
            ..Findings::default()
        };
        let mut seen = BTreeSet::new();
        for line in stored.iter().filter(|it| it.measurement == MEASUREMENT) {
            // A line without its number is nobody's.
            let number = line.integer("n").unwrap_or(u64::MAX);
            let time = self.times.get(&number).or_else(|| doubted.0.get(&number));
            if time.is_none_or(|&at_ns| !is_point(line, number, at_ns)) {
                findings.wrong.insert(number);
            }
            if !seen.insert(number) {
                findings.doubled.insert(number);
            }
        }
        let numbers = self.times.keys().copied();
        findings.missing = numbers.filter(|number| !seen.contains(number)).collect();
        findings
    }
}

/// Points of which it is not known whether they were handed over: they may be stored, once and right, or not.
#[derive(Default)]
pub(crate) struct Doubted(BTreeMap<u64, i64>);

impl Doubted {
    /// These and those.
    pub(crate) fn and(&mut self, more: Self) {
        self.0.extend(more.0);
    }
}

impl Findings {
    /// Panics unless each point is there once and right.
    #[track_caller]
    pub(crate) fn assert_whole(&self) {
        println!("{self}");
        let whole = self.missing.is_empty() && self.doubled.is_empty() && self.wrong.is_empty();
        assert!(whole, "{self}");
    }

    /// Panics unless those that are missing are as many as were counted, and the others are there once and right.
    #[track_caller]
    pub(crate) fn assert_missing(&self, counted: u64) {
        println!("{self}; counted as lost: {counted}");
        assert_eq!(self.missing.len() as u64, counted, "{self}");
        assert!(self.doubled.is_empty() && self.wrong.is_empty(), "{self}");
    }
}

/// `of 9 points 3 missing (2..=4), 0 doubled, 0 wrong`.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "of {} points", self.points)?;
        let kinds = [
            (&self.missing, " missing"),
            (&self.doubled, ", doubled"),
            (&self.wrong, ", wrong"),
        ];
        for (numbers, kind) in kinds {
            write!(f, "{kind}: {}", numbers.len())?;
            for (at, range) in ranges(numbers).iter().take(20).enumerate() {
                write!(f, "{}{range:?}", if at == 0 { " (" } else { " " })?;
            }
            f.write_str(if numbers.is_empty() { "" } else { ")" })?;
        }
        Ok(())
    }
}

fn is_point(line: &Line, number: u64, at_ns: i64) -> bool {
    let half = line
        .fields
        .get("half")
        .and_then(|it| it.parse::<f64>().ok());
    line.wall_ns == at_ns
        && line.fields.len() == 2
        && line.tag("series") == format!("s{}", number % SERIES)
        && half.is_some_and(|half| half.to_bits() == (number as f64 / 2.0).to_bits())
}

fn ranges(numbers: &BTreeSet<u64>) -> Vec<RangeInclusive<u64>> {
    let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some(last) if *last.end() + 1 == number => *last = *last.start()..=number,
            _ => ranges.push(number..=number),
        }
    }
    ranges
}
