//! One run of the engine: watched each second, told in points, stopped by signals.

use std::time::Duration;

use tokio::{
    select,
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::{
    LoadError,
    engine::{Engine, Order, Pace},
    numbers::Numbers,
    outcome::{Outcome, per_second, together},
    points::{self, Counts, Point},
    progress::{Progress, Second},
    schedule::{Stage, mean_rate, rate_at},
    window::Window,
};
use crate::{clock, telemetry::Telemetry};

/// How often it is looked at whether the run is over.
const LOOK: Duration = Duration::from_millis(20);

const SECOND_NS: u64 = 1_000_000_000;

/// Who is told of a run.
pub(super) struct Trial<'a> {
    pub(super) telemetry: &'a Telemetry,
    pub(super) run: &'a str,
    pub(super) progress: &'a Progress,
}

/// A run under way.
struct Watched<'a> {
    trial: &'a Trial<'a>,
    engine: Engine,
    warmup: Duration,
    length: Duration,
    has_bound: bool,
    stages: Option<Vec<Stage>>,
    numbers: Option<Numbers>,
    total: Window,
    /// Until when it was taken.
    taken_ns: Option<u64>,
}

impl Trial<'_> {
    /// Runs `order` to its end, or until a signal; a second signal is an error.
    pub(super) async fn run(&self, order: Order) -> Result<Outcome, LoadError> {
        let watch = |kind| signal(kind).map_err(LoadError::Engine);
        let mut ends = (
            watch(SignalKind::interrupt())?,
            watch(SignalKind::terminate())?,
        );
        let stages = match &order.pace {
            Pace::Replies => None,
            Pace::Times { stages, .. } => Some(stages.clone()),
        };
        let mut watched = Watched {
            trial: self,
            warmup: order.warmup,
            length: order.length,
            has_bound: order.most.is_some(),
            stages,
            numbers: order.wants_numbers.then(Numbers::default),
            total: Window::empty(),
            taken_ns: None,
            engine: Engine::start(order).map_err(LoadError::Engine)?,
        };
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut is_stopped = false;
        while !watched.engine.has_ended() {
            select! {
                _ = look.tick() => watched.look(),
                () = next(&mut ends) => {
                    if is_stopped {
                        return Err(LoadError::Interrupted);
                    }
                    is_stopped = true;
                    self.progress.say("stopping: the last replies are waited for; once more ends at once");
                    watched.engine.stop();
                }
            }
        }
        self.progress.clear();
        watched.end(is_stopped)
    }
}

async fn next(ends: &mut (Signal, Signal)) {
    select! {
        _ = ends.0.recv() => {}
        _ = ends.1.recv() => {}
    }
}

impl Watched<'_> {
    /// Takes what one more second brought, if it is over.
    fn look(&mut self) {
        let Some(start_ns) = self.engine.start_ns() else {
            return;
        };
        let now_ns = clock::boot_ns();
        let taken_ns = *self.taken_ns.get_or_insert(start_ns);
        if now_ns.saturating_sub(taken_ns) >= SECOND_NS {
            self.take(start_ns, taken_ns, now_ns);
        }
    }

    fn take(&mut self, start_ns: u64, taken_ns: u64, now_ns: u64) {
        self.taken_ns = Some(now_ns);
        let (mut window, standing) = self.engine.take();
        self.add(&mut window);
        let since_start = Duration::from_nanos(now_ns - start_ns);
        let length = Duration::from_nanos(now_ns - taken_ns);
        // The rate that holds at the middle of the second that was.
        let middle = since_start.saturating_sub(length / 2);
        let target_rate = self.stages.as_ref().map(|stages| rate_at(stages, middle));
        let point = Point {
            second: &window,
            total: Counts {
                sent: self.total.sent,
                ok: self.total.ok,
                errors: self.total.errors(),
            },
            standing,
            rate: per_second(window.ok, length),
            target_rate,
        };
        let tags = [("run", self.trial.run)];
        self.trial
            .telemetry
            .offer(points::MEASUREMENT, tags, point.fields());
        let end = self.warmup + self.length;
        self.trial.progress.show(&Second {
            window: &window,
            length,
            standing,
            since_start,
            left: (!self.has_bound).then(|| end.saturating_sub(since_start)),
            errors: self.total.errors(),
            target_rate,
        });
    }

    fn add(&mut self, window: &mut Window) {
        for (connection, number) in window.numbers.drain(..) {
            if let Some(numbers) = &mut self.numbers {
                numbers.note(connection, number);
            }
        }
        self.total.add(window);
    }

    /// Takes the rest, and sums up.
    fn end(mut self, is_stopped: bool) -> Result<Outcome, LoadError> {
        let ended = self.engine.join().map_err(LoadError::Engine)?;
        let (costs, ceased_ns, unsent) = together(&ended);
        let start_ns = self.engine.start_ns().unwrap_or(ceased_ns);
        let taken_ns = self.taken_ns.unwrap_or(start_ns);
        self.take(start_ns, taken_ns, clock::boot_ns());
        self.trial.progress.clear();
        let ran = Duration::from_nanos(ceased_ns.saturating_sub(start_ns));
        let now = clock::now();
        let began_ns = now
            .wall_ns
            .saturating_sub_unsigned(now.boot_ns.saturating_sub(start_ns));
        let total = self.total;
        let faults: u64 = total.faults.values().map(|it| it.count).sum();
        let unanswered = total.sent.saturating_sub(total.replies() + faults);
        Ok(Outcome {
            elapsed: ran.saturating_sub(self.warmup),
            target_rate: self
                .stages
                .map(|stages| mean_rate(&stages, self.warmup, ran)),
            unsent,
            unanswered,
            costs,
            counter: self.numbers.map(|it| it.verdict(total.lost + unanswered)),
            is_stopped,
            wall_ns: (began_ns, now.wall_ns),
            total,
        })
    }
}

#[cfg(test)]
mod tests;
