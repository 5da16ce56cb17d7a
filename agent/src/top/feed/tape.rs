//! A recording as something to wind: forward through the file, and back within what is kept of it.
//!
//! The file is compressed in one stream, so a way back beyond what is kept is one from its begin. Ticks on the way are
//! passed by without being read in whole: about a fifth of the time. A file may come from anybody, and a few kilobytes of
//! gzip may be gigabytes: what is kept of it is bounded in bytes.

use std::{
    collections::{HashSet, VecDeque},
    fs::File,
    mem,
    path::{Path, PathBuf},
};

use super::{
    super::ring::Ring,
    kept::Kept,
    past::{Past, WHO_BYTES},
};
use crate::{
    recording::{Line, Passed, ReadError, Reader},
    stream::{Event, Hello, Tick, Who},
};

/// Bytes of ticks that are kept for the way back: some 100,000 entries times ticks.
pub(super) const KEPT_BYTES: usize = 32 << 20;

/// Ticks that are kept, however large they are: the one that is shown, and the next.
const LEAST_KEPT: usize = 2;

/// As many events as the agent keeps.
const EVENTS: usize = 1024;

/// What is in a recording, as far as it can be read.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) hello: Hello,
    /// The times of the first tick and the last, in milliseconds since the Unix epoch.
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    /// Why it does not end as a recording does.
    pub(super) flaw: Option<String>,
}

