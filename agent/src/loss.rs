//! Points that will never arrive where they were to go: how many, of which time, and why.

use std::collections::BTreeMap;

use crate::times::Times;

/// Why points do not arrive.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum LossReason {
    /// What waited had reached its bound on disk; the oldest went.
    Evicted,
    /// They had waited for longer than they may.
    Aged,
    /// What waited in memory had reached its bound; the oldest went.
    Overflow,
    /// The agent ended, and they were kept nowhere but in memory.
    Stopped,
    /// The other side will never take them as they are.
    Refused,
    /// They were older than what the other side keeps.
    Expired,
    /// What was kept on disk could not be read again.
    Damaged,
    /// A single batch was larger than all that may wait.
    Oversized,
    /// It was a point that told of losses, and the other side refused it.
    Unreported,
}

impl LossReason {
    /// All of them, in the order of publication.
    pub const ALL: [Self; 9] = [
        Self::Evicted,
        Self::Aged,
        Self::Overflow,
        Self::Stopped,
        Self::Refused,
        Self::Expired,
        Self::Damaged,
        Self::Oversized,
        Self::Unreported,
    ];

    /// Its word in metrics, points and on disk.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Evicted => "evicted",
            Self::Aged => "aged",
            Self::Overflow => "overflow",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Damaged => "damaged",
            Self::Oversized => "oversized",
            Self::Unreported => "unreported",
        }
    }

    /// Whether a point is to tell of it: else a point that is refused would make the next one, for ever.
    pub fn is_reported(self) -> bool {
        self != Self::Unreported
    }
}

/// Points lost for one reason.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Loss {
    /// Why.
    pub reason: LossReason,
    /// How many.
    pub points: u64,
    /// No point of them is outside these times.
    pub times: Times,
}

/// Points lost, by reason.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Losses(BTreeMap<LossReason, Loss>);

impl Losses {
    /// Counts in more that were lost; nothing if there are no points in it.
    pub fn add(&mut self, loss: Loss) {
        if loss.points == 0 {
            return;
        }
        self.0
            .entry(loss.reason)
            .and_modify(|known| {
                known.points = known.points.saturating_add(loss.points);
                known.times = known.times.and(loss.times);
            })
            .or_insert(loss);
    }

    /// Each reason's, in the order of [`LossReason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Loss> {
        self.0.values().copied()
    }

    /// All points lost.
    pub fn points(&self) -> u64 {
        self.iter().map(|loss| loss.points).sum()
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Extend<Loss> for Losses {
    fn extend<T: IntoIterator<Item = Loss>>(&mut self, losses: T) {
        losses.into_iter().for_each(|loss| self.add(loss));
    }
}

impl FromIterator<Loss> for Losses {
    fn from_iter<T: IntoIterator<Item = Loss>>(losses: T) -> Self {
        let mut all = Self::default();
        all.extend(losses);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_one_reason_are_one_with_all_their_time() {
        let loss = |reason, points, oldest_ns, newest_ns| Loss {
            reason,
            points,
            times: Times {
                oldest_ns,
                newest_ns,
            },
        };
        let losses: Losses = [
            loss(LossReason::Aged, 0, 1, 2),
            loss(LossReason::Evicted, 2, 5, 9),
            loss(LossReason::Refused, 1, 4, 4),
            loss(LossReason::Evicted, 3, 1, 7),
        ]
        .into_iter()
        .collect();
        let all: Vec<_> = losses.iter().collect();
        assert_eq!(
            all,
            [
                loss(LossReason::Evicted, 5, 1, 9),
                loss(LossReason::Refused, 1, 4, 4)
            ]
        );
        assert_eq!(losses.points(), 6);
    }
}
