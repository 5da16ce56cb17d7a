//! What came in by the socket for other processes' points.

use super::{Counter, integer};
use crate::{
    encode::intake::{Reason, Refused},
    metrics::{Sample, catalog},
};

/// What came in by the socket for other processes' points.
#[derive(Debug, Default)]
pub struct SocketStats {
    /// Requests to write, good and bad.
    pub requests: Counter,
    /// Those of which nothing was looked at: a bound was hit, or they could not be read.
    pub requests_refused: Counter,
    /// Lines handed to the sinks.
    pub lines_taken: Counter,
    lines_refused: [Counter; Reason::ALL.len()],
}

impl SocketStats {
    /// Counts lines that were not taken.
    pub fn refuse(&self, refused: &Refused) {
        for (reason, count) in refused.by_reason() {
            self.lines_refused(reason).add(count as u64);
        }
    }

    /// How many lines were not taken for this reason.
    pub fn lines_refused(&self, reason: Reason) -> &Counter {
        &self.lines_refused[reason as usize]
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = Sample> {
        let whole = [
            (&catalog::SOCKET_REQUESTS, &self.requests),
            (&catalog::SOCKET_REQUESTS_REFUSED, &self.requests_refused),
            (&catalog::SOCKET_LINES_TAKEN, &self.lines_taken),
        ];
        let whole = whole.map(|(metric, counter)| integer(metric, counter.get()));
        let refused = Reason::ALL.into_iter().zip(&self.lines_refused);
        let refused = refused.map(|(reason, counter)| {
            integer(&catalog::SOCKET_LINES_REFUSED, counter.get())
                .labelled("reason", reason.as_str())
        });
        whole.into_iter().chain(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::SelfStats, *};

    #[test]
    fn the_socket_tells_every_reason_and_nothing_where_there_is_none() {
        let stats = SelfStats::default();
        let told = |stats: &SelfStats| stats.samples().len();
        let without = told(&stats);
        stats.socket().lines_taken.add(3);
        assert_eq!(stats.socket().lines_taken.get(), 3);
        assert_eq!(told(&stats), without + 3 + Reason::ALL.len());
    }
}
