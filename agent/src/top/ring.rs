//! The last values of something, one a tick.

use std::collections::VecDeque;

/// The last [`Self::LENGTH`] values; what was not known then is `None`.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    /// NaN for what was not known. Single precision: it is looked at.
    values: VecDeque<f32>,
}

impl Ring {
    /// Five minutes at one tick a second: what a wide terminal has dots for.
    pub(super) const LENGTH: usize = 300;

    #[expect(
        clippy::cast_possible_truncation,
        reason = "seven digits are enough to draw"
    )]
    pub(super) fn push(&mut self, value: Option<f64>) {
        if self.values.len() == Self::LENGTH {
            self.values.pop_front();
        }
        self.values
            .push_back(value.map_or(f32::NAN, |it| it as f32));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The newest.
    pub(super) fn last(&self) -> Option<f64> {
        known(*self.values.back()?)
    }

    /// The last `count`, oldest first; fewer where there are no more.
    pub(super) fn newest(&self, count: usize) -> impl Iterator<Item = Option<f64>> {
        let skipped = self.values.len().saturating_sub(count);
        self.values.range(skipped..).map(|&value| known(value))
    }

    /// The mean of those of the last `count` that are known.
    pub(super) fn mean(&self, count: usize) -> Option<f64> {
        let (sum, known) = self
            .newest(count)
            .flatten()
            .fold((0.0, 0_u32), |(sum, known), value| (sum + value, known + 1));
        (known > 0).then(|| sum / f64::from(known))
    }
}

fn known(value: f32) -> Option<f64> {
    (!value.is_nan()).then_some(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_newest_and_knows_what_was_not_known() {
        let mut ring = Ring::default();
        assert_eq!((ring.last(), ring.mean(10)), (None, None));
        for value in 0..400 {
            ring.push(Some(f64::from(value)));
        }
        ring.push(None);
        assert_eq!(ring.len(), Ring::LENGTH);
        assert_eq!(ring.last(), None);
        let newest: Vec<_> = ring.newest(3).collect();
        assert_eq!(newest, [Some(398.0), Some(399.0), None]);
        assert_eq!(ring.mean(3), Some(398.5));
    }
}
