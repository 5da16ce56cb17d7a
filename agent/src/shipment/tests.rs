//! Story tests of the shipper: ticks in, shipments out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{EventKind, Parts, Shipment, Shipper};
use crate::{
    container::{CgroupId, Container, Exit, Rule, Runtime, Selection, Share},
    encode::fixture::alive_or_not,
    metrics::{
        Batch, Histogram, Other, Remainder, Sample, Subject, Value,
        catalog::{self, Families},
    },
    snapshot::{OomKill, Timestamp},
};

const SECOND_NS: u64 = 1_000_000_000;
const EPOCH_NS: i64 = 1_700_000_000_000_000_000;

fn named(cgroup: u64, runtime: Runtime, name: &str) -> Arc<Container> {
    selected(cgroup, runtime, name, &Selection::default())
}

fn selected(cgroup: u64, runtime: Runtime, name: &str, selection: &Selection) -> Arc<Container> {
    let mut container = Container {
        runtime,
        name: name.to_owned(),
        ..Container::host(CgroupId(cgroup))
    };
    container.share = selection.share(&container, name);
    Arc::new(container)
}

fn subject(container: &Arc<Container>, usage_ns: u64, cpus: f64) -> Subject {
    let samples = vec![
        Sample::new(&catalog::CPU_USAGE, Value::Integer(usage_ns)),
        Sample::new(&catalog::CPU_RATE, Value::Float(cpus)),
    ];
    Subject::new(Arc::clone(container), true, samples)
}

fn ended(container: &Arc<Container>, usage_ns: u64) -> Subject {
    alive_or_not(false, subject(container, usage_ns, 0.0))
}

fn exited(usage_ns: u64) -> EventKind<'static> {
    EventKind::Exit {
        usage_ns: Some(usage_ns),
        exit: Exit::default(),
    }
}

fn kill(entry: u64) -> OomKill {
    OomKill {
        entry: CgroupId(entry),
        pid: 4711,
        comm: "tail".to_owned(),
    }
}

/// A tick at `second` after the start.
fn tick(second: u64, subjects: Vec<Subject>) -> Batch {
    Batch {
        taken: Timestamp {
            boot_ns: second * SECOND_NS,
            wall_ns: EPOCH_NS + i64::try_from(second * SECOND_NS).unwrap(),
        },
        interval: Duration::from_secs(u64::from(second > 0)),
        subjects,
        host: Vec::new(),
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    }
}

fn every_ten() -> Shipper {
    Shipper::new(Duration::from_secs(10))
}

fn usage(shipment: &Shipment<'_>, name: &str) -> Option<u64> {
    let point = shipment
        .points
        .iter()
        .find(|point| point.subject.container.name == name)?;
    point.subject.integer(&catalog::CPU_USAGE)
}

#[test]
fn current_values_ship_once_an_interval_with_the_busiest_tick() {
    let web = named(2, Runtime::Docker, "web");
    let mut shipper = every_ten();
    assert!(
        shipper
            .fold(&tick(0, vec![subject(&web, 5, 0.0)]))
            .is_some()
    );
    for second in 1..10 {
        let cpus = if second == 4 { 1.75 } else { 0.25 };
        assert!(
            shipper
                .fold(&tick(second, vec![subject(&web, 5, cpus)]))
                .is_none()
        );
    }
    let batch = tick(10, vec![subject(&web, 9, 0.5)]);
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(usage(&shipment, "web"), Some(9));
    let peak = shipment.points[0].peak.as_ref().map(|peak| &peak.value);
    assert_eq!(peak, Some(&Value::Float(1.75)));
    assert_eq!(shipment.wall_ns, batch.taken.wall_ns);
}

