//! Story tests of short-lived containers, each with a name of its own: the series are bounded and nothing is lost.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use proptest::prelude::*;

use super::Shipper;
use crate::{
    container::{CgroupId, Directory, RuntimeInfo, Selection, Share},
    encode::fixture::alive_or_not,
    metrics::{
        Batch, Other, Sample, Subject, Value,
        catalog::{self, Families},
    },
    snapshot::Timestamp,
};

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;
const HOST: CgroupId = CgroupId(1);

/// A daemon between what is counted and its sink.
struct Agent {
    directory: Directory,
    other: Other,
    shipper: Shipper,
    warnings: usize,
    /// The last total of each series, by name.
    series: HashMap<String, u64>,
    /// The last total of each entry that has or had a series, and of `_other`.
    totals: HashMap<CgroupId, u64>,
    /// When each name was shipped first, in the order of the shipments.
    firsts: Vec<u64>,
}

impl Agent {
    fn new(max_names: u32, interval: Duration) -> Self {
        let selection = Selection {
            max_names,
            ..Selection::default()
        };
        Self {
            directory: Directory::new(HOST, selection),
            other: Other::default(),
            shipper: Shipper::new(interval),
            warnings: 0,
            series: HashMap::new(),
            totals: HashMap::new(),
            firsts: Vec::new(),
        }
    }

    fn begin(&mut self, id: u64) {
        let path = format!("/docker/{id:012x}{:052x}", 0);
        self.directory.insert(CgroupId(id), &path, None);
    }

    fn name(&mut self, id: u64, name: &str) {
        let info = RuntimeInfo {
            name: Some(name.to_owned()),
            ..RuntimeInfo::default()
        };
        self.directory.describe_entry(CgroupId(id), info);
    }

    fn tick(&mut self, boot_ns: u64, entries: &[(u64, u64, bool)]) -> bool {
        self.judge(boot_ns);
        self.ship(boot_ns, entries)
    }

    fn judge(&mut self, boot_ns: u64) {
        self.warnings += usize::from(self.directory.judge_names(boot_ns));
    }

    /// Ships these entries: their ids, what they used, and whether they live. Returns whether all series were told.
    fn ship(&mut self, boot_ns: u64, entries: &[(u64, u64, bool)]) -> bool {
        let subjects = entries.iter().map(|&(id, ns, alive)| {
            let container = self.directory.container(CgroupId(id)).unwrap();
            let samples = vec![Sample::new(&catalog::CPU_USAGE, Value::Integer(ns))];
            alive_or_not(alive, Subject::new(container, true, samples))
        });
        let mut batch = Batch {
            taken: Timestamp {
                boot_ns,
                wall_ns: i64::try_from(boot_ns).unwrap(),
            },
            interval: Duration::from_secs(1),
            subjects: subjects.collect(),
            host: Vec::new(),
            agent: Vec::new(),
            oom_kills: Vec::new(),
            other: None,
        };
        self.other.fold(&mut batch, Families::ALL);
        let mut is_complete = false;
        if let Some(shipment) = self.shipper.fold(&batch) {
            is_complete = shipment.complete;
            let points = shipment.points.iter().map(|it| &it.subject.container.name);
            let events = shipment.events.iter().map(|it| &it.container.name);
            let described = shipment.descriptions.iter().map(|it| &it.container.name);
            for name in events.chain(described).chain(points) {
                if !self.series.contains_key(name) {
                    self.series.insert(name.clone(), 0);
                    self.firsts
                        .extend((!name.starts_with('_')).then_some(boot_ns));
                }
            }
            for point in &shipment.points {
                let container = &point.subject.container;
                let usage_ns = point.subject.integer(&catalog::CPU_USAGE).unwrap_or(0);
                self.series.insert(container.name.clone(), usage_ns);
                self.totals.insert(container.cgroup, usage_ns);
            }
        }
        for (id, ..) in entries.iter().filter(|(_, _, alive)| !alive) {
            self.directory.end(CgroupId(*id));
            self.directory.remove(CgroupId(*id));
        }
        is_complete
    }

