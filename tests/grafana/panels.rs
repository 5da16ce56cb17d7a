//! Each panel, mark and variable has values of the real agent's points, within the time asked for.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Child, Command, Stdio},
};

use super::{DATABASES, PATIENCE, Told, check};
use crate::harness::{
    AgentProcess, Cgroup, Container, Docker, Home, InfluxServer, Influxd, Prometheus, Web, cgroup,
    eventually,
};

/// What a machine that is well does not tell; anything else that finds nothing fails the test.
const ABSENT: [&str; 4] = [
    "influxql/agent: Points lost B",
    "promql/agent: Points lost B",
    // A kernel that accounts no interrupts has no such file.
    "influxql/host: Interrupt pressure A",
    "promql/host: Interrupt pressure A",
];

/// Everything there is to show: CPU within a limit, memory, disk, traffic, a kill for want of memory.
const WORK: &str = "mkdir /w; echo hi >/w/index.html; httpd -p 8080 -h /w
    while :; do
        i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done
        wget -q -O - http://127.0.0.1:8080/ >/dev/null
        dd if=/dev/zero of=/data/f bs=64k count=4 conv=fsync
        dd if=/data/f of=/dev/null bs=64k iflag=direct
    done 2>/dev/null";

/// A name that would end a pattern or a string in both languages.
const HOSTILE: &str = "it's \"x\" (a|b).* $host \\";

/// An agent with something of everything to count, and who has its points.
struct Stage {
    server: InfluxServer,
    prometheus: Prometheus,
    home: Home,
    container: Container,
    hostile: Cgroup,
    _agent: AgentProcess,
    _load: Load,
    _web: Web,
    _cgroup: Cgroup,
}

/// A `cgflux load` that ends with the test.
struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Stage {
    #[track_caller]
    fn set(influxd: Influxd) -> Option<Self> {
        let docker = Docker::here()?;
        let server = influxd.start()?;
        let home = Home::with(
            "[collect]\nfile_interval = \"1s\"\n[families.preemption]\nenabled = true\n[socket]\nenabled = true\n[ship]\ncgroups = true\n\
             [budget]\ncpu_percent = 100.0\nwindow = \"10s\"\n[sinks.influxdb]\ninterval = \"1s\"\n",
        );
        let url = server.url();
        let agent = home.start(&[&["--influx", &url], &DATABASES[..]].concat());
        let points = format!("unix://{}", home.path().join("state/points.sock").display());
        let cgroup = Cgroup::new("counter");
        let web = Web::start_in(&cgroup, &["--redis-address", "memory", "--points", &points]);
        let load = load(&web, &points);
        let prometheus = Prometheus::watching(&[agent.address(), web.admin_address()], None)?;
        let name = cgroup::unique("shop");
        let limits = [
            "--name",
            &name,
            "--cpus",
            "0.2",
            "--memory",
            "48m",
            "--memory-swap",
            "48m",
            "--pids-limit",
            "100",
            "--volume",
            "/data",
        ];
        let container = docker.run(&limits, WORK);
        let mut hostile = Cgroup::new(HOSTILE);
        hostile.run("while :; do sleep 0.1; done");
        Some(Self {
            server,
            prometheus,
            home,
            container,
            hostile,
            _agent: agent,
            _load: load,
            _web: web,
            _cgroup: cgroup,
        })
    }

    /// Where both are, and how far back they are asked.
    fn arguments(&self) -> Vec<String> {
        let (url, prometheus) = (self.server.url(), self.prometheus.url());
        let servers = ["--influx", &url, "--prometheus", &prometheus];
        let times = ["--since", "2m", "--scrape-interval", "1s"];
        let all = [&servers[..], &DATABASES, &times].concat();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Waits until every query has values that is to have some here; how many were asked.
    #[track_caller]
    fn fills(&self, further: &[&str]) -> usize {
        let arguments = self.arguments();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        eventually(PATIENCE, "every query has values", || {
            // Of which a mark is made; the ones before may be too long ago.
            self.container.exec("tail /dev/zero");
            let (status, told) = check(&self.home, &[&arguments, further].concat());
            let lacking: Vec<&Told> = told.iter().filter(|it| is_lacking(it)).collect();
            assert_ne!(status, Some(1), "{lacking:#?}");
            let is_whole = lacking.is_empty() && status == Some(0);
            if is_whole {
                Ok(told.len())
            } else {
                Err(format!("status {status:?}, {lacking:#?}"))
            }
        })
    }
}

/// Whether a query has no values that should have some on this machine. Alerts may fire: a limit is set.
fn is_lacking(told: &Told) -> bool {
    let is_told = told.name.contains("Interrupt") && Path::new("/proc/pressure/irq").exists();
    let is_absent = ABSENT.contains(&told.name.as_str()) && !is_told;
    told.level != "pass" && !is_absent && !told.name.starts_with("alerts: ")
}

/// A load on the counter that goes on for the whole test.
fn load(web: &Web, points: &str) -> Load {
    let url = format!("http://{}/", web.address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_cgflux"));
    command
        .args([
            "load", &url, "--rate", "100", "-d", "1h", "--points", points,
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Load(command.spawn().unwrap())
}

#[test]
fn every_query_of_both_languages_has_values_of_the_real_agent() {
    let Some(stage) = Stage::set(Influxd::packaged()) else {
        return;
    };
    let asked = stage.fills(&[]);
    println!("InfluxDB 1.6.7 and Prometheus: {asked} queries, values but for {ABSENT:?}");
    chosen_names_find_their_own(&stage);
}

#[test]
fn every_query_in_influxql_has_values_on_a_later_influxdb() {
    let Some(stage) = Stage::set(Influxd::with_v2()) else {
        return;
    };
    let asked = stage.fills(&["--flavour", "influxql"]);
    println!("InfluxDB 1.8.10: {asked} queries, values but for {ABSENT:?}");
}

/// With a container chosen there is that one, whatever its name; with one that is not there nothing, which is told.
fn chosen_names_find_their_own(stage: &Stage) {
    let arguments = stage.arguments();
    let with = |name: &str| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, told) = check(
            &stage.home,
            &[&arguments[..], &["--container", name]].concat(),
        );
        let of_cpu = told
            .into_iter()
            .filter(|it| it.name.ends_with("CPU used A"));
        let findings: Vec<String> = of_cpu.map(|it| it.finding).collect();
        (status, findings)
    };
    let hostile = stage.hostile.path();
    let (_, found) = with(hostile);
    println!("{hostile}: {found:?}");
    assert_eq!(found.len(), 2);
    for finding in &found {
        assert!(finding.ends_with(" in 1 series"), "{finding}");
    }
    let (status, found) = with("nobody|.*");
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    assert_eq!((status, found), (Some(3), BTreeSet::from(["empty"])));
}