#[test]
fn the_last_tick_ships_what_the_interval_would_still_keep() {
    let web = named(2, Runtime::Docker, "web");
    let mut shipper = every_ten();
    shipper.fold(&tick(0, vec![subject(&web, 5, 0.0)]));
    let busy = tick(1, vec![subject(&web, 8, 1.5)]);
    assert!(shipper.fold(&busy).is_none());
    let batch = tick(2, vec![subject(&web, 9, 0.5)]);
    let shipment = shipper.flush(&batch).unwrap();
    assert_eq!(
        (shipment.complete, usage(&shipment, "web")),
        (true, Some(9))
    );
    let peak = shipment.points[0].peak.as_ref().map(|peak| &peak.value);
    assert_eq!(peak, Some(&Value::Float(1.5)));
}

#[test]
fn a_jittering_tick_never_costs_an_interval_a_second() {
    let web = named(2, Runtime::Docker, "web");
    let mut shipper = every_ten();
    let mut shipped = 0;
    for second in 0..=100 {
        let mut batch = tick(second, vec![subject(&web, second, 0.1)]);
        batch.taken.boot_ns += 1_000_000 - (second * 37 % 7) * 100_000;
        shipped += u32::from(shipper.fold(&batch).is_some());
    }
    assert_eq!(shipped, 11);
}

#[test]
fn a_container_known_at_the_agents_start_has_no_start_event() {
    let web = named(2, Runtime::Docker, "web");
    let batch = tick(0, vec![subject(&web, 5, 0.0)]);
    let shipment = every_ten()
        .fold(&batch)
        .map(|it| (it.events.len(), it.descriptions.len()));
    assert_eq!(shipment, Some((0, 1)));
}

#[test]
fn start_and_final_values_ship_at_once() {
    let web = named(2, Runtime::Docker, "web");
    let mut shipper = every_ten();
    shipper.fold(&tick(0, vec![]));
    let batch = tick(1, vec![subject(&web, 5, 0.0)]);
    let start = shipper.fold(&batch).unwrap();
    assert_eq!(start.events[0].kind, EventKind::Start);
    assert_eq!((start.points.len(), start.descriptions.len()), (0, 1));
    let batch = tick(2, vec![ended(&web, 7)]);
    let exit = shipper.fold(&batch).unwrap();
    assert_eq!(exit.events[0].kind, exited(7));
    assert_eq!((usage(&exit, "web"), exit.points[0].last), (Some(7), true));
    assert!(!exit.complete);
    assert!(shipper.fold(&tick(3, vec![])).is_none());
}

#[test]
fn a_container_that_lived_within_one_tick_is_told_in_full() {
    let job = named(2, Runtime::Docker, "job");
    let mut shipper = every_ten();
    shipper.fold(&tick(0, vec![]));
    let batch = tick(1, vec![ended(&job, 150)]);
    let shipment = shipper.fold(&batch).unwrap();
    let kinds: Vec<EventKind<'_>> = shipment.events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Start, exited(150)]);
    assert_eq!(usage(&shipment, "job"), Some(150));
    assert_eq!(shipment.descriptions.len(), 1);
}

#[test]
fn kills_are_told_between_the_start_and_the_end_of_their_container() {
    let job = named(2, Runtime::Docker, "job");
    let mut shipper = every_ten();
    shipper.fold(&tick(0, vec![]));
    let mut batch = tick(1, vec![ended(&job, 150)]);
    batch.oom_kills = vec![kill(2), kill(2)];
    let shipment = shipper.fold(&batch).unwrap();
    let kinds: Vec<EventKind<'_>> = shipment.events.iter().map(|event| event.kind).collect();
    let [first, second] = &batch.oom_kills[..] else {
        unreachable!()
    };
    assert_eq!(
        kinds,
        [
            EventKind::Start,
            EventKind::Oom(first),
            EventKind::Oom(second),
            exited(150)
        ]
    );
    let times: Vec<i64> = shipment.events.iter().map(|event| event.wall_ns).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "times={times:?}");
    assert!(times.iter().all(|at| *at < shipment.wall_ns));
}

