//! What the other tests here rest on. Where this fails, read it first.

use crate::harness::Home;

#[test]
fn this_machine_runs_the_kernel_programs_that_the_other_tests_are_about() {
    let root = nix::unistd::geteuid().is_root();
    assert!(root, "the tests of this folder want to be root");
    let home = Home::new();
    let agent = home.start(&["--source", "kernel"]);
    let metrics = agent.metrics();
    for (metric, source) in [
        ("usage_ns", "sched_stat_runtime"),
        ("runq_wait_ns", "sched_switch"),
        ("forks", "sched_process_fork"),
    ] {
        let labels = format!("metric=\"{metric}\",source=\"{source}\"");
        assert!(metrics.contains(&labels), "no {labels} in {metrics}");
    }
}
