//! A reader of both formats, as strict as their descriptions and written without a look at the writer: what it reads is
//! valid, and says what was meant.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::Format;

/// What a whole answer says.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    /// By family: its type.
    pub(super) types: BTreeMap<String, String>,
    pub(super) lines: Vec<Line>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Line {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

impl Scrape {
    /// The values of `name`, with their labels.
    pub(super) fn of(&self, name: &str) -> Vec<&Line> {
        self.lines.iter().filter(|it| it.name == name).collect()
    }

    /// The names there are.
    pub(super) fn names(&self) -> BTreeSet<&str> {
        self.lines.iter().map(|it| it.name.as_str()).collect()
    }
}

/// Reads all of it, or says what is wrong first.
pub(super) fn read(text: &str, format: Format) -> Result<Scrape, String> {
    let is_open = format == Format::OpenMetrics;
    let body = if is_open {
        text.strip_suffix("# EOF\n").ok_or("no end")?
    } else {
        text
    };
    let mut scrape = Scrape::default();
    let mut family = String::new();
    let (mut seen, mut described) = (HashSet::new(), HashSet::new());
    for line in body.split_terminator('\n') {
        let wrong = |what: &str| format!("{what}: {line:?}");
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (Some(word), Some(name), Some(rest)) = (words.next(), words.next(), words.next())
            else {
                return Err(wrong("a comment that says nothing"));
            };
            is_name(name, ":").then_some(()).ok_or(wrong("a name"))?;
            if name != family {
                family = name.to_owned();
            }
            if !described.insert((word.to_owned(), family.clone())) {
                return Err(wrong("a family in two places"));
            }
            match word {
                "TYPE" => drop(scrape.types.insert(family.clone(), rest.to_owned())),
                "HELP" => {
                    unescaped(rest, is_open).map_err(wrong)?;
                }
                "UNIT" if is_open && name.ends_with(&format!("_{rest}")) => {}
                _ => return Err(wrong("a comment")),
            }
            continue;
        }
        let sample = sample(line).ok_or_else(|| wrong("a sample"))?;
        let kind = scrape.types.get(&family).ok_or_else(|| wrong("no type"))?;
        let suffixes: &[&str] = match kind.as_str() {
            "counter" if is_open => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "counter" | "gauge" | "unknown" => &[""],
            _ => return Err(wrong("a type")),
        };
        let suffix = sample.name.strip_prefix(&family);
        if !suffix.is_some_and(|suffix| suffixes.contains(&suffix)) {
            return Err(wrong("a sample outside of its family"));
        }
        let series: Vec<_> = sample.labels.clone().into_iter().collect();
        if !seen.insert((sample.name.clone(), series)) {
            return Err(wrong("a series twice"));
        }
        scrape.lines.push(sample);
    }
    Ok(scrape)
}

fn sample(line: &str) -> Option<Line> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"")?;
            let end = end_of_value(after)?;
            let value = unescaped(&after[..end], true).ok()?;
            let is_new = labels.insert(label.to_owned(), value).is_none();
            (is_new && is_name(label, "")).then_some(())?;
            rest = &after[end + 1..];
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break rest = rest.strip_prefix('}')?,
            }
        }
    }
    let value = rest.strip_prefix(' ')?;
    (is_name(name, ":") && !value.contains(' ')).then_some(())?;
    Some(Line {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

/// Where the quotation mark is that nothing escapes.
fn end_of_value(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            '"' if !is_escaped => return Some(at),
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

fn unescaped(text: &str, are_quotes_escaped: bool) -> Result<String, &'static str> {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '"' if are_quotes_escaped => return Err("a bare quotation mark"),
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('\\') => '\\',
                Some('"') if are_quotes_escaped => '"',
                _ => return Err("an escape"),
            },
            other => other,
        });
    }
    Ok(plain)
}

fn is_name(text: &str, more: &str) -> bool {
    let is_of = |c: char| c.is_ascii_alphanumeric() || c == '_' || more.contains(c);
    text.chars().all(is_of) && text.starts_with(|c: char| !c.is_ascii_digit())
}
