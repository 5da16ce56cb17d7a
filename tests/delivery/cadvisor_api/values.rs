//! What both must say alike: limits and names to the letter, counters in between two readings of ours.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value as Json;

use super::{Pair, SOON};
use crate::harness::{Answer, eventually};

/// In every version, of both containers.
pub(super) fn specs_are_the_same(pair: &Pair) {
    for container in [&pair.limited, &pair.plain] {
        let path = format!("/docker/{}", container.id);
        for (question, at) in [
            (format!("/api/v1.0/containers{path}"), "/spec".to_owned()),
            (
                format!("/api/v2.0/spec{path}"),
                format!("/{}", path.replace('/', "~1")),
            ),
        ] {
            let [mut theirs, mut ours] = pair
                .json(&question)
                .map(|json| json.pointer(&at).unwrap().clone());
            let created =
                [&mut theirs, &mut ours].map(|spec| seconds(&spec["creation_time"].take()));
            println!("{question}: made at {created:?}, {ours}");
            // Docker tells when it was asked for a container, processes tell when they started.
            assert!(
                (0.0..10.0).contains(&(created[1] - created[0] + 0.1)),
                "{created:?}"
            );
            for spec in [&mut theirs, &mut ours] {
                // Huge pages are not told here, disk space is not walked for.
                for field in ["has_hugetlb", "has_filesystem"] {
                    spec[field].take();
                }
            }
            assert_eq!(theirs, ours, "{question}");
        }
        let [theirs, ours] = pair.json(&format!("/api/v1.0/containers{path}"));
        for field in ["id", "name", "aliases", "namespace", "subcontainers"] {
            assert_eq!(theirs[field], ours[field], "{field}");
        }
    }
    let [theirs, ours] = pair.json("/api/v1.0/containers/docker");
    let has_both = |json: &Json| {
        let all = json["subcontainers"].to_string();
        all.contains(&pair.limited.id) && all.contains(&pair.plain.id)
    };
    assert!(has_both(&theirs) && has_both(&ours), "{theirs} {ours}");
}

/// Their reading of a counter is no less than ours before it and no more than ours after it.
pub(super) fn counters_lie_between_ours(pair: &Pair) {
    const COUNTERS: [&str; 12] = [
        "/cpu/usage/total",
        "/cpu/cfs/periods",
        "/diskio/io_service_bytes/0/stats/Write",
        "/diskio/io_serviced/0/stats/Write",
        "/diskio/io_service_bytes/0/stats/Read",
        "/memory/container_data/pgfault",
        "/memory/max_usage",
        "/network/interfaces/0/rx_bytes",
        "/network/interfaces/0/rx_packets",
        "/network/interfaces/0/tx_bytes",
        "/network/interfaces/0/tx_packets",
        "/network/interfaces/0/rx_errors",
    ];
    // Their time is taken around the reading, ours before it.
    const MARGIN_S: f64 = 0.3;
    // What is read from files is read each few seconds here.
    const FILES_S: f64 = 11.0;
    let question = format!("/api/v2.1/stats{}?count=-1", pair.path());
    let theirs = format!("/api/v2.1/stats{}?count=60", pair.path());
    let stats = |json: &Json| json[pair.path()]["stats"].as_array().unwrap().clone();
    let theirs = Answer::to(pair.theirs.address(), &theirs, None);
    let theirs = stats(&serde_json::from_str(&theirs.body).unwrap());
    let reading = theirs.last().unwrap().clone();
    let at = seconds(&reading["timestamp"]);
    let ours = eventually(SOON, "a reading of ours after theirs", || {
        let answer = Answer::to(pair.ours.address(), &question, None);
        let ours = stats(&serde_json::from_str(&answer.body).unwrap());
        let last = seconds(&ours.last().unwrap()["timestamp"]);
        (last > at + FILES_S)
            .then_some(ours)
            .ok_or(format!("{last}"))
    });
    let mut compared = 0;
    for counter in COUNTERS {
        let value = |stats: &Json| stats.pointer(counter).and_then(Json::as_u64);
        let theirs = value(&reading).unwrap_or_else(|| panic!("{counter}: {reading}"));
        let margin = if counter.starts_with("/cpu/usage") || counter.starts_with("/network") {
            MARGIN_S
        } else {
            FILES_S
        };
        let before = ours
            .iter()
            .rev()
            .find(|it| seconds(&it["timestamp"]) <= at - margin)
            .or(ours.first());
        let after = ours
            .iter()
            .find(|it| seconds(&it["timestamp"]) >= at + margin);
        let [before, after] = [before, after].map(|it| value(it.unwrap()));
        println!("{counter}: {before:?} <= {theirs} <= {after:?}");
        let (Some(before), Some(after)) = (before, after) else {
            panic!("{counter} is not among ours");
        };
        assert!((before..=after).contains(&theirs), "{counter}");
        compared += 1;
    }
    assert_eq!(compared, COUNTERS.len());
    let user = |stats: &Json| stats["cpu"]["usage"]["user"].as_f64().unwrap();
    let [theirs, ours] = [&reading, ours.last().unwrap()].map(user);
    println!("user time: {theirs} by clock ticks, {ours} some seconds later");
}

