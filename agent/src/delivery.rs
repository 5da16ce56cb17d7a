//! The sinks, built: for each an outlet of the collector, a worker, and whether other processes' points go there.

use crate::{
    clock,
    config::{self, Config, Influxdb, Schema, SinkKind},
    encode::{Encoder, Tagging, losses},
    loss::Losses,
    outlet::Outlet,
    self_stats::SelfStats,
    shipment::{Parts, Shipper},
    sink::{self, Sink, SpoolError, Target, Worker, influxdb},
    surroundings::read_secret,
};

/// Why a sink cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// No request can be made of its settings.
    #[error("sink {name} cannot be used")]
    Sink {
        /// The sink.
        name: String,
        /// Why.
        source: influxdb::ClientError,
    },
    /// What it keeps on disk is not its own.
    #[error(
        "sink {name} cannot keep what it is to send; give this process a state folder of its own with --state-dir"
    )]
    Spool {
        /// The sink.
        name: String,
        /// Why.
        source: SpoolError,
    },
}

/// The sinks, seen from both ends.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(crate) outlets: Vec<Outlet>,
    pub(crate) workers: Vec<(String, Worker)>,
    /// Those that take other processes' points.
    pub(crate) takers: Vec<Sink>,
}

/// Opens all sinks of the configuration.
pub(crate) fn open(
    config: &Config,
    tagging: &Tagging,
    stats: &SelfStats,
) -> Result<Delivery, DeliveryError> {
    let mut delivery = Delivery::default();
    for settings in &config.sinks {
        let mut add = |name: String, target, parts, schema| {
            let (its_tagging, its_name) = (tagging.clone(), name.clone());
            let tell = move |lost: &Losses, wall_ns| {
                // A format of its own has no place for what is no row of its table.
                let is_told = schema != Schema::Influxdb08;
                is_told
                    .then(|| losses(&its_tagging, &its_name, lost, wall_ns))
                    .flatten()
            };
            let stats = stats.sink(&name);
            let opened = sink::open(target, &settings.delivery, &config.state_dir, tell, stats);
            let (sink, worker) = opened.map_err(|source| DeliveryError::Spool {
                name: name.clone(),
                source,
            })?;
            let newest_ns = sink
                .newest_ns()
                .filter(|ns| is_near(*ns))
                .unwrap_or(i64::MIN);
            let shipper = Shipper::new(settings.interval).of(parts).after(newest_ns);
            let encoder = Encoder::new(schema, tagging.clone());
            // What is in a database of its own is the host as a whole, and nothing else.
            let takes_other_points = parts != Parts::HostAlone && schema != Schema::Influxdb08;
            if takes_other_points {
                delivery.takers.push(sink.clone());
            }
            let outlet = Outlet::new(shipper, encoder, sink);
            delivery.outlets.push(if takes_other_points {
                outlet.telling_of_gaps(tagging.clone())
            } else {
                outlet
            });
            delivery.workers.push((name, worker));
            Ok::<_, DeliveryError>(())
        };
        let mut parts = Parts::All;
        let target = match &settings.kind {
            SinkKind::Influxdb(influxdb) => {
                // A database of its own is a queue and a connection of its own: neither holds up the other.
                // Also where the host is not measured: a reload may change that.
                if let Some(of_host) = influxdb.of_host() {
                    // Other schemas need the host for what they say of containers, and write it in no other way.
                    if settings.schema == Schema::Native {
                        parts = Parts::ButHost;
                    }
                    let target = influxdb_target(settings, &of_host)?;
                    add(
                        settings.host_name(),
                        target,
                        Parts::HostAlone,
                        Schema::Native,
                    )?;
                }
                influxdb_target(settings, influxdb)?
            }
            SinkKind::Stdout => Target::Stdout,
            SinkKind::File { path } => Target::File(path.clone()),
            SinkKind::Unix { path } => Target::Unix(path.clone()),
            SinkKind::Udp { address } => Target::Udp(*address),
        };
        add(settings.name.clone(), target, parts, settings.schema)?;
    }
    Ok(delivery)
}

/// Whether times may go on after this one: a clock that was wrong by years once does not hold them for ever.
fn is_near(wall_ns: i64) -> bool {
    let day_ns = 24 * 3_600 * 1_000_000_000;
    wall_ns < clock::now().wall_ns.saturating_add(day_ns)
}

fn influxdb_target(settings: &config::Sink, influxdb: &Influxdb) -> Result<Target, DeliveryError> {
    let client = influxdb::Client::new(influxdb, read_secret);
    Ok(Target::Influxdb(client.map_err(|source| {
        DeliveryError::Sink {
            name: settings.name.clone(),
            source,
        }
    })?))
}
