//! cAdvisor's API against a real cAdvisor, on the same containers at the same time; and a client of each of its questions.

mod differences;
mod script;
mod shape;
mod values;

use std::time::Duration;

use serde_json::Value as Json;

use self::differences::{
    Difference, LACKING, LACKING_ABOVE_CONTAINERS, LACKING_OF_A_CONTAINER, LACKING_OF_THE_HOST,
    MORE,
};
use super::PATIENCE;
use crate::harness::{AgentProcess, Answer, Cadvisor, Container, Docker, Home, cgroup, eventually};

/// Reads, writes, computes, and talks to its gateway, all the time.
const BUSY: &str = "dd if=/dev/zero of=/written bs=64k count=64 conv=fsync 2>/dev/null; \
                    while :; do i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; \
                    ping -c 1 -w 1 172.17.0.1 >/dev/null; sleep 0.1; done";

/// Both, and two containers that they see.
struct Pair {
    theirs: Cadvisor,
    ours: AgentProcess,
    docker: Docker,
    limited: Container,
    plain: Container,
    name: String,
    _home: Home,
}

impl Pair {
    #[track_caller]
    fn start() -> Option<Self> {
        let docker = Docker::here()?;
        let theirs = Cadvisor::start()?;
        let name = cgroup::unique("api");
        let limits = [
            "--name",
            &name,
            "--memory",
            "64m",
            "--memory-reservation",
            "32m",
            "--cpus",
            "0.5",
            "--cpuset-cpus",
            "0",
            "--label",
            "com.example.tier=back",
            "--env",
            "SECRET=x",
        ];
        let limited = docker.run(&limits, BUSY);
        let plain = docker.run(&[], BUSY);
        let home = Home::new();
        let ours = home.start::<&str>(&[]);
        let pair = Self {
            theirs,
            ours,
            docker,
            limited,
            plain,
            name,
            _home: home,
        };
        // Each has some samples of both, with all that there is to know.
        for address in [pair.theirs.address(), pair.ours.address()] {
            eventually(PATIENCE, "both containers are known", || {
                for container in [&pair.limited, &pair.plain] {
                    let path = format!("/api/v2.1/stats/{}?type=docker", container.id);
                    let answer = Answer::to(address, &path, None);
                    let json: Json = serde_json::from_str(&answer.body)
                        .map_err(|error| format!("{error}: {}", answer.body))?;
                    let stats = &json[format!("/docker/{}", container.id)]["stats"];
                    let last = stats
                        .as_array()
                        .and_then(|it| it.last())
                        .ok_or("no stats")?;
                    let is_known = stats[4].is_object()
                        && last["diskio"]["io_service_bytes"].is_array()
                        && last["network"]["interfaces"].is_array()
                        && last["memory"]["usage"].is_number();
                    if !is_known {
                        return Err(last.to_string());
                    }
                }
                Ok::<_, String>(())
            });
        }
        Some(pair)
    }

    fn ask(&self, path: &str, body: Option<&str>) -> [Answer; 2] {
        [self.theirs.address(), self.ours.address()].map(|it| Answer::to(it, path, body))
    }

    /// Both answers to a question that has one.
    #[track_caller]
    fn json(&self, path: &str) -> [Json; 2] {
        self.ask(path, None).map(|answer| {
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            serde_json::from_str(&answer.body).unwrap()
        })
    }

    fn path(&self) -> String {
        format!("/docker/{}", self.limited.id)
    }
}

