//! Series → tables: for people, aligned; as CSV for programs. Nothing in a name acts on a terminal.

use unicode_width::UnicodeWidthStr as _;

use super::{
    answer::{Answer, Series, TIME},
    number::{cell, rfc3339},
};
use crate::text::{cut, padded, printable};

/// Columns of a terminal that one cell gets at most.
const WIDEST: usize = 60;

/// Lines: a table for each shape of series, tags first; no wider than `width` if there is one.
pub(super) fn table(answer: &Answer, width: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = answer.series.as_slice();
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|it| shape(it) == shape(first));
        let (block, others) = rest.split_at(alike.count());
        rest = others;
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(aligned(block, width.unwrap_or(usize::MAX)));
    }
    lines
}

/// What series of one table have in common.
fn shape(series: &Series) -> (&str, Vec<&String>, &[String]) {
    (&series.name, series.tags.keys().collect(), &series.columns)
}

fn aligned(block: &[Series], width: usize) -> Vec<String> {
    let Some(first) = block.first() else {
        return Vec::new();
    };
    let head = first.tags.keys().chain(&first.columns);
    let head: Vec<String> = head.map(|name| safe(name)).collect();
    let mut is_left = vec![true; head.len()];
    let mut rows = Vec::new();
    for series in block {
        for row in &series.rows {
            let tags = series.tags.values().map(|value| safe(value));
            let cells = series.columns.iter().enumerate().map(|(at, column)| {
                let value = row.get(at).unwrap_or(&serde_json::Value::Null);
                if value.is_number() && column != TIME {
                    is_left[series.tags.len() + at] = false;
                }
                safe(&told(column, value))
            });
            rows.push(tags.chain(cells).collect::<Vec<String>>());
        }
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|at| {
            let cells = rows.iter().chain([&head]).map(|row| row[at].width());
            cells.max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(&is_left);
        let cells: Vec<String> = cells
            .map(|((text, width), left)| padded(text, *width, *left))
            .collect();
        cut(cells.join("  ").trim_end(), width)
    };
    [&head].into_iter().chain(&rows).map(line).collect()
}

fn told(column: &str, value: &serde_json::Value) -> String {
    let time = value.as_i64().filter(|_| column == TIME);
    time.and_then(rfc3339).unwrap_or_else(|| cell(value))
}

fn safe(text: &str) -> String {
    cut(&printable(text), WIDEST)
}

/// The same as CSV (RFC 4180), numbers in full, times in ns, a heading for each shape of series. What a terminal
/// would act on is escaped here too.
pub(super) fn csv(answer: &Answer) -> String {
    let mut text = String::new();
    let mut before = None;
    for series in &answer.series {
        if before.replace(shape(series)) != Some(shape(series)) {
            let head = series.tags.keys().chain(&series.columns);
            record(
                &mut text,
                ["name"].into_iter().chain(head.map(String::as_str)),
            );
        }
        for row in &series.rows {
            let cells: Vec<String> = row.iter().map(exact).collect();
            let tags = series.tags.values().chain(&cells);
            let name = [series.name.as_str()].into_iter();
            record(&mut text, name.chain(tags.map(String::as_str)));
        }
    }
    text
}

fn exact(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn record<'a>(text: &mut String, fields: impl Iterator<Item = &'a str>) {
    let fields: Vec<String> = fields
        .map(|field| {
            let field = printable(field);
            if field.contains([',', '"']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field.into_owned()
            }
        })
        .collect();
    text.push_str(&fields.join(","));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::{
        super::answer::fixture::{answer, series},
        *,
    };
    use crate::{encode::fixture::HOSTILE, text::is_unprintable};

    #[test]
    fn series_of_one_shape_share_a_table() {
        let answer = answer([
            series("web", "cpus", &[0.5, 12.25]),
            series("db", "cpus", &[1.0]),
            series("db", "bytes", &[7.0]),
        ]);
        assert_eq!(
            table(&answer, Some(80)).join("\n"),
            "container  time                   cpus\n\
             web        2023-11-14T22:13:20Z    0.5\n\
             web        2023-11-14T22:13:21Z  12.25\n\
             db         2023-11-14T22:13:20Z      1\n\
             \n\
             container  time                  bytes\n\
             db         2023-11-14T22:13:20Z      7"
        );
        assert_eq!(
            csv(&answer).lines().take(2).collect::<Vec<_>>(),
            [
                "name,container,time,cpus",
                "container_cpu,web,1700000000000000000,0.5"
            ]
        );
    }

    #[test]
    fn hostile_names_stay_on_their_line() {
        for name in HOSTILE.iter().chain(&["a,\"b\"\n"]) {
            let answer = answer([series(name, name, &[1.0])]);
            for width in [5, 80] {
                let lines = table(&answer, Some(width));
                assert_eq!(lines.len(), 2);
                for line in lines {
                    assert!(!line.chars().any(is_unprintable), "{line:?}");
                    assert!(line.width() <= width, "{line:?}");
                }
            }
            assert_eq!(csv(&answer).lines().count(), 2);
        }
        let quoted = answer([series("a,\"b\"", "x", &[1.0])]);
        assert!(csv(&quoted).contains("container_cpu,\"a,\"\"b\"\"\",17"));
    }
}
