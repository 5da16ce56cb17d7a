//! `cargo xtask demo`: the whole stack, started, looked at and ended by calls that know nothing of each other.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value as Json;

use crate::harness::{Request, eventually, skip};

const PATIENCE: Duration = Duration::from_mins(1);

/// As `cargo xtask` compiles it.
const XTASK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/xtask/xtask");

const COUNTER: u16 = 48080;
const INFLUX: u16 = 18086;

#[test]
fn the_demo_counts_survives_a_death_and_leaves_nothing() {
    let Some(demo) = Demo::up() else { return };
    for service in services(&demo.ps()) {
        assert_eq!(service["health"], "healthy", "{service}");
    }
    let counted: Vec<_> = (0..10).map(|_| hit()).collect();
    let expected: Vec<_> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(counted, expected);

    let again = demo_start();
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(
        !again.status.success() && said.contains("up already"),
        "{said}"
    );

    kill(Pid::from_raw(pid(&demo.service("web"))), Signal::SIGKILL).unwrap();
    eventually(PATIENCE, "the counter is there again", || {
        let web = demo.service("web");
        let is_back = web["restarts"] == 1 && web["health"] == "healthy";
        if is_back { Ok(()) } else { Err(web) }
    });
    assert_eq!(hit(), "11", "it counts on where it was");

    for query in [
        "SELECT last(usage_cpus) FROM container_cpu WHERE container = '/cgflux-demo/web'",
        "SELECT last(hits) FROM web WHERE container = '/cgflux-demo/web'",
        "SELECT last(usage_cpus) FROM container_cpu WHERE container = '/cgflux-demo/redis'",
    ] {
        let value = eventually(PATIENCE, query, || stored(query).ok_or("nothing"));
        println!("{query}: {value}");
    }

    let supervisor = pid(&demo.ps()["supervisor"]);
    demo.down();
    assert_eq!(ps()["phase"], "down");
    // It has let go of the lock; who started it has gone, so the first process is to take note of its end.
    gone(&format!("/proc/{supervisor}"));
    for left in [
        "/run/cgflux-demo",
        "/sys/fs/cgroup/cgflux-demo",
        "/sys/fs/cgroup/unified/cgflux-demo",
        "/sys/fs/cgroup/cpuacct/cgflux-demo",
    ] {
        assert!(!Path::new(left).exists(), "{left}");
    }
}

#[test]
fn a_supervisor_that_is_killed_takes_its_services_along_and_is_cleared_away() {
    let Some(demo) = Demo::up() else { return };
    let state = demo.ps();
    kill(Pid::from_raw(pid(&state["supervisor"])), Signal::SIGKILL).unwrap();
    eventually(PATIENCE, "that is noticed", || {
        let phase = ps()["phase"].clone();
        if phase == "stale" { Ok(()) } else { Err(phase) }
    });
    for service in services(&state) {
        gone(&format!("/proc/{}", pid(service)));
    }
    demo.down();
    assert_eq!(ps()["phase"], "down");
    assert!(!Path::new("/run/cgflux-demo").exists());
}

/// A demo that is up; ended when dropped.
struct Demo {
    _port: Reserved,
}

/// The counter's port, which the kernel gives to no client meanwhile: of all those of the demo it alone is among the
/// ports of clients, and a connection that ended a minute ago still holds it.
struct Reserved {
    before: String,
}

const RESERVED_PORTS: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

impl Reserved {
    fn new() -> Self {
        let before = fs::read_to_string(RESERVED_PORTS).unwrap();
        let all = match before.trim() {
            "" => COUNTER.to_string(),
            before => format!("{before},{COUNTER}"),
        };
        fs::write(RESERVED_PORTS, all).unwrap();
        // Whoever has it by now lets go of it.
        eventually(2 * PATIENCE, "the port is free", || {
            TcpListener::bind(("127.0.0.1", COUNTER)).map(drop)
        });
        Self { before }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        fs::write(RESERVED_PORTS, &self.before).unwrap();
    }
}

impl Demo {
    /// `None` where it lacks something, or where somebody has one already.
    #[track_caller]
    fn up() -> Option<Self> {
        if !Path::new(XTASK).exists() {
            return skip("target/xtask/xtask is missing (`cargo xtask test` has it)");
        }
        for program in ["/usr/bin/redis-server", "/usr/bin/influxd"] {
            if !Path::new(program).exists() {
                return skip(&format!("{program} is missing"));
            }
        }
        if Path::new("/run/cgflux-demo").exists() {
            return skip("a demo is up on this machine");
        }
        let demo = Self {
            _port: Reserved::new(),
        };
        let started = demo_start();
        let said = String::from_utf8_lossy(&started.stderr);
        assert!(started.status.success(), "{said}");
        Some(demo)
    }

    #[expect(
        clippy::unused_self,
        reason = "only while it is up there is something to look at"
    )]
    fn ps(&self) -> Json {
        ps()
    }

    fn service(&self, name: &str) -> Json {
        let state = self.ps();
        let mut services = services(&state).iter();
        services.find(|it| it["name"] == name).unwrap().clone()
    }

    fn down(self) {
        drop(self);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let down = Command::new(XTASK).args(["demo", "down"]).output();
        let down = down.unwrap();
        assert!(down.status.success(), "{down:?}");
    }
}

/// What `demo up -d` does once it has built everything.
fn demo_start() -> Output {
    let mut start = Command::new(XTASK);
    start.args(["as-root", "demo", "start", "--manner", "detached"]);
    start.args(["--agent", env!("CARGO_BIN_EXE_cgflux")]);
    start.stdin(Stdio::piped());
    start.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut start = start.spawn().unwrap();
    // Whoever asks for it is there until it has answered; the end of this line is a wish to stop.
    let line = start.stdin.take();
    let said = start.wait_with_output().unwrap();
    drop(line);
    said
}

#[track_caller]
fn gone(path: &str) {
    eventually(PATIENCE, "it ends", || {
        if Path::new(path).exists() {
            Err(path)
        } else {
            Ok(())
        }
    });
}

fn ps() -> Json {
    let said = Command::new(XTASK).args(["demo", "ps", "--json"]).output();
    serde_json::from_slice(&said.unwrap().stdout).unwrap()
}

fn services(state: &Json) -> &[Json] {
    state["services"].as_array().unwrap()
}

fn pid(process: &Json) -> i32 {
    process["pid"].as_i64().unwrap().try_into().unwrap()
}

fn hit() -> String {
    get(COUNTER, "/")
}

/// The one value that a query gives.
fn stored(query: &str) -> Option<Json> {
    let query = query.replace(' ', "+");
    let answer = get(INFLUX, &format!("/query?db=cgflux&q={query}"));
    let answer: Json = serde_json::from_str(&answer).unwrap();
    let value = &answer["results"][0]["series"][0]["values"][0][1];
    (!value.is_null()).then(|| value.clone())
}

fn get(port: u16, path: &str) -> String {
    let request = Request {
        target: &format!("GET {path}"),
        headers: String::new(),
        body: "",
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    request.ask(stream).unwrap()
}
