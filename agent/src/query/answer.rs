//! What InfluxDB answers to a query → series.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The column that InfluxQL puts first wherever rows have a time.
pub(crate) const TIME: &str = "time";

/// Rows of one name and one set of tags.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Series {
    /// The measurement, or what a SHOW lists.
    pub(crate) name: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) columns: Vec<String>,
    /// A cell for each column; times are integers in ns.
    #[serde(rename = "values")]
    pub(crate) rows: Vec<Vec<Value>>,
}

/// All that was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) series: Vec<Series>,
    /// What the server says beside: that rows are left out, or a warning.
    pub(crate) notes: Vec<String>,
}

/// One result, as the server writes it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OneResult {
    series: Vec<Series>,
    messages: Vec<Message>,
    partial: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    text: String,
}

impl Answer {
    /// The series of all results; the error says that this is no InfluxDB's answer.
    pub(crate) fn of(results: &[Value]) -> Result<Self, serde_json::Error> {
        let mut answer = Self::default();
        for result in results {
            let result = OneResult::deserialize(result)?;
            answer.series.extend(result.series);
            answer
                .notes
                .extend(result.messages.into_iter().map(|it| it.text));
            if result.partial {
                let note = "the server leaves rows out (its max-row-limit); narrow the query";
                answer.notes.push(note.to_owned());
            }
        }
        Ok(answer)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.rows.is_empty())
    }

    /// Whether it is numbers over time: some series has several times.
    pub(crate) fn is_over_time(&self) -> bool {
        self.series
            .iter()
            .any(|series| series.points(1).nth(1).is_some())
    }

    /// Keeps the highest `most` rows by the first column of numbers, highest first. Each series must have one row.
    pub(crate) fn keep_highest(&mut self, most: usize) {
        let height = |series: &Series| series.points(1).next().map_or(f64::MIN, |(_, value)| value);
        self.series
            .sort_by(|one, other| height(other).total_cmp(&height(one)));
        self.series.truncate(most);
    }

    /// Takes away the column of times, for rows that are of a range and not of an instant.
    pub(crate) fn forget_times(&mut self) {
        for series in &mut self.series {
            if series.columns.first().is_some_and(|first| first == TIME) {
                series.columns.remove(0);
                for row in &mut series.rows {
                    row.drain(..row.len().min(1));
                }
            }
        }
    }
}

impl Series {
    /// Times in ns and numbers of a column; none where rows have no times.
    pub(crate) fn points(&self, column: usize) -> impl Iterator<Item = (i64, f64)> {
        let has_times = self.columns.first().is_some_and(|first| first == TIME);
        let rows = self.rows.iter().filter(move |_| has_times);
        rows.filter_map(move |row| {
            let time_ns = row.first()?.as_i64()?;
            Some((time_ns, row.get(column)?.as_f64()?))
        })
    }
}

#[cfg(test)]
pub(super) mod fixture {
    use serde_json::json;

    use super::*;

    /// These series, and nothing to note.
    pub(in super::super) fn answer(series: impl IntoIterator<Item = Series>) -> Answer {
        Answer {
            series: series.into_iter().collect(),
            notes: Vec::new(),
        }
    }

    /// Series of one tag and one number a second.
    pub(in super::super) fn series(container: &str, column: &str, values: &[f64]) -> Series {
        let rows = (0_i64..).zip(values).map(|(second, value)| {
            let time_ns = 1_700_000_000_000_000_000 + second * 1_000_000_000;
            vec![json!(time_ns), json!(value)]
        });
        Series {
            name: "container_cpu".to_owned(),
            tags: BTreeMap::from([("container".to_owned(), container.to_owned())]),
            columns: vec![TIME.to_owned(), column.to_owned()],
            rows: rows.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn series_of_all_results_and_what_the_server_says_beside_are_found() {
        let results = [
            json!({"statement_id": 0, "series": [{"name": "a", "columns": ["time", "x"], "values": [[1, 2.5], [2, null]]}]}),
            json!({"statement_id": 1, "partial": true, "messages": [{"level": "warning", "text": "old"}]}),
        ];
        let answer = Answer::of(&results).unwrap();
        assert_eq!(answer.series[0].points(1).collect::<Vec<_>>(), [(1, 2.5)]);
        assert_eq!(answer.notes.len(), 2, "{answer:?}");
        assert!(!answer.is_empty() && !answer.is_over_time());
        assert!(Answer::of(&[json!({"series": 7})]).is_err());
        assert!(
            Answer::of(&[json!({"statement_id": 0})])
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn rows_shorter_than_their_columns_break_nothing() {
        let results =
            [json!({"series": [{"columns": ["time", "x"], "values": [[], [1], ["a", "b"]]}]})];
        let mut answer = Answer::of(&results).unwrap();
        assert_eq!(answer.series[0].points(1).count(), 0);
        answer.keep_highest(3);
        answer.forget_times();
        assert_eq!(answer.series[0].columns, ["x"]);
    }

    #[test]
    fn the_highest_come_first() {
        let series = ["low", "high", "middle"].into_iter().zip([1.0, 3.0, 2.0]);
        let mut answer = Answer {
            series: series
                .map(|(name, value)| fixture::series(name, "cpus", &[value]))
                .collect(),
            notes: Vec::new(),
        };
        answer.keep_highest(2);
        let names: Vec<_> = answer
            .series
            .iter()
            .map(|it| &it.tags["container"])
            .collect();
        assert_eq!(names, ["high", "middle"]);
    }
}
