//! The last things that happened: starts, exits, kills.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
};

use crate::{
    container::{CgroupId, Container, Exit, Kind},
    metrics::{Batch, Subject, catalog},
    snapshot::OomKill,
};

/// Something that happened to an entry.
#[derive(Clone, Debug)]
pub struct Event {
    /// The tick that saw it, in nanoseconds since the Unix epoch.
    pub wall_ns: i64,
    /// To whom, as it was called then; without labels, which would let a thousand events hold a lot.
    pub container: Arc<Container>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// It was seen for the first time, and not because the agent itself had just started.
    Start,
    /// The kernel killed a process in it because memory ran out.
    Oom(OomKill),
    /// Its cgroup is gone.
    Exit {
        /// All CPU time it ever used, in nanoseconds.
        usage_ns: Option<u64>,
        /// How its main process ended.
        exit: Exit,
    },
}

/// A bounded list of events; the oldest goes first.
#[derive(Debug)]
pub(super) struct Events {
    limit: usize,
    kept: VecDeque<Event>,
    /// Entries that were alive at the last tick; `None` before the first.
    alive: Option<HashSet<CgroupId>>,
}

impl Events {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: VecDeque::new(),
            alive: None,
        }
    }

    /// Takes in a tick.
    pub(super) fn record(&mut self, batch: &Batch) {
        let before = self.alive.take();
        for subject in &batch.subjects {
            let cgroup = subject.container.cgroup;
            let is_new = before
                .as_ref()
                .is_some_and(|before| !before.contains(&cgroup));
            if is_new {
                self.push(batch, subject, EventKind::Start);
            }
            for kill in batch.oom_kills.iter().filter(|it| it.entry == cgroup) {
                self.push(batch, subject, EventKind::Oom(kill.clone()));
            }
            if !subject.alive {
                let usage_ns = subject.integer(&catalog::CPU_USAGE);
                let exit = subject.container.exit;
                self.push(batch, subject, EventKind::Exit { usage_ns, exit });
            }
        }
        let alive = batch.subjects.iter().filter(|subject| subject.alive);
        self.alive = Some(alive.map(|subject| subject.container.cgroup).collect());
    }

    /// Those after `wall_ns`, oldest first.
    pub(super) fn after(&self, wall_ns: i64) -> Vec<Event> {
        let at = self.kept.partition_point(|it| it.wall_ns <= wall_ns);
        self.kept.range(at..).cloned().collect()
    }

    fn push(&mut self, batch: &Batch, subject: &Subject, kind: EventKind) {
        // Plain cgroups are made and removed by the thousand where software is built.
        if self.limit == 0 || subject.container.kind() == Kind::Cgroup {
            return;
        }
        if self.kept.len() == self.limit {
            self.kept.pop_front();
        }
        self.kept.push_back(Event {
            wall_ns: batch.taken.wall_ns,
            container: without_labels(&subject.container),
            kind,
        });
    }
}

fn without_labels(container: &Arc<Container>) -> Arc<Container> {
    if container.labels.is_empty() {
        return Arc::clone(container);
    }
    Arc::new(Container {
        labels: BTreeMap::new(),
        ..(**container).clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::fixture::{alive_or_not, container, subject_of, tick_of};

    fn told(events: &Events) -> Vec<String> {
        let events = events.after(0).into_iter();
        events
            .map(|event| {
                let kind = format!("{:?}", event.kind);
                let word = kind.split(['(', ' ']).next().unwrap_or_default();
                format!("{word} {}", event.container.name)
            })
            .collect()
    }

    fn subjects(cgroups: std::ops::Range<u64>, alive: bool) -> Vec<Subject> {
        let subject = |cgroup| {
            let container = container(cgroup, &format!("c{cgroup}"));
            alive_or_not(alive, subject_of(container, Vec::new()))
        };
        cgroups.map(subject).collect()
    }

    #[test]
    fn what_was_there_at_the_start_has_not_started() {
        let mut events = Events::new(10);
        events.record(&tick_of(1, subjects(1..3, true)));
        assert!(told(&events).is_empty());
        let mut batch = tick_of(2, [subjects(2..3, false), subjects(3..5, true)].concat());
        batch.oom_kills = vec![OomKill {
            entry: CgroupId(4),
            pid: 9,
            comm: "x".to_owned(),
        }];
        events.record(&batch);
        assert_eq!(told(&events), ["Exit c2", "Start c3", "Start c4", "Oom c4"]);
    }

    #[test]
    fn the_list_never_holds_more_than_its_limit_and_no_labels() {
        let mut events = Events::new(3);
        events.record(&tick_of(1, Vec::new()));
        let mut batch = tick_of(2, subjects(1..6, true));
        for subject in &mut batch.subjects {
            let container = Arc::make_mut(&mut subject.container);
            container.labels.insert("a".to_owned(), "b".to_owned());
        }
        events.record(&batch);
        assert_eq!(told(&events), ["Start c3", "Start c4", "Start c5"]);
        assert!(
            events
                .after(0)
                .iter()
                .all(|it| it.container.labels.is_empty())
        );
    }
}
