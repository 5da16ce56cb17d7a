//! Line protocol of other processes → line protocol that is ours.
//!
//! Nothing is passed through as it came: each line is parsed by somebody else's parser, checked, and written again by
//! the writer of the agent's own lines, with the agent's tags. What is refused is counted and told in InfluxDB's words.
//! Where the lines come from and where they go is left to `http` and `sink`.

mod point;
mod refusal;
mod series;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, iter};

use influxdb_line_protocol::{parse_lines, split_lines};

use super::{
    Payload, Tagging,
    line::{Page, SHARD_NS},
};
use crate::snapshot::Timestamp;
use point::{Point, bounded};
use refusal::Refusal;
pub use refusal::{Reason, Refused};
use series::Series;

/// Most bytes of a line as it comes.
pub const MAX_LINE_BYTES: usize = 64 << 10;

/// Most bytes of all lines of one request as they go; static tags make them longer than they came.
const MAX_WRITTEN_BYTES: usize = 16 << 20;

/// Most hours into which the times of one request may fall: each is a payload of its own.
const MAX_HOURS: usize = 168;

const HOUR_NS: i64 = 3_600_000_000_000;

/// A day ahead is a clock that is wrong; more is a wrong unit.
const MAX_AHEAD_NS: i64 = 24 * HOUR_NS;

/// The beginning of 2015. Times in a wrong unit are long before that.
const EARLIEST_NS: i64 = 1_420_070_400_000_000_000;

/// Unit of the times in a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Precision {
    /// Nanoseconds.
    #[default]
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
    /// Minutes.
    Minutes,
    /// Hours.
    Hours,
}

/// What one request came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Taken {
    /// The lines that are taken, ready to be sent.
    pub payloads: Vec<Payload>,
    /// Those that are not.
    pub refused: Refused,
}

/// The lines of a request would be too long together, with the agent's tags; none is taken.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the lines are longer than {} MiB with the agent's tags; send fewer at a time",
    MAX_WRITTEN_BYTES >> 20
)]
pub struct TooLong;

/// Takes lines of other processes.
#[derive(Debug)]
pub struct Intake {
    tagging: Tagging,
    series: Series,
    stamps: Stamps,
}

/// Times for lines that have none.
#[derive(Debug, Default)]
struct Stamps {
    /// The last one given.
    last_ns: i64,
}

impl Precision {
    /// By the word in a request: those of InfluxDB 1.x and 2.x.
    pub fn of(word: &str) -> Option<Self> {
        Some(match word {
            "n" | "ns" => Self::Nanoseconds,
            "u" | "us" | "\u{b5}" => Self::Microseconds,
            "ms" => Self::Milliseconds,
            "s" => Self::Seconds,
            "m" => Self::Minutes,
            "h" => Self::Hours,
            _ => return None,
        })
    }

    fn ns(self) -> i64 {
        match self {
            Self::Nanoseconds => 1,
            Self::Microseconds => 1_000,
            Self::Milliseconds => 1_000_000,
            Self::Seconds => 1_000_000_000,
            Self::Minutes => 60_000_000_000,
            Self::Hours => HOUR_NS,
        }
    }
}

impl Taken {
    /// How many lines are taken.
    pub fn points(&self) -> usize {
        self.payloads.iter().map(Payload::points).sum()
    }
}

impl Intake {
    /// An intake that puts the host and the static tags of `tagging` on lines that have none of that name, and takes
    /// lines of `most_series` different series within an hour.
    pub fn new(tagging: Tagging, most_series: usize) -> Self {
        Self {
            tagging,
            series: Series::new(most_series),
            stamps: Stamps::default(),
        }
    }

    /// Takes the lines of one request that arrived at `now`.
    pub fn take(
        &mut self,
        body: &[u8],
        precision: Precision,
        now: Timestamp,
    ) -> Result<Taken, TooLong> {
        self.series.tick(now.boot_ns);
        // As InfluxDB shows bytes that are no text.
        let text = String::from_utf8_lossy(body);
        let mut request = Request {
            intake: self,
            precision,
            now_ns: now.wall_ns,
            hours: BTreeMap::new(),
        };
        let mut refused = Refused::default();
        let mut written_bytes = 0;
        for line in lines(&text) {
            match request.line(line) {
                Ok(bytes) => written_bytes += bytes,
                Err(refusal) => refused.add(line, &refusal),
            }
            if written_bytes > MAX_WRITTEN_BYTES {
                return Err(TooLong);
            }
        }
        let hours = request.hours.into_values();
        Ok(Taken {
            payloads: hours.flat_map(|mut page| page.finish()).collect(),
            refused,
        })
    }
}

impl Stamps {
    /// The arrival of a line, and later than any that was given before, so that no line takes the place of another. A
    /// clock that was set back by more than a moment is believed.
    fn next(&mut self, now_ns: i64) -> i64 {
        let next_ns = self.last_ns.saturating_add(1);
        let is_moment = next_ns.saturating_sub(now_ns) < 1_000_000_000;
        self.last_ns = if is_moment {
            now_ns.max(next_ns)
        } else {
            now_ns
        };
        self.last_ns
    }
}

/// A request whose lines are being taken.
struct Request<'a> {
    intake: &'a mut Intake,
    precision: Precision,
    now_ns: i64,
    /// Lines by the hour of their time: no payload spans two, whatever their order is.
    hours: BTreeMap<i64, Page>,
}

impl Request<'_> {
    /// Writes a line; tells how many bytes it has, or why it is not taken.
    fn line(&mut self, line: &str) -> Result<usize, Refusal> {
        bounded("the line", line.len(), MAX_LINE_BYTES)?;
        let Some(parsed) = parse_lines(line).next() else {
            return Ok(0);
        };
        let parsed = parsed.map_err(Refusal::Malformed)?;
        let wall_ns = match parsed.timestamp {
            Some(time) => self.given_ns(time).ok_or(Refusal::BadTime)?,
            None => self.intake.stamps.next(self.now_ns),
        };
        let point = Point::of(&parsed, &self.intake.tagging)?;
        let hour = wall_ns.div_euclid(SHARD_NS);
        if self.hours.len() == MAX_HOURS && !self.hours.contains_key(&hour) {
            return Err(Refusal::SpanLimit(MAX_HOURS));
        }
        let series = &mut self.intake.series;
        if !series.admits(&point.measurement, &point.tags) {
            return Err(Refusal::SeriesLimit(series.most()));
        }
        let page = self.hours.entry(hour).or_default();
        point.fill(page.line(&point.measurement, &point.tags), wall_ns);
        // All but fields and time, which are bounded by the line as it came.
        Ok(point.measurement.len() + point.tags.len() + 2 * line.len())
    }

    /// A line's own time, if it can be meant.
    fn given_ns(&self, time: i64) -> Option<i64> {
        let wall_ns = time.checked_mul(self.precision.ns())?;
        let latest_ns = self.now_ns.saturating_add(MAX_AHEAD_NS);
        (EARLIEST_NS..=latest_ns)
            .contains(&wall_ns)
            .then_some(wall_ns)
    }
}

/// The lines of a text, without comments and blank ones. A newline within quotes ends no line.
///
/// Comments are taken out here: the parser would let a quote in one swallow the lines that follow.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\n']);
            if rest.is_empty() {
                return None;
            }
            if !rest.starts_with('#') {
                let line = split_lines(rest).next().unwrap_or(rest);
                rest = &rest[line.len()..];
                return Some(line);
            }
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        }
    })
}
