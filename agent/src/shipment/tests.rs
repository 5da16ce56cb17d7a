//! Story tests of the shipper: ticks in, shipments out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proptest::prelude::*;

use super::{EventKind, Selection, Shipment, Shipper, remainder::Remainder};
use crate::{
    container::{CgroupId, Container, Exit, Runtime},
    metrics::{Batch, Histogram, Sample, Subject, Value, catalog},
    snapshot::{OomKill, Timestamp},
};

const SECOND_NS: u64 = 1_000_000_000;
const EPOCH_NS: i64 = 1_700_000_000_000_000_000;

fn named(cgroup: u64, runtime: Runtime, name: &str) -> Arc<Container> {
    Arc::new(Container {
        runtime,
        name: name.to_owned(),
        ..Container::host(CgroupId(cgroup))
    })
}

fn subject(container: &Arc<Container>, usage_ns: u64, cpus: f64) -> Subject {
    Subject {
        container: Arc::clone(container),
        alive: true,
        samples: vec![
            Sample::new(&catalog::CPU_USAGE, Value::Integer(usage_ns)),
            Sample::new(&catalog::CPU_RATE, Value::Float(cpus)),
        ],
    }
}

fn ended(container: &Arc<Container>, usage_ns: u64) -> Subject {
    Subject {
        alive: false,
        ..subject(container, usage_ns, 0.0)
    }
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
        agent: Vec::new(),
        oom_kills: Vec::new(),
        other: None,
    }
}

fn every_ten() -> Shipper {
    Shipper::new(Duration::from_secs(10), Selection::default())
}

fn usage(shipment: &Shipment<'_>, name: &str) -> Option<u64> {
    let point = shipment
        .points
        .iter()
        .find(|point| point.container.name == name)?;
    let subject = Subject {
        container: Arc::clone(point.container),
        alive: true,
        samples: point.samples.to_vec(),
    };
    subject.integer(&catalog::CPU_USAGE)
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
    let rates: Vec<&Value> = of_host
        .samples
        .iter()
        .chain(&of_host.peak)
        .map(|sample| &sample.value)
        .filter(|value| matches!(value, Value::Float(_)))
        .collect();
    assert_eq!(rates, [&Value::Float(1.0), &Value::Float(1.0)]);

    let all = Selection {
        units: true,
        cgroups: true,
    };
    let mut shipper = Shipper::new(Duration::from_secs(10), all);
    let batch = tick(0, subjects(200, 20, 2));
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(usage(&shipment, "_host"), Some(200));
    assert_eq!(shipment.points.len(), 4);
}

#[test]
fn a_total_that_the_host_itself_lacks_is_not_told_of_the_rest() {
    let host = named(1, Runtime::Host, "_host");
    let misc = named(3, Runtime::Cgroup, "/misc");
    let mut of_misc = subject(&misc, 7, 0.0);
    let user = Sample::new(&catalog::CPU_USER, Value::Integer(5));
    of_misc.samples.push(user);
    let batch = tick(0, vec![subject(&host, 100, 0.0), of_misc]);
    let mut shipper = every_ten();
    let shipment = shipper.fold(&batch).unwrap();
    assert_eq!(usage(&shipment, "_host"), Some(107));
    let samples = &shipment.points[0].samples;
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
        let mut buckets = [0; agent_ebpf::cpu::WAIT_BUCKETS];
        buckets[3] = waits;
        let sum_ns = waits * 10;
        let value = Value::Histogram(Box::new(Histogram { buckets, sum_ns }));
        vec![Sample::new(&catalog::RUNQ_WAITS, value)]
    };
    let mut remainder = Remainder::default();
    remainder.add(CgroupId(2), &with_waits(3));
    remainder.forget(CgroupId(2));
    remainder.add(CgroupId(3), &with_waits(4));
    remainder.add(CgroupId(3), &with_waits(9));
    let host = Subject {
        samples: with_waits(0),
        ..subject(&host, 0, 0.0)
    };
    let samples = remainder.samples(&host, std::iter::empty());
    assert_eq!(samples, with_waits(12));
}

proptest! {
    /// Entries are born, grow and end at random: between any two complete shipments the host's total grows by just
    /// what they grew by.
    #[test]
    fn the_hosts_total_is_all_that_was_used_and_never_goes_backwards(
        ticks in prop::collection::vec(prop::collection::vec((0_u64..6, 0_u64..100, any::<bool>()), 0..6), 1..40),
    ) {
        let host = named(1, Runtime::Host, "_host");
        let mut shipper = Shipper::new(Duration::from_secs(3), Selection::default());
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
