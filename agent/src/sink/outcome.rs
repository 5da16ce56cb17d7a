//! What an InfluxDB's answer to a write means for the lines that were sent.
//!
//! Pure: an answer in, an outcome out. The status alone does not tell a fault that passes from one that stays (a body
//! cut in transit is a 400, an unknown retention policy is a 500), so the text is looked at first. The texts are those
//! of InfluxDB 1.6.7, 1.8.10 and 2.7.12, each seen there, and of 3.x as its source has them.

use std::time::Duration;

use serde::Deserialize;

use super::{
    link::Answer,
    rejection::Rejection,
    words::{concealed, shortened},
};

/// What a write came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// All is stored.
    Stored,
    /// Some of it will never be taken as it is; the rest may or may not be stored.
    Rejected(Rejection),
    /// It is too large; in smaller parts it may be taken.
    TooLarge {
        /// Why, in the server's words.
        reason: String,
    },
    /// The connection ended without an answer. It may pass by itself; or it is too large, and the server ended the
    /// connection before its word of that could be read.
    Cut {
        /// What went wrong.
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
pub enum Fault {
    /// The database does not exist.
    NoDatabase,
    /// The credentials are missing, wrong, or not enough.
    Denied,
    /// The server is not who it should be, or does not believe us.
    Untrusted,
    /// The address, the retention policy or something else of the settings is wrong.
    Misconfigured,
}

impl Outcome {
    /// The same with each of these texts left out of what is told: a server may quote what it was sent.
    pub(super) fn without(mut self, secrets: &[String]) -> Self {
        let reason = match &mut self {
            Self::Retry { reason, .. }
            | Self::Pause { reason, .. }
            | Self::Cut { reason }
            | Self::TooLarge { reason } => reason,
            Self::Rejected(rejection) => &mut rejection.reason,
            Self::Stored | Self::Closed => return self,
        };
        *reason = concealed(reason, secrets);
        self
    }
}

/// What `answer` to a write means.
pub(super) fn classify(answer: &Answer) -> Outcome {
    let body = Body::of(&answer.body);
    let reason = || format!("{} {}", answer.status, shortened(body.text.trim()));
    let has = |part: &str| body.text.contains(part);
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
        413 => return Outcome::TooLarge { reason: reason() },
        _ => {}
    }
    // Clusters wrap these texts into a 500 (github.com/vectordotdev/vector/issues/8904). Others never speak of lines.
    if matches!(answer.status, 400 | 422 | 500)
        && let Some(rejection) = Rejection::of(&body.text, &answer.body)
    {
        return Outcome::Rejected(rejection);
    }
    match answer.status {
        _ if has("database not found") => pause(Fault::NoDatabase),
        404 if body.is_influx && has("bucket \"") => pause(Fault::NoDatabase),
        _ if has("retention policy not found") || has("database is required") => {
            pause(Fault::Misconfigured)
        }
        300..=399 | 404 | 405 => pause(Fault::Misconfigured),
        400 if has("HTTP request to an HTTPS server") => pause(Fault::Misconfigured),
        // Cut or damaged in transit.
        400 if has("unexpected EOF") || has("gzip:") => retry(),
        // Too few servers of a cluster took it.
        400..=499 if has("partial write") => retry(),
        408 | 425 | 429 | 499 => retry(),
        // Unknown, but InfluxDB's own and about the request: the next one will not fare better.
        400..=499 if body.is_influx => pause(Fault::Misconfigured),
        _ => retry(),
    }
}

struct Body {
    text: String,
    /// Whether it has the shape of InfluxDB's errors, so that no proxy wrote it.
    is_influx: bool,
}

/// 1.x and 3.x: `{"error": …}`, 2.x: `{"code": …, "message": …}`.
#[derive(Deserialize)]
struct ErrorBody {
    #[serde(alias = "message")]
    error: String,
}

