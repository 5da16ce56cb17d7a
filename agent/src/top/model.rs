//! What is known of every entry: ticks and events in, the latest values and a bounded past out. Pure.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    num::NonZeroUsize,
};

use agent_ebpf::histogram::BUCKETS;

use super::{
    measure::{Measure, Values},
    own::{Machine, OwnCost},
    ring::Ring,
};
use crate::stream::{Detail, Event, Hello, Histogram, Preemptors, Tick, Who};

/// How long an entry that ended is still shown.
const ENDED_SHOWN_MS: i64 = 60_000;

/// Bytes of those that are: some 3,000 that ran for minutes.
const ENDED_BYTES: usize = 32 << 20;

/// Histograms and takers are shown of the last so many ticks.
pub(super) const RECENT: usize = 60;

/// As many events as the agent keeps.
const EVENTS: usize = 1024;

/// All that was told so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) hello: Hello,
    /// The time of the last tick, in milliseconds since the Unix epoch; `None` before the first.
    pub(super) wall_ms: Option<i64>,
    entries: BTreeMap<u64, Entry>,
    /// Of all entries together.
    pub(super) whole: [Ring; Measure::ALL.len()],
    pub(super) machine: Machine,
    pub(super) own: OwnCost,
    events: VecDeque<Event>,
}

/// One entry, alive or ended a moment ago.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) who: Who,
    /// When it was missing first.
    pub(super) ended_ms: Option<i64>,
    pub(super) now: Values,
    /// The values of each tick up to the newest, or to its end.
    pub(super) past: [Ring; Measure::ALL.len()],
    /// The rest of what was told last.
    pub(super) detail: Option<Detail>,
    /// What the last ticks told beside numbers.
    recent: VecDeque<Recent>,
    totals: Option<TotalsThen>,
}

/// What a tick told that is added up rather than drawn.
#[derive(Clone, Debug, Default)]
struct Recent {
    wait: Histogram,
    block: Histogram,
    preemptors: Option<Preemptors>,
}

/// What disks and network came to at a tick before.
#[derive(Clone, Copy, Debug)]
struct TotalsThen {
    wall_ms: i64,
    disk_bytes: Option<f64>,
    net_bytes: Option<f64>,
}

/// A histogram by bucket of `agent_ebpf::histogram`.
pub(super) type Buckets = BTreeMap<usize, u64>;

impl Model {
    /// Nothing is known but what `hello` says. Who is told of anew after this is the same as before.
    pub(super) fn greet(&mut self, hello: Hello) {
        self.hello = hello;
    }

    /// Takes in a tick.
    pub(super) fn tick(&mut self, tick: &Tick) {
        // The agent's clock was set back: what is drawn would no longer be in order.
        if self.wall_ms.is_some_and(|then| tick.wall_ms <= then) {
            self.forget_the_past();
        }
        self.wall_ms = Some(tick.wall_ms);
        for who in &tick.new {
            self.introduce(who);
        }
        let mut latest: HashMap<u64, Values> = HashMap::new();
        for rates in tick.rates() {
            let values = latest.entry(rates.cgroup).or_default();
            values[Measure::Cpu.at()] = rates.cpus;
            values[Measure::Wait.at()] = rates.waiting;
        }
        for totals in tick.totals() {
            let (Some(values), Some(entry)) = (
                latest.get_mut(&totals.cgroup),
                self.entries.get_mut(&totals.cgroup),
            ) else {
                continue;
            };
            let then = entry.totals.replace(TotalsThen {
                wall_ms: tick.wall_ms,
                disk_bytes: totals.disk_bytes,
                net_bytes: totals.net_bytes,
            });
            values[Measure::Memory.at()] = totals.memory_bytes;
            let rate = |now: Option<f64>, before: fn(&TotalsThen) -> Option<f64>| {
                let then = then.as_ref()?;
                let passed_ms = tick.wall_ms.saturating_sub(then.wall_ms);
                let growth = now? - before(then)?;
                Some(growth.max(0.0) * 1000.0 / passed_ms.max(1) as f64)
            };
            values[Measure::Disk.at()] = rate(totals.disk_bytes, |it| it.disk_bytes);
            values[Measure::Net.at()] = rate(totals.net_bytes, |it| it.net_bytes);
        }
        let mut recent: HashMap<u64, Recent> = HashMap::new();
        for detail in &tick.details {
            let (Some(values), Some(entry)) = (
                latest.get_mut(&detail.cgroup),
                self.entries.get_mut(&detail.cgroup),
            ) else {
                continue;
            };
            take_detail(values, detail);
            // Its file is not read with every tick.
            let throttled = &mut values[Measure::Throttled.at()];
            *throttled = throttled.or(entry.now[Measure::Throttled.at()]);
            let (wait, block, preemptors) = (
                detail.wait.clone(),
                detail.block.clone(),
                detail.preemptors.clone(),
            );
            recent.insert(
                detail.cgroup,
                Recent {
                    wait,
                    block,
                    preemptors,
                },
            );
            entry.detail = Some(detail.clone());
        }
        self.advance(tick.wall_ms, &latest, &mut recent);
        if let Some(machine) = &tick.machine {
            self.machine = Machine::of(machine);
        }
        if let Some(own) = tick.agent.as_ref().and_then(|it| it.agent_self.as_ref()) {
            self.own.take(tick.wall_ms, own);
        }
    }

