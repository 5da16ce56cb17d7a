//! A real Prometheus scrapes the running agent, and shows under cAdvisor's names what the agent and the kernel count.

use std::time::{Duration, Instant};

use super::PATIENCE;
use crate::harness::{AgentProcess, Cgroup, Home, Prometheus, eventually, pause};

/// Over what time rates are compared.
const WINDOW: Duration = Duration::from_secs(15);

#[test]
fn prometheus_shows_what_the_agent_counts_under_cadvisors_names() {
    let home = Home::new();
    let agent = home.start::<&str>(&[]);
    let mut busy = Cgroup::new("scraped");
    busy.run("while :; do :; done");
    let Some(prometheus) = Prometheus::scraping(agent.address()) else {
        return;
    };
    let usage = format!(
        "container_cpu_usage_seconds_total{{id=\"{}\"}}",
        busy.path()
    );
    eventually(PATIENCE, "the cgroup is scraped", || {
        let series = prometheus.query(&usage);
        (series.len() == 1)
            .then_some(())
            .ok_or(format!("{series:?}"))
    });

    // The same number as the agent's own, between a reading before and one after.
    let before = usage_of(&agent, &busy);
    let (labels, told) = eventually(PATIENCE, "a later scrape", || {
        let series = prometheus.query(&usage).pop().ok_or("none")?;
        (series.1 >= before).then_some(series).ok_or("an older one")
    });
    let after = usage_of(&agent, &busy);
    println!("before={before}s prometheus={told}s after={after}s {labels}");
    assert!(told <= after);
    assert_eq!(labels["cpu"], "total");

    // The same rate as the kernel's.
    let (began, began_us) = (Instant::now(), busy.usage_us());
    pause(WINDOW);
    let kernel_us = busy.usage_us() - began_us;
    let kernel = Duration::from_micros(kernel_us).as_secs_f64() / began.elapsed().as_secs_f64();
    let rate = format!("rate({usage}[{}s])", WINDOW.as_secs());
    let (_, rate) = prometheus.query(&rate).pop().expect("a rate");
    println!("rate: prometheus={rate} kernel={kernel}");
    // Prometheus is a tick and a scrape behind, and a shared machine does not run it evenly.
    assert!((rate / kernel - 1.0).abs() < 0.25, "{rate} {kernel}");

    // OpenMetrics was asked for and understood: only there families of counters go without `_total`, with a unit.
    let metadata = prometheus.json("/api/v1/metadata?metric=container_cpu_usage_seconds");
    let metadata = &metadata["data"]["container_cpu_usage_seconds"][0];
    assert_eq!(metadata["type"], "counter", "{metadata}");
    assert_eq!(metadata["unit"], "seconds", "{metadata}");
    let targets = prometheus.json("/api/v1/targets");
    let target = &targets["data"]["activeTargets"][0];
    assert_eq!(target["health"], "up", "{target}");
    assert_eq!(target["lastError"], "", "{target}");
    let ups = prometheus.query("min_over_time(up[1m]) == 1");
    assert_eq!(ups.len(), 1, "{ups:?}");
    // What it cannot take of a scrape it leaves out and warns of.
    let log = prometheus.log();
    let complaints: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("level=warn") || line.contains("level=error"))
        .collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let lines = prometheus.query("scrape_samples_scraped");
    println!("lines of a scrape: {lines:?}");

    // The machine, by both names.
    let cores = prometheus.query("machine_cpu_cores == on() cgflux_host_cpus");
    assert_eq!(cores.len(), 1, "{cores:?}");

    // What ends is no longer seen at once, and not five minutes later.
    let seen = format!("container_last_seen{{id=\"{}\"}}", busy.path());
    assert_eq!(prometheus.query(&seen).len(), 1);
    drop(busy);
    eventually(PATIENCE, "it is no longer seen", || {
        let series = prometheus.query(&seen);
        series.is_empty().then_some(()).ok_or(format!("{series:?}"))
    });
}

/// The CPU time of a cgroup by the agent's own API, in seconds.
fn usage_of(agent: &AgentProcess, cgroup: &Cgroup) -> f64 {
    let batch = agent.next_batch();
    let entry = batch.at(cgroup.path()).expect("the cgroup is counted");
    Duration::from_nanos(entry.usage_ns()).as_secs_f64()
}
