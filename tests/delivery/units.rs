//! Services stand on the page and on `/metrics` always; they are shipped as series of their own where that is asked for,
//! and are the host's elsewhere.

use super::PATIENCE;
use crate::harness::{Cgroup, Home, Line, cgroup::unique, eventually, written};

#[test]
fn a_service_is_shown_always_and_shipped_where_units_are_asked_for() {
    let slice = Cgroup::new("slice");
    let name = format!("{}.service", unique("unit"));
    let mut service = slice.child(&name);
    service.run("while :; do :; done");
    for is_asked_for in [false, true] {
        let configuration = format!("[ship]\nunits = {is_asked_for}\n");
        let home = Home::with(&configuration);
        let points = home.path().join("points");
        let agent = home.start(&["--file", points.to_str().unwrap()]);
        let entry = eventually(PATIENCE, "the API has it", || {
            let batch = agent.next_batch();
            let entry = batch.at(service.path());
            let runs = entry.filter(|it| it.usage_ns() > 0);
            runs.cloned().ok_or(format!("{entry:?}"))
        });
        assert_eq!((entry.name.as_str(), entry.kind.as_str()), (&*name, "unit"));
        let one = agent.get(&format!("/api/v1/containers/{name}")).unwrap();
        assert!(one.contains("usage_cpus"), "{one}");
        let shown = agent.metrics();
        let shown = shown.lines().find(|line| {
            line.starts_with("cgflux_container_cpu_usage_seconds_total{") && line.contains(&name)
        });
        println!(
            "units = {is_asked_for}: {}",
            shown.expect("it is on /metrics")
        );
        // Two shipments of all, the second of them after it was shown.
        let lines = eventually(PATIENCE, "points are written", || {
            let lines = written(&points);
            let hosts = lines.iter().filter(|it| is_usage(it, "_host")).count();
            (hosts > 1).then_some(lines).ok_or(hosts)
        });
        let its: Vec<&Line> = lines
            .iter()
            .filter(|it| it.tag("container") == name)
            .collect();
        let used = its.iter().filter(|it| is_usage(it, &name)).count();
        println!("shipped: lines={} of its CPU time={used}", its.len());
        if is_asked_for {
            assert!(used > 1, "{its:?}");
            assert!(
                its.iter().all(|it| it.tag("runtime") == "systemd"),
                "{its:?}"
            );
        } else {
            assert!(its.is_empty(), "{its:?}");
            // All it used is the host's.
            let last = lines.iter().rfind(|it| is_usage(it, "_host"));
            let host_ns = last.and_then(|it| it.integer("usage_ns"));
            println!("its usage_ns={} _host={host_ns:?}", entry.usage_ns());
            assert!(host_ns > Some(entry.usage_ns()), "{last:?}");
        }
    }
}

fn is_usage(line: &Line, name: &str) -> bool {
    line.measurement == "container_cpu" && line.tag("container") == name
}