#[test]
fn a_kill_in_what_has_no_series_of_its_own_is_told_of_the_host() {
    let host = named(1, Runtime::Host, "_host");
    let ssh = named(2, Runtime::Systemd, "ssh.service");
    let mut shipper = every_ten();
    let mut batch = tick(0, vec![subject(&host, 1, 0.0), subject(&ssh, 1, 0.0)]);
    batch.oom_kills = vec![kill(2), kill(1)];
    let shipment = shipper.fold(&batch).unwrap();
    let names: Vec<&str> = shipment
        .events
        .iter()
        .map(|event| event.container.name.as_str())
        .collect();
    assert_eq!(names, ["_host", "_host"]);
}

#[test]
fn nothing_of_one_tick_takes_the_place_of_another_thing() {
    let mut shipper = every_ten();
    shipper.fold(&tick(0, vec![]));
    let old: Vec<Subject> = (2..9)
        .map(|id| ended(&named(id, Runtime::Docker, "job"), id))
        .collect();
    let new = subject(&named(9, Runtime::Docker, "job"), 1, 0.0);
    let batch = tick(10, old.into_iter().chain([new]).collect());
    let shipment = shipper.fold(&batch).unwrap();
    let mut points: Vec<i64> = shipment.points.iter().map(|point| point.wall_ns).collect();
    assert!(points.is_sorted_by(|a, b| a < b), "points={points:?}");
    let mut starts_and_exits: Vec<i64> = shipment.events.iter().map(|it| it.wall_ns).collect();
    points.dedup();
    starts_and_exits.sort_unstable();
    starts_and_exits.dedup();
    assert_eq!((points.len(), starts_and_exits.len()), (8, 15));
    assert!(starts_and_exits.iter().all(|at| *at < shipment.wall_ns));
}

#[test]
fn times_go_on_when_the_wall_clock_is_held() {
    let mut shipper = every_ten();
    let mut last = i64::MIN;
    for second in 0..40 {
        let job = named(second + 2, Runtime::Docker, "job");
        let mut batch = tick(second, vec![ended(&job, 1)]);
        batch.taken.wall_ns = EPOCH_NS + i64::try_from(second).unwrap();
        let shipment = shipper.fold(&batch).unwrap();
        for at in shipment.points.iter().map(|point| point.wall_ns) {
            assert!(at > last, "at={at} last={last}");
            last = at;
        }
    }
}

#[test]
fn a_description_is_repeated_hourly_and_on_a_change_only() {
    let web = named(2, Runtime::Docker, "web");
    let same = named(2, Runtime::Docker, "web");
    let renamed = named(2, Runtime::Docker, "shop");
    let mut shipper = every_ten();
    let mut described = |second, container| {
        let batch = tick(second, vec![subject(container, 1, 0.0)]);
        shipper
            .fold(&batch)
            .map_or(0, |shipment| shipment.descriptions.len())
    };
    assert_eq!(described(0, &web), 1);
    assert_eq!(described(10, &same), 0);
    assert_eq!(described(11, &renamed), 1);
    assert_eq!(described(3600, &renamed), 0);
    assert_eq!(described(3611, &renamed), 1);
    assert_eq!(described(3621, &renamed), 0);
}

#[test]
fn what_has_no_series_of_its_own_is_in_the_hosts() {
    let host = named(1, Runtime::Host, "_host");
    let ssh = named(2, Runtime::Systemd, "ssh.service");
    let misc = named(3, Runtime::Cgroup, "/misc");
    let web = named(4, Runtime::Docker, "web");
    let subjects = |host_ns, ssh_ns, misc_ns| {
        vec![
            subject(&host, host_ns, 0.5),
            subject(&ssh, ssh_ns, 0.25),
            subject(&misc, misc_ns, 0.25),
            subject(&web, 1, 3.0),
        ]
    };
    let mut shipper = every_ten();
    shipper.fold(&tick(0, subjects(100, 10, 1)));
    let batch = tick(10, subjects(200, 20, 2));
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(usage(&shipment, "_host"), Some(222));
    assert_eq!(shipment.points.len(), 2);
    let of_host = shipment.points.last().unwrap();
    let samples = of_host.subject.samples();
    let rates: Vec<&Value> = samples
        .iter()
        .chain(&of_host.peak)
        .map(|sample| &sample.value)
        .filter(|value| matches!(value, Value::Float(_)))
        .collect();
    assert_eq!(rates, [&Value::Float(1.0), &Value::Float(1.0)]);

    let all = Selection {
        units: true,
        cgroups: true,
        ..Selection::default()
    };
    let mut subjects = subjects(200, 20, 2);
    for subject in &mut subjects {
        let container = Arc::make_mut(&mut subject.container);
        container.share = all.share(container, &container.name);
    }
    let mut shipper = every_ten();
    let batch = tick(0, subjects);
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(usage(&shipment, "_host"), Some(200));
    assert_eq!(shipment.points.len(), 4);
}

