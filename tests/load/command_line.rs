//! What a person is told, and what a script sees.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::Stdio,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{command, run, summary};
use crate::harness::{Home, Web};

fn counter() -> (Web, String) {
    let web = Web::start(&["--redis-address", "memory", "--points", "none"]);
    let url = format!("http://{}/", web.address());
    (web, url)
}

#[test]
fn a_target_that_nobody_listens_at_is_status_4() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = run(&[&format!("http://{free}/"), "--points", "none"], 4);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains(&format!("cannot connect to http://{free}/")),
        "{told}"
    );
    let told = run(&["unix:///nowhere/x.sock:/", "--points", "none"], 4).stderr;
    assert!(
        String::from_utf8(told)
            .unwrap()
            .contains("unix:///nowhere/x.sock:/")
    );
}

#[test]
fn another_host_and_bad_usage_are_status_2() {
    for (arguments, part) in [
        (&["http://192.0.2.1/"][..], "--allow-remote"),
        (&["https://127.0.0.1/"], "only http://"),
        (&["http://127.0.0.1:1/", "--poisson"], "--rate or --stages"),
        (&["http://127.0.0.1:1/", "--burst", "5"], "--burst says"),
        (
            &["http://127.0.0.1:1/", "--expect", "rate>=99%"],
            "'rate>=99%' needs a --rate",
        ),
        (&["http://127.0.0.1:1/", "--expect", "p99=5"], "p99<5ms"),
    ] {
        let told = String::from_utf8(run(arguments, 2).stderr).unwrap();
        assert!(told.contains(part), "{part:?} in {told}");
    }
}

#[test]
fn an_expectation_that_does_not_hold_is_status_3_and_is_named() {
    let (_web, url) = counter();
    let arguments = [
        &url,
        "-n",
        "200",
        "-c",
        "4",
        "--points",
        "none",
        "--expect",
        "errors<=0",
    ];
    run(&arguments, 0);
    let output = run(&[&arguments[..], &["--expect", "max<1us"]].concat(), 3);
    let report = String::from_utf8(output.stdout).unwrap();
    let broken: Vec<&str> = report
        .lines()
        .filter(|line| line.contains("BROKEN"))
        .collect();
    assert!(
        broken.len() == 1 && broken[0].contains("max<1us: "),
        "{report}"
    );
    // A path that the counter does not know answers 404: nothing is ok.
    let missing = run(
        &[
            &format!("{url}missing"),
            "-n",
            "10",
            "--points",
            "none",
            "--expect",
            "errors<1%",
        ],
        3,
    );
    let report = String::from_utf8(missing.stdout).unwrap();
    assert!(
        report.contains("404: 10") && report.contains("errors<1%: 100.0 %"),
        "{report}"
    );
}

#[test]
fn a_signal_ends_it_with_the_summary() {
    let (_web, url) = counter();
    let mut command = command(&[&url, "-d", "10m", "-c", "4", "--points", "none"]);
    let mut load = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(load.stderr.take().unwrap());
    // The second line is the first of those that tell of the run so far.
    let (mut title, mut progress) = (String::new(), String::new());
    told.read_line(&mut title).unwrap();
    told.read_line(&mut progress).unwrap();
    assert!(
        title.starts_with(&format!("{url}: closed loop, 4 connections")),
        "{title}"
    );
    assert!(progress.contains(" in flight, 0 errors"), "{progress}");
    kill(Pid::from_raw(load.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let mut report = String::new();
    load.stdout
        .take()
        .unwrap()
        .read_to_string(&mut report)
        .unwrap();
    assert_eq!(load.wait().unwrap().code(), Some(0));
    assert!(
        report.contains("stopped early") && report.contains("0 errors"),
        "{report}"
    );
}

#[test]
fn percentiles_are_written_to_a_file() {
    let (_web, url) = counter();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out.hgrm");
    let found = summary(&[
        &url,
        "-n",
        "300",
        "--points",
        "none",
        "--hgrm",
        file.to_str().unwrap(),
    ]);
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains("Total count    =          300]"), "{text}");
    assert_eq!(found["latency_us"]["count"], 300);
}

#[test]
fn the_highest_rate_is_looked_for() {
    let (_web, url) = counter();
    let output = run(
        &[
            &url,
            "--find-max",
            "p50<1us",
            "-d",
            "200ms",
            "-r",
            "10",
            "--points",
            "none",
        ],
        3,
    );
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("10.0/s  breaks"), "{report}");
    assert!(
        report.contains("p50<1us held at no rate that was tried"),
        "{report}"
    );
}

#[test]
fn a_unix_socket_is_loaded() {
    let home = Home::with("[socket]\nenabled = true\nmode = \"0600\"\n");
    let agent = home.start::<&str>(&[]);
    let socket = home.path().join("state/points.sock");
    let target = format!("unix://{}:/ping", socket.display());
    let summary = summary(&[&target, "-c", "4", "-n", "1000", "--points", "none"]);
    println!("{summary}");
    assert_eq!(
        (&summary["ok"], &summary["errors"]),
        (&1000.into(), &0.into())
    );
    assert_eq!(summary["statuses"]["204"], 1000);
    drop(agent);
    let gone = run(&[&target, "-n", "1", "--points", "none"], 4);
    let told = String::from_utf8_lossy(&gone.stderr);
    assert!(told.contains("cannot connect to unix://"), "{told}");
}

#[test]
fn runs_are_compared() {
    let (_web, url) = counter();
    let folder = tempfile::tempdir().unwrap();
    let files = ["before.json", "after.json"].map(|name| folder.path().join(name));
    for (file, connections) in files.iter().zip(["1", "16"]) {
        let found = summary(&[&url, "-c", connections, "-n", "2000", "--points", "none"]);
        fs::write(file, found.to_string()).unwrap();
    }
    let files = files.each_ref().map(|file| file.to_str().unwrap());
    let compared = run(&["compare", files[0], files[1]], 0);
    let text = String::from_utf8_lossy(&compared.stdout).into_owned();
    println!("{text}");
    assert!(
        text.contains("after/before") && text.contains("\np99 "),
        "{text}"
    );
    assert!(
        text.contains("the runs differ in their connections: 1, 16"),
        "{text}"
    );
    let other = folder.path().join("other.json");
    fs::write(&other, "{}").unwrap();
    let refused = run(&["compare", files[0], other.to_str().unwrap()], 2);
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("is no run of `cgflux load --json`"), "{told}");
}