#[test]
fn each_answer_is_a_real_cadvisors_but_for_what_is_listed_and_argued() {
    let Some(pair) = Pair::start() else { return };
    let mut faults = Vec::new();
    errors(&pair, &mut faults);
    shapes(&pair, &mut faults);
    if !faults.is_empty() {
        println!("--- log of cAdvisor ---\n{}", pair.theirs.log());
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    values::specs_are_the_same(&pair);
    values::counters_lie_between_ours(&pair);
    values::machines_are_the_same(&pair);
    values::processes_are_the_same(&pair);
    values::events_are_the_same(&pair);
}

/// What is refused: status, type and text must be the same.
fn errors(pair: &Pair, faults: &mut Vec<String>) {
    let (path, name) = (pair.path(), &pair.name);
    let container = format!("/api/v1.3/containers{path}");
    let without_body = [
        "/api/",
        "/api/v1.0",
        "/api/v1.0/",
        "/api/v1.1",
        "/api/v1.2",
        "/api/v1.3",
        "/api/v2.0",
        "/api/v2.1/",
        "/api/v9.9/x",
        "/api/v1.0/bogus",
        "/api/v1.0/subcontainers",
        "/api/v1.1/docker",
        "/api/v1.2/events",
        "/api/v2.0/bogus",
        "/api/v2.0/machinestats",
        "/api/v1.3/containers/nope",
        "/api/v1.3/subcontainers/nope",
        "/api/v1.2/docker/nope",
        "/api/v1.2/docker/a/b",
        "/api/v2.0/stats/nope",
        "/api/v2.1/stats/nope",
        "/api/v2.0/stats/nope?recursive=true",
        "/api/v2.0/stats?type=docker",
        "/api/v2.0/stats/nope?type=docker",
        "/api/v2.0/stats?type=bogus",
        "/api/v2.1/stats?count=x",
        "/api/v2.0/spec?max_age=5",
        "/api/v2.0/spec?max_age=zz",
        "/api/v2.0/spec?max_age=5x",
        "/api/v2.0/bogus?type=bogus",
        "/api/v2.0/summary/nope",
        "/api/v2.0/spec/nope",
        "/api/v2.0/ps/nope",
        "/api/v2.0/appmetrics/nope",
        "/api/v2.0/storage?label=bogus",
        "/api/v2.0/storage?uuid=nope",
        "/healthz",
        "/api/v1.3/events?stream=true&start_time=2026-01-01T00:00:00Z",
        "/api/v1.3/events",
        "/api/v1.3/events?all_events=banana&max_events=x&start_time=y",
        "/api/v1.3/events?all_events=true&subcontainers=true&max_events=0",
        "/api/v1.3/events/nope?all_events=true&subcontainers=true",
        "/api/v1.3/events?all_events=true&subcontainers=true&start_time=2100-01-01T00:00:00Z",
        "/api/v2.1/stats",
        "/api/v2.0/appmetrics",
        "/api/v1.2/docker/%22%09",
    ];
    let without_body = without_body.map(str::to_owned).into_iter().chain([
        format!("/api/v1.2/docker/{name}/"),
        format!("/api/v2.0/stats/{name}?type=docker&recursive=true"),
        format!("/api/v2.0/appmetrics{path}"),
    ]);
    let bodies = [
        "{\"num_stats\":\"x\"}",
        "{\"num_stats\":1.5}",
        "[]",
        "hello",
        "{\"num_stats\":",
    ];
    let with_body = bodies.map(|body| (container.clone(), Some(body)));
    for (path, body) in without_body.map(|path| (path, None)).chain(with_body) {
        let [theirs, ours] = pair
            .ask(&path, body)
            .map(|it| (it.status, it.content_type, it.body));
        if theirs != ours {
            faults.push(format!("{path} {body:?}: {theirs:?}, ours {ours:?}"));
        }
    }
    for (path, location) in [("/api", "api/"), ("/validate", "validate/")] {
        let [theirs, ours] = pair.ask(path, None);
        assert_eq!((theirs.status, ours.status), (301, 301), "{path}");
        // Ours are relative, for a proxy that takes something off the front.
        assert_eq!(
            ours.body,
            theirs.body.replace(&format!("/{location}"), location)
        );
    }
}

/// What is answered: each field and its type must be the same, but for the differences.
fn shapes(pair: &Pair, faults: &mut Vec<String>) {
    let (path, name) = (pair.path(), &pair.name);
    let host = [LACKING, LACKING_OF_THE_HOST];
    let container = [LACKING, LACKING_OF_A_CONTAINER];
    let above = [LACKING, LACKING_ABOVE_CONTAINERS];
    let facts = [LACKING, &[]];
    for (question, body, lacking) in [
        ("/api/v1.0/machine".to_owned(), None, facts),
        ("/api/v2.0/machine".to_owned(), None, facts),
        ("/api/v2.0/version".to_owned(), None, facts),
        ("/api/v2.0/attributes".to_owned(), None, facts),
        ("/api/v1.0/containers".to_owned(), None, host),
        ("/api/v1.3/containers/docker".to_owned(), None, above),
        (format!("/api/v1.0/containers{path}"), None, container),
        (
            format!("/api/v1.3/containers{path}"),
            Some(r#"{"num_stats":2}"#),
            container,
        ),
        (format!("/api/v1.1/subcontainers{path}"), None, container),
        (format!("/api/v1.2/docker/{name}"), None, container),
        (
            format!("/api/v1.3/docker/{}", &pair.limited.id[..12]),
            None,
            container,
        ),
        (format!("/api/v2.0/stats{path}?count=2"), None, container),
        (
            format!("/api/v2.0/stats/{name}?type=docker&max_age=0s"),
            None,
            container,
        ),
        ("/api/v2.0/stats?count=2".to_owned(), None, host),
        (format!("/api/v2.1/stats{path}?count=2"), None, container),
        (
            format!("/api/v2.1/stats{path}?recursive=true"),
            None,
            container,
        ),
        ("/api/v2.1/machinestats?count=2".to_owned(), None, host),
        ("/api/v2.0/summary".to_owned(), None, host),
        (format!("/api/v2.0/summary{path}"), None, container),
        ("/api/v2.0/spec".to_owned(), None, host),
        (format!("/api/v2.0/spec{path}"), None, container),
        ("/api/v2.0/storage".to_owned(), None, facts),
        ("/api/v2.0/storage?label=root".to_owned(), None, facts),
    ] {
        let [theirs, ours] = pair.ask(&question, body);
        for answer in [&theirs, &ours] {
            assert_eq!(answer.status, 200, "{question}: {answer:?}");
            assert_eq!(answer.content_type, "application/json", "{question}");
        }
        let [theirs, ours] = [theirs, ours].map(|answer| {
            let json = serde_json::from_str(&answer.body);
            shape::of(&json.unwrap_or_else(|error| panic!("{question}: {error}: {}", answer.body)))
        });
        for (field, kinds) in &theirs {
            match ours.get(field) {
                Some(our_kinds) if our_kinds == kinds => {}
                Some(our_kinds) => {
                    faults.push(format!(
                        "{question}: {field} is {kinds:?}, ours {our_kinds:?}"
                    ));
                }
                None if is_listed(&lacking, field) => {}
                None => faults.push(format!("{question}: {field} is lacking")),
            }
        }
        for field in ours.keys().filter(|field| !theirs.contains_key(*field)) {
            if !is_listed(&[MORE], field) {
                faults.push(format!("{question}: {field} is not cAdvisor's"));
            }
        }
    }
}

fn is_listed(lists: &[&[Difference]], field: &str) -> bool {
    let mut all = lists.iter().flat_map(|it| it.iter());
    all.any(|Difference(part, reason)| {
        assert!(!reason.is_empty());
        field.contains(part)
    })
}

/// Until events have come, and no longer.
const SOON: Duration = Duration::from_secs(20);
