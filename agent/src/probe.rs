//! `cgflux sink test`: writes a point to each sink, reads it back, and says what is wrong in words, with the fix.
//!
//! What is written is one point of a measurement of its own, which is taken away again where the server lets us.

use std::{path::Path, time::Duration};

use tokio::{net::UnixStream, time::timeout};

use crate::{
    check::{Item, Level, Report, Section, Verdict},
    clock,
    config::{Config, Influxdb, InfluxdbVersion, Sink, SinkKind},
    encode::{Tagging, probe},
    host::machine_id,
    sink::{
        Fault,
        influxdb::{Client, Ping, Unwritten},
    },
    surroundings::read_secret,
    text::chain,
};

/// How long a reader on this machine may take to let us in.
const PATIENCE: Duration = Duration::from_secs(5);

/// Releases that the tests of this program run against.
const RUN_AGAINST: [&str; 3] = ["1.6", "1.8", "2.7"];

/// The file with the machine's id (machine-id(5)).
const MACHINE_ID: &str = "/etc/machine-id";

/// No sink is called so.
#[derive(Debug, thiserror::Error)]
#[error("no sink is called {name:?}; there are: {}", known.join(", "))]
pub struct NoSuchSink {
    name: String,
    known: Vec<String>,
}

/// The sinks that are meant: all, or the one of this name.
pub fn chosen<'a>(config: &'a Config, name: Option<&str>) -> Result<Vec<&'a Sink>, NoSuchSink> {
    let is_meant = |sink: &&Sink| name.is_none_or(|name| sink.name == name);
    let sinks: Vec<&Sink> = config.sinks.iter().filter(is_meant).collect();
    match name {
        Some(name) if sinks.is_empty() => Err(NoSuchSink {
            name: name.to_owned(),
            known: config.sinks.iter().map(|sink| sink.name.clone()).collect(),
        }),
        _ => Ok(sinks),
    }
}

/// One database that a sink writes to.
struct Subject<'a> {
    /// The sink, as the configuration calls it.
    sink: &'a str,
    /// What it is called beside others of the sink.
    name: String,
    settings: &'a Influxdb,
}

/// Tests these sinks, one after the other.
pub async fn test(sinks: &[&Sink], tagging: &Tagging) -> Report {
    let mut items = Vec::new();
    for sink in sinks {
        match &sink.kind {
            SinkKind::Influxdb(settings) => {
                let subject = Subject {
                    sink: &sink.name,
                    name: sink.name.clone(),
                    settings,
                };
                influxdb(&mut items, &subject, tagging).await;
                if let Some(of_host) = settings.of_host() {
                    let subject = Subject {
                        name: sink.host_name(),
                        settings: &of_host,
                        ..subject
                    };
                    influxdb(&mut items, &subject, tagging).await;
                }
            }
            kind => items.push(elsewhere(&sink.name, kind).await),
        }
    }
    report(items)
}

/// What it comes to. Pure.
fn report(items: Vec<Item>) -> Report {
    let worst = items.iter().map(|item| item.level).max();
    let (verdict, summary) = match worst {
        None => (
            Verdict::Degraded,
            "no sink is configured: there is nothing to test",
        ),
        Some(Level::Fail) => (
            Verdict::CannotStart,
            "not every sink takes points; see above",
        ),
        Some(Level::Warn) => (
            Verdict::Degraded,
            "nothing keeps points from their sinks, but see above",
        ),
        Some(Level::Pass | Level::Note) => (Verdict::Ready, "every sink takes points"),
    };
    Report {
        sections: vec![Section {
            name: "sinks",
            items,
        }],
        verdict,
        summary: summary.to_owned(),
    }
}

async fn influxdb(items: &mut Vec<Item>, subject: &Subject<'_>, tagging: &Tagging) {
    let Subject {
        sink,
        name,
        settings,
    } = subject;
    let mut client = match Client::new(settings, read_secret) {
        Ok(client) => client,
        Err(error) => {
            let fix = format!("correct [sinks.{sink}]");
            items.push(Item::fail(step(name, "settings"), chain(&error)).fixed_by(fix));
            return;
        }
    };
    match client.ping().await {
        Ok(ping) => items.push(connected(subject, &ping)),
        Err(reason) => {
            items.push(unreachable(subject, &reason));
            return;
        }
    }
    let value = fastrand::u64(1..1 << 53);
    let wall_ns = clock::now().wall_ns;
    let payload = probe::probe(tagging, value, wall_ns);
    if let Err(unwritten) = client.try_write(&payload).await {
        items.push(not_written(subject, &unwritten));
        return;
    }
    let finding = format!("a point of {} is stored", probe::MEASUREMENT);
    items.push(Item::pass(step(name, "write"), finding));
    let host = literal(tagging.host());
    items.push(read_back(&mut client, subject, &host, value, wall_ns).await);
    items.extend(other_machines(&mut client, subject, &host).await);
}

