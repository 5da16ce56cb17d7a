//! The alerts as rules that Grafana evaluates itself, for those who have InfluxDB only. Pure.
//!
//! JSON, which Grafana provisions as it does YAML: each rule is a query, the last value of each of its series, and a
//! threshold.

use serde_json::{Value as Json, json};

use super::{Alert, Fires, Influx, Pace, all, words};
use crate::dashboards::model::Source;

/// The whole file.
pub(in crate::dashboards) fn rules(pace: Pace) -> Json {
    json!({
        "apiVersion": 1,
        "groups": [{
            "orgId": 1,
            "name": "cgflux",
            "folder": "cgflux",
            "interval": pace.minutes(1),
            "rules": all(pace).iter().map(rule).collect::<Vec<_>>(),
        }],
    })
}

fn rule(alert: &Alert) -> Json {
    let subject = "{{ $labels.host }}{{ with $labels.container }}, container {{ . }}{{ end }}\
         {{ with $labels.sink }}, sink {{ . }}{{ end }}{{ with $labels.mount }}, {{ . }}{{ end }}";
    let nothing = if alert.influxql.silence_fires {
        "Alerting"
    } else {
        "OK"
    };
    json!({
        "uid": format!("cgflux-{}", alert.name.trim_start_matches("Cgflux").to_lowercase()),
        "title": alert.name,
        "condition": "C",
        "data": [query(&alert.influxql), last(), threshold(alert.influxql.fires)],
        "for": words(alert.wait),
        "noDataState": nothing,
        "execErrState": "Error",
        "labels": { "severity": alert.severity },
        "annotations": {
            "summary": format!("{subject}: {}", alert.summary),
            "description": alert.advice,
        },
    })
}

fn query(influx: &Influx) -> Json {
    let uid = match influx.source {
        Source::Containers => "cgflux-containers",
        Source::Host => "cgflux-host",
    };
    json!({
        "refId": "A",
        "datasourceUid": uid,
        "relativeTimeRange": { "from": influx.window.as_secs(), "to": 0 },
        "model": {
            "refId": "A", "query": influx.query, "rawQuery": true, "resultFormat": "time_series",
            "intervalMs": 1_000, "maxDataPoints": 43_200,
        },
    })
}

fn last() -> Json {
    expression(
        "B",
        &json!({ "type": "reduce", "expression": "A", "reducer": "last" }),
    )
}

fn threshold(fires: Fires) -> Json {
    let (kind, bound) = match fires {
        Fires::Above(bound) => ("gt", bound),
        Fires::Below(bound) => ("lt", bound),
    };
    let condition = json!({ "evaluator": { "type": kind, "params": [bound] } });
    expression(
        "C",
        &json!({ "type": "threshold", "expression": "B", "conditions": [condition] }),
    )
}

/// A step that Grafana itself does.
fn expression(letter: &str, model: &Json) -> Json {
    let mut model = model.clone();
    model["refId"] = letter.into();
    json!({
        "refId": letter,
        "datasourceUid": "__expr__",
        "relativeTimeRange": { "from": 0, "to": 0 },
        "model": model,
    })
}
