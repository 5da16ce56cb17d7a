//! What a query was answered, and whether a panel would show something of it. Pure.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::{View, question::Question};
use crate::{check::Item, query::answer::Answer};

/// An answer, whoever gave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// How many series, or names, there are.
    pub(super) series: usize,
    /// Values of each column; those that have none are empty lines.
    pub(super) columns: BTreeMap<String, usize>,
    /// Times of values, in nanoseconds since the Unix epoch.
    pub(super) times_ns: Vec<i64>,
}

impl Found {
    /// What an InfluxDB answered.
    pub(super) fn of_influxdb(answer: &Answer) -> Self {
        let mut found = Self {
            series: answer.series.len(),
            ..Self::default()
        };
        for series in &answer.series {
            for (at, column) in series.columns.iter().enumerate() {
                let is_time = column == "time";
                let cells = series.rows.iter().filter_map(|row| row.get(at));
                let values = cells.filter(|cell| !cell.is_null());
                if is_time {
                    found.times_ns.extend(values.filter_map(Json::as_i64));
                } else {
                    *found.columns.entry(column.clone()).or_default() += values.count();
                }
            }
        }
        found
    }

    /// What a Prometheus answered: the `data` of it.
    pub(super) fn of_prometheus(data: &Json) -> Self {
        let series = data["result"].as_array();
        let mut found = Self {
            series: series.map_or(0, Vec::len),
            ..Self::default()
        };
        let values = found.columns.entry("value".to_owned()).or_default();
        for series in series.into_iter().flatten() {
            let many = series["values"].as_array().into_iter().flatten();
            let one = Some(&series["value"]).filter(|it| !it.is_null());
            for point in many.chain(one) {
                let value = point[1].as_str().and_then(|it| it.parse::<f64>().ok());
                let seconds = point[0].as_f64();
                if let (Some(true), Some(seconds)) = (value.map(f64::is_finite), seconds) {
                    *values += 1;
                    found.times_ns.push(nanoseconds(seconds));
                }
            }
        }
        found
    }

    /// Names to choose from.
    pub(super) fn of_names(names: usize) -> Self {
        Self {
            series: names,
            columns: BTreeMap::from([("name".to_owned(), names)]),
            times_ns: Vec::new(),
        }
    }

    /// What it comes to for a panel.
    pub(super) fn judged(&self, question: &Question, view: &View) -> Item {
        let name = &question.name;
        let outside = self.times_ns.iter().filter(|time| !view.shows(**time));
        let outside = outside.count();
        if outside > 0 {
            let all = self.times_ns.len();
            let finding = format!("{outside} of {all} times are outside the time asked for");
            return Item::fail(name, finding);
        }
        let lacking: Vec<&str> = self
            .columns
            .iter()
            .filter(|(_, values)| **values == 0)
            .map(|(column, _)| column.as_str())
            .collect();
        if self.columns.is_empty() || !lacking.is_empty() {
            let finding = if lacking.len() < self.columns.len() {
                format!("empty: {}", lacking.join(", "))
            } else {
                "empty".to_owned()
            };
            return match &question.may_be_empty {
                Some(why) => Item::note(name, finding).because(why),
                None => Item::warn(name, finding),
            };
        }
        let values: usize = self.columns.values().sum();
        Item::pass(name, format!("{values} values in {} series", self.series))
    }
}

impl View {
    /// Whether a time is within the range. The first group of InfluxDB begins up to an interval before.
    fn shows(&self, time_ns: i64) -> bool {
        let interval_ns = i64::try_from(self.interval.as_nanos()).unwrap_or(i64::MAX);
        (self.start_ns.saturating_sub(interval_ns)..=self.end_ns).contains(&time_ns)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "times are of this century, in whole milliseconds"
)]
fn nanoseconds(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64 * 1_000_000
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::{
        super::question::{Form, Role},
        *,
    };
    use crate::check::Level;

    fn judged(found: &Found, may_be_empty: Option<&str>) -> Item {
        let view = View {
            start_ns: 100_000_000_000,
            end_ns: 200_000_000_000,
            interval: Duration::from_secs(10),
            scrape_interval: Duration::from_secs(15),
            host: None,
            container: None,
        };
        let question = Question {
            name: "CPU A".to_owned(),
            role: Role::Containers,
            form: Form::Range,
            text: String::new(),
            may_be_empty: may_be_empty.map(str::to_owned),
        };
        found.judged(&question, &view)
    }

    fn of_influxdb(rows: &Json) -> Found {
        let results = [json!({"series": [{"columns": ["time", "user", "nice"], "values": rows}]})];
        Found::of_influxdb(&Answer::of(&results).unwrap())
    }

    #[test]
    fn values_within_the_time_are_good() {
        let found = of_influxdb(&json!([
            [90_000_000_000_i64, 1, 2],
            [100_000_000_000_i64, 3, null]
        ]));
        let item = judged(&found, None);
        assert_eq!(item.level, Level::Pass);
        assert_eq!(item.finding, "3 values in 1 series");
    }

    #[test]
    fn a_line_without_a_value_is_told_by_its_name() {
        let found = of_influxdb(&json!([[100_000_000_000_i64, 3, null]]));
        let item = judged(&found, None);
        assert_eq!((item.level, &*item.finding), (Level::Warn, "empty: nice"));
        assert_eq!(judged(&found, Some("old kernels")).level, Level::Note);
        assert_eq!(judged(&Found::default(), None).finding, "empty");
    }

    #[test]
    fn times_of_elsewhere_are_a_fault_whatever_may_be_empty() {
        for time_ns in [89_999_999_999_i64, 200_000_000_001] {
            let found = of_influxdb(&json!([[time_ns, 1, 1]]));
            assert_eq!(judged(&found, Some("why")).level, Level::Fail, "{time_ns}");
        }
    }

    #[test]
    fn what_is_no_number_to_prometheus_is_no_value() {
        let data = json!({"resultType": "matrix", "result": [
            {"metric": {}, "values": [[100.5, "1"], [101, "NaN"], [102, "+Inf"]]},
            {"metric": {}, "value": [150, "2.5"]},
        ]});
        let found = Found::of_prometheus(&data);
        assert_eq!(found.series, 2);
        assert_eq!(found.times_ns, [100_500_000_000, 150_000_000_000]);
        let empty = Found::of_prometheus(&json!({"result": []}));
        assert_eq!(judged(&empty, None).finding, "empty");
    }
}
