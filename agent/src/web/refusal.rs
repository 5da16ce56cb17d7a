//! Why a hit has no number: the status, one line for people, and a word that is counted.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::StatusCode;

/// Why a hit has no number.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// As many wait already as may. It was not counted.
    Shed {
        /// How many that is.
        waiting: usize,
    },
    /// Redis is away. It was not counted.
    Away(Arc<Outage>),
    /// It was asked for, and no answer came: it may have been counted, so it is not asked for again.
    Unknown(Arc<str>),
    /// Redis said no. It was not counted.
    Said(Arc<Said>),
}

/// Redis is away.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Outage {
    /// What failed, in one line.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) since: Instant,
    /// When it is tried again.
    pub(crate) next_try: Instant,
}

/// What Redis says when it says no.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Said {
    /// Which error it is.
    pub(crate) kind: SaidKind,
    /// In its own words.
    pub(crate) words: String,
}

/// The errors of Redis that an increment can meet. Names as in its replies (`src/server.c`, Redis 7.0).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SaidKind {
    /// It is a replica.
    Readonly,
    /// It has no memory left.
    Oom,
    /// The key is no number.
    NotANumber,
    /// The number would be larger than 2⁶³ − 1.
    Overflow,
    /// It wants a password.
    Noauth,
    /// This user may not.
    Noperm,
    /// It reads its data from disk.
    Loading,
    /// It has lost the master that it follows.
    Masterdown,
    /// It stops writes because it cannot save (`MISCONF`), or whatever else.
    Other,
}

impl SaidKind {
    /// By an error's code and words.
    pub(crate) fn of(code: &str, words: &str) -> Self {
        match code {
            "READONLY" => Self::Readonly,
            "OOM" => Self::Oom,
            "WRONGTYPE" => Self::NotANumber,
            "NOAUTH" | "WRONGPASS" => Self::Noauth,
            "NOPERM" => Self::Noperm,
            "LOADING" => Self::Loading,
            "MASTERDOWN" => Self::Masterdown,
            _ if words.contains("not an integer") => Self::NotANumber,
            _ if words.contains("overflow") => Self::Overflow,
            _ => Self::Other,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Readonly => "readonly",
            Self::Oom => "oom",
            Self::NotANumber => "not_a_number",
            Self::Overflow => "overflow",
            Self::Noauth => "noauth",
            Self::Noperm => "noperm",
            Self::Loading => "loading",
            Self::Masterdown => "masterdown",
            Self::Other => "other",
        }
    }

    /// Whether it passes by itself.
    fn passes(self) -> bool {
        match self {
            Self::Readonly | Self::Oom | Self::Loading | Self::Masterdown | Self::Other => true,
            Self::NotANumber | Self::Overflow | Self::Noauth | Self::Noperm => false,
        }
    }

    fn fix(self) -> &'static str {
        match self {
            Self::Readonly | Self::Masterdown => "write to the master",
            Self::Oom => "raise its maxmemory",
            Self::NotANumber => {
                "the key holds something else: choose another with --key, or --reset it"
            }
            Self::Overflow => "the counter is full: --reset it",
            Self::Noauth => "give the password with --redis-password-file",
            Self::Noperm => "let this user INCR the key",
            Self::Loading => "wait",
            Self::Other => "see its log",
        }
    }
}

impl Refusal {
    /// All the words that [`Self::word`] may give.
    pub(crate) const WORDS: [&'static str; 12] = [
        "shed",
        "away",
        "unknown",
        "readonly",
        "oom",
        "not_a_number",
        "overflow",
        "noauth",
        "noperm",
        "loading",
        "masterdown",
        "other",
    ];

    /// Under which it is counted.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Shed { .. } => "shed",
            Self::Away(_) => "away",
            Self::Unknown(_) => "unknown",
            Self::Said(said) => said.kind.word(),
        }
    }

    /// 503 for what passes and was not counted, 504 for what may have been counted, 500 for what somebody must mend.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Shed { .. } | Self::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
            Self::Said(said) if said.kind.passes() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Said(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One line for people, as of `now`.
    pub(crate) fn text(&self, now: Instant) -> String {
        match self {
            Self::Shed { waiting } => format!("too busy: {waiting} requests wait already"),
            Self::Away(outage) => outage.text(now),
            Self::Unknown(reason) => {
                format!("redis did not answer: {reason}; this hit may have been counted")
            }
            Self::Said(said) => format!("redis says no: {}; {}", said.words, said.kind.fix()),
        }
    }
}

impl Outage {
    /// One line for people, as of `now`.
    pub(crate) fn text(&self, now: Instant) -> String {
        let since = rounded(now.saturating_duration_since(self.since));
        let next = rounded(self.next_try.saturating_duration_since(now));
        format!(
            "redis unavailable: {} (since {since}, retry in {next})",
            self.reason
        )
    }
}

/// A time for people: in milliseconds below a second, else in seconds.
fn rounded(time: Duration) -> impl fmt::Display {
    let rounded = if time < Duration::from_secs(1) {
        Duration::from_millis(time.as_millis().try_into().unwrap_or(0))
    } else {
        Duration::from_secs(time.as_secs())
    };
    humantime::format_duration(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_says_what_failed_since_when_and_what_is_next() {
        let since = Instant::now();
        let now = since + Duration::from_millis(12_345);
        let outage = Outage {
            reason: "connect 127.0.0.1:6379: connection refused".to_owned(),
            since,
            next_try: now + Duration::from_micros(400_700),
        };
        let refusal = Refusal::Away(Arc::new(outage));
        assert_eq!(
            refusal.text(now),
            "redis unavailable: connect 127.0.0.1:6379: connection refused (since 12s, retry in 400ms)"
        );
        assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn each_error_of_redis_has_a_word_that_is_counted_and_a_status() {
        let cases = [
            ("READONLY", "", "readonly", 503),
            ("OOM", "", "oom", 503),
            ("WRONGTYPE", "", "not_a_number", 500),
            (
                "ERR",
                "value is not an integer or out of range",
                "not_a_number",
                500,
            ),
            (
                "ERR",
                "increment or decrement would overflow",
                "overflow",
                500,
            ),
            ("NOAUTH", "Authentication required.", "noauth", 500),
            ("NOPERM", "", "noperm", 500),
            ("LOADING", "", "loading", 503),
            ("MASTERDOWN", "", "masterdown", 503),
            ("MISCONF", "", "other", 503),
        ];
        for (code, words, word, status) in cases {
            let kind = SaidKind::of(code, words);
            let words = words.to_owned();
            let refusal = Refusal::Said(Arc::new(Said { kind, words }));
            assert_eq!((refusal.word(), refusal.status().as_u16()), (word, status));
            assert!(Refusal::WORDS.contains(&word), "{code}");
        }
    }
}