impl Contents {
    /// Reads all of it once.
    pub(super) fn of(path: &Path) -> Result<Option<Self>, ReadError> {
        let mut reader = open(path)?;
        let mut range: Option<(i64, i64)> = None;
        let flaw = loop {
            match reader.next_line::<Passed>() {
                Ok(Some(Line::Tick(tick))) => {
                    let (from_ms, to_ms) = range.unwrap_or((tick.wall_ms, tick.wall_ms));
                    range = Some((from_ms.min(tick.wall_ms), to_ms.max(tick.wall_ms)));
                }
                Ok(Some(Line::Events(_))) => {}
                Ok(None) if reader.is_cut() => {
                    break Some(
                        "its recorder was killed: what it wrote last is missing".to_owned(),
                    );
                }
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        Ok(range.map(|(from_ms, to_ms)| Self {
            hello: reader.hello().clone(),
            from_ms,
            to_ms,
            flaw,
        }))
    }
}

/// A recording, and where in it we are.
pub(super) struct Tape {
    path: PathBuf,
    /// `None` at the end, which damage is too.
    reader: Option<Reader<File>>,
    /// The tick that was read last: what happened after it is still to be read.
    ahead: Option<Kept>,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    most_bytes: usize,
    /// The first of those kept that was not played yet.
    next: usize,
    /// What was before what is kept.
    past: Past,
}

/// A place in a recording.
pub(super) struct Reached {
    pub(super) who: Vec<Who>,
    pub(super) ticks: Vec<Tick>,
    pub(super) events: Vec<Event>,
}

impl Tape {
    /// A recording of which so many bytes are kept.
    pub(super) fn open(path: &Path, most_bytes: usize) -> Result<Self, ReadError> {
        Ok(Self {
            path: path.to_owned(),
            reader: Some(open(path)?),
            ahead: None,
            kept: VecDeque::new(),
            kept_bytes: 0,
            most_bytes,
            next: 0,
            past: Past::new(WHO_BYTES),
        })
    }

    /// When the tick that is played next was taken; `None` at the end.
    pub(super) fn next_ms(&mut self) -> Option<i64> {
        if self.next == self.kept.len() && !self.read() {
            return None;
        }
        Some(self.kept.get(self.next)?.wall_ms)
    }

    /// Plays one tick, with what happened after it; `None` at the end.
    pub(super) fn play(&mut self) -> Option<(Tick, Vec<Event>)> {
        loop {
            self.next_ms()?;
            let kept = self.kept.get(self.next)?;
            self.next += 1;
            if let Some(tick) = kept.tick() {
                return Some((tick, newest(kept.events())));
            }
        }
    }

    /// Winds to a time: the next tick is the first after it, or the end. What led there is returned.
    pub(super) fn seek(&mut self, to_ms: i64) -> Result<Reached, ReadError> {
        let is_behind = |kept: &Kept| kept.wall_ms > to_ms;
        if self.kept.front().is_none_or(is_behind) {
            *self = Self::open(&self.path, self.most_bytes)?;
        }
        while self.kept.back().is_none_or(|it| it.wall_ms <= to_ms) && self.read() {}
        self.next = self
            .kept
            .iter()
            .position(is_behind)
            .unwrap_or(self.kept.len());
        // The first tick is shown wherever one asks for.
        if self.next == 0 && !self.kept.is_empty() {
            self.next = 1;
        }
        Ok(self.reached())
    }

    /// As many ticks as a screen shows, and what these rely on.
    fn reached(&self) -> Reached {
        let first = self.next.saturating_sub(Ring::LENGTH);
        let (earlier, shown) = (self.kept.range(..first), self.kept.range(first..self.next));
        let ticks: Vec<Tick> = shown.filter_map(Kept::tick).collect();
        let there: HashSet<u64> = ticks
            .first()
            .into_iter()
            .flat_map(Tick::rates)
            .map(|rates| rates.cgroup)
            .collect();
        let introduced = self.past.who().cloned();
        let who = introduced
            .chain(earlier.flat_map(Kept::newcomers))
            .filter(|who| there.contains(&who.cgroup))
            .collect();
        let led = self.kept.range(..self.next);
        let happened = self.past.events().chain(led.flat_map(Kept::events));
        Reached {
            who,
            ticks,
            events: newest(happened),
        }
    }

    /// Reads one more tick and what happened after it; `false` at the end.
    fn read(&mut self) -> bool {
        while let Some(reader) = &mut self.reader {
            let ahead = match reader.next_line::<Passed>() {
                Ok(Some(Line::Tick(tick))) => Some(Kept::new(&tick, reader.line())),
                Ok(Some(Line::Events(_))) => {
                    match &mut self.ahead {
                        Some(tick) if tick.size() < KEPT_BYTES => tick.happened(reader.line()),
                        // More than ever happens between two ticks.
                        Some(_) => {}
                        None => self.past.happened(reader.line().to_vec()),
                    }
                    continue;
                }
                Ok(None) | Err(_) => {
                    self.reader = None;
                    None
                }
            };
            if let Some(tick) = mem::replace(&mut self.ahead, ahead) {
                self.keep(tick);
                return true;
            }
        }
        false
    }

    fn keep(&mut self, tick: Kept) {
        self.kept_bytes += tick.size();
        self.kept.push_back(tick);
        while self.kept_bytes > self.most_bytes && self.kept.len() > LEAST_KEPT {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.kept_bytes -= oldest.size();
            self.past.take(oldest);
            self.next = self.next.saturating_sub(1);
        }
    }
}

/// The last of them, no more than anybody keeps.
fn newest(events: impl Iterator<Item = Event>) -> Vec<Event> {
    let mut newest = VecDeque::new();
    for event in events {
        if newest.len() == EVENTS {
            newest.pop_front();
        }
        newest.push_back(event);
    }
    newest.into()
}

fn open(path: &Path) -> Result<Reader<File>, ReadError> {
    Reader::new(File::open(path).map_err(ReadError::Io)?)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use proptest::prelude::*;
    use serde_json::json;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::{recording::Writer, top::model::Model};

    const TICKS: i64 = 1_000;

    /// A thousand ticks, one a second: entry 1 all the time, by another name from 500 on, and entry `100 + i` from tick
    /// `10 i` for fifteen ticks; an event every hundred.
    fn recording() -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        let hello = r#"{"host":"box","interval_ms":1000}"#;
        let mut writer = Writer::new(file.reopen().unwrap(), hello).unwrap();
        for at in 0..TICKS {
            let mut new = Vec::new();
            match at {
                0 => new.push(json!({"cgroup": 1, "name": "first"})),
                500 => new.push(json!({"cgroup": 1, "name": "second"})),
                _ => {}
            }
            if at % 10 == 0 {
                let i = at / 10;
                new.push(json!({"cgroup": 100 + i, "name": format!("c{i}")}));
            }
            let alive = (0..=at / 10).filter(|i| at - 10 * i < 15);
            let mut rates = vec![json!([1, 0.5, 0.0])];
            rates.extend(alive.map(|i| json!([100 + i, 0.1, 0.0])));
            let tick = json!({"t": 1000 * at, "new": new, "v": rates});
            writer.tick(&tick.to_string()).unwrap();
            if at % 100 == 0 {
                let taken = 1_000_000_000 * at;
                let event = json!({"taken": taken, "event": "start", "cgroup": 1});
                let events = json!({ "events": [event] });
                writer.events(&events.to_string()).unwrap();
            }
        }
        writer.finish().unwrap();
        file
    }

    /// Whoever is known at the end of what led there, by cgroup id, with its name.
    fn known(reached: &Reached) -> BTreeMap<u64, String> {
        let told = reached.ticks.iter().flat_map(|tick| &tick.new);
        let all = reached.who.iter().chain(told);
        let names: BTreeMap<u64, String> = all.map(|who| (who.cgroup, who.name.clone())).collect();
        let last = reached.ticks.last().unwrap();
        last.rates()
            .map(|rates| (rates.cgroup, names[&rates.cgroup].clone()))
            .collect()
    }

    #[test]
    fn wherever_one_winds_to_everybody_there_is_known_by_the_name_of_then() {
        let file = recording();
        for most_bytes in [KEPT_BYTES, 20_000, 1] {
            let mut tape = Tape::open(file.path(), most_bytes).unwrap();
            for at in [0, 3, 700, 699, 1, 999, 450, 505, 499, 998, 12] {
                let reached = tape.seek(1000 * at).unwrap();
                assert_eq!(reached.ticks.last().unwrap().wall_ms, 1000 * at);
                let names = known(&reached);
                let first = if at < 500 { "first" } else { "second" };
                assert_eq!(names[&1], first, "at {at}");
                let alive = (0..=at / 10).filter(|i| at - 10 * i < 15).count();
                assert_eq!(names.len(), 1 + alive, "at {at}: {names:?}");
                let events = usize::try_from(at / 100 + 1).unwrap();
                assert_eq!(reached.events.len(), events, "at {at}");
                let next = tape.play().map(|(tick, _)| tick.wall_ms);
                assert_eq!(next, (at + 1 < TICKS).then_some(1000 * (at + 1)), "at {at}");
            }
        }
    }

    #[test]
    fn what_a_screen_shows_of_the_past_is_there_after_winding() {
        let file = recording();
        let mut tape = Tape::open(file.path(), KEPT_BYTES).unwrap();
        let reached = tape.seek(800_000).unwrap();
        assert!(
            reached.ticks.len() >= Ring::LENGTH,
            "{}",
            reached.ticks.len()
        );
    }

    #[test]
    fn a_recording_that_was_cut_is_played_as_far_as_it_goes() {
        let file = recording();
        let whole = fs::read(file.path()).unwrap();
        fs::write(file.path(), &whole[..whole.len() / 2]).unwrap();
        let contents = Contents::of(file.path()).unwrap().unwrap();
        assert!(contents.flaw.is_some_and(|flaw| flaw.contains("killed")));
        let mut tape = Tape::open(file.path(), KEPT_BYTES).unwrap();
        let mut last = None;
        while let Some((tick, _)) = tape.play() {
            last = Some(tick.wall_ms);
        }
        assert_eq!(last, Some(contents.to_ms));
        assert!(contents.to_ms < 1000 * TICKS);
    }

    /// Entry 1 at these times.
    fn recording_at(hello: &str, times_ms: &[i64]) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        let mut writer = Writer::new(file.reopen().unwrap(), hello).unwrap();
        for wall_ms in times_ms {
            let tick = json!({"t": wall_ms, "v": [[1, 0.5, 0.0]]});
            writer.tick(&tick.to_string()).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    #[test]
    fn no_tick_is_lost_at_a_hole_whether_or_not_the_interval_is_told() {
        let times_ms: Vec<i64> = (0..=100).chain([4000, 4001]).map(|s| 1000 * s).collect();
        for hello in [r#"{"interval_ms":1000}"#, "{}"] {
            for (count, most_bytes) in [(102, KEPT_BYTES), (103, KEPT_BYTES), (103, 1)] {
                let times_ms = &times_ms[..count];
                let file = recording_at(hello, times_ms);
                let mut used = Tape::open(file.path(), most_bytes).unwrap();
                for to_s in [50, 3999, 100, 101, 4000, 99, 4001, 5000] {
                    let mut fresh = Tape::open(file.path(), most_bytes).unwrap();
                    for tape in [&mut fresh, &mut used] {
                        let reached = tape.seek(1000 * to_s).unwrap();
                        let shown = reached.ticks.last().map(|tick| tick.wall_ms);
                        let is_before = |it: &&i64| **it <= 1000 * to_s;
                        let expected = times_ms.iter().rfind(is_before).copied();
                        assert_eq!(shown, expected, "{to_s} of {count}, {hello}");
                        let next = tape.next_ms();
                        let expected = times_ms.iter().find(|it| **it > 1000 * to_s).copied();
                        assert_eq!(next, expected, "{to_s} of {count}, {hello}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_happened_is_played_with_the_tick_before_it() {
        let file = recording();
        let mut tape = Tape::open(file.path(), KEPT_BYTES).unwrap();
        let mut taken_ms = Vec::new();
        while let Some((tick, events)) = tape.play() {
            for event in events {
                assert_eq!(event.taken / 1_000_000, tick.wall_ms);
                taken_ms.push(tick.wall_ms);
            }
        }
        let expected: Vec<i64> = (0..10).map(|at| 100_000 * at).collect();
        assert_eq!(taken_ms, expected);
    }

    #[test]
    fn what_is_kept_is_bounded_in_bytes() {
        let file = recording();
        let mut tape = Tape::open(file.path(), 20_000).unwrap();
        while tape.play().is_some() {
            assert!(tape.kept_bytes <= 20_000);
            let bytes: usize = tape.kept.iter().map(Kept::size).sum();
            assert_eq!(tape.kept_bytes, bytes);
        }
        assert!(tape.kept.len() > LEAST_KEPT);
    }

    /// A number of 64 bits, often one at an end.
    fn wild() -> impl Strategy<Value = i64> {
        prop_oneof![
            Just(i64::MIN),
            Just(i64::MAX),
            Just(0),
            -2000..2000_i64,
            any::<i64>()
        ]
    }

    /// A tick, events, or neither.
    fn line() -> impl Strategy<Value = String> {
        let tick = (wild(), 0..3_u64, any::<f64>(), any::<u64>(), wild());
        let tick = tick.prop_map(|(wall_ms, cgroup, x, n, m)| {
            let lost = json!([{"labels": {"reason": "a"}, "value": x}]);
            let detail = json!({
                "cgroup": cgroup, "throttled": x, "working_set": m, "memory_limit": x,
                "disk": [x, m], "wait": [[n, n], [n, n]], "preemptors": [{"name": "b", "waiting": x}],
            });
            json!({
                "t": wall_ms, "new": [{"cgroup": cgroup}], "v": [[cgroup, x, m]],
                "r": [[cgroup, x, m, n]], "d": [detail], "machine": {"load": {"load1": x}},
                "agent": {"agent_self": {"cpu_ns": x, "losses": lost}},
            })
        });
        let happened = wild().prop_map(|taken| json!([{"taken": taken, "event": "oom"}]));
        prop_oneof![
            6 => tick.prop_map(|tick| json!({ "tick": tick }).to_string()),
            2 => happened.prop_map(|events| json!({ "events": events }).to_string()),
            1 => "\\PC{0,40}",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_recording_makes_what_shows_it_panic(
            lines in proptest::collection::vec(line(), 1..20),
            places in proptest::collection::vec(wild(), 1..4),
            most_bytes in prop_oneof![Just(1), Just(KEPT_BYTES)],
        ) {
            let file = NamedTempFile::new().unwrap();
            let mut writer = Writer::new(file.reopen().unwrap(), "{}").unwrap();
            for line in &lines {
                writer.events(line).unwrap();
            }
            writer.finish().unwrap();
            drop(Contents::of(file.path()));
            let mut tape = Tape::open(file.path(), most_bytes).unwrap();
            for to_ms in places {
                let reached = tape.seek(to_ms).unwrap();
                let mut model = Model::default();
                for who in &reached.who {
                    model.introduce(who);
                }
                for tick in &reached.ticks {
                    model.tick(tick);
                }
                model.happened(reached.events);
                while let Some((tick, events)) = tape.play() {
                    model.tick(&tick);
                    model.happened(events);
                }
                for (_, entry) in model.entries() {
                    drop((entry.waits(), entry.takers()));
                }
                prop_assert!(!model.own.cpus().is_some_and(f64::is_nan));
            }
        }
    }
}
