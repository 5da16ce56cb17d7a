//! Files, variables and flags in the agent that runs: each setting from the layer that stands highest.

use super::PATIENCE;
use crate::harness::{Home, Line, eventually, parse, written};

#[test]
fn every_point_bears_the_name_and_the_tags_that_were_given() {
    let home = Home::with(
        "[tags]\nrack = \"r 1\"\n[collect]\ninterval = \"5s\"\n[sinks.file]\ninterval = \"1s\"\n",
    );
    let file = home.path().join("points");
    let agent = home.start_with(
        &[
            ("CGFLUX_HOST", "node-7"),
            ("NODE_NAME", "another"),
            ("CGFLUX_COLLECT__INTERVAL", "200ms"),
            ("CGFLUX_TAGS__ZONE", "b"),
        ],
        &["--file", file.to_str().unwrap()],
    );
    let lines = eventually(PATIENCE, "two shipments", || {
        let lines = written(&file);
        let hosts = lines.iter().filter(|it| it.measurement == "container_cpu");
        let hosts = hosts.filter(|it| it.tag("container") == "_host").count();
        (hosts >= 2).then_some(lines).ok_or(hosts)
    });
    for line in &lines {
        let tags = ["host", "rack", "zone"].map(|tag| line.tag(tag));
        assert_eq!(tags, ["node-7", "r 1", "b"], "{line:?}");
    }
    let kinds: Vec<&str> = lines.iter().map(|it| it.measurement.as_str()).collect();
    for kind in ["container_cpu", "container_sched", "agent_self"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let batch = agent.next_batch();
    let interval_ms = agent.batch_after(&batch).interval_ns / 1_000_000;
    assert!(
        (150..1_000).contains(&interval_ms),
        "interval={interval_ms}ms"
    );
}

#[test]
fn a_flag_stands_above_a_variable_and_a_variable_above_a_file() {
    let home = Home::with("[host]\nname = \"of the file\"\n");
    let named = |variables: &[(&str, &str)], flags: &[&str]| -> String {
        let arguments = [&["--stdout"], flags].concat();
        let agent = home.start_with(variables, &arguments);
        let line: Line = eventually(PATIENCE, "the first point", || {
            let lines = parse(&agent.stdout());
            lines.into_iter().next().ok_or("none")
        });
        line.tag("host").to_owned()
    };
    let variable = [("CGFLUX_HOST__NAME", "of the variable")];
    let suggestion = [("CGFLUX_HOST", "of the host")];
    assert_eq!(named(&suggestion, &[]), "of the file");
    assert_eq!(named(&variable, &[]), "of the variable");
    assert_eq!(named(&variable, &["--host", "of the flag"]), "of the flag");
}
