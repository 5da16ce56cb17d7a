//! Each alert fires under its fault, evaluated by a real Prometheus and asked of a real InfluxDB, and not before.
//!
//! The rules are those that are committed, made thirty times faster by the same source.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{PATIENCE, check};
use crate::harness::{
    AgentProcess, Cgroup, Docker, Home, InfluxServer, LoopFilesystem, Prometheus, cgroup,
    eventually, pause, skip,
};

/// As `cargo xtask` compiles it.
const XTASK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/xtask/xtask");

/// How many times faster than as they are committed.
const PACE: &str = "30";

/// Longer than any window and wait at that pace but those of silence.
const QUIET: Duration = Duration::from_secs(90);

/// So many lines as these make a small spool fill soon.
const CROWD: usize = 60;

/// The alerts made faster, in a folder of their own.
struct Rules(TempDir);

impl Rules {
    #[track_caller]
    fn new() -> Option<Self> {
        if !Path::new(XTASK).exists() {
            return skip("target/xtask/xtask is missing (`cargo xtask test` has it)");
        }
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(XTASK)
            .args(["dashboards", "--pace", PACE, "--to"])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(made.success());
        Some(Self(folder))
    }

    fn prometheus(&self) -> PathBuf {
        self.0.path().join("prometheus/cgflux-rules.yaml")
    }

    fn grafana(&self) -> PathBuf {
        self.0
            .path()
            .join("grafana/provisioning/alerting/cgflux.json")
    }
}

/// An agent whose points go to a server that stays, and twice to one that will not.
struct Stage {
    rules: Rules,
    goes: InfluxServer,
    agent: AgentProcess,
    home: Home,
    prometheus: Prometheus,
    _stays: InfluxServer,
}

impl Stage {
    #[track_caller]
    fn set() -> Option<Self> {
        let rules = Rules::new()?;
        let (stays, goes) = (InfluxServer::start()?, InfluxServer::start()?);
        let home = Home::with(&configuration(&stays, &goes));
        let agent = home.start::<&str>(&[]);
        let prometheus = Prometheus::watching(&[agent.address()], Some(&rules.prometheus()))?;
        Some(Self {
            rules,
            goes,
            agent,
            home,
            prometheus,
            _stays: stays,
        })
    }

    /// Alert and subject of what fires in Prometheus.
    fn firing(&self) -> Vec<(String, String)> {
        let alerts = self.prometheus.query("ALERTS{alertstate=\"firing\"}");
        let text = |labels: &serde_json::Value, key: &str| {
            labels[key].as_str().unwrap_or_default().to_owned()
        };
        let subject = |labels: &serde_json::Value| {
            ["name", "sink", "mount"]
                .map(|key| text(labels, key))
                .concat()
        };
        alerts
            .iter()
            .map(|(labels, _)| (text(labels, "alertname"), subject(labels)))
            .collect()
    }

    /// Alert and what fires of it, by Grafana's rules over the server that stays.
    fn firing_in_influxql(&self) -> Vec<(String, String)> {
        let rules = self.rules.grafana();
        let servers = ["--sink", "stays", "--flavour", "influxql", "--since", "10s"];
        let rules = ["--alerts", rules.to_str().unwrap()];
        let (_, told) = check(&self.home, &[&servers[..], &rules].concat());
        let alerts = told.into_iter().filter_map(|it| {
            let name = it.name.strip_prefix("alerts: ")?.to_owned();
            assert_ne!(it.level, "fail", "{name}: {}", it.finding);
            let fires = it.finding.strip_prefix("fires: ")?.to_owned();
            Some((name, fires))
        });
        alerts.collect()
    }
}

fn configuration(stays: &InfluxServer, goes: &InfluxServer) -> String {
    let (stays, goes) = (stays.url(), goes.url());
    format!(
        "[collect]\nfile_interval = \"1s\"\n[ship]\ncgroups = true\n\
         [sinks.stays]\ntype = \"influxdb\"\nurl = \"{stays}\"\ndatabase = \"cadvisor\"\n\
         host_database = \"nodemetrics\"\ninterval = \"1s\"\n\
         [sinks.spools]\ntype = \"influxdb\"\nurl = \"{goes}\"\ndatabase = \"one\"\n\
         interval = \"1s\"\nspool_bytes = \"4MiB\"\n\
         [sinks.forgets]\ntype = \"influxdb\"\nurl = \"{goes}\"\ndatabase = \"two\"\n\
         interval = \"1s\"\nspool = false\nmemory_bytes = \"1MiB\"\n"
    )
}

