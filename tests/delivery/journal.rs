//! What the agent logs where its standard error is the journal's stream, by a journald of the test's own.

use std::{path::Path, process::Command};

use serde_json::Value as Json;

use crate::harness::{Home, skip};

const JOURNALD: &str = "/lib/systemd/systemd-journald";

/// A journald in a `/run` of its own, and the agent as its service; `$1` comes between the two. Prints the agent's entries
/// when it is ready. All of it ends with this shell.
const SCRIPT: &str = r#"
mount -t tmpfs none /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\nReadKMsg=no\n' >/run/systemd/journald.conf.d/test.conf
/lib/systemd/systemd-journald 2>/dev/null &
until [ -S /run/systemd/journal/stdout ] && [ -S /run/systemd/journal/socket ]; do sleep 0.1; done
$1
shift
systemd-cat -t service sh -c 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"' sh "$@" &
agent=$!
entries() { journalctl --directory /run/log/journal --output json _PID=$agent 2>/dev/null; }
for i in $(seq 600); do entries | grep -q 'what counts' && break; sleep 0.1; done
kill $agent
wait $agent
for i in $(seq 600); do entries | grep -q 'stopping' && break; sleep 0.1; done
entries
"#;

/// The agent's entries; `between` is done once journald runs.
#[track_caller]
fn entries(between: &str) -> Option<Vec<Json>> {
    if !Path::new(JOURNALD).exists() || !Path::new("/etc/machine-id").exists() {
        return skip("no journald, or no /etc/machine-id (apt-get install systemd)");
    }
    let home = Home::new();
    let agent = home.command("run");
    let mut command = Command::new("unshare");
    command.args([
        "-m",
        "-p",
        "-f",
        "--mount-proc",
        "--kill-child",
        "sh",
        "-c",
        SCRIPT,
        "sh",
    ]);
    command
        .arg(between)
        .arg(agent.get_program())
        .args(agent.get_args());
    command.args(["--listen", "127.0.0.1:0"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let entries: Vec<Json> = text
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    println!("{} entries", entries.len());
    Some(entries)
}

#[track_caller]
fn with<'a>(entries: &'a [Json], words: &str) -> &'a Json {
    let says = |it: &&Json| it["MESSAGE"].as_str().is_some_and(|it| it.contains(words));
    let found = entries.iter().find(says);
    found.unwrap_or_else(|| panic!("{entries:?}"))
}

#[test]
fn the_journal_gets_each_value_as_a_field_and_a_message_that_says_all() {
    let Some(entries) = entries("") else { return };
    let counts = with(&entries, "what counts");
    println!("{counts}");
    assert_eq!(counts["_TRANSPORT"], "journal");
    assert_eq!(counts["SYSLOG_IDENTIFIER"], "cgflux");
    assert_eq!(counts["PRIORITY"], "6");
    assert_eq!(counts["TARGET"], "cgflux::app");
    let containers = counts["CGFLUX_CONTAINERS"].as_str().unwrap();
    let message = counts["MESSAGE"].as_str().unwrap();
    assert!(
        message.ends_with(&format!(" containers={containers}")),
        "{message}"
    );
}

#[test]
fn where_the_journal_takes_no_entries_its_stream_gets_lines_with_their_priority() {
    let Some(entries) = entries("rm /run/systemd/journal/socket") else {
        return;
    };
    let counts = with(&entries, "what counts");
    println!("{counts}");
    assert_eq!(counts["_TRANSPORT"], "stdout");
    assert_eq!(counts["PRIORITY"], "6");
    assert!(counts.get("CGFLUX_CONTAINERS").is_none());
    let message = counts["MESSAGE"].as_str().unwrap();
    assert!(message.contains(" containers="), "{message}");
}
