//! Shipments → JSON for InfluxDB 0.8, as cAdvisor's driver of 2014 wrote it: a table `stats` with a row for each
//! container, and one more for each filesystem.
//!
//! A line of a payload is one series object. Columns, units and the time in microseconds are those of
//! `storage/influxdb/influxdb.go` (github.com/google/cadvisor, 0.6.1); a value that is not known has no column. JSON can
//! carry any name, so none is changed. The host as a whole alone has filesystems. There are no tags, so static ones and
//! labels have no place.

use flate2::Crc;
use serde::Serialize;

use super::{host, named};
use crate::{
    container::Kind,
    encode::{Payload, Tagging, line::Page, readings::Readings},
    metrics::catalog,
    shipment::{Point, Shipment},
};

/// The table.
const TABLE: &str = "stats";

/// Encodes the shipments of one sink.
#[derive(Debug)]
pub struct Influxdb08Encoder {
    machine: String,
    page: Page,
}

impl Influxdb08Encoder {
    /// An encoder for the host that `tagging` names.
    pub fn new(tagging: &Tagging) -> Self {
        Self {
            machine: tagging.host().to_owned(),
            page: Page::default(),
        }
    }

    /// The rows of a shipment, a line each.
    pub fn encode(&mut self, shipment: &Shipment<'_>) -> Vec<Payload> {
        for point in &shipment.points {
            if point.subject.container.kind() != Kind::Host {
                self.point(point);
            }
        }
        self.host(shipment);
        self.page.finish()
    }

    fn point(&mut self, point: &Point<'_>) {
        let samples = point.subject.samples();
        let readings = Readings(&samples);
        let values = [
            (
                "cpu_cumulative_usage",
                readings.integer(&catalog::CPU_USAGE),
            ),
            ("memory_usage", readings.integer(&catalog::MEMORY_USAGE)),
            (
                "memory_working_set",
                readings.integer(&catalog::WORKING_SET),
            ),
            ("rx_bytes", readings.on_networks(&catalog::NET_RX_BYTES)),
            ("tx_bytes", readings.on_networks(&catalog::NET_TX_BYTES)),
        ];
        self.row(
            named(&point.subject.container),
            point.wall_ns,
            None,
            &values,
        );
    }

    fn host(&mut self, shipment: &Shipment<'_>) {
        let readings = Readings(shipment.host);
        let values = [
            ("cpu_cumulative_usage", readings.sum_of(&host::CPU_USED)),
            ("memory_usage", host::memory(readings)),
            (
                "rx_bytes",
                host::on_interfaces(readings, &catalog::HOST_NET_RX_BYTES),
            ),
            (
                "rx_errors",
                host::on_interfaces(readings, &catalog::HOST_NET_RX_ERRORS),
            ),
            (
                "tx_bytes",
                host::on_interfaces(readings, &catalog::HOST_NET_TX_BYTES),
            ),
            (
                "tx_errors",
                host::on_interfaces(readings, &catalog::HOST_NET_TX_ERRORS),
            ),
        ];
        self.row(host::NAME, shipment.wall_ns, None, &values);
        for filesystem in host::filesystems(shipment.host) {
            let values = [
                ("fs_limit", Some(filesystem.limit_bytes)),
                ("fs_usage", filesystem.usage_bytes),
            ];
            self.row(
                host::NAME,
                shipment.wall_ns,
                Some(filesystem.device),
                &values,
            );
        }
    }

    /// Writes what is known of `values`; nothing if none is.
    fn row(
        &mut self,
        name: &str,
        wall_ns: i64,
        device: Option<&str>,
        values: &[(&'static str, Option<u64>)],
    ) {
        let mut columns = vec!["time", "sequence_number", "machine", "container_name"];
        let mut row = vec![
            Cell::Number(wall_ns.div_euclid(1_000)),
            Cell::Number(sequence_number(&[
                &self.machine,
                name,
                device.unwrap_or_default(),
            ])),
            Cell::Text(&self.machine),
            Cell::Text(name),
        ];
        if let Some(device) = device {
            columns.push("fs_device");
            row.push(Cell::Text(device));
        }
        let names = columns.len();
        for (column, value) in values {
            if let Some(value) = value {
                columns.push(column);
                row.push(Cell::Number(i64::try_from(*value).unwrap_or(i64::MAX)));
            }
        }
        if columns.len() > names {
            let series = Series {
                name: TABLE,
                columns,
                points: [row],
            };
            self.page.json(&series, wall_ns);
        }
    }
}

/// What tells a row from others of its time. 0.8 makes one up where none is given, and then a row that is written twice
/// is there twice (`cluster/cluster_configuration.go` of 0.8.9).
fn sequence_number(names: &[&str]) -> i64 {
    let mut sum = Crc::new();
    for name in names {
        sum.update(name.as_bytes());
        sum.update(&[0]);
    }
    i64::from(sum.sum()) + 1
}

/// A series object of the 0.8 API.
#[derive(Serialize)]
struct Series<'a> {
    name: &'static str,
    columns: Vec<&'static str>,
    points: [Vec<Cell<'a>>; 1],
}

/// A value in a row.
#[derive(Serialize)]
#[serde(untagged)]
enum Cell<'a> {
    /// A name.
    Text(&'a str),
    /// A time or a number; 0.8 has signed integers of 64 bits.
    Number(i64),
}
