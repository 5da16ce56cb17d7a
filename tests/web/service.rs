//! What the service manager does for the counter, and hears of it.

use std::{
    net::TcpListener,
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::Stdio,
    time::Duration,
};

use nix::sys::signal::Signal;

use super::PATIENCE;
use crate::harness::{Web, eventually, web::prepared};

#[test]
fn it_listens_at_the_socket_that_is_handed_over_and_says_that_it_is_alive() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let patience = Some(Duration::from_millis(200));
    manager.set_read_timeout(patience).unwrap();

    // As systemd starts a service: the socket is descriptor 3, and the variables name the process.
    let mut command = prepared(
        "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 WATCHDOG_PID=$$ WATCHDOG_USEC=3000000;",
    );
    command.env("NOTIFY_SOCKET", &path);
    command.stdin(Stdio::from(OwnedFd::from(listener)));
    // The flag is for who starts it without a service manager.
    let mut web = Web::launch(
        command,
        "127.0.0.1:1",
        &["--redis", "memory", "--points", "none"],
    );
    assert_eq!(web.address(), address);
    assert_eq!(web.ask("GET /").body, "1");

    let hears = |words: &str| {
        eventually(PATIENCE, words, || {
            let mut datagram = [0; 4096];
            let length = manager.recv(&mut datagram).map_err(|it| it.to_string())?;
            let told = String::from_utf8_lossy(&datagram[..length]).into_owned();
            told.starts_with(words).then_some(()).ok_or(told)
        });
    };
    hears("READY=1\n");
    hears("WATCHDOG=1");
    hears("WATCHDOG=1");
    web.signal(Signal::SIGTERM);
    hears("STOPPING=1\n");
    assert!(web.ended().success(), "{}", web.log());
}

#[test]
fn what_is_handed_over_and_is_no_listener_is_told() {
    let mut command = prepared("exec 3</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1;");
    let ended = command.args(["--redis", "memory", "--points", "none"]);
    let ended = ended.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    let words = "the service manager's socket 1 is no TCP socket that listens";
    assert!(said.contains(words), "{said}");
}

#[test]
fn what_its_points_lack_is_told_line_by_line_and_is_no_reason_to_start_it_again() {
    let mut command = prepared("cd /; unset HOME XDG_STATE_HOME STATE_DIRECTORY;");
    command.args(["--redis", "memory", "--points", "http://127.0.0.1:1"]);
    command.args(["--database", "\u{1}"]);
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(78), "{said}");
    let mut lines = said.lines();
    let first = lines.next();
    assert_eq!(first, Some("cgflux: the configuration does not hold:"));
    assert!(lines.any(|line| line.contains("sinks.")), "{said}");
}
