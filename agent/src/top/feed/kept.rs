//! A part of a recording as its lines have it: what is known of its size in memory is then known in bytes.

use std::collections::HashSet;

use crate::{
    recording::{Line, Passed},
    stream::{Event, Tick, Who},
};

/// A tick, and what happened before the next one.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) wall_ms: i64,
    /// Whether it says who somebody is.
    introduces: bool,
    tick: Box<[u8]>,
    /// Any number of lines.
    events: Vec<u8>,
}

impl Kept {
    /// A tick, and the line that it was read from.
    pub(super) fn new(tick: &Passed, line: &[u8]) -> Self {
        Self {
            wall_ms: tick.wall_ms,
            introduces: !tick.new.is_empty(),
            tick: line.into(),
            events: Vec::new(),
        }
    }

    /// Adds a line of events.
    pub(super) fn happened(&mut self, line: &[u8]) {
        self.events.extend_from_slice(line);
    }

    /// Memory that it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.tick.len() + self.events.len()
    }

    /// `None` where it is not in a form that this version knows.
    pub(super) fn tick(&self) -> Option<Tick> {
        tick(&self.tick)
    }

    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        events(&self.events)
    }

    /// The lines of what happened.
    pub(super) fn into_events(self) -> Vec<u8> {
        self.events
    }

    /// Whom it introduces.
    pub(super) fn newcomers(&self) -> Vec<Who> {
        let read = self.introduces.then(|| tick::<Passed>(&self.tick));
        read.flatten().map(|tick| tick.new).unwrap_or_default()
    }

    /// The cgroup ids of all that were there.
    pub(super) fn cgroups(&self) -> HashSet<u64> {
        let tick = self.tick();
        let rates = tick.iter().flat_map(Tick::rates);
        rates.map(|rates| rates.cgroup).collect()
    }
}

fn tick<T: serde::de::DeserializeOwned>(line: &[u8]) -> Option<T> {
    match Line::of(line) {
        Ok(Some(Line::Tick(tick))) => Some(tick),
        _ => None,
    }
}

/// What lines of events have, oldest first.
pub(super) fn events(lines: &[u8]) -> impl Iterator<Item = Event> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| match Line::<Passed>::of(line) {
        Ok(Some(Line::Events(events))) => events,
        _ => Vec::new(),
    })
}
