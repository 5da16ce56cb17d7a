//! Golden texts: what is known is there under cAdvisor's name, what is not is absent.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use super::{
    super::{Moment, Part, PartKind, has_own_network},
    ContainerInfo, ContainerV2, Disks, Event, FsInfo, Limits, MachineStats, Reference, SpecV2,
    StatsV2_0, Time, View, Viewed,
};
use crate::{
    container::{CgroupId, Container, Exit, Runtime},
    encode::fixture::{container, every_sample, subject_of},
    live::{self, EventKind},
    metrics::{Metric, Sample, Value, catalog},
    snapshot::OomKill,
};

struct OneDisk;

impl Disks for OneDisk {
    fn number(&self, name: &str) -> Option<(u32, u32)> {
        (name == "vda").then_some((254, 0))
    }
}

fn sample(metric: &'static Metric, value: u64) -> Sample {
    Sample::new(metric, Value::Integer(value))
}

fn on_disk(metric: &'static Metric, value: u64) -> Sample {
    sample(metric, value).labelled("device", "vda")
}

fn samples(nth: u64) -> Vec<Sample> {
    vec![
        sample(&catalog::CPU_USAGE, 3_000_000_000 * nth),
        sample(&catalog::CPU_USER, 2_000_000_000 * nth),
        sample(&catalog::CPU_SYSTEM, 1_000_000_000 * nth),
        sample(&catalog::CPU_PERIODS, 10),
        sample(&catalog::RUNQ_WAIT, 7),
        on_disk(&catalog::READ_BYTES, 4_096),
        on_disk(&catalog::WRITE_BYTES, 8_192),
        on_disk(&catalog::READS, 1),
        on_disk(&catalog::WRITES, 2),
        sample(&catalog::UNOWNED_RX_BYTES, 0),
        sample(&catalog::MEMORY_USAGE, 1_000),
        sample(&catalog::WORKING_SET, 900),
        sample(&catalog::PAGE_FAULTS, 5),
        sample(&catalog::PIDS, 3),
        sample(&catalog::MEMORY_SOME, 2_000),
        sample(&catalog::MEMORY_FULL, 1_999),
    ]
}

fn eth0() -> Part {
    Part {
        kind: PartKind::Interface,
        name: "eth0".into(),
        values: (1..=8).map(Some).collect(),
    }
}

fn moments() -> Vec<Moment> {
    (1..=2)
        .map(|nth| {
            let subject = subject_of(container(7, "web"), samples(nth));
            assert!(has_own_network(&subject));
            let wall_ns = i64::try_from(nth * 2_000_000_000).unwrap();
            Moment::of_entry(&subject, wall_ns, vec![eth0()], false)
        })
        .collect()
}

