//! What an InfluxDB's answer to a write means for the lines that were sent.
//!
//! Pure: an answer in, an outcome out. The status alone does not tell a fault that passes from one that stays (a body
//! cut in transit is a 400, an unknown retention policy is a 500), so the text is looked at first. The texts are those
//! of InfluxDB 1.6.7, each seen there, and of 2.x and 3.x as their sources have them.

use std::time::Duration;

use serde::Deserialize;

/// What a server said to a write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The wait it asks for.
    pub retry_after: Option<Duration>,
    /// Its body, possibly cut.
    pub body: String,
}

/// What a write came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// All is stored.
    Stored,
    /// All is stored but `points`, which this server will never take.
    Refused {
        /// How many.
        points: usize,
        /// Why, in the server's words.
        reason: String,
    },
    /// It cannot be taken as a whole: in smaller parts it can, or at least those parts can that are not at fault.
    Split {
        /// Whether it was too large.
        too_large: bool,
        /// Why.
        reason: String,
    },
    /// A fault that passes by itself.
    Retry {
        /// The wait that was asked for.
        after: Option<Duration>,
        /// What went wrong.
        reason: String,
    },
    /// A fault that stays until somebody acts.
    Pause {
        /// Which.
        fault: Fault,
        /// What went wrong, in the server's words.
        reason: String,
    },
    /// Nobody reads the output any more.
    Closed,
}

/// A fault that stays until somebody acts; nothing is dropped because of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The database does not exist.
    NoDatabase,
    /// The credentials are missing, wrong, or not enough.
    Denied,
    /// The address, the retention policy or something else of the settings is wrong.
    Misconfigured,
}

/// What `answer` to a write of `points` points means.
pub(super) fn classify(answer: &Answer, points: usize) -> Outcome {
    let Error { text, is_influx } = error(&answer.body);
    let reason = || format!("{} {}", answer.status, shortened(text.trim()));
    let has = |part: &str| text.contains(part);
    let pause = |fault| Outcome::Pause {
        fault,
        reason: reason(),
    };
    let retry = || Outcome::Retry {
        after: answer.retry_after,
        reason: reason(),
    };
    match answer.status {
        200..=299 => return Outcome::Stored,
        401 | 403 => return pause(Fault::Denied),
        413 => {
            return Outcome::Split {
                too_large: true,
                reason: reason(),
            };
        }
        _ => {}
    }
    // Clusters wrap these texts into a 500 (github.com/vectordotdev/vector/issues/8904).
    if let Some(refusal) = refusal(&text, points) {
        return match refusal {
            Refusal::Points(points) => Outcome::Refused {
                points,
                reason: reason(),
            },
            Refusal::Unknown => Outcome::Split {
                too_large: false,
                reason: reason(),
            },
        };
    }
    match answer.status {
        _ if has("database not found") => pause(Fault::NoDatabase),
        _ if has("retention policy not found") || has("database is required") => {
            pause(Fault::Misconfigured)
        }
        300..=399 | 404 | 405 => pause(Fault::Misconfigured),
        // Cut or damaged in transit.
        400 if has("unexpected EOF") || has("gzip:") => retry(),
        408 | 425 | 429 | 499 => retry(),
        // Unknown, but InfluxDB's own and about the request: the next one will not fare better.
        400..=499 if is_influx => pause(Fault::Misconfigured),
        _ => retry(),
    }
}

/// Some points were refused for good.
enum Refusal {
    /// This many; all others are stored.
    Points(usize),
    /// Which ones is not said, or the others are not stored either.
    Unknown,
}

fn refusal(text: &str, points: usize) -> Option<Refusal> {
    const UNPARSABLE: &str = "unable to parse '";
    if let Some((_, partial)) = text.split_once("partial write") {
        let partial = partial.trim_start_matches([':', ' ']);
        // Each bad line is quoted, and `dropped` stays 0; otherwise `dropped` counts.
        let refused = if partial.starts_with(UNPARSABLE) {
            partial.matches(UNPARSABLE).count()
        } else {
            let number = partial.rsplit_once("dropped=").map(|(_, number)| number);
            number.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
        };
        return Some(match refused {
            0 => Refusal::Unknown,
            refused => Refusal::Points(refused.min(points)),
        });
    }
    if text.starts_with(UNPARSABLE) {
        // 1.x says this when no line was good; 2.x also when one was bad, and then stores none.
        let all = text.matches(UNPARSABLE).count() >= points;
        return Some(if all {
            Refusal::Points(points)
        } else {
            Refusal::Unknown
        });
    }
    // Two types for one new field within a new shard: nothing is stored, the good lines neither.
    text.contains("field type conflict")
        .then_some(Refusal::Unknown)
}

struct Error {
    text: String,
    /// Whether the body has the shape of InfluxDB's errors, so that no proxy wrote it.
    is_influx: bool,
}

/// 1.x and 3.x: `{"error": …}`, 2.x: `{"code": …, "message": …}`.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(alias = "message")]
    error: String,
}

fn error(body: &str) -> Error {
    match serde_json::from_str::<ErrorBody>(body) {
        Ok(body) => Error {
            text: body.error,
            is_influx: true,
        },
        Err(_) => Error {
            text: body.to_owned(),
            is_influx: false,
        },
    }
}