fn connected(subject: &Subject<'_>, ping: &Ping) -> Item {
    let Subject { name, settings, .. } = subject;
    let version = ping.version.as_deref();
    let told = version.map_or_else(|| "no version".to_owned(), |it| format!("version {it}"));
    let finding = format!("{} answers: {told}", settings.url);
    let is_run_against = version.is_some_and(|it| {
        // 2.x says `v2.7.12`.
        let number = it.trim_start_matches('v');
        let of = |run: &&str| {
            number
                .strip_prefix(run)
                .is_some_and(|it| it.starts_with('.'))
        };
        RUN_AGAINST.iter().any(of)
    });
    let item = Item::pass(step(name, "connection"), finding);
    if is_run_against || (version.is_none() && settings.version == InfluxdbVersion::V1) {
        return item;
    }
    item.because(format!(
        "this program is tested with InfluxDB {} and with VictoriaMetrics; with other versions against a scripted server \
         only",
        RUN_AGAINST.join(", ")
    ))
}

fn unreachable(subject: &Subject<'_>, reason: &str) -> Item {
    let Subject { sink, name, .. } = subject;
    Item::fail(step(name, "connection"), reason).fixed_by(format!(
        "start it, let this machine through to it, or correct `url` (and certificates) in [sinks.{sink}]"
    ))
}

/// A write that failed, in words.
fn not_written(subject: &Subject<'_>, unwritten: &Unwritten) -> Item {
    let Subject {
        sink,
        name,
        settings,
    } = subject;
    let database = &settings.database;
    let fix = match unwritten.fault {
        Some(Fault::NoDatabase)
            if settings.create_database && settings.version == InfluxdbVersion::V1 =>
        {
            let finding = format!("the database {database:?} is not there yet");
            return Item::warn(step(name, "write"), finding)
                .because("the agent makes it with its first shipment")
                .fixed_by(format!("`cgflux sink init {sink}` makes it now"));
        }
        Some(Fault::NoDatabase)
            if settings.organization.is_none() && settings.version == InfluxdbVersion::V2 =>
        {
            format!(
                "name `org` of [sinks.{sink}]; of an InfluxDB 1.8 make the database by version = \"1\""
            )
        }
        Some(Fault::NoDatabase) => {
            let what = match settings.version {
                InfluxdbVersion::V2 => "bucket",
                _ => "database",
            };
            format!("`cgflux sink init {sink}` makes the {what} {database:?}")
        }
        Some(Fault::Denied) => format!(
            "give the user or token of [sinks.{sink}] the right to write to {database:?}, or correct its password or \
             token file"
        ),
        Some(Fault::Untrusted) => format!(
            "name the authority's certificate in `ca_file`, or the server's own fingerprint in `pin_sha256`, of \
             [sinks.{sink}]; see that `url` has the name that the certificate is for"
        ),
        Some(Fault::Misconfigured) => format!(
            "see that `version`, `url`, bucket or database and retention policy of [sinks.{sink}] are those of this server"
        ),
        None if unwritten.is_refused => {
            "the server takes no such point: its limits, or a field that had another type"
                .to_owned()
        }
        None => "wait, and try again; the agent does so by itself".to_owned(),
    };
    Item::fail(step(name, "write"), &unwritten.reason).fixed_by(fix)
}

/// Looks for the point where it was written, and takes it away.
async fn read_back(
    client: &mut Client,
    subject: &Subject<'_>,
    host: &str,
    value: u64,
    wall_ns: i64,
) -> Item {
    let Subject { name, settings, .. } = subject;
    let select = format!(
        "SELECT \"{}\" FROM \"{}\" WHERE \"host\" = {host} AND time = {wall_ns}",
        probe::FIELD,
        probe::MEASUREMENT
    );
    let results = client.query(&select, &settings.database).await;
    let is_taken_away = take_away(client, settings, host, wall_ns).await;
    let then = match is_taken_away {
        Ok(()) => "is taken away again".to_owned(),
        Err(reason) => format!("stays, for we may not take it away ({reason})"),
    };
    let step = step(name, "read back");
    let unread = |reason: &str| {
        Item::warn(step.clone(), format!("{reason}; the point {then}"))
            .because("what is written was acknowledged; only whether it can be read is not known")
    };
    let results = match results {
        Ok(results) => results,
        Err(reason) => {
            return unread(&reason)
                .fixed_by("let the user or token read, too, to have this tested");
        }
    };
    let series = &results.first().cloned().unwrap_or_default()["series"][0];
    if series["name"] != probe::MEASUREMENT {
        return unread("this server answers no InfluxQL, or does not show the point yet");
    }
    if series["values"][0][1].as_u64() != Some(value) {
        let finding = format!("another value stands where the point was written, which {then}");
        return Item::fail(step, finding);
    }
    Item::pass(
        step,
        format!("the point is there, with its value, and {then}"),
    )
}

/// By InfluxQL, which takes the series with the point; or by the API of 2.x, whose InfluxQL takes nothing away.
async fn take_away(
    client: &mut Client,
    settings: &Influxdb,
    host: &str,
    wall_ns: i64,
) -> Result<(), String> {
    let drop = format!(
        "DROP SERIES FROM \"{}\" WHERE \"host\" = {host}",
        probe::MEASUREMENT
    );
    let dropped = client.query(&drop, &settings.database).await;
    match dropped {
        Err(_) if settings.version == InfluxdbVersion::V2 => {
            client.delete(probe::MEASUREMENT, wall_ns).await
        }
        dropped => dropped.map(|_results| ()),
    }
}