impl Body {
    fn of(body: &str) -> Self {
        match serde_json::from_str::<ErrorBody>(body) {
            Ok(body) => Self {
                text: body.error,
                is_influx: true,
            },
            Err(_) => Self {
                text: body.to_owned(),
                is_influx: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            retry_after: None,
            version: None,
            body: body.to_owned(),
        }
    }

    #[test]
    fn a_server_that_quotes_a_secret_does_not_get_it_told() {
        let body = r#"{"error":"authorization failed for Token s3cret"}"#;
        let secrets = ["s3cret".to_owned(), String::new()];
        let paused = classify(&answer(401, body)).without(&secrets);
        let Outcome::Pause { reason, .. } = paused else {
            panic!("{paused:?}");
        };
        assert_eq!(reason, "401 authorization failed for Token (not shown)");
    }

    /// A short form of an outcome.
    fn outcome(status: u16, body: &str) -> String {
        match classify(&answer(status, body)) {
            Outcome::Stored => "stored".to_owned(),
            Outcome::Rejected(rejection) => match (rejection.named.len(), rejection.dropped) {
                (0, None) => "rejected".to_owned(),
                (0, Some(dropped)) => format!("rejected {dropped}"),
                (named, _) => format!("named {named}"),
            },
            Outcome::TooLarge { .. } => "too large".to_owned(),
            Outcome::Retry { .. } => "retry".to_owned(),
            Outcome::Pause { fault, .. } => format!("{fault:?}"),
            // The answer of a server is none of these.
            Outcome::Cut { .. } | Outcome::Closed => "no answer".to_owned(),
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
                "named 1",
            ),
            (
                400,
                "{\"error\":\"partial write: unable to parse 'a': missing fields\\nunable to parse 'b': missing fields dropped=0\"}",
                "named 2",
            ),
            (
                400,
                r#"{"error":"partial write: field type conflict: input field \"f\" on measurement \"m\" is type string, already exists as type float dropped=2"}"#,
                "rejected 2",
            ),
            (
                400,
                r#"{"error":"partial write: points beyond retention policy dropped=1"}"#,
                "rejected 1",
            ),
            (
                400,
                r#"{"error":"partial write: max-values-per-tag limit exceeded (3/3): measurement=\"m\" tag=\"t\" value=\"d\" dropped=1"}"#,
                "rejected 1",
            ),
            (400, r#"{"error":"field type conflict"}"#, "rejected"),
            (
                400,
                r#"{"error":"unable to parse 'garbage': missing fields"}"#,
                "named 1",
            ),
            (413, r#"{"error":"Request Entity Too Large"}"#, "too large"),
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

    /// 2.7.12, seen.
    #[test]
    fn answers_of_influxdb_2() {
        check(&[
            (
                422,
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict: input field \"usage\" on measurement \"cpu\" is type integer, already exists as type float dropped=1"}"#,
                "rejected 1",
            ),
            (
                422,
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: dropped 2 points outside retention policy of duration 1h0m0s - oldest point m at 2026-11-28T17:47:20Z dropped because it violates a Retention Policy Lower Bound at 2026-11-28T18:47:22.123243119Z, newest point m at 2026-11-28T17:47:21Z dropped because it violates a Retention Policy Lower Bound at 2026-11-28T18:47:22.123243119Z dropped=2 for database: 077cbd114ed090c0 for retention policy: autogen"}"#,
                "rejected 2",
            ),
            (
                400,
                r#"{"code":"invalid","message":"unable to parse 'a v=': missing field value\nunable to parse 'b': missing fields"}"#,
                "named 2",
            ),
            (
                422,
                r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: input field \"s\" on measurement \"ls\" is too long, 1100000 \u003e 1048576 dropped=1"}"#,
                "rejected 1",
            ),
            (
                404,
                r#"{"code":"not found","message":"bucket \"nope\" not found"}"#,
                "NoDatabase",
            ),
            (
                404,
                r#"{"code":"not found","message":"organization name \"nope\" not found"}"#,
                "Misconfigured",
            ),
            (
                400,
                r#"{"code":"invalid","message":"Please provide either orgID or org"}"#,
                "Misconfigured",
            ),
            (
                401,
                r#"{"code":"unauthorized","message":"unauthorized access"}"#,
                "Denied",
            ),
            (
                403,
                r#"{"code":"forbidden","message":"insufficient permissions for write"}"#,
                "Denied",
            ),
            (
                405,
                r#"{"code":"method not allowed","message":"allow: OPTIONS, POST"}"#,
                "Misconfigured",
            ),
            (
                500,
                r#"{"code":"internal error","message":"An internal error has occurred - check server logs"}"#,
                "retry",
            ),
            (
                500,
                r#"{"code":"internal error","message":"unable to read data: unexpected EOF"}"#,
                "retry",
            ),
            (
                500,
                r#"{"code":"internal error","message":"unexpected error writing points to database: engine: cache-max-memory-size exceeded: (64000/2000)"}"#,
                "retry",
            ),
        ]);
    }

    #[test]
    fn answers_of_other_versions_and_of_what_stands_before_them() {
        check(&[
            (
                500,
                r#"{"error":"partial write: field type conflict: input field \"f\" dropped=1"}"#,
                "rejected 1",
            ),
            (
                400,
                r#"{"error":"partial write of line protocol occurred","data":[]}"#,
                "rejected",
            ),
            (
                413,
                "<html>413 Request Entity Too Large</html>",
                "too large",
            ),
            (400, "<html>400 Bad Request</html>", "retry"),
            (400, r#"{"error":"something new"}"#, "Misconfigured"),
            (301, "", "Misconfigured"),
            (405, "", "Misconfigured"),
            (408, "", "retry"),
            (429, "", "retry"),
            (429, r#"{"error":"rate limited","data":[]}"#, "retry"),
            (500, r#"{"error":"partial write"}"#, "retry"),
            (
                500,
                r#"{"error":"write failed: unable to parse 'x': missing fields"}"#,
                "named 1",
            ),
            (502, "<html>Bad Gateway</html>", "retry"),
            (499, "", "retry"),
            (101, "", "retry"),
        ]);
    }

    #[test]
    fn the_wait_that_was_asked_for_is_kept_and_the_reason_is_short() {
        let answer = Answer {
            retry_after: Some(Duration::from_secs(7)),
            ..answer(503, &"é".repeat(9000))
        };
        let Outcome::Retry { after, reason } = classify(&answer) else {
            panic!("no retry");
        };
        assert_eq!(after, answer.retry_after);
        assert!(
            reason.starts_with("503 é") && reason.len() < 320,
            "{reason}"
        );
    }
}
