//! Who comes to the page's server, and who is turned away.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Counter, integer};
use crate::metrics::{Sample, catalog};

/// Why a connection of the page's server was cut, or not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cut {
    /// The client had as many as it may.
    Client,
    /// Others needed the room, and it was this client who had been waited for the longest.
    Room,
    /// The client asked, or took an answer, too slowly.
    Slow,
    /// What came was no HTTP, or had too many headers or too long ones.
    Malformed,
    /// No TLS came about.
    Tls,
}

/// Why a request was refused before its route was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// It was addressed to a name that is not ours.
    Host,
    /// It brought no token.
    NoToken,
    /// It brought one that is nobody's.
    WrongToken,
    /// The same, of a client that had brought many.
    Attempts,
    /// It was not for its role.
    Role,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Client,
        Self::Room,
        Self::Slow,
        Self::Malformed,
        Self::Tls,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Room => "room",
            Self::Slow => "slow",
            Self::Malformed => "malformed",
            Self::Tls => "tls",
        }
    }
}

impl Denied {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Host,
        Self::NoToken,
        Self::WrongToken,
        Self::Attempts,
        Self::Role,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::NoToken => "no_token",
            Self::WrongToken => "wrong_token",
            Self::Attempts => "attempts",
            Self::Role => "role",
        }
    }
}

/// Who comes to the page's server, and who is turned away.
#[derive(Debug, Default)]
pub struct HttpStats {
    open: AtomicU64,
    cut: [Counter; Cut::ALL.len()],
    denied: [Counter; Denied::ALL.len()],
}

impl HttpStats {
    /// A connection has begun.
    pub fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// One that had begun has ended.
    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Connections that are open.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections cut or not taken for this reason.
    pub fn cut(&self, why: Cut) -> &Counter {
        &self.cut[why as usize]
    }

    /// Requests refused for this reason.
    pub fn denied(&self, why: Denied) -> &Counter {
        &self.denied[why as usize]
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        let counted = |metric, counter: &Counter, reason| {
            // A reason that never was would be a series for nothing.
            let count = counter.get();
            (count > 0).then(|| integer(metric, count).labelled("reason", reason))
        };
        let cut = Cut::ALL.into_iter();
        let cut = cut.filter_map(|why| counted(&catalog::HTTP_CUT, self.cut(why), why.as_str()));
        let denied = Denied::ALL.into_iter();
        let denied =
            denied.filter_map(|why| counted(&catalog::HTTP_DENIED, self.denied(why), why.as_str()));
        let open = integer(&catalog::HTTP_CONNECTIONS, self.open());
        [open].into_iter().chain(cut).chain(denied).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::SelfStats, *};
    use crate::metrics::Value;

    #[test]
    fn the_page_tells_its_connections_and_of_reasons_those_that_were() {
        let stats = SelfStats::default();
        let http = stats.http();
        http.opened();
        http.opened();
        http.closed();
        http.cut(Cut::Slow).add(2);
        http.denied(Denied::Role).add(3);
        let told = stats.samples();
        let told: Vec<_> = told[1..]
            .iter()
            .map(|it| (it.metric.field, it.labels.len(), it.value.clone()))
            .collect();
        assert_eq!(
            told,
            [
                ("http_connections", 0, Value::Integer(1)),
                ("http_cut", 1, Value::Integer(2)),
                ("http_denied", 1, Value::Integer(3)),
            ]
        );
    }
}
