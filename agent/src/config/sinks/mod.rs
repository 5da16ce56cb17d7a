//! The `[sinks.NAME]` sections: where points go, and how what is not there yet is kept.

mod influxdb;
mod secrets;
mod tls;

use std::{net::SocketAddr, time::Duration};

use bytesize::ByteSize;

use super::{
    Delivery, Influxdb, InfluxdbVersion, Key, Schema, ServerUrl, Sink, SinkKind, Spool,
    Surroundings, Value,
    reader::Reader,
    rules::{absolute, any, within},
    typed::{SinkType, Typed as _},
};

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
    let schema = schema(reader, section, sink_type);
    let mut kind = kind(reader, section, sink_type, around, warnings);
    if let Some(SinkKind::Influxdb(influxdb)) = &mut kind
        && schema == Schema::Influxdb08
    {
        as_in_2014(reader, section, influxdb);
    }
    // What is wrong with the kind has been said; the rest is read all the same, so that nothing of it is unknown.
    let default = Sink::new(&sink_name, kind.clone().unwrap_or(SinkKind::Stdout));
    let sink = Sink {
        interval: reader.setting(
            &section.child("interval"),
            default.interval.max(collect_interval),
            within(collect_interval..=Duration::from_hours(1)),
        ),
        schema,
        delivery: delivery(reader, section, sink_type, default.delivery),
        ..default
    };
    kind.map(|_| sink)
}

/// In whose words the sink is written, and what does not go with them.
fn schema(reader: &mut Reader, section: &Key, sink_type: SinkType) -> Schema {
    let key = section.child("schema");
    let schema = reader.setting(&key, Schema::default(), any);
    if schema != Schema::Influxdb08 {
        return schema;
    }
    let host_database = section.child("host_database");
    if reader.has(&host_database) {
        let problem = "does not go with schema = \"influxdb08\", which has one table for all";
        reader.complain(&host_database, problem.to_owned());
    }
    if matches!(sink_type, SinkType::Unix | SinkType::Udp) {
        let problem =
            "is \"influxdb08\", which is no line protocol: what listens there takes nothing else";
        reader.complain(&key, problem.to_owned());
    }
    schema
}

/// Makes it an InfluxDB 0.8, which has neither a version to choose nor retention policies.
fn as_in_2014(reader: &mut Reader, section: &Key, influxdb: &mut Influxdb) {
    let problem = "does not go with schema = \"influxdb08\"; leave it out";
    if influxdb.version != InfluxdbVersion::V1 {
        reader.complain(&section.child("version"), problem.to_owned());
    }
    if influxdb.retention_policy.is_some() {
        reader.complain(&section.child("retention_policy"), problem.to_owned());
    }
    influxdb.version = InfluxdbVersion::V08;
    influxdb.create_database = false;
}

fn kind(
    reader: &mut Reader,
    section: &Key,
    sink_type: SinkType,
    around: &Surroundings<'_>,
    warnings: &mut Vec<String>,
) -> Option<SinkKind> {
    match sink_type {
        SinkType::Influxdb => {
            influxdb::read(reader, section, around, warnings).map(SinkKind::Influxdb)
        }
        SinkType::Stdout => Some(SinkKind::Stdout),
        SinkType::File => {
            let missing = "is missing; write the file to append to, as in \"/var/log/cgflux.lp\"";
            reader
                .required(&section.child("path"), missing, absolute)
                .map(|path| SinkKind::File { path })
        }
        SinkType::Unix => {
            let missing =
                "is missing; write the socket to connect to, as in \"/run/telegraf.sock\"";
            reader
                .required(&section.child("path"), missing, absolute)
                .map(|path| SinkKind::Unix { path })
        }
        SinkType::Udp => {
            let missing = "is missing; write an IP address and a port, as in \"10.0.0.1:8089\"";
            reader
                .required(&section.child("address"), missing, any::<SocketAddr>)
                .map(|address| SinkKind::Udp { address })
        }
    }
}

/// The sink's type: as given, else a name that is one, as in `[sinks.stdout]`.
fn sink_type(reader: &mut Reader, section: &Key, sink_name: &str) -> Option<SinkType> {
    let key = section.child("type");
    match SinkType::read(&Value::Text(sink_name.to_owned())) {
        Ok(named) if !reader.has(&key) => Some(reader.setting(&key, named, any)),
        _ => reader.required(
            &key,
            "is missing; write one of \"influxdb\", \"stdout\", \"file\", \"unix\", \"udp\"",
            any,
        ),
    }
}

fn delivery(
    reader: &mut Reader,
    section: &Key,
    sink_type: SinkType,
    default: Delivery,
) -> Delivery {
    let lossless_key = section.child("lossless");
    let lossless = reader.setting(&lossless_key, true, any);
    let is_udp = sink_type == SinkType::Udp;
    if is_udp && lossless {
        let problem = "must be false for udp: nobody acknowledges a datagram, so what is lost on its way is lost unnoticed; \
                       or choose another type";
        reader.complain(&lossless_key, problem.to_owned());
    }
    let default_spool = default.spool.unwrap_or_default();
    let spool_key = section.child("spool");
    let is_spooled =
        reader.setting(
            &spool_key,
            lossless && default.spool.is_some(),
            |spool| match spool {
                true if is_udp => {
                    Err("is true; nothing is kept for udp, where sent is gone".to_owned())
                }
                true | false => Ok(()),
            },
        );
    let mut size = |name: &str, default: u64, least: u64| {
        let range = ByteSize(least)..=ByteSize::tib(1);
        reader
            .setting(&section.child(name), ByteSize(default), within(range))
            .as_u64()
    };
    let bytes = size("spool_bytes", default_spool.bytes, Spool::MIN_BYTES);
    let memory_bytes = size("memory_bytes", default.memory_bytes, 1 << 20);
    let spool = Spool {
        bytes,
        age: reader.setting(
            &section.child("spool_age"),
            default_spool.age,
            within(Duration::from_mins(1)..=Duration::from_hours(24 * 366)),
        ),
    };
    Delivery {
        spool: is_spooled.then_some(spool),
        memory_bytes,
        drain_lines: reader.setting(
            &section.child("drain_lines"),
            default.drain_lines,
            within(0..=10_000_000),
        ),
    }
}

fn same_place(one: &SinkKind, other: &SinkKind) -> bool {
    match (one, other) {
        (SinkKind::Influxdb(one), SinkKind::Influxdb(other)) => {
            let others = places(other);
            places(one).iter().any(|place| others.contains(place))
        }
        _ => one == other,
    }
}

/// Where an InfluxDB sink writes to: one place, or one more for the host as a whole.
fn places(influxdb: &Influxdb) -> Vec<(&ServerUrl, &str, Option<&str>)> {
    let main = (&influxdb.database, influxdb.retention_policy.as_deref());
    let host = influxdb.host_database.as_ref().map(|it| (it, None));
    let places = [Some(main), host].into_iter().flatten();
    places
        .map(|(database, policy)| (&influxdb.url, database.as_str(), policy))
        .collect()
}
