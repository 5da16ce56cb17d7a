//! A recording as something to wind: forward through the file, and back within what is kept of it.
//!
//! The file is compressed in one stream, so a way back beyond what is kept is one from its begin. Ticks on the way are
//! passed by without being read in whole: about a fifth of the time.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::super::ring::Ring;
use crate::{
    recording::{Line, Passed, ReadError, Reader},
    stream::{Event, Hello, Tick, Who},
};

/// Entries times ticks that are kept for the way back: some 25 MB.
const KEPT_POINTS: usize = 60_000;

/// Ticks that are kept, however many entries there are.
const LEAST_KEPT: usize = 30;

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

/// A tick, and what happened before the next one.
#[derive(Clone, Debug)]
struct Kept {
    tick: Arc<Tick>,
    events: Vec<Event>,
}

/// A recording, and where in it we are.
pub(super) struct Tape {
    path: PathBuf,
    reader: Reader<File>,
    /// Who was introduced before what is kept.
    introduced: BTreeMap<u64, Who>,
    kept: VecDeque<Kept>,
    /// The first of those kept that was not played yet.
    next: usize,
    /// What happened up to the end of what is kept.
    events: VecDeque<Event>,
    /// When the first tick was taken.
    from_ms: i64,
    /// Between two ticks.
    interval_ms: i64,
}

/// A place in a recording.
pub(super) struct Reached {
    pub(super) who: Vec<Who>,
    pub(super) ticks: Vec<Arc<Tick>>,
    pub(super) events: Vec<Event>,
}

impl Tape {
    /// A recording whose first tick is of `from_ms`.
    pub(super) fn open(path: &Path, from_ms: i64) -> Result<Self, ReadError> {
        let reader = open(path)?;
        let interval_ms = i64::try_from(reader.hello().interval_ms).unwrap_or(i64::MAX);
        Ok(Self {
            path: path.to_owned(),
            reader,
            introduced: BTreeMap::new(),
            kept: VecDeque::new(),
            next: 0,
            events: VecDeque::new(),
            from_ms,
            interval_ms: interval_ms.clamp(1, 3_600_000),
        })
    }

    /// When the tick that is played next was taken; `None` at the end.
    pub(super) fn next_ms(&mut self) -> Option<i64> {
        if self.next == self.kept.len() && !self.read() {
            return None;
        }
        Some(self.kept.get(self.next)?.tick.wall_ms)
    }

    /// Plays one tick, with what happened after it; `None` at the end.
    pub(super) fn play(&mut self) -> Option<(Arc<Tick>, Vec<Event>)> {
        self.next_ms()?;
        let Kept { tick, events } = self.kept.get(self.next)?.clone();
        self.next += 1;
        Some((tick, events))
    }

    /// Winds to a time: the next tick is the first after it, or the end. What led there is returned.
    pub(super) fn seek(&mut self, to_ms: i64) -> Result<Reached, ReadError> {
        let is_behind = |kept: &Kept| kept.tick.wall_ms > to_ms;
        if self.kept.front().is_none_or(is_behind) {
            *self = Self::open(&self.path, self.from_ms)?;
        }
        self.pass_by(to_ms);
        while self.kept.back().is_none_or(|it| it.tick.wall_ms <= to_ms) && self.read() {}
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

    fn reached(&self) -> Reached {
        let led = self.kept.iter().take(self.next);
        let first = self.kept.front();
        let there: HashSet<u64> = first
            .iter()
            .flat_map(|kept| kept.tick.rates())
            .map(|rates| rates.cgroup)
            .collect();
        let now_ns = led.clone().next_back().map_or(i64::MIN, |kept| {
            kept.tick.wall_ms.saturating_add(self.interval_ms) * 1_000_000
        });
        let who = self
            .introduced
            .values()
            .filter(|who| there.contains(&who.cgroup));
        let events = self.events.iter().filter(|event| event.taken < now_ns);
        Reached {
            who: who.cloned().collect(),
            ticks: led.map(|kept| Arc::clone(&kept.tick)).collect(),
            events: events.cloned().collect(),
        }
    }

    /// Goes on to the ticks that lead to `to_ms`, where these are far away, and keeps none of those before.
    fn pass_by(&mut self, to_ms: i64) {
        let lead = i64::try_from(Ring::LENGTH).unwrap_or(i64::MAX);
        let near_ms = to_ms.saturating_sub(lead.saturating_mul(self.interval_ms));
        let mut at_ms = self
            .kept
            .back()
            .map_or(self.from_ms, |kept| kept.tick.wall_ms);
        while at_ms < near_ms {
            match self.reader.next_line::<Passed>() {
                Ok(Some(Line::Tick(tick))) => {
                    at_ms = tick.wall_ms;
                    while let Some(kept) = self.kept.pop_front() {
                        self.introduce(&kept.tick.new);
                    }
                    self.introduce(&tick.new);
                }
                Ok(Some(Line::Events(events))) => self.remember(events),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Reads one more tick and what happened after it; `false` at the end, which damage is too.
    fn read(&mut self) -> bool {
        loop {
            match self.reader.next_line::<Tick>() {
                Ok(Some(Line::Tick(tick))) => {
                    self.keep(tick);
                    return true;
                }
                Ok(Some(Line::Events(events))) => {
                    if let Some(last) = self.kept.back_mut() {
                        last.events.extend(events.iter().cloned());
                    }
                    self.remember(events);
                }
                Ok(None) | Err(_) => return false,
            }
        }
    }

    fn keep(&mut self, tick: Tick) {
        let entries = tick.rates().count().max(1);
        let most = (KEPT_POINTS / entries).max(LEAST_KEPT);
        self.kept.push_back(Kept {
            tick: Arc::new(tick),
            events: Vec::new(),
        });
        while self.kept.len() > most {
            let Some(oldest) = self.kept.pop_front() else {
                break;
            };
            self.introduce(&oldest.tick.new);
            self.next = self.next.saturating_sub(1);
        }
    }

    fn introduce(&mut self, new: &[Who]) {
        let new = new.iter().map(|who| (who.cgroup, who.clone()));
        self.introduced.extend(new);
    }

    fn remember(&mut self, events: Vec<Event>) {
        self.events.extend(events);
        let too_many = self.events.len().saturating_sub(EVENTS);
        self.events.drain(..too_many);
    }
}

fn open(path: &Path) -> Result<Reader<File>, ReadError> {
    Reader::new(File::open(path).map_err(ReadError::Io)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use tempfile::NamedTempFile;

    use super::*;
    use crate::recording::Writer;

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
        let mut tape = Tape::open(file.path(), 0).unwrap();
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

    #[test]
    fn what_a_screen_shows_of_the_past_is_there_after_winding() {
        let file = recording();
        let mut tape = Tape::open(file.path(), 0).unwrap();
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
        let mut tape = Tape::open(file.path(), 0).unwrap();
        let mut last = None;
        while let Some((tick, _)) = tape.play() {
            last = Some(tick.wall_ms);
        }
        assert_eq!(last, Some(contents.to_ms));
        assert!(contents.to_ms < 1000 * TICKS);
    }
}