#[test]
fn the_host_as_a_whole_can_be_shipped_alone_or_left_out() {
    let web = named(4, Runtime::Docker, "web");
    let with_host = |second| {
        let mut batch = tick(second, vec![subject(&web, 1, 0.5)]);
        let sample = |metric| Sample::new(metric, Value::Integer(1));
        batch.host = vec![sample(&catalog::HOST_FORKS)];
        batch.agent = vec![sample(&catalog::AGENT_CPU)];
        batch
    };
    let shipper = |parts| Shipper::new(Duration::from_secs(2)).of(parts);
    let (mut rest, mut alone) = (shipper(Parts::ButHost), shipper(Parts::HostAlone));
    for second in 0..5 {
        let batch = with_host(second);
        let is_due = second % 2 == 0;
        let shipped = alone.fold(&batch);
        assert_eq!(shipped.is_some(), is_due, "second={second}");
        if let Some(it) = shipped {
            assert_eq!((it.host.len(), it.agent.len()), (1, 0));
            assert!(it.points.is_empty() && it.events.is_empty() && it.descriptions.is_empty());
        }
        if let Some(it) = rest.fold(&batch) {
            assert_eq!((it.host.len(), it.agent.len()), (0, 1));
            assert!(!it.points.is_empty());
        }
    }
    assert!(alone.flush(&with_host(5)).is_some(), "the last values too");
}

#[test]
fn a_total_that_the_host_itself_lacks_is_not_told_of_the_rest() {
    let host = named(1, Runtime::Host, "_host");
    let misc = named(3, Runtime::Cgroup, "/misc");
    let samples = [(&catalog::CPU_USAGE, 7), (&catalog::CPU_USER, 5)]
        .map(|(metric, value)| Sample::new(metric, Value::Integer(value)));
    let of_misc = Subject::new(misc, true, samples.into());
    let batch = tick(0, vec![subject(&host, 100, 0.0), of_misc]);
    let mut shipper = every_ten();
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(usage(&shipment, "_host"), Some(107));
    let samples = shipment.points[0].subject.samples();
    assert!(samples.iter().all(|it| *it.metric != catalog::CPU_USER));
}

#[test]
fn an_entry_that_gets_its_own_series_late_is_not_counted_twice_from_then_on() {
    let host = named(1, Runtime::Host, "_host");
    let unknown = named(2, Runtime::Cgroup, "/docker/2");
    let web = named(2, Runtime::Docker, "web");
    let mut shipper = every_ten();
    shipper.fold(&tick(0, vec![subject(&host, 0, 0.0)]));
    shipper.fold(&tick(
        10,
        vec![subject(&host, 0, 0.0), subject(&unknown, 50, 0.0)],
    ));
    let batch = tick(12, vec![subject(&host, 0, 0.0), subject(&web, 60, 0.0)]);
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(shipment.events[0].kind, EventKind::Start);
    let batch = tick(20, vec![subject(&host, 0, 0.0), subject(&web, 90, 0.0)]);
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(
        (usage(&shipment, "_host"), usage(&shipment, "web")),
        (Some(60), Some(90))
    );
}