/// Another machine that writes under the same host's name.
async fn other_machines(client: &mut Client, subject: &Subject<'_>, host: &str) -> Option<Item> {
    let Subject { name, settings, .. } = subject;
    let ours = machine_id::hashed(Path::new(MACHINE_ID))?;
    let show = format!(
        "SHOW TAG VALUES FROM \"agent_self\" WITH KEY = \"machine\" WHERE \"host\" = {host}"
    );
    let results = client.query(&show, &settings.database).await.ok()?;
    let values = results.first()?["series"][0]["values"].as_array()?.clone();
    let machines = values.iter().filter_map(|row| row[1].as_str());
    let others: Vec<&str> = machines.filter(|machine| *machine != ours).collect();
    (!others.is_empty()).then(|| {
        let finding = format!(
            "other machines write as host {host}, too: {} (this one is {ours})",
            others.join(", ")
        );
        Item::warn(step(name, "host"), finding)
            .because("their points take the place of each other")
            .fixed_by("give each machine a name of its own in host.name")
    })
}

/// What can be told of other sinks without leaving anything there.
async fn elsewhere(name: &str, kind: &SinkKind) -> Item {
    let item = step(name, "place");
    match kind {
        SinkKind::Stdout => Item::pass(item, "standard output is what it is connected to then"),
        SinkKind::File { path } => match std::fs::OpenOptions::new().append(true).open(path) {
            Ok(_) => Item::pass(item, format!("{} can be appended to", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Item::note(
                item,
                format!("{} is made with the first shipment", path.display()),
            ),
            Err(error) => Item::fail(item, format!("{}: {error}", path.display()))
                .fixed_by("let this user write there, or choose another `path`"),
        },
        SinkKind::Unix { path } => match timeout(PATIENCE, UnixStream::connect(path)).await {
            Ok(Ok(_)) => Item::pass(item, format!("somebody listens at {}", path.display())),
            Ok(Err(error)) => Item::fail(item, format!("{}: {error}", path.display()))
                .fixed_by("start who listens there, or choose another `path`"),
            Err(_elapsed) => Item::fail(item, format!("{}: no answer", path.display())),
        },
        SinkKind::Udp { address } => Item::note(
            item,
            format!("whether anybody listens at {address} cannot be told"),
        ),
        SinkKind::Influxdb(_) => Item::note(item, "tested above"),
    }
}

fn step(name: &str, step: &str) -> String {
    format!("{name} {step}")
}

/// A text of InfluxQL.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Influxdb {
        Influxdb::at("http://db:8086".parse().unwrap())
    }

    fn subject(settings: &Influxdb) -> Subject<'_> {
        Subject {
            sink: "influxdb",
            name: "influxdb.host".to_owned(),
            settings,
        }
    }

    #[test]
    fn each_fault_has_its_fix() {
        let item = |fault| {
            let unwritten = Unwritten {
                fault,
                is_refused: false,
                reason: "the server's words".to_owned(),
            };
            not_written(&subject(&settings()), &unwritten)
        };
        for (fault, level, fix) in [
            (Some(Fault::NoDatabase), Level::Warn, "init influxdb` makes"),
            (
                Some(Fault::Denied),
                Level::Fail,
                "right to write to \"cgflux\"",
            ),
            (Some(Fault::Untrusted), Level::Fail, "`ca_file`"),
            (Some(Fault::Misconfigured), Level::Fail, "`version`"),
            (None, Level::Fail, "try again"),
        ] {
            let item = item(fault);
            assert_eq!(item.level, level, "{fault:?}");
            assert!(
                item.fix.as_deref().is_some_and(|it| it.contains(fix)),
                "{item:?}"
            );
        }
    }

    #[test]
    fn only_versions_that_were_run_go_without_a_word() {
        let ping = |version: &str| Ping {
            status: 204,
            version: Some(version.to_owned()),
        };
        for (version, is_known) in [
            ("1.6.7~rc0", true),
            ("1.8.10", true),
            ("v2.7.12", true),
            ("v2.9.0", false),
            ("3.1", false),
        ] {
            let item = connected(&subject(&settings()), &ping(version));
            assert_eq!(item.why.is_none(), is_known, "{version}");
        }
    }

    #[test]
    fn the_worst_item_decides() {
        let item = |level| Item::new(level, "a", "b");
        for (levels, verdict) in [
            (vec![], Verdict::Degraded),
            (vec![Level::Pass, Level::Note], Verdict::Ready),
            (vec![Level::Pass, Level::Warn], Verdict::Degraded),
            (vec![Level::Fail, Level::Warn], Verdict::CannotStart),
        ] {
            let items = levels.into_iter().map(item).collect();
            assert_eq!(report(items).verdict, verdict);
        }
    }

    #[test]
    fn a_name_is_a_literal_whatever_stands_in_it() {
        assert_eq!(literal(r"it's \x"), r"'it\'s \\x'");
    }
}
