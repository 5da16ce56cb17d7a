//! What `cgflux load --json` says.

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// The form that is understood here.
const SCHEMA: &str = "cgflux-load/1";

/// A run.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct Told {
    schema: String,
    /// Requests that were sent.
    pub(crate) sent: u64,
    /// Good answers a second.
    pub(crate) rate: f64,
    /// Requests that were due and were not sent.
    pub(crate) unsent: u64,
    /// All that was not answered well.
    pub(crate) errors: u64,
    /// At a rate: from when a request was due to its answer; otherwise from when it was sent.
    pub(crate) latency_us: Percentiles,
    /// At a rate: from when it was sent.
    pub(crate) service_us: Option<Percentiles>,
}

/// Of answers' times.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Told {
    /// Reads what it said.
    pub(crate) fn of(said: &str) -> anyhow::Result<Self> {
        let told: Self = serde_json::from_str(said).context("what cgflux load says")?;
        ensure!(
            told.schema == SCHEMA,
            "cgflux load speaks {}, not {SCHEMA}",
            told.schema
        );
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_at_a_rate_has_two_latencies_and_another_form_is_refused() {
        let said = |schema: &str| {
            format!(
                r#"{{"schema":"{schema}","loop":"open","sent":1500,"rate":500.0,"unsent":1,"errors":2,
                "latency_us":{{"count":1500,"p50":190,"p99":400,"p99.9":900}},"service_us":{{"p50":90,"p99":300}}}}"#
            )
        };
        let told = Told::of(&said(SCHEMA)).unwrap();
        assert!((told.latency_us.p50 - 190.0).abs() < 1e-9);
        assert_eq!(told.service_us.map(|it| it.p99), Some(300.0));
        assert!(Told::of(&said("cgflux-load/9")).is_err());
    }
}