#[test]
fn histograms_add_up_bucket_by_bucket() {
    let host = named(1, Runtime::Host, "_host");
    let with_waits = |waits: u64| {
        let mut buckets = [0; agent_ebpf::histogram::BUCKETS];
        buckets[3] = waits;
        let sum_ns = waits * 10;
        let value = Value::Histogram(Box::new(Histogram { buckets, sum_ns }));
        vec![Sample::new(&catalog::RUNQ_WAITS, value)]
    };
    let mut remainder = Remainder::default();
    let one = named(2, Runtime::Cgroup, "/one");
    let two = named(3, Runtime::Cgroup, "/two");
    remainder.add(&Subject::new(one, true, with_waits(3)));
    remainder.forget(CgroupId(2));
    for waits in [4, 9] {
        remainder.add(&Subject::new(Arc::clone(&two), true, with_waits(waits)));
    }
    let host = Subject::new(host, true, with_waits(0));
    let samples = remainder.samples_with(&host, std::iter::empty());
    assert_eq!(samples, with_waits(12));
}

#[test]
fn what_the_rules_leave_out_is_one_entry_without_events() {
    let rules = Selection {
        exclude: vec![Rule::parse("job*").unwrap()],
        ..Selection::default()
    };
    let host = named(1, Runtime::Host, "_host");
    let job = |id| selected(id, Runtime::Docker, "job-1", &rules);
    let web = selected(9, Runtime::Docker, "web", &rules);
    let (mut shipper, mut other) = (every_ten(), Other::default());
    let mut fold = |second, subjects: Vec<Subject>, kills: Vec<OomKill>| {
        let host = [subject(&host, 7, 0.0)];
        let mut batch = tick(second, [&host[..], &subjects].concat());
        batch.oom_kills = kills;
        other.fold(&mut batch, Families::ALL);
        shipper.fold(&batch).map(|shipment| told(&shipment))
    };
    let first = fold(0, vec![subject(&web, 1, 0.0)], vec![]);
    assert_eq!(first, Some("web=1 _host=7".to_owned()));
    let with_job = vec![subject(&job(2), 50, 2.5), subject(&web, 1, 0.0)];
    assert_eq!(fold(1, with_job, vec![]), None);
    let ends = vec![ended(&job(2), 60), subject(&web, 1, 0.0)];
    assert_eq!(
        fold(2, ends, vec![kill(2)]),
        Some("Oom of _other".to_owned())
    );
    let last = vec![subject(&job(3), 5, 0.5), subject(&web, 2, 0.0)];
    assert_eq!(
        fold(10, last, vec![]),
        Some("web=2 _host=7 _other=65 peak=2.5".to_owned())
    );
}

