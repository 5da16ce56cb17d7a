//! What `type = "influxdb"` takes: server, API, database, who writes.

use std::time::Duration;

use super::{
    super::{
        Influxdb, InfluxdbVersion, Key, ServerUrl, Surroundings,
        reader::Reader,
        rules::{any, name, within},
        typed::Typed as _,
    },
    secrets, tls,
};

pub(super) fn read(
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
    let default = Influxdb::at(url.clone().unwrap_or(ServerUrl::Unix("/".into())));
    let version = reader.setting(&section.child("version"), default.version, any);
    let influxdb = Influxdb {
        version,
        timeout: reader.setting(
            &section.child("timeout"),
            default.timeout,
            within(Duration::from_secs(1)..=Duration::from_mins(5)),
        ),
        credentials: secrets::read(reader, section, version, around, warnings),
        tls: tls::read(reader, section, &default.url),
        ..default
    };
    let is_plain = matches!(influxdb.url, ServerUrl::Tcp { tls: false, .. });
    if is_plain && influxdb.credentials.is_some() && !influxdb.url.is_local() {
        warnings.push(format!(
            "{section} sends its password or token as plain text to another machine; https:// is safer"
        ));
    }
    let names = match version {
        InfluxdbVersion::V08 | InfluxdbVersion::V1 => Some(database(reader, section, influxdb)),
        InfluxdbVersion::V2 => bucket(reader, section, influxdb),
        InfluxdbVersion::V3 => Some(plain_database(reader, section, influxdb)),
    };
    url.and(names).map(|influxdb| Influxdb {
        // What is written to the same database anyway needs no second connection.
        host_database: influxdb.host_database.filter(|it| *it != influxdb.database),
        ..influxdb
    })
}

/// Of 1.x: databases with retention policies, which may be made.
fn database(reader: &mut Reader, section: &Key, influxdb: Influxdb) -> Influxdb {
    let retention_policy = reader.optional(&section.child("retention_policy"), influxdb_name);
    let create = section.child("create_database");
    let create_database = reader.setting(&create, influxdb.create_database, any);
    Influxdb {
        retention_policy,
        create_database,
        ..plain_database(reader, section, influxdb)
    }
}

/// Of 3.x: databases, which the server makes when they are written to.
fn plain_database(reader: &mut Reader, section: &Key, influxdb: Influxdb) -> Influxdb {
    Influxdb {
        database: reader.setting(&section.child("database"), influxdb.database, influxdb_name),
        host_database: reader.optional(&section.child("host_database"), influxdb_name),
        ..influxdb
    }
}

/// Of 2.x: buckets of an organisation. 1.8 takes `database/policy` as a bucket and no organisation.
fn bucket(reader: &mut Reader, section: &Key, influxdb: Influxdb) -> Option<Influxdb> {
    let missing =
        "is missing; write the bucket to write to; of an InfluxDB 1.8 that is \"database/policy\"";
    let organization = reader.optional(&section.child("org"), short_name);
    let bucket = reader.required(&section.child("bucket"), missing, short_name);
    let host_database = reader.optional(&section.child("host_bucket"), short_name);
    Some(Influxdb {
        database: bucket?,
        organization,
        host_database,
        ..influxdb
    })
}

/// A name that InfluxDB 1.x takes for a database or a retention policy: both become folders (seen with 1.6.7).
fn influxdb_name(text: &String) -> Result<(), String> {
    short_name(text)?;
    if text == "." || text == ".." || text.contains(['/', '\\']) {
        return Err(format!(
            "is {}; InfluxDB takes no name with a slash or a backslash in it, nor one of dots",
            text.value()
        ));
    }
    Ok(())
}

fn short_name(text: &String) -> Result<(), String> {
    name(text)?;
    if text.len() > Influxdb::MAX_NAME_BYTES {
        return Err(format!(
            "is longer than the {} bytes that InfluxDB takes",
            Influxdb::MAX_NAME_BYTES
        ));
    }
    Ok(())
}
