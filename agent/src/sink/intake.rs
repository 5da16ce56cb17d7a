//! What was offered a moment ago: bounded, the oldest goes overboard.
//!
//! The seam between the collector, which never waits, and a disk, which may hang for minutes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    encode::Payload,
    loss::{LossReason, Losses},
};

/// Payloads between the collector and the store.
#[derive(Debug)]
pub(super) struct Intake {
    max_bytes: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    offered: VecDeque<Payload>,
    /// Bytes of `offered`.
    bytes: usize,
    lost: Losses,
    /// Nothing more is taken: its points are lost.
    is_closed: bool,
}

/// What the intake held, and what it lost since it was last emptied.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) payloads: Vec<Payload>,
    pub(super) lost: Losses,
}

impl Intake {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            state: Mutex::default(),
        }
    }

    /// Takes a payload in and drops what is over the bound; a single larger one is let through.
    pub(super) fn offer(&self, payload: Payload) {
        let mut state = self.state();
        if state.is_closed {
            state.lost.add(payload.loss(LossReason::Stopped));
            return;
        }
        state.bytes += payload.lines().len();
        state.offered.push_back(payload);
        while state.bytes > self.max_bytes
            && state.offered.len() > 1
            && let Some(oldest) = state.offered.pop_front()
        {
            state.bytes -= oldest.lines().len();
            state.lost.add(oldest.loss(LossReason::Overflow));
        }
    }

    /// Empties it.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.state();
        state.bytes = 0;
        Taken {
            payloads: std::mem::take(&mut state.offered).into(),
            lost: std::mem::take(&mut state.lost),
        }
    }

    /// Takes nothing more in.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::encode::Times;

    fn payload(points: usize, wall_ns: i64) -> Payload {
        Payload::new(Bytes::from("a v=1i 1\n".repeat(points)), Times::at(wall_ns))
    }

    #[test]
    fn a_closed_intake_loses_what_it_is_offered_and_says_so() {
        let intake = Intake::new(1_000);
        intake.offer(payload(1, 1));
        intake.close();
        intake.offer(payload(2, 7));
        let taken = intake.take();
        assert_eq!(taken.payloads, [payload(1, 1)]);
        let lost = payload(2, 7).loss(LossReason::Stopped);
        assert_eq!(taken.lost.iter().collect::<Vec<_>>(), [lost]);
    }

    proptest! {
        #[test]
        fn no_point_is_unaccounted_for_and_the_bound_holds(
            max_bytes in 1_usize..300,
            steps in prop::collection::vec(prop::option::of(1_usize..12), 0..60),
        ) {
            let intake = Intake::new(max_bytes);
            let (mut offered, mut taken, mut lost) = (0, 0, 0);
            for step in steps {
                if let Some(points) = step {
                    offered += points as u64;
                    intake.offer(payload(points, 1));
                } else {
                    let all = intake.take();
                    let bytes: usize = all.payloads.iter().map(|it| it.lines().len()).sum();
                    prop_assert!(bytes <= max_bytes || all.payloads.len() == 1);
                    taken += all.payloads.iter().map(|it| it.points() as u64).sum::<u64>();
                    lost += all.lost.points();
                }
            }
            let rest = intake.take();
            taken += rest.payloads.iter().map(|it| it.points() as u64).sum::<u64>();
            lost += rest.lost.points();
            prop_assert_eq!(offered, taken + lost);
        }
    }
}