/// Events and points in words.
fn told(shipment: &Shipment<'_>) -> String {
    let events = shipment.events.iter().map(|event| {
        let kind = format!("{:?}", event.kind);
        let word = kind.split(['(', ' ']).next().unwrap_or_default();
        format!("{word} of {}", event.container.name)
    });
    let points = shipment.points.iter().map(|point| {
        let name = &point.subject.container.name;
        let total = format!("{name}={}", usage(shipment, name).unwrap_or_default());
        match &point.peak {
            Some(peak) if peak.value != Value::Float(0.0) => match peak.value {
                Value::Float(cpus) => format!("{total} peak={cpus}"),
                _ => total,
            },
            _ => total,
        }
    });
    events.chain(points).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_series_that_the_rules_end_has_a_last_point_and_the_rest_is_counted_elsewhere() {
    let rules = Selection {
        exclude: vec![Rule::parse("label:team=blue").unwrap()],
        ..Selection::default()
    };
    let host = named(1, Runtime::Host, "_host");
    let web = selected(2, Runtime::Docker, "web", &rules);
    let mut blue = (*web).clone();
    blue.labels.insert("team".to_owned(), "blue".to_owned());
    blue.share = rules.share(&blue, "web");
    let blue = Arc::new(blue);
    let (mut shipper, mut other) = (every_ten(), Other::default());
    let mut fold = |second, container, usage_ns| {
        let subjects = vec![subject(&host, 7, 0.0), subject(container, usage_ns, 0.0)];
        let mut batch = tick(second, subjects);
        other.fold(&mut batch, Families::ALL);
        shipper.fold(&batch).map(|shipment| told(&shipment))
    };
    assert_eq!(fold(0, &web, 100), Some("web=100 _host=7".to_owned()));
    assert_eq!(fold(1, &web, 120), None);
    assert_eq!(fold(2, &blue, 130), Some("web=130".to_owned()));
    assert_eq!(fold(10, &blue, 150), Some("_host=7 _other=20".to_owned()));
}

#[test]
fn nothing_is_shipped_at_a_time_that_was_stored_before() {
    let stored_ns = EPOCH_NS + 3_600 * 1_000_000_000;
    let mut shipper = every_ten().after(stored_ns);
    let host = named(1, Runtime::Host, "_host");
    let batch = tick(0, vec![subject(&host, 7, 0.0)]);
    let wall_ns = shipper.fold(&batch).map(|it| it.wall_ns);
    assert!(wall_ns.is_some_and(|it| it > stored_ns), "{wall_ns:?}");
}

#[test]
fn what_ends_before_the_clock_is_set_counts_in_the_hosts() {
    let host = named(1, Runtime::Host, "_host");
    let unit = named(2, Runtime::Systemd, "unit");
    let mut shipper = every_ten();
    shipper.hold(&tick(
        0,
        vec![subject(&host, 7, 0.0), subject(&unit, 4, 0.0)],
    ));
    shipper.hold(&tick(1, vec![subject(&host, 7, 0.0), ended(&unit, 5)]));
    let batch = tick(2, vec![subject(&host, 8, 0.0)]);
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(told(&shipment), "_host=13");
}

/// Rules that fit some of the entries below.
const RULES: [&str; 8] = [
    "a*",
    "name:b1",
    "*",
    "label:team",
    "label:team=blue",
    "runtime:docker",
    "runtime:systemd",
    "path:/nowhere/*",
];

const PLACES: [(Runtime, &str); 6] = [
    (Runtime::Docker, "a1"),
    (Runtime::Docker, "a2"),
    (Runtime::Docker, "b1"),
    (Runtime::Podman, "b2"),
    (Runtime::Systemd, "ssh.service"),
    (Runtime::Cgroup, "/misc"),
];

fn some_rules() -> impl Strategy<Value = Vec<Rule>> {
    let rules = RULES.map(|rule| Rule::parse(rule).unwrap()).to_vec();
    prop::sample::subsequence(rules, 0..3)
}

#[test]
fn what_seldom_changes_is_shipped_when_it_does_and_hourly() {
    let mut shipper = Shipper::new(Duration::from_secs(1));
    let mut shipped = |second, source: &'static str| {
        let tell = |metric| Sample::new(metric, Value::Integer(1));
        let batch = Batch {
            agent: vec![
                tell(&catalog::AGENT_RSS),
                tell(&catalog::AGENT_METRIC_SOURCE).labelled("source", source),
            ],
            ..tick(second, Vec::new())
        };
        shipper.fold(&batch).map(|it| it.agent.len())
    };
    assert_eq!(shipped(1, "sched_switch"), Some(2));
    assert_eq!(shipped(2, "sched_switch"), Some(1));
    assert_eq!(shipped(3, "cgroup_file"), Some(2));
    assert_eq!(shipped(3602, "cgroup_file"), Some(1));
    assert_eq!(shipped(3603, "cgroup_file"), Some(2));
}

