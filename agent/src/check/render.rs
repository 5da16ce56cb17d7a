//! Reports → text for people, JSON for programs.
//!
//! The JSON is one object, and only ever gains fields:
//!
//! ```json
//! {"version": "0.1.0", "verdict": "ready | degraded | kernel_lacks | not_privileged | cannot_start", "exit": 0,
//!  "summary": "…",
//!  "sections": [{"name": "kernel", "items": [
//!    {"name": "version", "level": "pass | note | warn | fail", "finding": "…", "why": "…", "fix": "…",
//!     "details": {"release": "…"}}]}]}
//! ```
//!
//! `why`, `fix` and `details` are left out where there is nothing to say. Of a metric, `details` has `source` and
//! `resolution`, unless it is absent.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::report::{Item, Level, Report, Section};
use crate::text::{printable, printable_json};

/// How text looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// With colours.
    pub colours: bool,
    /// Lines are broken at this many columns, if at all.
    pub width: Option<usize>,
}

impl Report {
    /// For people: one line an item; under it why, and what to do.
    pub fn text(&self, look: Look) -> String {
        let items = self.sections.iter().flat_map(|section| &section.items);
        let names = items.map(|item| printable(&item.name).chars().count());
        let width = names.max().unwrap_or(0);
        let mut text = String::new();
        for section in &self.sections {
            text.push_str(&heading(section.name, look));
            let alike = |one: &Item, other: &Item| (&one.why, &one.fix) == (&other.why, &other.fix);
            for run in section.items.chunk_by(alike) {
                push_run(&mut text, run, width, look);
            }
            text.push('\n');
        }
        text.push_str(&printable(&self.summary));
        text.push('\n');
        text
    }

    /// For programs; the shape stands above.
    pub fn json(&self) -> String {
        let report = ReportJson {
            version: env!("CARGO_PKG_VERSION"),
            verdict: self.verdict.as_str(),
            exit: self.verdict.exit().code(),
            summary: &self.summary,
            sections: self.sections.iter().map(SectionJson::new).collect(),
        };
        // No type here can fail to be written: there is no map in it but of strings, and nothing does I/O.
        let text = serde_json::to_string_pretty(&report).unwrap_or_default();
        format!("{}\n", printable_json(&text))
    }
}

#[derive(Serialize)]
struct ReportJson<'a> {
    version: &'static str,
    verdict: &'static str,
    exit: u8,
    summary: &'a str,
    sections: Vec<SectionJson<'a>>,
}

#[derive(Serialize)]
struct SectionJson<'a> {
    name: &'static str,
    items: Vec<ItemJson<'a>>,
}

#[derive(Serialize)]
struct ItemJson<'a> {
    name: &'a str,
    level: &'static str,
    finding: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<&'static str, &'a str>,
}

impl<'a> SectionJson<'a> {
    fn new(section: &'a Section) -> Self {
        Self {
            name: section.name,
            items: section.items.iter().map(ItemJson::new).collect(),
        }
    }
}

impl<'a> ItemJson<'a> {
    fn new(item: &'a Item) -> Self {
        let details = item.details.iter();
        Self {
            name: &item.name,
            level: item.level.as_str(),
            finding: &item.finding,
            why: item.why.as_deref(),
            fix: item.fix.as_deref(),
            details: details.map(|(key, value)| (*key, &**value)).collect(),
        }
    }
}

fn heading(name: &str, look: Look) -> String {
    if look.colours {
        format!("\u{1b}[1m{name}\u{1b}[0m\n")
    } else {
        format!("{name}\n")
    }
}

/// Items of which the same is to be said: a line each, and then why and what to do. A line is two spaces, the level's
/// four letters, two spaces, the name, two spaces, the finding.
fn push_run(text: &mut String, run: &[Item], width: usize, look: Look) {
    let indent = 2 + 4 + 2 + width + 2;
    for item in run {
        let level = painted(item.level, look);
        let name = printable(&item.name);
        let finding = broken(&printable(&item.finding), indent, look);
        // Writing to a string cannot fail.
        let _written = writeln!(text, "  {level}  {name:width$}  {finding}");
    }
    let Some(last) = run.last() else {
        return;
    };
    let why = match run.len() {
        1 => "why: ".to_owned(),
        all => format!("why, for these {all}: "),
    };
    for (word, value) in [(&*why, &last.why), ("fix: ", &last.fix)] {
        if let Some(value) = value {
            let hang = indent + word.len();
            let value = broken(&printable(value), hang, look);
            let _written = writeln!(text, "{:indent$}{word}{value}", "");
        }
    }
}

fn painted(level: Level, look: Look) -> String {
    let word = level.as_str().to_uppercase();
    if !look.colours {
        return word;
    }
    let colour = match level {
        Level::Pass => 32,
        Level::Note => 36,
        Level::Warn => 33,
        Level::Fail => 31,
    };
    format!("\u{1b}[{colour}m{word}\u{1b}[0m")
}

/// `text` in lines that fit between `indent` and the width, the first of them without the indent. Where less than
/// twenty columns are left, it is not broken.
fn broken(text: &str, indent: usize, look: Look) -> String {
    let Some(room) = look.width.and_then(|width| width.checked_sub(indent + 20)) else {
        return text.to_owned();
    };
    let room = room + 20;
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > room {
            let _written = write!(lines, "\n{:indent$}", "");
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::check::report::Verdict;

    fn report() -> Report {
        Report {
            sections: vec![Section {
                name: "sinks",
                items: vec![
                    Item::pass("here", "file"),
                    Item::fail("evil\u{1b}[2J", "\u{202e}gone")
                        .because("a b")
                        .fixed_by("c")
                        .detail("path", "/x"),
                ],
            }],
            verdict: Verdict::Degraded,
            summary: "so-so".to_owned(),
        }
    }

    #[test]
    fn text_is_aligned_and_acts_on_no_terminal() {
        let expected = concat!(
            "sinks\n",
            "  PASS  here           file\n",
            "  FAIL  evil\\u{1b}[2J  \\u{202e}gone\n",
            "                       why: a b\n",
            "                       fix: c\n",
            "\n",
            "so-so\n",
        );
        assert_eq!(report().text(Look::default()), expected);
        let coloured = report().text(Look {
            colours: true,
            width: None,
        });
        assert!(coloured.contains("\u{1b}[31mFAIL\u{1b}[0m"), "{coloured:?}");
        assert!(!coloured.contains("\u{1b}[2J"), "{coloured:?}");
    }

    #[test]
    fn long_lines_are_broken_between_words_under_their_beginning() {
        let look = Look {
            colours: false,
            width: Some(30),
        };
        let text = "one two three four five six";
        assert_eq!(
            broken(text, 10, look),
            "one two three four\n          five six"
        );
        assert_eq!(broken(text, 11, look), text, "too narrow to be broken");
        let word = "x".repeat(40);
        assert_eq!(broken(&word, 4, look), word);
    }

    #[test]
    fn json_has_what_was_said_and_nothing_a_terminal_acts_on() {
        let text = report().json();
        assert!(!text.contains('\u{202e}'), "{text}");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["verdict"], "degraded");
        assert_eq!(json["exit"], 3);
        let items = &json["sections"][0]["items"];
        assert_eq!(
            items[0],
            json!({"name": "here", "level": "pass", "finding": "file"})
        );
        assert_eq!(
            items[1],
            json!({"name": "evil\u{1b}[2J", "level": "fail", "finding": "\u{202e}gone", "why": "a b", "fix": "c",
                   "details": {"path": "/x"}})
        );
    }
}
