//! Which lines a server refuses, as far as its answer tells.
//!
//! The texts: `coordinator/points_writer.go`, `tsdb/store.go` and `models/points.go` of InfluxDB 1.6.7 and 1.8.10, seen
//! there; 2.7.12 has the same wrapped into others, seen there too; 3.x lists lines (`influxdb3_server/src/http.rs`).

use std::ops::Range;

use serde::Deserialize;

use super::words::shortened;

/// How a refused line is quoted, and what stands behind it.
const UNPARSABLE: &str = "unable to parse '";

/// How points are called that are older than the server keeps: by 1.x, and by 2.7.
const EXPIRED: [&str; 2] = [
    "points beyond retention policy",
    "points outside retention policy",
];

/// What a server said of lines that it does not take.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Rejection {
    /// What it said, shortened.
    pub(super) reason: String,
    /// Lines it names.
    pub(super) named: Vec<Named>,
    /// How many points it says it dropped; all others are stored then.
    pub(super) dropped: Option<usize>,
    /// What the refused lines have in common.
    pub(super) suspect: Option<Suspect>,
    /// Whether what it dropped is older than it keeps.
    pub(super) is_expired: bool,
    /// Whether the same lines sent once more may fare better: two types for one new field within a new shard; nothing
    /// is stored, the good lines neither, but the first type is set now.
    pub(super) is_passing: bool,
}

/// A line that a server names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Named {
    /// By what stands in it: the line is the longest start of this text that is one of those sent. Behind it stands the
    /// reason.
    Quoted(String),
    /// By its number among those sent, from 0.
    Numbered {
        /// Which.
        line: usize,
        /// How it begins, to be sure.
        start: String,
        /// Why.
        reason: String,
    },
}

/// What refused lines have in common.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Suspect {
    /// A field of another type than it had.
    Field {
        /// Of this measurement.
        measurement: String,
        /// The field.
        field: String,
        /// The type it has in the refused lines, in the server's words.
        kind: String,
    },
    /// A tag with one value too many.
    Tag {
        /// Of this measurement.
        measurement: String,
        /// The tag.
        tag: String,
        /// Its value.
        value: String,
    },
}

impl Rejection {
    /// What `text` says, the error within `body`; `None` if it is about something else than lines.
    pub(super) fn of(text: &str, body: &str) -> Option<Self> {
        let reason = shortened(text.trim()).to_owned();
        if let Some(named) = numbered(body) {
            return Some(Self {
                reason,
                named,
                ..Self::default()
            });
        }
        // By itself a partial write may be one that too few servers of a cluster took.
        let is_partial = text.contains("partial write")
            && (text.contains("dropped=") || text.contains("of line protocol"));
        let is_unparsable =
            text.contains(UNPARSABLE) || text.contains("failed to parse line protocol");
        if is_partial || is_unparsable {
            let named = quoted(text);
            // Where lines are quoted the count stays 0, whatever became of them.
            let dropped = dropped(text).filter(|dropped| *dropped > 0 && named.is_empty());
            return Some(Self {
                reason,
                dropped,
                suspect: conflict(text).or_else(|| tag_limit(text)),
                is_expired: EXPIRED.iter().any(|said| text.contains(said)),
                named,
                is_passing: false,
            });
        }
        text.contains("field type conflict").then(|| Self {
            reason,
            is_passing: true,
            ..Self::default()
        })
    }
}

/// 3.x: `{"error":"partial write of line protocol occurred","data":[{"original_line":…,"line_number":…,…}]}`.
fn numbered(body: &str) -> Option<Vec<Named>> {
    #[derive(Deserialize)]
    struct Answer {
        data: Data,
    }
    /// A single one stands by itself.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Data {
        Many(Vec<Line>),
        One(Line),
    }
    #[derive(Deserialize)]
    struct Line {
        #[serde(rename = "original_line")]
        start: String,
        #[serde(rename = "line_number")]
        number: usize,
        #[serde(rename = "error_message")]
        reason: String,
    }
    let answer: Answer = serde_json::from_str(body).ok()?;
    let lines = match answer.data {
        Data::Many(lines) => lines,
        Data::One(line) => vec![line],
    };
    let named = |line: Line| Named::Numbered {
        line: line.number.saturating_sub(1),
        start: line.start,
        reason: shortened(&line.reason).to_owned(),
    };
    (!lines.is_empty()).then(|| lines.into_iter().map(named).collect())
}