    fn share(&self, id: u64) -> Share {
        self.directory.container(CgroupId(id)).unwrap().share()
    }
}

#[test]
fn of_500_new_names_a_second_10000_become_series_and_the_rest_is_summed() {
    let mut agent = Agent::new(10_000, Duration::from_secs(1));
    let mut next = 100;
    agent.begin(99);
    agent.name(99, "db");
    for second in 0..30 {
        let jobs = next..next + 500;
        next = jobs.end;
        let mut entries = vec![(99, second, true)];
        for id in jobs {
            agent.begin(id);
            agent.name(id, &format!("job-{id}"));
            entries.push((id, 1_000, false));
        }
        assert!(agent.tick(second * SECOND_NS, &entries));
    }
    let all_ns: u64 = agent.series.values().sum();
    assert_eq!(agent.firsts.len(), 10_000);
    assert_eq!(agent.series["db"], 29);
    assert_eq!(agent.series["_other"], 5_001 * 1_000);
    assert_eq!(all_ns, 29 + 15_000 * 1_000);
    assert_eq!(
        (agent.directory.refused_names(), agent.warnings),
        (5_001, 1)
    );
}

#[test]
fn a_series_ends_under_its_own_name_when_its_entry_gets_one_that_is_too_many() {
    let mut agent = Agent::new(1, Duration::from_secs(1));
    agent.begin(2);
    assert!(agent.tick(0, &[(2, 10, true)]));
    let short_id = "000000000002";
    assert_eq!(agent.series, HashMap::from([(short_id.to_owned(), 10)]));
    agent.name(2, "web");
    agent.tick(SECOND_NS, &[(2, 30, true)]);
    agent.tick(2 * SECOND_NS, &[(2, 35, true)]);
    let expected = [(short_id, 30), ("_other", 5)].map(|(name, ns)| (name.to_owned(), ns));
    assert_eq!(agent.series, HashMap::from(expected));
}

proptest! {
    /// Containers come, get their names, grow and end at random, over hours: no hour has more new series than it may,
    /// and at each complete shipment all series together are what was used, but for what stays counted in `_other`
    /// when an entry gets a name that is not too many any more.
    #[test]
    fn no_churn_makes_more_series_than_it_may_or_changes_what_they_add_up_to(
        most in 1_u32..5,
        ticks in prop::collection::vec(
            (1_u64..30, prop::collection::vec((0_usize..6, 0_u64..100, 0..5), 0..6)),
            1..40,
        ),
    ) {
        let mut agent = Agent::new(most, Duration::from_mins(30));
        // By place: the id, and what it used.
        let mut live: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
        let mut shares: HashMap<u64, Share> = HashMap::new();
        let (mut now_ns, mut next_id, mut used, mut twice) = (0, 2, 0, 0);
        for (minutes, changes) in ticks {
            now_ns += minutes * MINUTE_NS;
            let mut entries = Vec::new();
            for (place, ns, change) in changes {
                let (id, total) = live.entry(place).or_insert_with(|| {
                    next_id += 1;
                    agent.begin(next_id);
                    (next_id, 0)
                });
                *total += ns;
                used += ns;
                if change == 1 {
                    agent.name(*id, &format!("job-{id}"));
                }
                if change == 0 {
                    entries.push((*id, *total, false));
                    live.remove(&place);
                }
            }
            entries.extend(live.values().map(|(id, ns)| (*id, *ns, true)));
            agent.judge(now_ns);
            for (id, ns, _) in &entries {
                let share = agent.share(*id);
                if shares.insert(*id, share) == Some(Share::Other) && share == Share::Own {
                    twice += ns;
                }
            }
            if agent.ship(now_ns, &entries) {
                let all: u64 = agent.totals.values().sum();
                prop_assert_eq!(all, used + twice, "{:?}", agent.totals);
            }
            let in_hour = agent.firsts.iter().filter(|then_ns| now_ns - **then_ns < 60 * MINUTE_NS).count();
            prop_assert!(in_hour <= most as usize, "in_hour={in_hour}");
        }
    }
}