#[test]
fn promtool_takes_the_rules_at_any_pace() {
    let Some(rules) = Rules::new() else { return };
    let promtool = Path::new("/usr/bin/promtool");
    if !promtool.exists() {
        return skip("/usr/bin/promtool is missing (apt-get install prometheus)")
            .unwrap_or_default();
    }
    let committed = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../packaging/prometheus/cgflux-rules.yaml"
    );
    for file in [committed.into(), rules.prometheus()] {
        let check = Command::new(promtool)
            .args(["check", "rules"])
            .arg(file)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&check.stdout);
        assert!(
            check.status.success() && told.contains("7 rules found"),
            "{told}"
        );
    }
}

#[test]
fn each_alert_fires_under_its_fault_and_not_on_a_healthy_agent() {
    let Some(docker) = Docker::here() else { return };
    let Some(disk) = LoopFilesystem::new("full") else {
        return;
    };
    let Some(mut stage) = Stage::set() else {
        return;
    };
    let parent = Cgroup::new("crowd");
    let crowd: Vec<Cgroup> = (0..CROWD)
        .map(|at| {
            let mut one = parent.child(&format!("of{at}"));
            one.run("while :; do sleep 1; done");
            one
        })
        .collect();
    let held = cgroup::unique("held");
    let killed = cgroup::unique("killed");
    let mount = disk.point().to_str().unwrap().to_owned();
    let expected = [
        ("CgfluxThrottled", held.as_str()),
        ("CgfluxOutOfMemory", &killed),
        ("CgfluxFilesystemFull", &mount),
        ("CgfluxSinkFailing", "spools"),
        ("CgfluxSpoolFull", "spools"),
        ("CgfluxPointsLost", "forgets"),
    ];

    // What others on this machine do is not told to be healthy.
    let ours = |alert: &str, subject: &str| {
        expected.contains(&(alert, subject)) || alert == "CgfluxAgentSilent" || subject == "stays"
    };
    pause(QUIET);
    let history = format!(
        "count_over_time(ALERTS{{alertstate=\"firing\"}}[{}s])",
        QUIET.as_secs()
    );
    for (labels, times) in stage.prometheus.query(&history) {
        let text = |key: &str| labels[key].as_str().unwrap_or_default().to_owned();
        let subject = [text("name"), text("sink"), text("mount")].concat();
        assert!(
            !ours(&text("alertname"), &subject),
            "{labels} fired {times} times"
        );
    }
    let rules = stage.prometheus.json("/api/v1/rules?type=alert");
    let rules = rules["data"]["groups"][0]["rules"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(rules.len(), 7);
    assert!(rules.iter().all(|it| it["health"] == "ok"), "{rules:#?}");
    eventually(PATIENCE, "nothing of ours fires in InfluxQL", || {
        let firing = stage.firing_in_influxql();
        let of_ours = |fires: &str| expected.iter().any(|(_, subject)| fires.contains(subject));
        let wrong = firing
            .iter()
            .any(|(alert, fires)| alert == "CgfluxAgentSilent" || of_ours(fires));
        if wrong {
            Err(format!("{firing:?}"))
        } else {
            Ok(())
        }
    });

    // All faults but the last at once.
    stage.goes.kill();
    let _held = docker.run(&["--name", &held, "--cpus", "0.1"], "while :; do :; done");
    let small = ["--name", &killed, "--memory", "16m", "--memory-swap", "16m"];
    let greedy = docker.run(&small, "while :; do sleep 1000; done");
    greedy.exec("tail /dev/zero");
    fs::write(disk.point().join("filler"), vec![1; 64 << 20]).unwrap_err();
    until_all_fire("Prometheus", &expected, || stage.firing());
    until_all_fire("InfluxQL", &expected, || {
        greedy.exec("tail /dev/zero");
        stage.firing_in_influxql()
    });
    drop(crowd);

    let silence = [("CgfluxAgentSilent", "")];
    let early = stage.firing();
    assert!(
        early.iter().all(|(alert, _)| alert != silence[0].0),
        "{early:?}"
    );
    stage.agent.stop();
    until_all_fire("Prometheus", &silence, || stage.firing());
    until_all_fire("InfluxQL", &silence, || stage.firing_in_influxql());
}

/// Waits until each alert fires for its subject, and tells when it was seen to.
#[track_caller]
fn until_all_fire(
    language: &str,
    expected: &[(&str, &str)],
    firing: impl Fn() -> Vec<(String, String)>,
) {
    let began = Instant::now();
    let mut missing: BTreeSet<&(&str, &str)> = expected.iter().collect();
    eventually(PATIENCE, "all fire", || {
        let firing = firing();
        missing.retain(|(alert, subject)| {
            let is_it = |(name, of): &(String, String)| name == alert && of.contains(subject);
            let fires = firing.iter().any(is_it);
            if fires {
                println!(
                    "{language}, {:.0?}: {alert} of {subject:?}",
                    began.elapsed()
                );
            }
            !fires
        });
        if missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{missing:?} of {firing:?}"))
        }
    });
}
