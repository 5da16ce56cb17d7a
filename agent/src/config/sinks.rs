//! The `[sinks.NAME]` sections: where points go, and with which password.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Credentials, Endpoint, Influxdb, Key, Secret, Sink, SinkKind, Surroundings, Value,
    check::{absolute, any, name, within},
    given::shown,
    reader::Reader,
    typed::{SinkType, Typed as _},
};

/// Variable of a password, for those who cannot have a file.
const PASSWORD_VARIABLE: &str = "CGFLUX_INFLUX_PASSWORD";

/// All sinks, by name.
pub(super) fn read(
    reader: &mut Reader,
    around: &Surroundings<'_>,
    collect_interval: Duration,
    warnings: &mut Vec<String>,
) -> Vec<Sink> {
    let mut sinks: Vec<Sink> = Vec::new();
    let section = Key::of("sinks");
    if !reader.enter(&section) {
        return sinks;
    }
    for section in reader.children(&section) {
        let Some(sink) = sink(reader, &section, around, collect_interval, warnings) else {
            continue;
        };
        match sinks
            .iter()
            .find(|other| same_place(&other.kind, &sink.kind))
        {
            Some(other) => {
                reader.complain(
                    &section,
                    format!("writes to the same place as sinks.{}", other.name),
                );
            }
            None => sinks.push(sink),
        }
    }
    sinks
}

fn sink(
    reader: &mut Reader,
    section: &Key,
    around: &Surroundings<'_>,
    collect_interval: Duration,
    warnings: &mut Vec<String>,
) -> Option<Sink> {
    let sink_name = section.parts().last().cloned().unwrap_or_default();
    if !reader.enter(section) {
        return None;
    }
    let is_plain = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    if sink_name.is_empty() || !sink_name.chars().all(is_plain) {
        reader.complain(
            section,
            "is named with other than letters, digits, - and _".to_owned(),
        );
    }
    let Some(sink_type) = sink_type(reader, section, &sink_name) else {
        reader.skip(section);
        return None;
    };
    let kind = match sink_type {
        SinkType::Influxdb => influxdb(reader, section, around, warnings).map(SinkKind::Influxdb),
        SinkType::Stdout => Some(SinkKind::Stdout),
        SinkType::File => {
            let missing = "is missing; write the file to append to, as in \"/var/log/cgflux.lp\"";
            reader
                .required(&section.child("path"), missing, absolute)
                .map(|path: PathBuf| SinkKind::File { path })
        }
    };
    // What is wrong with the kind has been said; the rest is read all the same, so that nothing of it is unknown.
    let default = Sink::new(&sink_name, kind.clone().unwrap_or(SinkKind::Stdout));
    let sink = Sink {
        interval: reader.setting(
            &section.child("interval"),
            default.interval.max(collect_interval),
            within(collect_interval..=Duration::from_hours(1)),
        ),
        queue: reader.setting(&section.child("queue"), default.queue, within(1..=10_000)),
        ..default
    };
    kind.map(|_| sink)
}

/// The sink's type: as given, else a name that is one, as in `[sinks.stdout]`.
fn sink_type(reader: &mut Reader, section: &Key, sink_name: &str) -> Option<SinkType> {
    let key = section.child("type");
    match SinkType::read(&Value::Text(sink_name.to_owned())) {
        Ok(named) if !reader.has(&key) => Some(reader.setting(&key, named, any)),
        _ => reader.required(
            &key,
            "is missing; write one of \"influxdb\", \"stdout\", \"file\"",
            any,
        ),
    }
}