/// What the machine has.
pub(super) fn machines_are_the_same(pair: &Pair) {
    let [mut theirs, ours] = pair.json("/api/v1.0/machine");
    // A speed that the driver does not tell is zero there, and absent here.
    for device in theirs["network_devices"].as_array_mut().unwrap() {
        if device["speed"] == 0 {
            device.as_object_mut().unwrap().remove("speed");
        }
    }
    for field in [
        "num_cores",
        "num_physical_cores",
        "num_sockets",
        "cpu_frequency_khz",
        "memory_capacity",
        "hugepages",
        "boot_id",
        "disk_map",
        "network_devices",
        "cloud_provider",
        "instance_type",
        "instance_id",
    ] {
        assert_eq!(theirs[field], ours[field], "{field}");
    }
    // A hash instead of what machine-id(5) wants kept.
    assert_ne!(theirs["machine_id"], ours["machine_id"]);
    let cores = |json: &Json| {
        let cores = json["topology"][0]["cores"].as_array().unwrap().clone();
        let told = cores.iter().map(|core| {
            let caches = core["caches"].as_array().unwrap().iter();
            let caches: Vec<_> = caches
                .map(|it| [&it["size"], &it["type"], &it["level"]].map(Json::clone))
                .collect();
            (
                core["core_id"].clone(),
                core["thread_ids"].clone(),
                core["socket_id"].clone(),
                caches,
            )
        });
        told.collect::<Vec<_>>()
    };
    assert_eq!(cores(&theirs), cores(&ours));
    assert_eq!(
        theirs["topology"][0]["memory"],
        ours["topology"][0]["memory"]
    );
    let [theirs, ours] = pair.json("/api/v2.0/storage?label=root");
    for field in ["device", "mountpoint", "capacity", "inodes", "labels"] {
        assert_eq!(theirs[0][field], ours[0][field], "{field}");
    }
}

/// The main process of a container.
pub(super) fn processes_are_the_same(pair: &Pair) {
    let question = format!("/api/v2.0/ps/{}?type=docker", pair.name);
    let [theirs, ours] = pair.ask(&question, None);
    let pid: u64 = pair.limited.pid().parse().unwrap();
    let main = |answer: &Answer| {
        let all: Vec<Json> = serde_json::from_str(&answer.body).unwrap();
        all.into_iter().find(|it| it["pid"] == pid).unwrap()
    };
    assert_eq!(ours.status, 200, "{ours:?}");
    let ours = main(&ours);
    println!("{ours}");
    if theirs.status == 500 && theirs.body.contains("invalid pid") {
        // It takes the lines of ps(1) apart at blanks, which names of programs may have.
        println!("cAdvisor cannot list processes now: {}", theirs.body);
        return;
    }
    let theirs = main(&theirs);
    for field in [
        "user",
        "parent_pid",
        "virtual_size",
        "cgroup_path",
        "cmd",
        "fd_count",
        "start_time",
    ] {
        assert_eq!(theirs[field], ours[field], "{field}: {theirs} {ours}");
    }
    assert_eq!(super::shape::of(&theirs), super::shape::of(&ours));
}

/// A container comes and goes before the eyes of two that watch.
pub(super) fn events_are_the_same(pair: &Pair) {
    let question =
        "/api/v1.3/events?stream=true&creation_events=true&deletion_events=true&subcontainers=true";
    let streams = [pair.theirs.address(), pair.ours.address()].map(|it| watch(it, question));
    let short = pair.docker.run(&[], "sleep 3; exit 7");
    let path = format!("/docker/{}", short.id);
    short.wait();
    let told = streams.map(|mut stream| {
        let mut seen = Vec::new();
        let mut of = |kind: &str| {
            eventually(SOON, kind, || {
                let mut more = [0; 4096];
                if let Ok(length) = stream.read(&mut more) {
                    seen.extend_from_slice(&more[..length]);
                }
                let text = String::from_utf8_lossy(&seen).into_owned();
                let line = text
                    .lines()
                    .find(|line| line.contains(&path) && line.contains(kind));
                let line = line.ok_or_else(|| text.clone())?;
                serde_json::from_str::<Json>(line).map_err(|error| error.to_string())
            })
        };
        [of("containerCreation"), of("containerDeletion")]
    });
    let [[created, deleted], [mut our_created, mut our_deleted]] = told;
    for (theirs, ours) in [(&created, &mut our_created), (&deleted, &mut our_deleted)] {
        let apart = seconds(&ours["timestamp"]) - seconds(&theirs["timestamp"]);
        println!("{ours}, {apart} s after theirs");
        assert!(apart.abs() < 10.0, "{apart}");
        ours["timestamp"] = theirs["timestamp"].clone();
    }
    assert_eq!(created, our_created);
    // Since v0.56.
    assert_eq!(
        our_deleted["event_data"]["container_deletion"]["exit_code"],
        7
    );
    our_deleted["event_data"] = deleted["event_data"].clone();
    assert_eq!(deleted, our_deleted);
    let past = format!("/api/v2.0/events{path}?all_events=true");
    let [theirs, ours] = pair.json(&past).map(|it| it.as_array().unwrap().len());
    println!("{past}: {theirs} events, ours {ours}");
    // Theirs looks for the last ten of all containers first.
    assert_eq!(ours, 2);
}

fn watch(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(std::time::Duration::from_millis(100)))
        .unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
    let mut head = Vec::new();
    eventually(SOON, "the stream begins", || {
        let mut more = [0; 512];
        if let Ok(length) = stream.read(&mut more) {
            head.extend_from_slice(&more[..length]);
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        text.contains("\r\n\r\n").then_some(()).ok_or(text)
    });
    stream
}

/// A time as JSON has it, in seconds since the Unix epoch.
fn seconds(time: &Json) -> f64 {
    let text = time.as_str().unwrap_or_else(|| panic!("{time}"));
    let time = humantime::parse_rfc3339(text).unwrap();
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs_f64()
}