    /// Takes in what happened, oldest first; what is known already is passed over.
    pub(super) fn happened(&mut self, events: impl IntoIterator<Item = Event>) {
        let last_ns = self.last_event_ns();
        for event in events.into_iter().filter(|it| it.taken > last_ns) {
            if self.events.len() == EVENTS {
                self.events.pop_front();
            }
            self.events.push_back(event);
        }
    }

    /// Introduces entries that ticks rely on which are not told.
    pub(super) fn introduce(&mut self, who: &Who) {
        let entry = self
            .entries
            .entry(who.cgroup)
            .or_insert_with(|| Entry::new(who.clone()));
        entry.who.clone_from(who);
    }

    /// All entries, in order of cgroup id.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(&cgroup, entry)| (cgroup, entry))
    }

    pub(super) fn entry(&self, cgroup: u64) -> Option<&Entry> {
        self.entries.get(&cgroup)
    }

    /// What happened, the newest first.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().rev()
    }

    /// When the newest of what happened was, in nanoseconds since the Unix epoch.
    pub(super) fn last_event_ns(&self) -> i64 {
        self.events.back().map_or(i64::MIN, |it| it.taken)
    }

    /// Forgets all but what `hello` said.
    pub(super) fn start_anew(&mut self) {
        let hello = std::mem::take(&mut self.hello);
        *self = Self {
            hello,
            ..Self::default()
        };
    }

    /// Forgets all but who was there at the last tick: whoever comes back is introduced anew.
    fn forget_the_past(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.start_anew();
        for entry in entries.values().filter(|it| !it.has_ended()) {
            self.introduce(&entry.who);
        }
    }

    /// Every live entry gets its values, all others are one tick further from their end.
    fn advance(
        &mut self,
        wall_ms: i64,
        latest: &HashMap<u64, Values>,
        recent: &mut HashMap<u64, Recent>,
    ) {
        let mut sums: Values = [None; _];
        for (cgroup, entry) in &mut self.entries {
            let Some(values) = latest.get(cgroup) else {
                entry.ended_ms.get_or_insert(wall_ms);
                continue;
            };
            entry.ended_ms = None;
            entry.now = *values;
            for (ring, value) in entry.past.iter_mut().zip(values) {
                ring.push(*value);
            }
            if entry.recent.len() == RECENT {
                entry.recent.pop_front();
            }
            entry
                .recent
                .push_back(recent.remove(cgroup).unwrap_or_default());
            add(&mut sums, values);
        }
        for (ring, sum) in self.whole.iter_mut().zip(sums) {
            ring.push(sum);
        }
        self.let_go(wall_ms);
    }

    /// Lets go whoever ended long ago, and of those that ended since the first, where they are too many.
    fn let_go(&mut self, wall_ms: i64) {
        self.entries.retain(|_, entry| {
            let ended_ms = entry.ended_ms.unwrap_or(wall_ms);
            wall_ms.saturating_sub(ended_ms) < ENDED_SHOWN_MS
        });
        let ended = self.entries.iter().filter_map(|(&cgroup, entry)| {
            let ended_ms = entry.ended_ms?;
            Some((ended_ms, cgroup, entry.size()))
        });
        let mut ended: Vec<(i64, u64, usize)> = ended.collect();
        ended.sort_unstable();
        let mut bytes = 0;
        for (_, cgroup, size) in ended.into_iter().rev() {
            bytes += size;
            if bytes > ENDED_BYTES {
                self.entries.remove(&cgroup);
            }
        }
    }
}

