//! Points in memory, as InfluxDB keeps them: one for each series and time, and the last one written stays.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::harness::{Line, lines};

/// What a scripted server has stored.
#[derive(Default)]
pub(crate) struct PointStore(Mutex<BTreeMap<Key, Line>>);

type Key = (String, BTreeMap<String, String>, i64);

/// A line that is none.
#[derive(Clone, Debug)]
pub(crate) struct Bad {
    pub(crate) line: String,
    /// Its place in the body, from 1 on.
    pub(crate) number: usize,
    pub(crate) reason: String,
}

impl PointStore {
    /// Stores the good lines of a body and returns the others.
    pub(crate) fn take(&self, body: &str) -> Vec<Bad> {
        let mut bad = Vec::new();
        let mut points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (text, number) in body.lines().zip(1..) {
            match lines::point(text) {
                Ok(line) => {
                    let key = (line.measurement.clone(), line.tags.clone(), line.wall_ns);
                    points.insert(key, line);
                }
                Err(reason) => bad.push(Bad {
                    line: text.to_owned(),
                    number,
                    reason,
                }),
            }
        }
        bad
    }

    /// All of them.
    pub(crate) fn points(&self) -> Vec<Line> {
        let points = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        points.values().cloned().collect()
    }
}