/// An error may quote a whole batch.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(300)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A short form of an outcome of 10 points.
    fn outcome(status: u16, body: &str) -> String {
        let answer = Answer {
            status,
            retry_after: None,
            body: body.to_owned(),
        };
        match classify(&answer, 10) {
            Outcome::Stored => "stored".to_owned(),
            Outcome::Refused { points, .. } => format!("refused {points}"),
            Outcome::Split { too_large, .. } => format!("split too_large={too_large}"),
            Outcome::Retry { .. } => "retry".to_owned(),
            Outcome::Pause { fault, .. } => format!("{fault:?}"),
            Outcome::Closed => "closed".to_owned(),
        }
    }

    fn check(table: &[(u16, &str, &str)]) {
        for (status, body, expected) in table {
            assert_eq!(outcome(*status, body), *expected, "{status} {body}");
        }
    }

    #[test]
    fn answers_of_influxdb_1() {
        check(&[
            (204, "", "stored"),
            (400, r#"{"error":"database is required"}"#, "Misconfigured"),
            (
                404,
                r#"{"error":"database not found: \"nope\""}"#,
                "NoDatabase",
            ),
            (
                500,
                r#"{"error":"retention policy not found: nope"}"#,
                "Misconfigured",
            ),
            (
                400,
                r#"{"error":"partial write: unable to parse 'bad line here': invalid field format dropped=0"}"#,
                "refused 1",
            ),
            (
                400,
                "{\"error\":\"partial write: unable to parse 'a': missing fields\\nunable to parse 'b': missing fields dropped=0\"}",
                "refused 2",
            ),
            (
                400,
                r#"{"error":"partial write: field type conflict: input field \"f\" on measurement \"m\" is type string, already exists as type float dropped=2"}"#,
                "refused 2",
            ),
            (
                400,
                r#"{"error":"partial write: points beyond retention policy dropped=1"}"#,
                "refused 1",
            ),
            (
                400,
                r#"{"error":"partial write: max-values-per-tag limit exceeded (3/3): measurement=\"m\" tag=\"t\" value=\"d\" dropped=1"}"#,
                "refused 1",
            ),
            (
                400,
                r#"{"error":"field type conflict"}"#,
                "split too_large=false",
            ),
            (
                400,
                r#"{"error":"unable to parse 'garbage': missing fields"}"#,
                "split too_large=false",
            ),
            (
                413,
                r#"{"error":"Request Entity Too Large"}"#,
                "split too_large=true",
            ),
            (400, r#"{"error":"unexpected EOF"}"#, "retry"),
            (400, r#"{"error":"gzip: invalid checksum"}"#, "retry"),
            (
                401,
                r#"{"error":"unable to parse authentication credentials"}"#,
                "Denied",
            ),
            (401, r#"{"error":"authorization failed"}"#, "Denied"),
            (
                403,
                r#"{"error":"\"r\" user is not authorized to write to database \"a1\""}"#,
                "Denied",
            ),
            (503, "request throttled, queue full\n", "retry"),
            (500, r#"{"error":"timeout"}"#, "retry"),
            (
                500,
                r#"{"error":"engine: error writing WAL entry: write wal/_00001.wal: no space left on device"}"#,
                "retry",
            ),
            (404, "404 page not found\n", "Misconfigured"),
        ]);
    }

    #[test]
    fn answers_of_other_versions_and_of_what_stands_before_them() {
        check(&[
            (
                422,
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict dropped=3"}"#,
                "refused 3",
            ),
            (
                400,
                r#"{"code":"invalid","message":"unable to parse 'x': missing fields"}"#,
                "split too_large=false",
            ),
            (
                500,
                r#"{"error":"partial write: field type conflict: input field \"f\" dropped=1"}"#,
                "refused 1",
            ),
            (
                400,
                r#"{"error":"partial write of line protocol occurred","data":[]}"#,
                "split too_large=false",
            ),
            (
                413,
                "<html>413 Request Entity Too Large</html>",
                "split too_large=true",
            ),
            (400, "<html>400 Bad Request</html>", "retry"),
            (400, r#"{"error":"something new"}"#, "Misconfigured"),
            (301, "", "Misconfigured"),
            (405, "", "Misconfigured"),
            (408, "", "retry"),
            (429, "", "retry"),
            (502, "<html>Bad Gateway</html>", "retry"),
            (499, "", "retry"),
            (101, "", "retry"),
        ]);
    }

    #[test]
    fn a_refusal_never_counts_more_points_than_were_sent() {
        assert_eq!(
            outcome(400, r#"{"error":"partial write: x dropped=99"}"#),
            "refused 10"
        );
        let quoted = "unable to parse 'x': missing fields ".repeat(10);
        assert_eq!(
            outcome(400, &format!(r#"{{"error":"{quoted}"}}"#)),
            "refused 10"
        );
    }

    #[test]
    fn the_wait_that_was_asked_for_is_kept_and_the_reason_is_short() {
        let answer = Answer {
            status: 503,
            retry_after: Some(Duration::from_secs(7)),
            body: "é".repeat(9000),
        };
        let Outcome::Retry { after, reason } = classify(&answer, 1) else {
            panic!("no retry");
        };
        assert_eq!(after, answer.retry_after);
        assert!(
            reason.starts_with("503 é") && reason.len() < 320,
            "{reason}"
        );
    }
}