/// Adds what is known; of memory limits no sum is made.
pub(super) fn add(sums: &mut Values, values: &Values) {
    for (at, (sum, value)) in sums.iter_mut().zip(values).enumerate() {
        if let Some(value) = value
            && at != Measure::Share.at()
        {
            *sum = Some(sum.unwrap_or(0.0) + value);
        }
    }
}

fn take_detail(values: &mut Values, detail: &Detail) {
    values[Measure::Throttled.at()] = detail.throttled;
    let told = [
        (Measure::Memory, detail.working_set),
        (
            Measure::Disk,
            detail.disk.map(|(read, written)| read + written),
        ),
        (Measure::Net, detail.net_total()),
    ];
    for (measure, value) in told {
        values[measure.at()] = value.or(values[measure.at()]);
    }
    let limit = detail.memory_limit.filter(|limit| *limit > 0.0);
    values[Measure::Share.at()] = limit.and_then(|limit| Some(detail.working_set? / limit));
}

impl Entry {
    fn new(who: Who) -> Self {
        Self {
            who,
            ended_ms: None,
            now: [None; _],
            past: std::array::from_fn(|_| Ring::default()),
            detail: None,
            recent: VecDeque::new(),
            totals: None,
        }
    }

    /// Memory that it takes at least, in bytes.
    fn size(&self) -> usize {
        let drawn: usize = self.past.iter().map(Ring::len).sum();
        size_of::<Self>() + self.who.size() + drawn * size_of::<f32>()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended_ms.is_some()
    }

    pub(super) fn value(&self, measure: Measure) -> Option<f64> {
        self.now[measure.at()]
    }

    pub(super) fn ring(&self, measure: Measure) -> &Ring {
        &self.past[measure.at()]
    }

    /// Waits for a CPU that ended within the last [`RECENT`] ticks.
    pub(super) fn waits(&self) -> Buckets {
        sum(self.recent.iter().flat_map(|it| it.wait.iter()))
    }

    /// Block I/O that ended within them.
    pub(super) fn blocks(&self) -> Buckets {
        sum(self.recent.iter().flat_map(|it| it.block.iter()))
    }

    /// Who ran while it waited, as tasks on average over them; whoever took most comes first. `None` where none of them
    /// tells.
    pub(super) fn takers(&self) -> Option<Vec<(String, f64)>> {
        let told: Vec<&Preemptors> = self
            .recent
            .iter()
            .filter_map(|it| it.preemptors.as_ref())
            .collect();
        let ticks = NonZeroUsize::new(told.len())?.get() as f64;
        let mut takers: BTreeMap<&str, f64> = BTreeMap::new();
        for taker in told.into_iter().flat_map(|it| it.iter()) {
            *takers.entry(&taker.name).or_default() += taker.waiting;
        }
        let mut takers: Vec<(String, f64)> = takers
            .into_iter()
            .map(|(name, waiting)| (name.to_owned(), waiting / ticks))
            .collect();
        takers.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Some(takers)
    }
}

