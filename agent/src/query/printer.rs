//! Answers → standard output, in the form asked for; with `--watch` in place where that is a terminal.

use std::io::{self, IsTerminal as _};

use serde_json::{Value, json};

use super::{answer::Answer, chart::chart, table};
use crate::{
    cli::{QueryArgs, QueryFormat},
    terminal,
    text::{cut, printable, printable_json},
};

/// Columns where no terminal says how many.
const WIDTH: usize = 80;

/// Another screen, cleared, without a cursor; the first one keeps what it shows (xterm's private modes 1049 and 25).
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J";
/// The first screen, as it was.
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";

/// Prints answers. When it goes, a terminal is as it was found.
pub(super) struct Printer {
    format: Option<QueryFormat>,
    /// Charts at one time.
    most: usize,
    is_terminal: bool,
    redraws: bool,
    has_entered: bool,
    /// The lines on the screen.
    shown: Vec<String>,
}

impl Printer {
    pub(super) fn new(arguments: &QueryArgs) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let format = arguments.format();
        let is_for_people = !matches!(format, Some(QueryFormat::Json | QueryFormat::Csv));
        Self {
            format,
            most: arguments.series,
            is_terminal,
            redraws: is_terminal && is_for_people && arguments.watch.is_some(),
            has_entered: false,
            shown: Vec::new(),
        }
    }

    /// Prints an answer; returns whether anybody reads on.
    pub(super) fn print(&mut self, answer: &Answer) -> io::Result<bool> {
        let size = self
            .is_terminal
            .then(terminal_size::terminal_size)
            .flatten();
        let width = size.map(|(width, _)| usize::from(width.0));
        let text = match self.format(answer) {
            QueryFormat::Json => json(answer),
            QueryFormat::Csv => table::csv(answer),
            format => {
                self.shown = lines(answer, format, width, self.most);
                return self.show();
            }
        };
        if !self.redraws {
            answer.notes.iter().for_each(|it| terminal::tell(it));
        }
        terminal::print(&text)
    }

    /// Says what went wrong, below the answer before; returns whether anybody reads on.
    pub(super) fn complain(&mut self, error: &str) -> io::Result<bool> {
        if !self.redraws {
            terminal::tell(error);
            return Ok(true);
        }
        let before = self.shown.clone();
        self.shown
            .insert(0, format!("cgflux: {}", printable(error)));
        let shown = self.show();
        self.shown = before;
        shown
    }

    fn format(&self, answer: &Answer) -> QueryFormat {
        let fitting = if self.is_terminal && answer.is_over_time() {
            QueryFormat::Chart
        } else {
            QueryFormat::Table
        };
        self.format.unwrap_or(fitting)
    }

    fn show(&mut self) -> io::Result<bool> {
        if !self.redraws {
            return terminal::print(&format!("{}\n", self.shown.join("\n")));
        }
        let mut text = String::new();
        if !self.has_entered {
            self.has_entered = true;
            text.push_str(ENTER);
        }
        let size = terminal_size::terminal_size();
        let (width, height) = size.map_or((WIDTH, 24), |(width, height)| {
            (width.0.into(), height.0.into())
        });
        let body: Vec<String> = self
            .shown
            .iter()
            .take(height)
            .map(|line| cut(line, width))
            .collect();
        text.push_str(&terminal::redraw(&body));
        terminal::print(&text)
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        if self.has_entered {
            terminal::print(LEAVE).unwrap_or_default();
        }
    }
}

fn lines(answer: &Answer, format: QueryFormat, width: Option<usize>, most: usize) -> Vec<String> {
    let mut lines = match format {
        _ if answer.is_empty() => vec!["The answer is empty: no rows.".to_owned()],
        QueryFormat::Chart => chart(answer, width.unwrap_or(WIDTH), most),
        _ => table::table(answer, width),
    };
    if lines.is_empty() {
        lines.push(
            "Nothing in the answer is a number over time; --format table shows it.".to_owned(),
        );
    }
    let notes = answer.notes.iter();
    lines.extend(notes.map(|note| format!("Note: {}", printable(note))));
    lines
}

/// As InfluxDB has it, on one line.
fn json(answer: &Answer) -> String {
    let series: Vec<Value> = answer
        .series
        .iter()
        .map(|it| json!({"name": it.name, "tags": it.tags, "columns": it.columns, "values": it.rows}))
        .collect();
    let text = json!({ "series": series }).to_string();
    format!("{}\n", printable_json(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_is_said_to_be_so() {
        let answer = Answer {
            series: Vec::new(),
            notes: vec!["left\u{1b}out".to_owned()],
        };
        for format in [QueryFormat::Table, QueryFormat::Chart] {
            let lines = lines(&answer, format, None, 8);
            assert_eq!(lines.len(), 2);
            assert!(lines[0].contains("empty"), "{lines:?}");
            assert_eq!(lines[1], "Note: left\\u{1b}out");
        }
        assert_eq!(json(&answer), "{\"series\":[]}\n");
    }
}
