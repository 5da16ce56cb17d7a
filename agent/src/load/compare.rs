//! Runs beside others: what each figure came to, and how many times the first it is in the second.
//!
//! Several runs of each side are given in turns, as they are to be made: pairs that are close in time tell more than
//! two sums. The middle of the pairs' ratios counts, and the lowest and the highest stand beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::PathBuf,
};

use serde::Deserialize;

use super::{
    LoadError,
    summary::SCHEMA,
    words::{latency, percent, rate},
};
use crate::{
    terminal::print,
    text::{padded, printable},
};

/// What is read of a run's JSON.
#[derive(Clone, Debug, Deserialize)]
struct Told {
    schema: String,
    target: String,
    #[serde(rename = "loop")]
    pace: String,
    connections: usize,
    target_rate: Option<f64>,
    rate: f64,
    sent: u64,
    errors: u64,
    latency_us: Latencies,
    service_us: Option<Latencies>,
    cpu_us_per_request: Option<f64>,
    client_bound: Vec<String>,
}

/// By the percentile's name, in microseconds.
#[derive(Clone, Debug, Deserialize)]
struct Latencies {
    #[serde(flatten)]
    us: BTreeMap<String, f64>,
}

/// What stands in one line of the comparison.
#[derive(Clone, Copy)]
enum Figure {
    /// A percentile by its name: from when requests were due, in a closed loop from when they were sent.
    Latency(&'static str),
    /// The same from when they were sent, in an open loop.
    Service(&'static str),
    Other(fn(&Told) -> Option<f64>),
}

/// How a figure is said.
type Words = fn(f64) -> String;

/// The lines.
const FIGURES: [(&str, Figure, Words); 8] = [
    ("rate", Figure::Other(|told| Some(told.rate)), rate),
    ("errors", Figure::Other(Told::error_share), percent),
    ("p50", Figure::Latency("p50"), latency),
    ("p90", Figure::Latency("p90"), latency),
    ("p99", Figure::Latency("p99"), latency),
    ("max", Figure::Latency("max"), latency),
    ("p99 from sending", Figure::Service("p99"), latency),
    (
        "load's CPU a request",
        Figure::Other(|told| told.cpu_us_per_request),
        latency,
    ),
];

impl Told {
    fn error_share(&self) -> Option<f64> {
        (self.sent > 0).then(|| self.errors as f64 / self.sent as f64)
    }
}

impl Figure {
    fn of(self, told: &Told) -> Option<f64> {
        match self {
            Self::Latency(name) => told.latency_us.us.get(name).copied(),
            Self::Service(name) => told.service_us.as_ref()?.us.get(name).copied(),
            Self::Other(of) => of(told),
        }
    }
}

/// Reads runs in pairs and prints how they compare.
pub fn compare(files: &[PathBuf]) -> Result<(), LoadError> {
    print(&compared(files)?).map(drop).map_err(LoadError::Print)
}

fn compared(files: &[PathBuf]) -> Result<String, LoadError> {
    let told = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let (pairs, rest) = told.as_chunks::<2>();
    if pairs.is_empty() || !rest.is_empty() {
        let problem = "compares runs in pairs: BEFORE.json AFTER.json, and so on in turns";
        return Err(LoadError::Usage(problem.to_owned()));
    }
    Ok(text(pairs))
}

fn read(file: &PathBuf) -> Result<Told, LoadError> {
    let no_run = |reason: String| {
        let file = file.display().to_string();
        let file = printable(&file);
        LoadError::Usage(format!(
            "{file} is no run of `cgflux load --json`: {}",
            printable(&reason)
        ))
    };
    let text = fs::read_to_string(file).map_err(|source| LoadError::Unreadable {
        path: file.clone(),
        source,
    })?;
    let told: Told = serde_json::from_str(&text).map_err(|error| no_run(error.to_string()))?;
    if told.schema != SCHEMA {
        return Err(no_run(format!("it is of the form {}", told.schema)));
    }
    Ok(told)
}

fn text(pairs: &[[Told; 2]]) -> String {
    let mut rows = vec![["", "before", "after", "after/before"].map(str::to_owned)];
    for (name, figure, words) in FIGURES {
        let values = pairs
            .iter()
            .map(|pair| pair.each_ref().map(|it| figure.of(it)));
        let values: Vec<[f64; 2]> = values
            .filter_map(|[before, after]| Some([before?, after?]))
            .collect();
        if values.is_empty() {
            continue;
        }
        let side = |at: usize| middle(values.iter().map(|pair| pair[at]).collect());
        let ratios = values.iter().filter(|[before, _]| *before > 0.0);
        let ratios = ratios.map(|[before, after]| after / before).collect();
        rows.push([
            name.to_owned(),
            side(0).map(words).unwrap_or_default(),
            side(1).map(words).unwrap_or_default(),
            spread(ratios),
        ]);
    }
    let widths = [0, 1, 2, 3].map(|at| rows.iter().map(|row| row[at].chars().count()).max());
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| padded(cell, width.unwrap_or_default(), true))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    for caution in cautions(pairs) {
        writeln!(text, "caution: {caution}").unwrap_or_default();
    }
    text
}

/// What speaks against believing it.
fn cautions(pairs: &[[Told; 2]]) -> Vec<String> {
    let all = || pairs.iter().flatten();
    let alike = |what: &str, of: fn(&Told) -> String| {
        let seen: BTreeSet<_> = all().map(of).collect();
        let seen: Vec<_> = seen.iter().map(|it| printable(it)).collect();
        (seen.len() > 1).then(|| format!("the runs differ in their {what}: {}", seen.join(", ")))
    };
    let rate_asked = |told: &Told| told.target_rate.map_or("none".to_owned(), rate);
    let mut cautions: Vec<String> = [
        alike("target", |told| told.target.clone()),
        alike("loop", |told| told.pace.clone()),
        alike("connections", |told| told.connections.to_string()),
        alike("rate asked for", rate_asked),
    ]
    .into_iter()
    .flatten()
    .collect();
    let bound = all().filter(|told| !told.client_bound.is_empty()).count();
    if bound > 0 {
        cautions.push(format!(
            "in {bound} of {} runs load itself was the bottleneck",
            2 * pairs.len()
        ));
    }
    cautions
}

/// The middle, and beside it the lowest and the highest where there is more than one.
fn spread(values: Vec<f64>) -> String {
    let ends = values.iter().copied().reduce(f64::min);
    let ends = ends.zip(values.iter().copied().reduce(f64::max));
    let is_one = values.len() == 1;
    match middle(values).zip(ends) {
        None => "–".to_owned(),
        Some((middle, _)) if is_one => format!("{middle:.3}"),
        Some((middle, (low, high))) => format!("{middle:.3} [{low:.3}, {high:.3}]"),
    }
}

/// Of an even number the lower of the two in the middle, so that it is one that was seen.
fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(rate: f64, p99: f64) -> Told {
        let json = serde_json::json!({
            "schema": SCHEMA, "target": "http://127.0.0.1/", "loop": "closed", "connections": 4, "target_rate": null,
            "rate": rate, "sent": 1000, "errors": 0, "latency_us": {"count": 1000, "min": 1, "mean": 2.5, "p99": p99},
            "service_us": null, "cpu_us_per_request": 12.0, "client_bound": [],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn pairs_are_told_by_the_middle_of_their_ratios() {
        let pairs = [
            [told(1_000.0, 100.0), told(1_500.0, 50.0)],
            [told(2_000.0, 100.0), told(2_000.0, 90.0)],
            [told(1_000.0, 200.0), told(2_000.0, 80.0)],
        ];
        let expected = [
            "                      before   after    after/before",
            "rate                  1,000/s  2,000/s  1.500 [1.000, 2.000]",
            "errors                0.0 %    0.0 %    –",
            "p99                   100 µs   80 µs    0.500 [0.400, 0.900]",
            "load's CPU a request  12 µs    12 µs    1.000 [1.000, 1.000]",
            "",
        ];
        assert_eq!(text(&pairs), expected.join("\n"));
        assert!(text(&pairs[..1]).contains("1,500/s  1.500\n"));
    }

    #[test]
    fn runs_that_are_not_alike_are_told() {
        let mut other = told(1.0, 1.0);
        other.connections = 64;
        other.client_bound.push("busy".to_owned());
        other.target = "http://127.0.0.1/\u{1b}[31m".to_owned();
        let text = text(&[[told(1.0, 1.0), other]]);
        assert!(
            text.contains("caution: the runs differ in their connections: 4, 64"),
            "{text}"
        );
        assert!(
            text.contains("in 1 of 2 runs load itself was the bottleneck"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn what_is_no_pair_of_runs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let other = file("other.json", r#"{"schema": "x"}"#);
        for (files, words) in [
            (vec![], "in pairs"),
            (vec![other], "is no run of `cgflux load --json`"),
            (vec![folder.path().join("none")], "cannot read"),
        ] {
            let refusal = compared(&files).unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal}");
        }
    }
}
