//! What InfluxDB answers to a query, as points.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::harness::Line;

/// The points of all series of one result.
pub(super) fn all_lines(result: &Json) -> Vec<Line> {
    let series = result["series"].as_array();
    series.into_iter().flatten().flat_map(lines).collect()
}

/// The points of one series of an answer.
fn lines(series: &Json) -> Vec<Line> {
    let tags = series["tags"].as_object().into_iter().flatten();
    // Grouped by all tags there are, a series has empty ones for those it lacks.
    let tags = tags.filter(|(_, value)| **value != "");
    let tags: BTreeMap<_, _> = tags
        .map(|(key, value)| (key.clone(), plain(value)))
        .collect();
    let columns: Vec<&str> = series["columns"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let line = |row: &Json| {
        let cells = row.as_array().into_iter().flatten();
        let fields = columns.iter().zip(cells).skip(1);
        Line {
            measurement: plain(&series["name"]),
            tags: tags.clone(),
            fields: fields
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| ((*key).to_owned(), plain(value)))
                .collect(),
            wall_ns: row[0].as_i64().expect("each row begins with its time"),
        }
    };
    let rows = series["values"].as_array().into_iter().flatten();
    rows.map(line).collect()
}

/// A value as text, in the form that [`Line`] has.
fn plain(value: &Json) -> String {
    match (value.as_str(), value.as_i64(), value.as_f64()) {
        (Some(text), _, _) => text.to_owned(),
        (_, None, Some(float)) => float.to_string(),
        _ => value.to_string(),
    }
}
