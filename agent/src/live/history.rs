//! A bounded history of every entry: ticks once for all, values for each.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{Ended, Limits, Point, Tick, TickEntry};
use crate::{
    container::{CgroupId, Container},
    metrics::{Batch, Subject},
};

/// Ticks are shared by all entries; an entry holds two values a tick and the number of its first.
#[derive(Debug)]
pub(super) struct History {
    pub(super) limits: Limits,
    /// Times of the ticks kept, strictly increasing.
    ticks: VecDeque<i64>,
    /// The number of `ticks[0]`; ticks are counted from 0.
    first: u64,
    tracks: BTreeMap<CgroupId, Track>,
    /// In order of ending; each has its track.
    pub(super) ended: VecDeque<Ended>,
}

/// The history of one entry: one value a tick without a gap, up to the newest tick or to its end.
#[derive(Debug)]
struct Track {
    container: Arc<Container>,
    /// The number of the tick of `values[0]`.
    first: u64,
    values: VecDeque<Values>,
    ended: bool,
}

/// CPUs and waiting tasks; NaN where the kernel gives none. Single precision: they are looked at, not added up.
type Values = [f32; 2];

impl History {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits: Limits {
                ticks: limits.ticks.max(1),
                ..limits
            },
            ticks: VecDeque::new(),
            first: 0,
            tracks: BTreeMap::new(),
            ended: VecDeque::new(),
        }
    }

    pub(super) fn record(&mut self, batch: &Batch) {
        if self.ticks.len() == self.limits.ticks {
            self.ticks.pop_front();
            self.first += 1;
        }
        push_within(&mut self.ticks, self.limits.ticks, batch.taken.wall_ns);
        for subject in &batch.subjects {
            self.record_subject(subject, batch.taken.wall_ns);
        }
        self.forget();
    }

    fn record_subject(&mut self, subject: &Subject, wall_ns: i64) {
        let now = self.newest();
        let cgroup = subject.container.cgroup;
        let track = self
            .tracks
            .entry(cgroup)
            .or_insert_with(|| Track::new(subject, now));
        if track.ended {
            self.ended.retain(|it| it.last.container.cgroup != cgroup);
            *track = Track::new(subject, now);
        }
        if track.end() > now {
            return;
        }
        track.container = Arc::clone(&subject.container);
        if track.values.len() == self.limits.ticks {
            track.values.pop_front();
            track.first += 1;
        }
        let values = [subject.cpus(), subject.waiting()].map(|it| it.map_or(f32::NAN, narrow));
        push_within(&mut track.values, self.limits.ticks, values);
        if !subject.alive {
            track.ended = true;
            self.ended.push_back(Ended {
                wall_ns,
                last: Arc::new(subject.clone()),
            });
        }
    }

    /// Drops the points older than the oldest tick, the entries that have none left, those that vanished without a
    /// last word, and what ended first where too much has ended.
    fn forget(&mut self) {
        let (first, newest) = (self.first, self.newest());
        self.tracks.retain(|_, track| {
            while track.first < first && track.values.pop_front().is_some() {
                track.first += 1;
            }
            !track.values.is_empty() && (track.ended || track.end() > newest)
        });
        while let Some(oldest) = self.ended.front() {
            let cgroup = oldest.last.container.cgroup;
            if self.ended.len() <= self.limits.ended && self.tracks.contains_key(&cgroup) {
                break;
            }
            self.tracks.remove(&cgroup);
            self.ended.pop_front();
        }
    }

    pub(super) fn points(&self, cgroup: CgroupId) -> Vec<Point> {
        let Some(track) = self.tracks.get(&cgroup) else {
            return Vec::new();
        };
        let skipped = usize::try_from(track.first - self.first).unwrap_or(usize::MAX);
        self.ticks
            .iter()
            .skip(skipped)
            .zip(&track.values)
            .map(|(&wall_ns, &[cpus, waiting])| Point {
                wall_ns,
                cpus: known(cpus),
                waiting: known(waiting),
            })
            .collect()
    }

    pub(super) fn tick_after(&self, wall_ns: i64) -> Option<Tick> {
        let at = self.ticks.partition_point(|&tick| tick <= wall_ns);
        let wall_ns = *self.ticks.get(at)?;
        let number = self.first + at as u64;
        let entries = self
            .tracks
            .values()
            .filter_map(|track| {
                let at = usize::try_from(number.checked_sub(track.first)?).ok()?;
                let &[cpus, waiting] = track.values.get(at)?;
                Some(TickEntry {
                    container: Arc::clone(&track.container),
                    cpus: known(cpus),
                    waiting: known(waiting),
                })
            })
            .collect();
        Some(Tick { wall_ns, entries })
    }

    pub(super) fn replay_start(&self, points: usize) -> i64 {
        const AT_LEAST: usize = 30;
        let ticks = (points / self.tracks.len().max(1)).max(AT_LEAST);
        self.ticks
            .len()
            .checked_sub(ticks + 1)
            .and_then(|before| self.ticks.get(before).copied())
            .unwrap_or(i64::MIN)
    }

    /// The number of the newest tick.
    fn newest(&self) -> u64 {
        (self.first + self.ticks.len() as u64).saturating_sub(1)
    }
}