fn with_view<T>(show: impl FnOnce(&View<'_>) -> T) -> T {
    let moments = moments();
    let container = Container {
        image: Some("busybox".to_owned()),
        labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        ..container(7, "web")
    };
    show(&View {
        of: Viewed::Entry(&container),
        created: Some(Time(1_500_000_000)),
        limits: Limits {
            cpu_shares: Some(1_024),
            cpu_quota_us: Some(50_000),
            cpu_period_us: Some(100_000),
            cpus: Some("0-1".to_owned()),
            memory: Some(64 << 20),
            memory_reservation: None,
            swap: Some(128 << 20),
            tasks: None,
        },
        latest: &moments[1],
        moments: &moments,
    })
}

fn value(object: &impl Serialize) -> Json {
    serde_json::to_value(object).unwrap()
}

fn path() -> String {
    format!("/docker/{:064x}", 7)
}

#[test]
fn a_container_of_v1() {
    let info = with_view(|view| {
        value(&ContainerInfo::of(
            view,
            vec![Reference::to("/x")],
            &OneDisk,
        ))
    });
    let id = format!("{:064x}", 7);
    let interface = json!({
        "name": "eth0",
        "rx_bytes": 1, "rx_packets": 2, "rx_errors": 3, "rx_dropped": 4,
        "tx_bytes": 5, "tx_packets": 6, "tx_errors": 7, "tx_dropped": 8,
    });
    let mut network = interface.clone();
    network["interfaces"] = json!([interface]);
    let expected_stats = json!({
        "timestamp": "1970-01-01T00:00:04Z",
        "cpu": {
            "usage": {"total": 6_000_000_000_u64, "user": 4_000_000_000_u64, "system": 2_000_000_000},
            "cfs": {"periods": 10},
            "schedstat": {"run_time": 6_000_000_000_u64, "runqueue_time": 7},
        },
        "diskio": {
            "io_service_bytes": [{
                "device": "/dev/vda", "major": 254, "minor": 0,
                "stats": {"Read": 4096, "Total": 12288, "Write": 8192},
            }],
            "io_serviced": [{
                "device": "/dev/vda", "major": 254, "minor": 0,
                "stats": {"Read": 1, "Total": 3, "Write": 2},
            }],
        },
        "memory": {
            "usage": 1000, "working_set": 900,
            "container_data": {"pgfault": 5}, "hierarchical_data": {"pgfault": 5},
            "psi": {"full": {"total": 1}, "some": {"total": 2}},
        },
        "network": network,
        "processes": {"threads_current": 3},
    });
    assert_eq!(info["stats"][1], expected_stats);
    let mut rest = info;
    rest.as_object_mut().unwrap().remove("stats");
    let expected = json!({
        "id": id, "name": path(), "aliases": ["web", id], "namespace": "docker",
        "subcontainers": [{"name": "/x"}],
        "spec": {
            "creation_time": "1970-01-01T00:00:01.5Z",
            "labels": {"a": "b"},
            "has_cpu": true,
            "cpu": {"limit": 1024, "max_limit": 0, "mask": "0-1", "quota": 50000, "period": 100_000},
            "has_memory": true,
            "memory": {"limit": 64 << 20, "swap_limit": 128 << 20},
            "has_hugetlb": false, "has_network": true, "has_processes": true, "processes": {},
            "has_filesystem": false, "has_diskio": true, "has_custom_metrics": false,
            "image": "busybox",
        },
    });
    assert_eq!(rest, expected);
}

#[test]
fn the_stats_of_v2_have_rates_from_the_second_on() {
    let [old, new] = with_view(|view| {
        [
            value(&StatsV2_0::all_of(view, &OneDisk)),
            value(&ContainerV2::of(view, &OneDisk))["stats"].clone(),
        ]
    });
    let rates = json!({"usage": {
        "total": 1_500_000_000, "user": 1_000_000_000, "system": 500_000_000,
    }});
    for stats in [&old, &new] {
        assert!(stats[0].get("cpu_inst").is_none());
        assert_eq!(stats[1]["cpu_inst"], rates);
        assert_eq!(stats[1]["network"]["interfaces"][0]["rx_bytes"], 1);
        assert!(stats[1]["network"].get("name").is_none());
    }
    assert_eq!(old[1]["has_cpu"], true);
    assert_eq!(old[1]["has_load"], false);
    assert!(new[1].get("has_cpu").is_none());
}

#[test]
fn the_spec_of_v2_has_names_and_no_bandwidth() {
    let spec = with_view(|view| value(&SpecV2::of(view)));
    assert_eq!(spec["aliases"][0], "web");
    assert_eq!(spec["namespace"], "docker");
    assert_eq!(
        spec["cpu"],
        json!({"limit": 1024, "max_limit": 0, "mask": "0-1"})
    );
}

#[test]
fn what_is_counted_apart_is_not_told_of_a_cgroup_above_others() {
    let cgroup = Container {
        path: "/docker".to_owned(),
        runtime: Runtime::Cgroup,
        ..Container::host(CgroupId(2))
    };
    let moment = Moment::of_entry(&subject_of(cgroup.clone(), samples(1)), 1, Vec::new(), true);
    let info = value(&ContainerInfo::of(
        &View {
            of: Viewed::Entry(&cgroup),
            created: None,
            limits: Limits::default(),
            latest: &moment,
            moments: std::slice::from_ref(&moment),
        },
        Vec::new(),
        &OneDisk,
    ));
    let names: Vec<_> = info["stats"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["memory", "processes", "timestamp"]);
    assert_eq!(info["spec"]["has_cpu"], false);
    assert!(info.get("id").is_none() && info.get("aliases").is_none());
}

#[test]
fn an_entry_without_a_network_of_its_own_has_what_its_sockets_did() {
    let mut samples = every_sample();
    samples.retain(|it| it.metric.measurement != "container_net");
    for (peer, value) in [("loopback", 1), ("host", 20), ("outside", 300)] {
        samples.push(sample(&catalog::NET_RX_BYTES, value).labelled("peer", peer));
    }
    let moment = Moment::of_entry(
        &subject_of(container(7, "web"), samples),
        1,
        Vec::new(),
        false,
    );
    let interface: Vec<_> = moment.parts(PartKind::Interface).collect();
    assert_eq!(&*interface[0].name, "_all");
    assert_eq!(interface[0].values[0], Some(320));
}

#[test]
fn the_host_has_filesystems_and_the_numbers_of_their_disks() {
    let on_root = |metric, value| {
        sample(metric, value)
            .labelled("mount", "/")
            .labelled("device", "/dev/vda")
            .labelled("fstype", "ext4")
    };
    let host = vec![
        sample(&catalog::HOST_MEM_TOTAL, 1 << 30),
        on_disk(&catalog::HOST_DISK_READS, 9),
        on_disk(&catalog::HOST_DISK_READ_BYTES, 1_024),
        on_disk(&catalog::HOST_DISK_READ_TIME, 5_000_000),
        on_root(&catalog::HOST_FS_SIZE, 100),
        on_root(&catalog::HOST_FS_FREE, 60),
        on_root(&catalog::HOST_FS_AVAILABLE, 50),
        on_root(&catalog::HOST_FS_INODES, 10),
        on_root(&catalog::HOST_FS_INODES_FREE, 9),
        sample(&catalog::HOST_NET_RX_BYTES, 11).labelled("interface", "eth0"),
        sample(&catalog::HOST_NET_RX_BYTES, 12).labelled("interface", "veth1"),
    ];
    let moment = Moment::of_host(&host, 1);
    let stats = value(&MachineStats::all_of(&[moment], &OneDisk));
    assert_eq!(
        stats[0]["filesystem"],
        json!([{
            "device": "/dev/vda", "type": "vfs", "capacity": 100, "usage": 40, "available": 50, "inodes_free": 9,
            "inline": {"reads_completed": 9, "sectors_read": 2, "read_duration": 5_000_000},
        }])
    );
    assert_eq!(
        stats[0]["network"],
        json!({"interfaces": [{"name": "eth0", "rx_bytes": 11}]})
    );
    let labelled = [("docker-images", "/var/lib/docker".to_owned())];
    let all = FsInfo::all_of(&host, 1, &labelled);
    assert_eq!(value(&all)[0]["labels"], json!(["docker-images", "root"]));
    assert!(all[0].has_label("root") && !all[0].has_label("x"));
}

#[test]
fn events_are_those_of_cadvisor() {
    let told = |kind| {
        let event = live::Event {
            wall_ns: 1,
            container: container(7, "web").into(),
            kind,
        };
        let events = Event::all_of(&event);
        let without_name = |mut event: Json| {
            assert_eq!(event["container_name"], path());
            assert_eq!(event["timestamp"], "1970-01-01T00:00:00.000000001Z");
            let fields = event.as_object_mut().unwrap();
            [fields["event_type"].take(), fields["event_data"].take()]
        };
        let values = events.iter().map(value);
        values.map(without_name).collect::<Vec<_>>()
    };
    assert_eq!(
        told(EventKind::Start),
        [[json!("containerCreation"), json!({})]]
    );
    let kill = OomKill {
        entry: CgroupId(7),
        pid: 9,
        comm: "x\"\n".to_owned(),
    };
    assert_eq!(
        told(EventKind::Oom(kill)),
        [
            [json!("oom"), json!({})],
            [
                json!("oomKill"),
                json!({"oom": {"pid": 9, "process_name": "x\"\n"}})
            ],
        ]
    );
    let ended = |exit| {
        told(EventKind::Exit {
            usage_ns: None,
            exit,
        })
    };
    assert_eq!(
        ended(Exit::of_code(3, false)),
        [[
            json!("containerDeletion"),
            json!({"container_deletion": {"exit_code": 3}})
        ]]
    );
    assert_eq!(
        ended(Exit::default()),
        [[json!("containerDeletion"), json!({})]]
    );
}