proptest! {
    /// Entries are born, grow, get their labels late and end at random, under any rules: at each complete shipment all
    /// series together are what was used, but for what stays counted in the sum that an entry was a part of before it
    /// got a series of its own.
    #[test]
    fn no_rule_changes_what_all_series_add_up_to(
        include in some_rules(),
        exclude in some_rules(),
        units: bool,
        ticks in prop::collection::vec(
            prop::collection::vec((0..PLACES.len(), 0_u64..100, 0..6), 0..6),
            1..40,
        ),
    ) {
        let rules = Selection { units, include, exclude, ..Selection::default() };
        let host = named(1, Runtime::Host, "_host");
        let mut shipper = Shipper::new(Duration::from_secs(3));
        let mut other = Other::default();
        // By place: the entry, whether it has its labels, and what it used.
        let mut live: BTreeMap<usize, (u64, bool, u64)> = BTreeMap::new();
        let mut shares: BTreeMap<u64, Share> = BTreeMap::new();
        let mut own: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut used, mut twice, mut next_id) = (0, 0, 2);
        let mut before = (0, 0);
        for (second, changes) in (0..).zip(ticks) {
            let mut dead = Vec::new();
            for (place, ns, change) in changes {
                let entry = live.entry(place).or_insert_with(|| { next_id += 1; (next_id, false, 0) });
                entry.2 += ns;
                used += ns;
                entry.1 |= change == 1 && PLACES[place].0 == Runtime::Docker;
                if change == 0 {
                    dead.push((place, *entry));
                    live.remove(&place);
                }
            }
            let mut shown = |place: usize, (id, labelled, ns): (u64, bool, u64), alive| {
                let (runtime, name) = PLACES[place];
                let mut container = (*named(id, runtime, name)).clone();
                if labelled {
                    container.labels.insert("team".to_owned(), "blue".to_owned());
                }
                container.share = rules.share(&container, name);
                let former = shares.insert(id, container.share);
                if container.share == Share::Own && former.is_some_and(|it| it != Share::Own) {
                    twice += ns;
                }
                alive_or_not(alive, subject(&Arc::new(container), ns, 0.0))
            };
            let mut subjects = vec![subject(&host, 0, 0.0)];
            subjects.extend(live.iter().map(|(place, entry)| shown(*place, *entry, true)));
            subjects.extend(dead.iter().map(|(place, entry)| shown(*place, *entry, false)));
            let mut batch = tick(second, subjects);
            other.fold(&mut batch, Families::ALL);
            let Some(shipment) = shipper.fold(&batch) else { continue };
            for point in &shipment.points {
                let subject = &point.subject;
                own.insert(subject.container.cgroup.0, subject.integer(&catalog::CPU_USAGE).unwrap());
            }
            if shipment.complete {
                let sum: u64 = own.values().sum();
                prop_assert_eq!(sum, used + twice, "{:?}", own);
                let sums = (usage(&shipment, "_host").unwrap(), usage(&shipment, "_other").unwrap_or(0));
                prop_assert!(sums.0 >= before.0 && sums.1 >= before.1, "{:?} {:?}", before, sums);
                before = sums;
            }
        }
    }

    /// Entries are born, grow and end at random: between any two complete shipments the host's total grows by just
    /// what they grew by.
    #[test]
    fn the_hosts_total_is_all_that_was_used_and_never_goes_backwards(
        ticks in prop::collection::vec(prop::collection::vec((0_u64..6, 0_u64..100, any::<bool>()), 0..6), 1..40),
    ) {
        let host = named(1, Runtime::Host, "_host");
        let mut shipper = Shipper::new(Duration::from_secs(3));
        let mut live: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        let (mut used, mut next_id, mut before) = (0, 2, 0);
        for (second, changes) in (0..).zip(ticks) {
            let mut dead = Vec::new();
            for (place, ns, ends) in changes {
                let entry = live.entry(place).or_insert_with(|| { next_id += 1; (next_id, 0) });
                entry.1 += ns;
                used += ns;
                if ends {
                    dead.push(*entry);
                    live.remove(&place);
                }
            }
            let unit = |id: u64| named(id, Runtime::Systemd, "unit");
            let mut subjects = vec![subject(&host, 0, 0.0)];
            subjects.extend(live.values().map(|(id, ns)| subject(&unit(*id), *ns, 0.0)));
            subjects.extend(dead.iter().map(|(id, ns)| ended(&unit(*id), *ns)));
            let batch = tick(second, subjects);
            if let Some(shipment) = shipper.fold(&batch) {
                let total = usage(&shipment, "_host").unwrap();
                prop_assert_eq!(total, used);
                prop_assert!(total >= before);
                before = total;
            }
        }
    }
}
