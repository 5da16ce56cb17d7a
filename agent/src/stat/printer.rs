//! Readings → standard output, each like the one before; whose numbers they are → standard error.

use std::{
    borrow::Cow,
    collections::HashSet,
    io::{self, IsTerminal as _},
};

use serde_json::Value;

use super::{choice::choose, rates::rows, supply::Reading, table::table};
use crate::{
    cli::{StatArgs, StatFormat},
    encode::{LineEncoder, Tagging, json},
    metrics::Batch,
    shipment::{Point, Shipment},
    terminal,
    text::{printable, printable_json},
};

/// Prints readings.
pub(super) struct Printer {
    name: Option<String>,
    format: StatFormat,
    host: String,
    encoder: LineEncoder,
    /// Whether each table takes the place of the one before, under this title.
    redrawn: Option<String>,
    printed: bool,
}

impl Printer {
    /// A printer of what was asked for. `origin` is told at once, or stands above each table.
    pub(super) fn new(host: &str, tagging: Tagging, arguments: &StatArgs, origin: String) -> Self {
        let is_table = arguments.format == StatFormat::Table;
        let redraws = is_table && !arguments.once && io::stdout().is_terminal();
        if !redraws {
            terminal::tell(&origin);
        }
        Self {
            name: arguments.name.clone(),
            format: arguments.format,
            host: host.to_owned(),
            encoder: LineEncoder::new(tagging),
            redrawn: redraws.then_some(origin),
            printed: false,
        }
    }

    /// Prints a reading; returns whether anybody reads on.
    pub(super) fn print(&mut self, before: Option<&Batch>, reading: &Reading) -> io::Result<bool> {
        let name = self.name.as_deref();
        let text = match self.format {
            StatFormat::Table => self.table(before, &reading.batch),
            StatFormat::Json => json(reading, name, &self.host),
            StatFormat::Line => lines(&mut self.encoder, &reading.batch, name),
        };
        self.printed = true;
        terminal::print(&text)
    }

    fn table(&self, before: Option<&Batch>, batch: &Batch) -> String {
        let rows = rows(before, batch, self.name.as_deref());
        let is_terminal = io::stdout().is_terminal();
        let size = is_terminal.then(terminal_size::terminal_size).flatten();
        let mut lines = table(&rows, size.map(|(width, _)| width.0.into()));
        let Some(title) = &self.redrawn else {
            let gap = if self.printed { "\n" } else { "" };
            return format!("{gap}{}\n", lines.join("\n"));
        };
        lines.insert(0, printable(title).into_owned());
        if let Some((width, height)) = size {
            fit(&mut lines, width.0.into(), height.0.into());
        }
        terminal::redraw(&lines) + "\n"
    }
}

/// Cuts what would scroll: lines below the last but one, and the title's end.
fn fit(lines: &mut Vec<String>, width: usize, height: usize) {
    let room = height.saturating_sub(1).max(3);
    if lines.len() > room {
        let hidden = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(format!("… and {hidden} more; a taller window shows them"));
    }
    for line in [0, lines.len() - 1] {
        let cut: String = lines[line].chars().take(width).collect();
        lines[line] = cut;
    }
}

/// The API's own form; of a daemon its own words, also where this version does not know them.
fn json(reading: &Reading, name: Option<&str>, host: &str) -> String {
    let text = match &reading.answer {
        Some(answer) => answer.clone(),
        None => json::batch(&reading.batch, host),
    };
    let text = match name {
        None => text,
        Some(name) => {
            let chosen = choose(&reading.batch, Some(name));
            let chosen: HashSet<u64> = chosen.map(|it| it.container.cgroup.0).collect();
            only(&text, &chosen).unwrap_or(text)
        }
    };
    format!("{}\n", printable_json(&text))
}

/// The same without the containers that are not chosen; `None` if it is in another form.
fn only(text: &str, chosen: &HashSet<u64>) -> Option<String> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let containers = value.get_mut("containers")?.as_array_mut()?;
    containers.retain(|it| {
        let cgroup = it.get("cgroup").and_then(Value::as_u64);
        cgroup.is_some_and(|cgroup| chosen.contains(&cgroup))
    });
    Some(value.to_string())
}

/// One line for each entry and measurement.
fn lines(encoder: &mut LineEncoder, batch: &Batch, name: Option<&str>) -> String {
    let wall_ns = batch.taken.wall_ns;
    let points = choose(batch, name).map(|subject| Point {
        subject: Cow::Borrowed(subject),
        wall_ns,
        peak: None,
        last: !subject.alive,
    });
    let shipment = Shipment {
        wall_ns,
        complete: true,
        points: points.collect(),
        events: Vec::new(),
        descriptions: Vec::new(),
        host: &[],
        agent: &[],
    };
    let payloads = encoder.encode(&shipment);
    let texts = payloads
        .iter()
        .map(|it| String::from_utf8_lossy(it.lines()));
    texts.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::encode::fixture::{container, rates, subject_of, tick_of};

    fn reading(answered: bool) -> Reading {
        let subjects = ["web", "db\u{202e}"].iter().zip(1..);
        let subjects =
            subjects.map(|(name, cgroup)| subject_of(container(cgroup, name), rates(0.5, 0.25)));
        let batch = tick_of(5, subjects.collect());
        let answer = answered.then(|| {
            let mut words: Value = serde_json::from_str(&json::batch(&batch, "far")).expect("JSON");
            words["novelty"] = 1.into();
            words.to_string()
        });
        Reading { batch, answer }
    }

    #[test]
    fn json_is_the_apis_with_the_chosen_containers_only() {
        for (answered, host) in [(false, "here"), (true, "far")] {
            let text = json(&reading(answered), Some("web"), "here");
            let value: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(value["host"], host);
            assert_eq!(value["containers"].as_array().map(Vec::len), Some(1));
            assert_eq!(value["containers"][0]["name"], "web");
            assert_eq!(value.get("novelty").is_some(), answered, "its own words");
        }
        let all = json(&reading(true), None, "here");
        assert!(
            !all.contains('\u{202e}') && all.contains("db\\u202e"),
            "{all}"
        );
        assert_eq!(all.matches('\n').count(), 1, "one document a line");
    }

    #[test]
    fn lines_are_those_of_the_sinks() {
        let tagging = Tagging::new("here", &BTreeMap::new(), &[]).expect("tags");
        let mut encoder = LineEncoder::new(tagging);
        let reading = reading(false);
        let text = lines(&mut encoder, &reading.batch, Some("web"));
        assert_eq!(
            text,
            "container_cpu,container=web,host=here,runtime=docker usage_cpus=0.5 5000000000\n\
             container_sched,container=web,host=here,runtime=docker runq_waiting=0.25 5000000000\n"
        );
        assert_eq!(lines(&mut encoder, &reading.batch, None).lines().count(), 4);
    }

    #[test]
    fn what_does_not_fit_the_screen_is_counted() {
        let mut lines: Vec<String> = (0..10).map(|line| line.to_string().repeat(9)).collect();
        fit(&mut lines, 5, 6);
        assert_eq!(
            lines,
            ["00000", "111111111", "222222222", "333333333", "… and"]
        );
        let mut few = vec!["title".to_owned(), "head".to_owned()];
        fit(&mut few, 80, 24);
        assert_eq!(few.len(), 2);
    }
}
