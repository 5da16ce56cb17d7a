//! What was in a recording before the ticks that are kept of it, as far as these rely on it: bounded, whatever it says.

use std::collections::{BTreeMap, VecDeque};

use super::kept::{Kept, events};
use crate::stream::{Event, Who};

/// Most bytes of who was introduced: 100,000 entries have some 60 million. Whoever is beyond is not shown.
pub(super) const WHO_BYTES: usize = 64 << 20;

/// Bytes of what happened: about twice what the agent keeps.
const EVENT_BYTES: usize = 1 << 20;

/// Who was introduced, and what happened last.
#[derive(Debug)]
pub(super) struct Past {
    who: BTreeMap<u64, Who>,
    who_bytes: usize,
    most_bytes: usize,
    /// With more bytes it is looked for whoever has ended.
    many_bytes: usize,
    /// Lines of events.
    events: VecDeque<Vec<u8>>,
    event_bytes: usize,
}

impl Past {
    /// Nothing yet, and never more than twice so many bytes of who was introduced.
    pub(super) fn new(most_bytes: usize) -> Self {
        Self {
            who: BTreeMap::new(),
            who_bytes: 0,
            most_bytes,
            many_bytes: most_bytes / 64,
            events: VecDeque::new(),
            event_bytes: 0,
        }
    }

    /// Takes in the tick that comes next.
    pub(super) fn take(&mut self, kept: Kept) {
        for who in kept.newcomers() {
            self.who_bytes += who.size();
            if let Some(before) = self.who.insert(who.cgroup, who) {
                self.who_bytes -= before.size();
            }
        }
        if self.who_bytes > self.many_bytes {
            self.let_go(&kept);
        }
        self.happened(kept.into_events());
    }

    /// Takes in lines of events.
    pub(super) fn happened(&mut self, lines: Vec<u8>) {
        if lines.is_empty() {
            return;
        }
        self.event_bytes += lines.len();
        self.events.push_back(lines);
        // The newest are kept however many they are.
        while self.event_bytes > EVENT_BYTES && self.events.len() > 1 {
            let oldest = self.events.pop_front();
            self.event_bytes -= oldest.map_or(0, |lines| lines.len());
        }
    }

    pub(super) fn who(&self) -> impl Iterator<Item = &Who> {
        self.who.values()
    }

    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        self.events.iter().flat_map(|lines| events(lines))
    }

    /// Lets go whoever the last tick does not have: a tick introduces all that the one before it did not have.
    fn let_go(&mut self, last: &Kept) {
        let there = last.cgroups();
        self.who.retain(|cgroup, _| there.contains(cgroup));
        self.who_bytes = self.who.values().map(Who::size).sum();
        while self.who_bytes > self.most_bytes {
            let Some((_, who)) = self.who.pop_last() else {
                break;
            };
            self.who_bytes -= who.size();
        }
        self.many_bytes = (self.most_bytes / 64).max(2 * self.who_bytes);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn kept(new: &[Json], there: &[u64]) -> Kept {
        let rates: Vec<Json> = there.iter().map(|cgroup| json!([cgroup, 0, 0])).collect();
        let line = json!({"tick": {"t": 1, "new": new, "v": rates}}).to_string();
        Kept::new(
            &serde_json::from_value(json!({"t": 1, "new": new})).unwrap(),
            line.as_bytes(),
        )
    }

    #[test]
    fn whoever_is_there_stays_however_many_come_and_go() {
        let mut past = Past::new(WHO_BYTES);
        past.take(kept(&[json!({"cgroup": 1, "name": "stays"})], &[1]));
        let long = "x".repeat(1 << 10);
        for cgroup in 2..10_000 {
            let new = json!({"cgroup": cgroup, "name": long});
            past.take(kept(&[new], &[1, cgroup]));
            assert!(past.who_bytes <= WHO_BYTES / 64, "{cgroup}");
        }
        assert_eq!(past.who().next().unwrap().name, "stays");
        let bytes: usize = past.who().map(Who::size).sum();
        assert_eq!(past.who_bytes, bytes);
    }

    #[test]
    fn who_is_there_is_bounded_in_bytes_too() {
        let most_bytes = 64 << 10;
        let mut past = Past::new(most_bytes);
        let long = "x".repeat(8 << 10);
        let mut there = Vec::new();
        for cgroup in 0..20 {
            there.push(cgroup);
            past.take(kept(&[json!({"cgroup": cgroup, "name": long})], &there));
            assert!(past.who_bytes <= 2 * most_bytes, "{cgroup}");
        }
        assert!(past.who().count() >= 7);
    }

    #[test]
    fn of_events_the_newest_are_kept() {
        let mut past = Past::new(WHO_BYTES);
        let line = |taken: i64| {
            let event = json!({"taken": taken, "event": "start", "cgroup": 7});
            format!("{}\n", json!({ "events": [event] }))
        };
        for taken in 0..50_000 {
            past.happened(line(taken).into_bytes());
            assert!(past.event_bytes <= EVENT_BYTES);
        }
        let taken: Vec<i64> = past.events().map(|event| event.taken).collect();
        assert!(taken.len() >= 1024);
        assert!(
            taken
                .into_iter()
                .rev()
                .eq((0..50_000).rev().take(past.events.len()))
        );
    }
}
