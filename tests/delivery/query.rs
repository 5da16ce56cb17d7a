//! `cgflux query`: what a real InfluxDB has, as told to a person and to a script.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value as Json, json};

use super::command_line::ended;
use crate::harness::{Home, InfluxServer};

/// A name that would end a string of InfluxQL, and act on a terminal.
const HOSTILE: &str = "it's \u{1b}[2J";

#[test]
fn a_query_tells_what_the_database_has() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = Home::with(&format!(
        "[sinks.db]\ntype = \"influxdb\"\nurl = \"{}\"\ndatabase = \"measured\"\n",
        server.url()
    ));
    let ask = |arguments: &[&str]| {
        let output = ended(home.command("query").args(arguments));
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), stdout, stderr)
    };
    let (status, _, told) = ask(&["CREATE DATABASE measured"]);
    assert_eq!(status, Some(0), "{told}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ns = now.as_nanos();
    let name = HOSTILE.replace(' ', "\\ ");
    write(
        &server,
        &format!(
            "container_cpu,container=web,host=box usage_cpus=1.5 {now_ns}\n\
             container_cpu,container={name},host=box usage_cpus=0.25 {now_ns}\n"
        ),
    );

    let text = "SELECT sum(usage_cpus) FROM container_cpu";
    let (status, told, _) = ask(&[text, "--format", "json"]);
    let told: Json = serde_json::from_str(&told).unwrap();
    assert_eq!(status, Some(0));
    assert_eq!(told["series"][0]["values"], json!([[0, 1.75]]));

    let (_, table, _) = ask(&["top"]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["container", "host", "cpus", "most_cpus"]);
    assert_eq!(rows[1], ["web", "box", "1.5", "1.5"]);
    assert!(table.contains("it's \\u{1b}[2J"), "{table}");

    let (_, one, _) = ask(&["cpu", HOSTILE, "--format", "csv"]);
    assert_eq!(one.lines().count(), 2, "{one}");
    assert!(one.trim_end().ends_with(",0.25"), "{one}");

    for (arguments, status, part) in [
        (&["SELECT usage_cpus FRM x"][..], 1, "error parsing query"),
        (&["cpus"], 2, "there are: cpu, "),
        (&["sinks", "web"], 2, "is not of containers"),
        (&["cpu", "--sink", "other"], 2, "there are: db"),
        (
            &["cpu", "--influx", "http://127.0.0.1:1"],
            1,
            "http://127.0.0.1:1: ",
        ),
    ] {
        let (found, printed, told) = ask(arguments);
        assert_eq!(found, Some(status), "{arguments:?}: {told}");
        assert_eq!(printed, "", "{arguments:?}");
        assert!(told.contains(part), "{arguments:?}: {told}");
    }
    let (status, told, _) = ask(&["memory"]);
    assert_eq!(status, Some(0));
    assert!(told.contains("The answer is empty"), "{told}");
}

/// Writes points as an agent would.
fn write(server: &InfluxServer, lines: &str) {
    let url = server.url();
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let length = lines.len();
    write!(
        stream,
        "POST /write?db=measured HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{lines}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 204 "), "{answer}");
}
