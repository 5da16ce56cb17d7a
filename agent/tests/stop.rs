//! The program stopped by a signal: what it had counted is written before it ends.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The lines of the host in `container_cpu`.
fn host_lines(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter(|line| line.starts_with("container_cpu,container=_host,"))
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn what_was_counted_since_the_last_shipment_is_written_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let (config, out) = (folder.path().join("empty.toml"), folder.path().join("out"));
    fs::write(&config, "").unwrap();
    let mut agent = Command::new(env!("CARGO_BIN_EXE_cgflux"))
        .args(["run", "--source", "files", "--listen", "127.0.0.1:0"])
        .arg("--config")
        .arg(&config)
        .arg("--state-dir")
        .arg(folder.path())
        .arg("--file")
        .arg(&out)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while host_lines(&out).is_empty() {
        if let Some(status) = agent.try_wait().unwrap() {
            assert_eq!(
                status.code(),
                Some(69),
                "it starts, or there is no cgroup hierarchy"
            );
            println!("SKIP no cgroup hierarchy is mounted");
            return;
        }
        assert!(Instant::now() < deadline, "no shipment");
        std::thread::park_timeout(Duration::from_millis(10));
    }
    kill(Pid::from_raw(agent.id().cast_signed()), Signal::SIGTERM).unwrap();
    let status = agent.wait().unwrap();
    assert!(status.success(), "{status}");
    // The first shipment was a moment ago, the next would be due in ten seconds.
    let lines = host_lines(&out);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let times = lines.iter().map(|line| line.rsplit(' ').next().unwrap());
    assert!(times.is_sorted_by(|a, b| a < b), "{lines:?}");
}
