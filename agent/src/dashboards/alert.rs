//! Grafana's alert rules over InfluxDB: what each asks, and which of the answer's series fire. Pure.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value as Json;

use super::question::Role;
use crate::query::answer::Answer;

/// One rule, as the provisioning file has it: a query, the last value of each of its series, a threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The alert.
    pub title: String,
    /// Which database has the answer.
    pub role: Role,
    /// `InfluxQL` with `$timeFilter`.
    pub query: String,
    /// How far back it looks.
    pub window: Duration,
    /// Whether nothing at all is an alert too.
    pub silence_fires: bool,
    is_above: bool,
    bound: f64,
}

impl Rule {
    /// All rules of a file; `None` where the JSON is no such file.
    pub fn all(json: &str) -> Option<Vec<Self>> {
        let json: Json = serde_json::from_str(json).ok()?;
        let rules = json["groups"][0]["rules"].as_array()?;
        rules.iter().map(Self::of).collect()
    }

    fn of(rule: &Json) -> Option<Self> {
        let [asked, _last, threshold] = rule["data"].as_array()?.as_slice() else {
            return None;
        };
        let evaluator = &threshold["model"]["conditions"][0]["evaluator"];
        Some(Self {
            title: rule["title"].as_str()?.to_owned(),
            role: match asked["datasourceUid"].as_str()? {
                "cgflux-containers" => Role::Containers,
                "cgflux-host" => Role::Host,
                _ => return None,
            },
            query: asked["model"]["query"].as_str()?.to_owned(),
            window: Duration::from_secs(asked["relativeTimeRange"]["from"].as_u64()?),
            silence_fires: rule["noDataState"] == "Alerting",
            is_above: match evaluator["type"].as_str()? {
                "gt" => true,
                "lt" => false,
                _ => return None,
            },
            bound: evaluator["params"][0].as_f64()?,
        })
    }

    /// The tags of the series whose last value is beyond the bound.
    pub(super) fn firing<'a>(&self, answer: &'a Answer) -> Vec<&'a BTreeMap<String, String>> {
        let fires = |value: f64| {
            if self.is_above {
                value > self.bound
            } else {
                value < self.bound
            }
        };
        let series = answer.series.iter();
        let series = series.filter(|it| it.points(1).last().is_some_and(|(_, value)| fires(value)));
        series.map(|it| &it.tags).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::embedded::ALERTS, *};

    fn rule(title: &str) -> Rule {
        let rules = Rule::all(ALERTS).unwrap();
        rules.into_iter().find(|it| it.title == title).unwrap()
    }

    #[test]
    fn every_rule_is_read() {
        let rules = Rule::all(ALERTS).unwrap();
        assert_eq!(rules.len(), 7);
        let silent: Vec<&Rule> = rules.iter().filter(|it| it.silence_fires).collect();
        assert_eq!(silent[0].title, "CgfluxAgentSilent");
        assert_eq!(silent.len(), 1);
    }

    #[test]
    fn the_last_value_of_each_series_decides() {
        let series = |container: &str, values: &Json| json!({"tags": {"container": container}, "columns": ["time", "x"], "values": values});
        let results = [json!({"series": [
            series("held", &json!([[1, 0.1], [2, 0.3]])),
            series("free", &json!([[1, 0.9], [2, 0.25]])),
            series("none", &json!([[1, null]])),
        ]})];
        let answer = Answer::of(&results).unwrap();
        let firing = rule("CgfluxThrottled").firing(&answer).len();
        assert_eq!(firing, 1);
        let full = rule("CgfluxFilesystemFull").firing(&answer).len();
        assert_eq!(full, 0);
    }
}