impl Track {
    fn new(subject: &Subject, now: u64) -> Self {
        Self {
            container: Arc::clone(&subject.container),
            first: now,
            values: VecDeque::new(),
            ended: false,
        }
    }

    /// The number of the tick after the last value.
    fn end(&self) -> u64 {
        self.first + self.values.len() as u64
    }
}

/// Appends to a ring that never gets room for more than `limit`; plain growth would double past it.
fn push_within<T>(ring: &mut VecDeque<T>, limit: usize, value: T) {
    if ring.len() == ring.capacity() {
        let room = ring.len().max(4).min(limit.saturating_sub(ring.len()));
        ring.reserve_exact(room);
    }
    ring.push_back(value);
}

fn known(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "CPUs and waiting tasks are small; seven digits are enough to draw"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::Live, *};
    use crate::encode::fixture::{alive_or_not, container, rates, subject_of, tick_of};

    /// What an entry does in one tick.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Turn {
        Absent,
        Alive,
        Last,
    }

    /// The same history, kept the plain way: every value with its tick.
    #[derive(Default)]
    struct Model {
        entries: Vec<ModelEntry>,
    }

    struct ModelEntry {
        cgroup: u64,
        values: Vec<(u32, f32)>,
        /// The tick of its end.
        ended: Option<u32>,
    }

    impl Model {
        fn record(&mut self, tick: u32, turns: &[Turn], limits: Limits) {
            for (cgroup, &turn) in (0..).zip(turns) {
                let at = self.entries.iter().position(|it| it.cgroup == cgroup);
                let earlier = at.map(|at| self.entries.remove(at));
                if turn == Turn::Absent {
                    let ended = earlier.filter(|it| it.ended.is_some());
                    self.entries.extend(ended);
                    continue;
                }
                let going_on = earlier.filter(|it| it.ended.is_none());
                let mut values = going_on.map_or_else(Vec::new, |it| it.values);
                values.push((tick, cpus(cgroup, tick)));
                self.entries.push(ModelEntry {
                    cgroup,
                    values,
                    ended: (turn == Turn::Last).then_some(tick),
                });
            }
            let oldest = (tick + 1).saturating_sub(u32::try_from(limits.ticks).unwrap());
            for entry in &mut self.entries {
                entry.values.retain(|it| it.0 >= oldest);
            }
            self.entries.retain(|it| !it.values.is_empty());
            let mut ended: Vec<_> = self
                .entries
                .iter()
                .filter_map(|it| Some((it.ended?, it.cgroup)))
                .collect();
            ended.sort_unstable();
            ended.truncate(ended.len().saturating_sub(limits.ended));
            self.entries.retain(|it| {
                it.ended
                    .is_none_or(|tick| !ended.contains(&(tick, it.cgroup)))
            });
        }

        fn values(&self, cgroup: u64) -> Vec<(u32, f32)> {
            let entry = self.entries.iter().find(|it| it.cgroup == cgroup);
            entry.map_or_else(Vec::new, |it| it.values.clone())
        }

        /// The values of one tick, in order of cgroup id.
        fn tick(&self, tick: u32) -> Vec<f32> {
            let mut values: Vec<_> = self
                .entries
                .iter()
                .flat_map(|it| &it.values)
                .filter(|it| it.0 == tick)
                .map(|it| it.1)
                .collect();
            values.sort_by(f32::total_cmp);
            values
        }
    }

    /// A value that tells which entry and tick it belongs to.
    fn cpus(cgroup: u64, tick: u32) -> f32 {
        narrow(f64::from(tick)) + narrow(cgroup as f64) / 64.0
    }

    fn publish(live: &Live, tick: u32, turns: &[Turn]) {
        let subject = |(cgroup, turn): (u64, &Turn)| {
            let rates = rates(cpus(cgroup, tick).into(), 0.0);
            alive_or_not(
                *turn == Turn::Alive,
                subject_of(container(cgroup, "c"), rates),
            )
        };
        let present = (0..).zip(turns).filter(|it| *it.1 != Turn::Absent);
        live.publish(tick_of(tick, present.map(subject).collect()));
    }

    fn seconds(wall_ns: i64) -> u32 {
        u32::try_from(wall_ns / 1_000_000_000).unwrap()
    }

    fn turn() -> impl Strategy<Value = Turn> {
        prop_oneof![2 => Just(Turn::Absent), 6 => Just(Turn::Alive), 1 => Just(Turn::Last)]
    }

    proptest! {
        #[test]
        fn the_history_is_what_was_published_and_stays_within_its_bounds(
            ticks in 1_usize..9,
            ended in 0_usize..4,
            turns in vec(vec(turn(), 6), 1..30),
        ) {
            let limits = Limits { ticks, ended, events: 0, detail_bytes: 0 };
            let (live, mut model) = (Live::new(limits), Model::default());
            for (tick, turns) in (0_u32..).zip(&turns) {
                publish(&live, tick, turns);
                model.record(tick, turns, limits);

                for cgroup in 0..6 {
                    let points = live.points(CgroupId(cgroup));
                    let points: Vec<_> = points
                        .iter()
                        .map(|it| (seconds(it.wall_ns), it.cpus.unwrap()))
                        .collect();
                    prop_assert_eq!(points, model.values(cgroup));
                }
                let mut after = i64::MIN;
                let mut told = 0;
                while let Some(tick) = live.tick_after(after) {
                    after = tick.wall_ns;
                    told += 1;
                    let values: Vec<_> = tick.entries.iter().map(|it| it.cpus.unwrap()).collect();
                    prop_assert_eq!(values, model.tick(seconds(after)));
                }
                prop_assert_eq!(told, ticks.min(tick as usize + 1));

                let history = live.history();
                let alive = turns.iter().filter(|it| **it == Turn::Alive).count();
                prop_assert!(history.ended.len() <= ended);
                prop_assert!(history.tracks.len() <= alive + ended);
                prop_assert!(history.ticks.capacity() <= ticks);
                for track in history.tracks.values() {
                    prop_assert!(track.values.capacity() <= ticks, "{}", track.values.capacity());
                }
            }
        }
    }

    #[test]
    fn a_value_the_kernel_does_not_give_is_none_and_the_entry_is_there() {
        let live = Live::new(Limits::default());
        live.publish(tick_of(
            1,
            vec![subject_of(container(7, "web"), Vec::new())],
        ));
        let tick = live.tick_after(0).unwrap();
        assert_eq!(tick.entries.len(), 1);
        assert_eq!(
            (tick.entries[0].cpus, tick.entries[0].waiting),
            (None, None)
        );
    }

    #[test]
    fn an_ended_entry_keeps_its_final_values() {
        let live = Live::new(Limits::default());
        publish(&live, 1, &[Turn::Alive, Turn::Alive]);
        publish(&live, 2, &[Turn::Last, Turn::Alive]);
        publish(&live, 3, &[Turn::Absent, Turn::Alive]);
        let ended = live.ended();
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].wall_ns, 2_000_000_000);
        assert_eq!(ended[0].last.cpus(), Some(2.0));
        assert_eq!(live.points(CgroupId(0)).len(), 2);
    }

    #[test]
    fn a_newcomer_is_told_less_where_there_is_more() {
        let live = Live::new(Limits::default());
        for tick in 0..200 {
            publish(&live, tick, &[Turn::Alive; 6]);
        }
        let told = |points| 199 - seconds(live.replay_start(points));
        assert_eq!(told(600), 100);
        assert_eq!(told(6), 30, "at least half a minute");
        assert_eq!(live.replay_start(6_000), i64::MIN, "all there is");
    }

    #[tokio::test]
    async fn a_watcher_wakes_to_find_its_tick_in_the_history() {
        let live = Live::new(Limits::default());
        let mut batches = live.subscribe();
        assert!(live.latest().is_none());
        publish(&live, 1, &[Turn::Alive]);
        batches.changed().await.unwrap();
        assert!(live.tick_after(0).is_some());
        assert_eq!(
            live.latest().map(|batch| batch.taken.wall_ns),
            Some(1_000_000_000)
        );
    }
}
