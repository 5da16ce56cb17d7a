//! What the log says of lost points: once an episode, not once a batch.

use tracing::error;

use crate::loss::LossReason;

/// What it has said.
#[derive(Debug, Default)]
pub(super) struct LossLog {
    /// Points lost for want of room, and whether that was said.
    for_room: Option<(u64, bool)>,
    /// Points lost in other ways than at a bound or at the other side's word.
    otherwise: Option<u64>,
}

impl LossLog {
    /// Says once that there is no more room, until [`LossLog::all_written`]; and each time that something is lost in a
    /// way that nobody asked for. `lost` tells how many points are, for a reason.
    pub(super) fn look(&mut self, sink: &str, lost: impl Fn(LossReason) -> u64) {
        let sum = |reasons: &[LossReason]| -> u64 { reasons.iter().map(|it| lost(*it)).sum() };
        let for_room = sum(&[LossReason::Evicted, LossReason::Aged, LossReason::Overflow]);
        let otherwise = sum(&[LossReason::Damaged, LossReason::Oversized]);
        let (before, is_told) = *self.for_room.get_or_insert((for_room, false));
        if for_room > before && !is_told {
            self.for_room = Some((for_room, true));
            error!(
                sink,
                points_lost = for_room - before,
                "there is no more room for what waits: the oldest points are dropped from now on"
            );
        }
        let before = self.otherwise.replace(otherwise).unwrap_or(otherwise);
        if otherwise > before {
            error!(
                sink,
                points_lost = otherwise - before,
                "what was to be sent is damaged on disk, or larger than all that may wait"
            );
        }
    }

    /// Nothing waits any more.
    pub(super) fn all_written(&mut self) {
        self.for_room = None;
    }
}
