//! Why a line of another process is not taken, and how it is told.

use std::error::Error as _;

/// Most bytes of a line that are quoted.
const MAX_QUOTED_BYTES: usize = 1024;

/// Most bytes that are said about the lines of one request.
const MAX_TOLD_BYTES: usize = 64 << 10;

/// Why a line is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{}", parser_says(.0))]
    Malformed(influxdb_line_protocol::Error),
    #[error("{what} is larger than {bound}")]
    TooLarge { what: &'static str, bound: usize },
    #[error("the measurement is the agent's own")]
    OwnMeasurement,
    #[error("`{0}` has a meaning of its own to InfluxDB")]
    ReservedName(String),
    #[error("`{0}` stands twice")]
    DuplicateName(String),
    #[error("the value of `{0}` is not finite")]
    NotFinite(String),
    #[error("the time is before 2015 or more than a day ahead; is `precision` right?")]
    BadTime,
    #[error("more than {0} series within an hour")]
    SeriesLimit(usize),
    #[error("the lines of one request span more than {0} hours")]
    SpanLimit(usize),
}

/// The kinds of `Refusal`, by which they are counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It is no line protocol.
    Malformed,
    /// The line or a part of it is beyond a bound.
    TooLarge,
    /// Its measurement is the agent's own.
    OwnMeasurement,
    /// A name that InfluxDB gives a meaning of its own.
    ReservedName,
    /// A tag or a field stands twice, or both have one name.
    DuplicateName,
    /// A number that is not finite.
    NotFinite,
    /// A time that cannot be meant.
    BadTime,
    /// One more series than may begin within an hour.
    SeriesLimit,
    /// The request's lines lie too far apart.
    SpanLimit,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::TooLarge,
        Self::OwnMeasurement,
        Self::ReservedName,
        Self::DuplicateName,
        Self::NotFinite,
        Self::BadTime,
        Self::SeriesLimit,
        Self::SpanLimit,
    ];

    /// The word in the label `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::OwnMeasurement => "own_measurement",
            Self::ReservedName => "reserved_name",
            Self::DuplicateName => "duplicate_name",
            Self::NotFinite => "not_finite",
            Self::BadTime => "bad_time",
            Self::SeriesLimit => "series_limit",
            Self::SpanLimit => "span_limit",
        }
    }
}

impl Refusal {
    fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) => Reason::Malformed,
            Self::TooLarge { .. } => Reason::TooLarge,
            Self::OwnMeasurement => Reason::OwnMeasurement,
            Self::ReservedName(_) => Reason::ReservedName,
            Self::DuplicateName(_) => Reason::DuplicateName,
            Self::NotFinite(_) => Reason::NotFinite,
            Self::BadTime => Reason::BadTime,
            Self::SeriesLimit(_) => Reason::SeriesLimit,
            Self::SpanLimit(_) => Reason::SpanLimit,
        }
    }
}

/// The lines of one request that are not taken.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Refused {
    counts: [usize; Reason::ALL.len()],
    /// A line of text for each, as InfluxDB says it; as many as there is room for.
    told: String,
}

impl Refused {
    /// One more.
    pub(super) fn add(&mut self, line: &str, refusal: &Refusal) {
        self.counts[refusal.reason() as usize] += 1;
        if self.told.len() >= MAX_TOLD_BYTES {
            return;
        }
        if !self.told.is_empty() {
            self.told.push('\n');
        }
        let quoted = &line[..line.floor_char_boundary(MAX_QUOTED_BYTES)];
        let reason = refusal.to_string();
        self.told
            .extend(["unable to parse '", quoted, "': ", &reason]);
    }

    /// How many.
    pub fn lines(&self) -> usize {
        self.counts.iter().sum()
    }

    /// How many for each reason.
    pub fn by_reason(&self) -> impl Iterator<Item = (Reason, usize)> {
        Reason::ALL.into_iter().zip(self.counts)
    }

    /// What InfluxDB 1.x says when it stores `taken` lines of a write and not these; `None` if there are none.
    pub fn told(&self, taken: usize) -> Option<String> {
        let lines = self.lines();
        let partial = if taken > 0 { "partial write: " } else { "" };
        (lines > 0).then(|| format!("{partial}{} dropped={lines}", self.told))
    }
}

/// The parser's words, with their cause.
fn parser_says(error: &influxdb_line_protocol::Error) -> String {
    if matches!(
        error,
        influxdb_line_protocol::Error::GenericParsingError { .. }
    ) {
        return "it is no line protocol".to_owned();
    }
    let mut said = error.to_string();
    said.truncate(said.floor_char_boundary(MAX_QUOTED_BYTES));
    if let Some(cause) = error.source() {
        said.extend([": ", &cause.to_string()]);
    }
    said
}
