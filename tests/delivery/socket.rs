//! Other processes' points: handed in by curl, found in a real InfluxDB.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::unistd::Group;

use super::PATIENCE;
use crate::harness::{AgentProcess, Home, InfluxServer, eventually, skip};

const DATABASE: &str = "points";

/// A group that every Linux has and that is not root's.
const GROUP: &str = "daemon";

const CONFIG: &str = "[socket]\nenabled = true\nmode = \"0620\"\ngroup = \"daemon\"\n\
                      [tags]\nrack = \"r1\"\n[host]\nname = \"box\"\n";

fn socket_of(home: &Home) -> PathBuf {
    home.path().join("state/points.sock")
}

fn start(home: &Home, server: &InfluxServer) -> AgentProcess {
    home.start(&["--influx", &server.url(), "--database", DATABASE])
}

#[test]
fn lines_handed_in_are_in_the_database_and_the_bad_ones_are_named_and_counted() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    if !has_curl() {
        return;
    }
    let home = Home::with(CONFIG);
    let mut agent = start(&home, &server);
    let socket = socket_of(&home);

    let good = "shop,item=a\\ b visits=3i,share=0.5,ok=true,text=\"say \\\"hi\\\"\" 1600000000000000000\n\
                shop,item=b,rack=own visits=18446744073709551615u 1600000000000000001\n\
                a=b\\,c v=1i 1600000000000000002\n";
    assert_eq!(write(&socket, "", good), (204, String::new()));
    let mixed = "shop,item=c visits=4i 1600000000\nnonsense\ncontainer_cpu,container=x usage_ns=1i\n\
                 shop,item=d visits=5i 1600000001\nshop visits=1 1600000000000000000\n";
    let (status, told) = write(&socket, "?precision=s&db=ignored", mixed);
    assert_eq!(status, 400, "{told}");
    for part in [
        "partial write: unable to parse 'nonsense'",
        "the measurement is the agent's own",
        "precision",
        "dropped=3",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(
        write(&socket, "", "now v=1i\nnow v=2i\n"),
        (204, String::new())
    );

    eventually(PATIENCE, "the database is there", || {
        let stored = server.value(DATABASE, "SELECT count(visits) FROM shop");
        stored.as_u64().ok_or(stored)
    });
    let names = ["shop", "now", "a=b,c"];
    let stored = eventually(PATIENCE, "all seven points are stored", || {
        let points = server.points(DATABASE);
        let ours: Vec<_> = points
            .into_iter()
            .filter(|it| names.contains(&it.measurement.as_str()))
            .collect();
        (ours.len() == 7)
            .then_some(ours.clone())
            .ok_or(format!("{ours:?}"))
    });
    let found = |item: &str| {
        let found = stored.iter().find(|it| it.tag("item") == item);
        found.unwrap_or_else(|| panic!("{item}: {stored:?}"))
    };
    let first = found("a b");
    assert_eq!(first.wall_ns, 1_600_000_000_000_000_000);
    assert_eq!((first.tag("host"), first.tag("rack")), ("box", "r1"));
    let field = |name: &str| first.fields[name].as_str();
    assert_eq!(
        ["visits", "share", "ok", "text"].map(field),
        ["3", "0.5", "true", "say \"hi\""]
    );
    assert_eq!(found("b").integer("visits"), Some(i64::MAX as u64));
    assert_eq!(found("b").tag("rack"), "own");
    assert_eq!(found("d").wall_ns, 1_600_000_001_000_000_000);
    let usage = "SELECT usage_ns FROM container_cpu WHERE container = 'x'";
    assert_eq!(
        server.query(DATABASE, usage),
        Vec::<serde_json::Value>::new()
    );

    eventually(PATIENCE, "the counters say so", || {
        let metrics = agent.metrics();
        let all = [
            "cgflux_socket_requests_total 3",
            "cgflux_socket_requests_refused_total 0",
            "cgflux_socket_lines_taken_total 7",
            "cgflux_socket_lines_refused_total{reason=\"malformed\"} 1",
            "cgflux_socket_lines_refused_total{reason=\"own_measurement\"} 1",
            "cgflux_socket_lines_refused_total{reason=\"bad_time\"} 1",
            "cgflux_socket_lines_refused_total{reason=\"series_limit\"} 0",
        ];
        let missing = all
            .into_iter()
            .find(|line| !metrics.lines().any(|it| it == *line));
        missing.map_or(Ok(()), |line| Err(format!("{line}: {metrics}")))
    });
    assert!(agent.stop().success());
    assert!(!socket.exists(), "the file goes with its server");
}

#[test]
fn the_sockets_file_is_its_groups_and_outlives_no_agent() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = Home::with(CONFIG);
    let mut agent = start(&home, &server);
    let socket = socket_of(&home);
    let of_group = || {
        let metadata = fs::symlink_metadata(&socket).unwrap();
        assert!(metadata.file_type().is_socket());
        let group = Group::from_name(GROUP).unwrap().unwrap();
        let is = (metadata.permissions().mode() & 0o7777, metadata.gid());
        assert_eq!(is, (0o620, group.gid.as_raw()));
    };
    of_group();

    // Another agent, with a state of its own and this socket, does not start and takes nothing away.
    let other = Home::with(&format!("{CONFIG}[sinks.stdout]\n"));
    let output = other
        .command("run")
        .args(["--listen", "127.0.0.1:0"])
        .env("CGFLUX_SOCKET__PATH", &socket)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("another process serves"),
        "{said}"
    );
    of_group();

    // What a killed one left is replaced.
    agent.kill();
    assert!(socket.exists());
    let mut agent = start(&home, &server);
    of_group();
    if has_curl() {
        assert_eq!(write(&socket, "", "m v=1i"), (204, String::new()));
    }
    assert!(agent.stop().success());

    // What is no socket stays, and is named.
    fs::write(&socket, "precious").unwrap();
    let output = home.command("run").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("is no socket"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
}

#[track_caller]
fn has_curl() -> bool {
    let is_there = Command::new("curl").arg("--version").output().is_ok();
    if !is_there {
        skip::<()>("curl is missing (apt-get install curl)");
    }
    is_there
}

/// Writes lines as a person would; gives the status and the reason, if there is one.
#[track_caller]
fn write(socket: &Path, query: &str, lines: &str) -> (u16, String) {
    let mut curl = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30"])
        .args(["--write-out", "\n%{http_code}", "--data-binary", "@-"])
        .arg("--unix-socket")
        .arg(socket)
        .arg(format!("http://localhost/write{query}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Dropped at once, which is the end of the body.
    curl.stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    let output = curl.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').expect("a status");
    (status.parse().unwrap(), body.to_owned())
}