fn sum<'a>(counts: impl Iterator<Item = &'a (usize, u64)>) -> Buckets {
    let mut buckets = Buckets::new();
    for &(bucket, count) in counts {
        let sum = buckets.entry(bucket.min(BUCKETS - 1)).or_default();
        *sum = sum.saturating_add(count);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::{super::fixture, *};
    use crate::stream;

    fn told(text: &str) -> Tick {
        stream::tick(text).unwrap()
    }

    /// After its introduction, ticks that tell only this.
    fn model(ticks: &[&str]) -> Model {
        let mut model = Model::default();
        model.introduce(&Who {
            cgroup: 7,
            name: "web".to_owned(),
            ..Who::default()
        });
        for tick in ticks {
            model.tick(&told(tick));
        }
        model
    }

    #[test]
    fn rates_of_disks_and_network_are_made_of_totals_where_nothing_better_is_told() {
        let model = model(&[
            r#"{"t":1000,"v":[[7,1,0]],"r":[[7,50,1000,10]]}"#,
            r#"{"t":3000,"v":[[7,1,0]],"r":[[7,60,5000,10]]}"#,
        ]);
        let web = model.entry(7).unwrap();
        let shown = [Measure::Memory, Measure::Disk, Measure::Net].map(|it| web.value(it));
        assert_eq!(shown, [Some(60.0), Some(2000.0), Some(0.0)]);
        let detailed = r#"{"t":4000,"v":[[7,1,0]],"r":[[7,60,6000,10]],"d":[{"cgroup":7,"working_set":40,"disk":[1,2]}]}"#;
        let model = self::model(&[detailed]);
        let web = model.entry(7).unwrap();
        let shown = [Measure::Memory, Measure::Disk, Measure::Net].map(|it| web.value(it));
        assert_eq!(shown, [Some(40.0), Some(3.0), None]);
    }

    #[test]
    fn throttling_holds_until_it_is_read_again() {
        let tick =
            |t: u32, more: &str| format!(r#"{{"t":{t},"v":[[7,1,0]],"d":[{{"cgroup":7{more}}}]}}"#);
        let ticks = [tick(1, r#","throttled":0.5"#), tick(2, ""), tick(3, "")];
        let ticks: Vec<&str> = ticks.iter().map(String::as_str).collect();
        let model = model(&ticks);
        let past: Vec<_> = model
            .entry(7)
            .unwrap()
            .ring(Measure::Throttled)
            .newest(5)
            .collect();
        assert_eq!(past, [Some(0.5); 3]);
    }

    #[test]
    fn who_has_ended_is_there_for_a_minute_more() {
        let mut model = model(&[r#"{"t":1000,"v":[[7,1,0]]}"#]);
        model.tick(&told(r#"{"t":2000}"#));
        assert_eq!(model.entry(7).unwrap().ended_ms, Some(2000));
        model.tick(&told(r#"{"t":61000}"#));
        assert!(model.entry(7).is_some());
        model.tick(&told(r#"{"t":62000}"#));
        assert!(model.entry(7).is_none());
    }

    #[test]
    fn of_many_that_have_ended_the_last_are_there() {
        let mut model = Model::default();
        let long = "x".repeat(1 << 20);
        let last = 60;
        for cgroup in 0..=last {
            let new = serde_json::json!([{"cgroup": cgroup, "name": long}]);
            let tick = serde_json::json!({"t": cgroup, "new": new, "v": [[cgroup, 1, 0]]});
            model.tick(&told(&tick.to_string()));
        }
        let there: Vec<u64> = model.entries().map(|(cgroup, _)| cgroup).collect();
        assert!(there.len() > 10 && there.len() <= 33, "{there:?}");
        assert!(
            there
                .into_iter()
                .rev()
                .eq((0..=last).rev().take(model.entries().count()))
        );
    }

    #[test]
    fn a_clock_that_is_set_back_takes_the_past_and_not_the_names() {
        let mut model = model(&[r#"{"t":5000,"v":[[7,1,0]]}"#, r#"{"t":6000,"v":[[7,1,0]]}"#]);
        model.tick(&told(r#"{"t":1000,"v":[[7,2,0]]}"#));
        let web = model.entry(7).unwrap();
        assert_eq!(
            (web.who.name.as_str(), web.ring(Measure::Cpu).len()),
            ("web", 1)
        );
    }

    #[test]
    fn what_took_the_cpu_is_added_up_by_name_over_the_last_ticks() {
        let model = fixture::model(&["web", "db"], 100);
        let web = model.entry(100).unwrap();
        let (name, waiting) = &web.takers().unwrap()[0];
        assert_eq!(name, "neighbour");
        assert!((waiting - 0.0125).abs() < 1e-9, "{waiting}");
        assert_eq!(web.waits(), [(3, 40 * 60), (9, 10 * 60)].into());
    }

    #[test]
    fn events_are_told_once_however_often_they_come() {
        let mut model = Model::default();
        let events = |taken: &[i64]| {
            let events: Vec<_> = taken
                .iter()
                .map(|taken| serde_json::json!({"taken": taken, "event": "start", "cgroup": 7}))
                .collect();
            stream::events(&serde_json::json!({ "events": events }).to_string()).unwrap()
        };
        model.happened(events(&[1, 2, 2]));
        model.happened(events(&[1, 2, 3]));
        let taken: Vec<i64> = model.events().map(|event| event.taken).collect();
        assert_eq!(taken, [3, 2, 2, 1]);
    }
}
