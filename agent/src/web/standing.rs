//! How `web` stands, as of its last second: for `/stats`, `/metrics` and the point of that second.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::report::{Latency, Rates};
use crate::encode::Field;

/// How `web` stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Standing {
    /// Version of the program.
    pub(super) version: &'static str,
    /// Seconds since it was started.
    pub(super) uptime_s: u64,
    /// Numbers given.
    pub(super) hits: u64,
    /// Requests at the counter's port, whatever they asked for.
    pub(super) requests: u64,
    /// Hits a second.
    pub(super) rps: Rates,
    /// Hits that wait for the next batch.
    pub(super) waiting: u64,
    /// Over the last ten seconds.
    pub(super) latency: Latency,
    /// Since the start.
    pub(super) latency_since_start: Latency,
    /// Hits of a batch, on average over the last ten seconds.
    pub(super) batch_mean: f64,
    /// Hits of the largest batch within them.
    pub(super) batch_max: u64,
    /// Redis.
    pub(super) redis: Redis,
    /// Hits without a number, by why.
    pub(super) refused: BTreeMap<&'static str, u64>,
    /// CPU time since the start, in nanoseconds.
    pub(super) cpu_ns: u64,
    /// CPU time for each request of the last second, in microseconds; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpu_us_per_request: Option<f64>,
    /// Resident memory in bytes.
    pub(super) rss_bytes: u64,
}

/// How Redis stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Redis {
    /// Where it is.
    pub(super) address: String,
    /// Whether any connection to it is open.
    pub(super) up: bool,
    /// Connections that are open.
    pub(super) connections: u64,
    /// Connections that were made beyond those it began with.
    pub(super) reconnects: u64,
    /// Milliseconds since it answered last; absent before it ever did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answered_ms_ago: Option<u64>,
    /// Why none is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<String>,
}

impl Standing {
    /// As JSON.
    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// As the fields of a point. Totals are since the start.
    pub(super) fn fields(&self) -> impl Iterator<Item = (String, Field<'static>)> {
        let integers = [
            ("batch_max", self.batch_max),
            ("cpu_ns", self.cpu_ns),
            ("hits", self.hits),
            ("max_us", self.latency.max_us),
            ("p50_us", self.latency.p50_us),
            ("p90_us", self.latency.p90_us),
            ("p999_us", self.latency.p999_us),
            ("p99_us", self.latency.p99_us),
            ("reconnects", self.redis.reconnects),
            ("requests", self.requests),
            ("rss_bytes", self.rss_bytes),
            ("waiting", self.waiting),
        ];
        let refused = self.refused.iter();
        let refused =
            refused.map(|(reason, count)| (format!("refused_{reason}"), Field::Integer(*count)));
        let floats = [("batch_mean", self.batch_mean), ("rps", self.rps.last)];
        let cost = self.cpu_us_per_request.map(|it| ("cpu_us_per_request", it));
        let integers = integers.map(|(key, value)| (key.to_owned(), Field::Integer(value)));
        let floats = floats.into_iter().chain(cost);
        let floats = floats.map(|(key, value)| (key.to_owned(), Field::Float(value)));
        let up = ("redis_up".to_owned(), Field::Boolean(self.redis.up));
        integers
            .into_iter()
            .chain(refused)
            .chain(floats)
            .chain([up])
    }

    /// For Prometheus, text format 0.0.4.
    pub(super) fn prometheus(&self) -> String {
        self.families().iter().map(Family::to_string).collect()
    }

    fn families(&self) -> [Family; 10] {
        let seconds = |us: u64| us as f64 / 1e6;
        let refused = self.refused.iter();
        let refused =
            refused.map(|(reason, count)| (format!("{{reason=\"{reason}\"}}"), *count as f64));
        let quantiles = [
            ("0.5", self.latency.p50_us),
            ("0.9", self.latency.p90_us),
            ("0.99", self.latency.p99_us),
            ("0.999", self.latency.p999_us),
            ("1", self.latency.max_us),
        ];
        let quantiles = quantiles.map(|(at, us)| (format!("{{quantile=\"{at}\"}}"), seconds(us)));
        [
            Family::counter("cgflux_web_hits_total", "Numbers given.", self.hits as f64),
            Family::counter(
                "cgflux_web_requests_total",
                "Requests at the counter's port, whatever they asked for.",
                self.requests as f64,
            ),
            Family {
                samples: refused.collect(),
                ..Family::counter(
                    "cgflux_web_refused_total",
                    "Hits without a number, by why.",
                    0.0,
                )
            },
            Family::gauge(
                "cgflux_web_waiting",
                "Hits that wait for the next batch.",
                self.waiting as f64,
            ),
            Family {
                samples: quantiles.into(),
                ..Family::gauge(
                    "cgflux_web_latency_seconds",
                    "Time from a hit to its number over the last ten seconds, by quantile.",
                    0.0,
                )
            },
            Family::gauge(
                "cgflux_web_batch_hits",
                "Hits of a batch, on average over the last ten seconds.",
                self.batch_mean,
            ),
            Family::gauge(
                "cgflux_web_redis_up",
                "Whether a connection to Redis is open.",
                f64::from(u8::from(self.redis.up)),
            ),
            Family::counter(
                "cgflux_web_redis_reconnects_total",
                "Connections to Redis beyond those it began with.",
                self.redis.reconnects as f64,
            ),
            Family::counter(
                "process_cpu_seconds_total",
                "CPU time since the start.",
                self.cpu_ns as f64 / 1e9,
            ),
            Family::gauge(
                "process_resident_memory_bytes",
                "Resident memory.",
                self.rss_bytes as f64,
            ),
        ]
    }
}

/// Samples of one name; labels stand in braces.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    samples: Vec<(String, f64)>,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            kind,
            help,
            samples,
        } = self;
        writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        for (labels, value) in samples {
            writeln!(f, "{name}{labels} {value}")?;
        }
        Ok(())
    }
}

impl Family {
    fn counter(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            name,
            kind: "counter",
            help,
            samples: vec![(String::new(), value)],
        }
    }

    fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self {
            kind: "gauge",
            ..Self::counter(name, help, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_base_units_and_one_head_a_family() {
        let standing = Standing {
            hits: 7,
            latency: Latency {
                p99_us: 1_500,
                ..Latency::default()
            },
            refused: BTreeMap::from([("shed", 2), ("away", 0)]),
            ..Standing::default()
        };
        let text = standing.prometheus();
        for line in [
            "cgflux_web_hits_total 7",
            "cgflux_web_refused_total{reason=\"shed\"} 2",
            "cgflux_web_latency_seconds{quantile=\"0.99\"} 0.0015",
            "cgflux_web_redis_up 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        let heads = text.matches("# TYPE cgflux_web_refused_total").count();
        assert_eq!(heads, 1);
    }

    #[test]
    fn a_field_stands_once() {
        let standing = Standing {
            refused: BTreeMap::from([("shed", 2)]),
            cpu_us_per_request: Some(10.5),
            ..Standing::default()
        };
        let mut keys: Vec<String> = standing.fields().map(|(key, _)| key).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!((keys.len(), count), (17, 17));
    }

    #[test]
    fn json_leaves_out_what_is_not_known() {
        let json: serde_json::Value = serde_json::from_str(&Standing::default().json()).unwrap();
        assert_eq!(json["rps"]["10s"], 0.0);
        assert!(json.get("cpu_us_per_request").is_none());
        assert!(json["redis"].get("problem").is_none());
    }
}