fn influxdb(
    reader: &mut Reader,
    section: &Key,
    around: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Option<Influxdb> {
    let missing = "is missing; write the address of the server, as in \"http://127.0.0.1:8086\"";
    // The flag belongs to the sink of this name.
    let missing = if *section == Key::of("sinks.influxdb") {
        format!("{missing}, or give it with --influx")
    } else {
        missing.to_owned()
    };
    let url = reader.required(&section.child("url"), &missing, any);
    // Stands in for a URL that has been complained about, so that the rest is read.
    let default = Influxdb::at(url.clone().unwrap_or(Endpoint {
        host: "localhost".to_owned(),
        port: 8086,
    }));
    let influxdb = Influxdb {
        database: reader.setting(&section.child("database"), default.database, influxdb_name),
        retention_policy: reader.optional(&section.child("retention_policy"), influxdb_name),
        host_database: reader.optional(&section.child("host_database"), influxdb_name),
        credentials: credentials(reader, section, around, warnings),
        create_database: reader.setting(
            &section.child("create_database"),
            default.create_database,
            any,
        ),
        timeout: reader.setting(
            &section.child("timeout"),
            default.timeout,
            within(Duration::from_secs(1)..=Duration::from_mins(5)),
        ),
        url: default.url,
    };
    url.map(|_| Influxdb {
        // What is written to the same database anyway needs no second connection.
        host_database: influxdb.host_database.filter(|it| *it != influxdb.database),
        ..influxdb
    })
}

fn credentials(
    reader: &mut Reader,
    section: &Key,
    around: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Option<Credentials> {
    let password_key = section.child("password");
    if reader.has(&password_key) {
        let problem = "does not belong here; put the password into a file of mode 0600 and name it in `password_file`";
        reader.complain(&password_key, problem.to_owned());
        reader.skip(&password_key);
    }
    let username_key = section.child("username");
    let file_key = section.child("password_file");
    let is_named = reader.has(&username_key);
    let username = reader.optional(&username_key, user_name);
    let file: Option<PathBuf> = reader.optional(&file_key, any);
    let Some(username) = username else {
        if file.is_some() && !is_named {
            reader.complain(&file_key, "stands without `username`".to_owned());
        }
        return None;
    };
    let password = if let Some(file) = file {
        password_in(&file, around)
            .map_err(|problem| reader.complain(&file_key, problem))
            .ok()?
    } else if let Some((password, origin)) = around.variable(PASSWORD_VARIABLE, str::to_owned) {
        reader.settle(&password_key, Some(Value::Other("not shown")), origin);
        warnings.push(format!(
            "{PASSWORD_VARIABLE} can be read by whoever sees the environment of this process; {file_key} is safer",
        ));
        Secret::new(password)
    } else {
        let problem = "stands without a password; name a file that holds it in `password_file`";
        reader.complain(&username_key, problem.to_owned());
        return None;
    };
    Some(Credentials { username, password })
}

/// Reads a password. A relative path is one of the credentials that the service manager hands over in a folder of
/// its own, which nobody else may enter; what their permission bits say depends on systemd's version.
fn password_in(file: &Path, around: &Surroundings<'_>) -> Result<Secret, String> {
    let credentials = around.variable("CREDENTIALS_DIRECTORY", str::to_owned);
    let credentials = credentials.map(|(folder, _)| PathBuf::from(folder));
    let path = match &credentials {
        Some(folder) => folder.join(file),
        None if file.is_absolute() => file.to_owned(),
        None => {
            return Err(format!(
                "is {}; write the whole path, from / on, or hand the file over with systemd's LoadCredential=",
                shown(file),
            ));
        }
    };
    let secret = (around.read_secret)(&path)
        .map_err(|error| format!("cannot read {}: {error}", shown(&path)))?;
    let is_credential = credentials.is_some_and(|folder| path.starts_with(folder));
    if !is_credential && secret.mode & 0o077 != 0 {
        return Err(format!(
            "{} has mode {:04o}, so others may read it; `chmod 600` it",
            shown(&path),
            secret.mode & 0o7777,
        ));
    }
    match secret.text.trim_end_matches(['\r', '\n']) {
        "" => Err(format!("{} is empty", shown(&path))),
        password => Ok(Secret::new(password.to_owned())),
    }
}

/// A name that InfluxDB 1.x takes for a database or a retention policy: both become folders (seen with 1.6.7).
fn influxdb_name(text: &String) -> Result<(), String> {
    name(text)?;
    if text == "." || text == ".." || text.contains(['/', '\\']) {
        return Err(format!(
            "is {}; InfluxDB takes no name with a slash or a backslash in it, nor one of dots",
            text.value()
        ));
    }
    if text.len() > Influxdb::MAX_NAME_BYTES {
        return Err(format!(
            "is longer than the {} bytes that InfluxDB takes",
            Influxdb::MAX_NAME_BYTES
        ));
    }
    Ok(())
}

/// RFC 7617, section 2: a user name ends at its first colon.
fn user_name(text: &String) -> Result<(), String> {
    name(text)?;
    if text.contains(':') {
        return Err(format!(
            "is {}; HTTP basic authentication cannot carry a user name with a colon",
            text.value()
        ));
    }
    Ok(())
}

fn same_place(one: &SinkKind, other: &SinkKind) -> bool {
    match (one, other) {
        (SinkKind::Influxdb(one), SinkKind::Influxdb(other)) => {
            let others = places(other);
            places(one).iter().any(|place| others.contains(place))
        }
        (SinkKind::Stdout, SinkKind::Stdout) => true,
        (SinkKind::File { path: one }, SinkKind::File { path: other }) => one == other,
        _ => false,
    }
}

/// Where an InfluxDB sink writes to: one place, or one more for the host as a whole.
fn places(influxdb: &Influxdb) -> Vec<(&Endpoint, &str, Option<&str>)> {
    let main = (&influxdb.database, influxdb.retention_policy.as_deref());
    let host = influxdb.host_database.as_ref().map(|it| (it, None));
    let places = [Some(main), host].into_iter().flatten();
    places
        .map(|(database, policy)| (&influxdb.url, database.as_str(), policy))
        .collect()
}