/// `unable to parse 'LINE': REASON`, one after the other. A line may hold what looks like the end of a quote, so where it
/// ends is left to whoever knows what was sent.
fn quoted(text: &str) -> Vec<Named> {
    let starts: Vec<usize> = text.match_indices(UNPARSABLE).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let ranges = starts
        .iter()
        .zip(ends)
        .map(|(start, end)| start + UNPARSABLE.len()..end);
    ranges
        .map(|range: Range<usize>| Named::Quoted(text[range].to_owned()))
        .collect()
}

fn dropped(text: &str) -> Option<usize> {
    let (_, rest) = text.rsplit_once("dropped=")?;
    // 2.7 says behind it of which bucket.
    let number = rest.split_ascii_whitespace().next()?;
    number.parse().ok()
}

/// `input field "f" on measurement "m" is type string, already exists as type float`
fn conflict(text: &str) -> Option<Suspect> {
    let (_, rest) = text.split_once("input field \"")?;
    let (field, rest) = rest.split_once("\" on measurement \"")?;
    let (measurement, rest) = rest.split_once("\" is type ")?;
    let (kind, _) = rest.split_once(',')?;
    Some(Suspect::Field {
        measurement: measurement.to_owned(),
        field: field.to_owned(),
        kind: kind.to_owned(),
    })
}

/// `max-values-per-tag limit exceeded (3/3): measurement="m" tag="t" value="d"`
fn tag_limit(text: &str) -> Option<Suspect> {
    let (_, rest) = text.split_once("max-values-per-tag limit exceeded")?;
    let (_, rest) = rest.split_once("measurement=\"")?;
    let (measurement, rest) = rest.split_once("\" tag=\"")?;
    let (tag, rest) = rest.split_once("\" value=\"")?;
    let (value, _) = rest.rsplit_once('"')?;
    Some(Suspect::Tag {
        measurement: measurement.to_owned(),
        tag: tag.to_owned(),
        value: value.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Rejection {
        Rejection::of(text, "").unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn quoted_lines_are_found_whatever_stands_in_them() {
        let text = "partial write: unable to parse 'a': missing fields\nunable to parse 'b c': invalid dropped=0";
        let named = ["a': missing fields\n", "b c': invalid dropped=0"];
        let named = named.map(|it| Named::Quoted(it.to_owned()));
        let rejection = of(text);
        assert_eq!(rejection.named, named);
        assert_eq!(rejection.dropped, None);
    }

    #[test]
    fn what_refused_lines_have_in_common_is_told() {
        let field = of(
            "partial write: field type conflict: input field \"f\" on measurement \"m\" is type string, already exists as type float dropped=2",
        );
        let suspect = Suspect::Field {
            measurement: "m".to_owned(),
            field: "f".to_owned(),
            kind: "string".to_owned(),
        };
        assert_eq!((field.suspect, field.dropped), (Some(suspect), Some(2)));
        let tag = of(
            "partial write: max-values-per-tag limit exceeded (3/3): measurement=\"m\" tag=\"t\" value=\"d\" dropped=1",
        );
        let suspect = Suspect::Tag {
            measurement: "m".to_owned(),
            tag: "t".to_owned(),
            value: "d".to_owned(),
        };
        assert_eq!((tag.suspect, tag.dropped), (Some(suspect), Some(1)));
        assert!(of("partial write: points beyond retention policy dropped=1").is_expired);
        let expired = of(
            "partial write: dropped 2 points outside retention policy of duration 1h0m0s - … dropped=2 for database: d",
        );
        assert!(expired.is_expired && expired.dropped == Some(2));
        assert!(of("field type conflict").is_passing);
    }

    #[test]
    fn numbered_lines_are_counted_from_zero() {
        let one = r#"{"original_line":"m v=","line_number":3,"error_message":"no value"}"#;
        let expected = [Named::Numbered {
            line: 2,
            start: "m v=".to_owned(),
            reason: "no value".to_owned(),
        }];
        for data in [one.to_owned(), format!("[{one}]")] {
            let body =
                format!(r#"{{"error":"partial write of line protocol occurred","data":{data}}}"#);
            let rejection = Rejection::of("partial write of line protocol occurred", &body);
            assert_eq!(rejection.unwrap().named, expected);
        }
    }

    #[test]
    fn what_is_about_something_else_is_no_rejection() {
        for text in [
            "partial write",
            "timeout",
            "database not found: \"x\"",
            "",
            "unexpected EOF",
        ] {
            assert_eq!(Rejection::of(text, text), None, "{text}");
        }
    }
}
