//! What services have said: their log files, all or the newest lines, line by line as they grow.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{
    ground::pause,
    places::Places,
    services::SERVICES,
    state::{self, Found},
};
use crate::output::show;

/// The log of the supervisor, beside those of the services.
pub(super) const SUPERVISOR: &str = "supervisor";

/// Whose logs there are.
pub(super) fn names() -> Vec<&'static str> {
    let services = SERVICES.iter().map(|service| service.name);
    services.chain([SUPERVISOR]).collect()
}

/// Prints them; with `follow` until the demo ends.
pub(super) fn print(
    places: &Places,
    service: Option<&str>,
    follow: bool,
    tail: Option<usize>,
) -> Result<()> {
    let mut logs = Logs::new(places, service);
    if logs.all.iter().all(|log| !log.path.exists()) {
        anyhow::bail!("there are no logs: the demo has not been up");
    }
    let mut lines = logs.new_lines()?;
    if let Some(tail) = tail {
        lines = newest(lines, tail);
    }
    show_all(&lines);
    while follow
        && !matches!(
            state::read(&places.state())?,
            Found::Nothing | Found::Stale(_)
        )
    {
        pause();
        logs.show_new()?;
    }
    Ok(())
}

/// Several logs that are followed.
#[derive(Debug)]
pub(super) struct Logs {
    all: Vec<Log>,
}

impl Logs {
    /// From their beginning. Without a service's name, those of all.
    pub(super) fn new(places: &Places, service: Option<&str>) -> Self {
        let names = names();
        let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let names = names
            .into_iter()
            .filter(|name| service.is_none_or(|it| it == *name));
        let all = names.map(|name| Log {
            path: places.log(name),
            name,
            prefix: service.map_or_else(|| format!("{name:width$} | "), |_| String::new()),
            offset: 0,
            partial: String::new(),
        });
        Self { all: all.collect() }
    }

    /// Prints what is new.
    pub(super) fn show_new(&mut self) -> Result<()> {
        let lines = self.new_lines()?;
        show_all(&lines);
        Ok(())
    }

    fn new_lines(&mut self) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        for log in &mut self.all {
            log.read(&mut lines)?;
        }
        Ok(lines)
    }
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    name: &'static str,
    prefix: String,
    offset: u64,
    /// What came after the last end of a line.
    partial: String,
}

#[derive(Debug)]
struct Line {
    of: &'static str,
    text: String,
}

impl Log {
    fn read(&mut self, lines: &mut Vec<Line>) -> Result<()> {
        let Ok(mut file) = File::open(&self.path) else {
            // It has not said anything yet.
            return Ok(());
        };
        if file.metadata()?.len() < self.offset {
            // Begun anew.
            self.offset = 0;
            self.partial.clear();
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let mut new = Vec::new();
        file.read_to_end(&mut new)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        self.offset += new.len() as u64;
        self.partial.push_str(&String::from_utf8_lossy(&new));
        while let Some(end) = self.partial.find('\n') {
            let line: String = self.partial.drain(..=end).collect();
            lines.push(Line {
                of: self.name,
                text: format!("{}{}", self.prefix, printable(line.trim_end())),
            });
        }
        Ok(())
    }
}

fn show_all(lines: &[Line]) {
    for line in lines {
        show(&line.text);
    }
}

/// The last lines of each.
fn newest(lines: Vec<Line>, count: usize) -> Vec<Line> {
    let mut left: Vec<_> = names().into_iter().map(|name| (name, count)).collect();
    let mut kept: Vec<_> = lines
        .into_iter()
        .rev()
        .filter(|line| {
            let left = left
                .iter_mut()
                .find(|(name, left)| *name == line.of && *left > 0);
            left.map(|(_, left)| *left -= 1).is_some()
        })
        .collect();
    kept.reverse();
    kept
}

/// The end of a log, to say why something failed.
pub(super) fn last_lines(log: &Path, count: usize) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(count);
    let lines = lines[from..]
        .iter()
        .map(|line| format!("  {}", printable(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Without what would move a terminal's cursor or change its colours.
fn printable(line: &str) -> String {
    let is_harmless = |c: char| !c.is_control() || c == '\t';
    let one = |c: char| {
        if is_harmless(c) {
            c.to_string()
        } else {
            c.escape_default().to_string()
        }
    };
    line.chars().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(path: &Path) -> Log {
        Log {
            path: path.to_owned(),
            name: "web",
            prefix: "web | ".to_owned(),
            offset: 0,
            partial: String::new(),
        }
    }

    fn texts(log: &mut Log) -> Vec<String> {
        let mut lines = Vec::new();
        log.read(&mut lines).unwrap();
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_log_is_followed_line_by_line_and_over_its_beginning_anew() {
        let path = std::env::temp_dir().join(format!("cgflux-log-{}", std::process::id()));
        let mut log = log(&path);
        assert_eq!(texts(&mut log), [""; 0]);
        fs::write(&path, "one\ntw").unwrap();
        assert_eq!(texts(&mut log), ["web | one"]);
        fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(texts(&mut log), ["web | two"]);
        fs::write(&path, "x\u{1b}[2J\n").unwrap();
        assert_eq!(texts(&mut log), [r"web | x\u{1b}[2J"]);
        assert_eq!(last_lines(&path, 1), r"  x\u{1b}[2J");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_newest_lines_are_those_of_each() {
        let line = |of, text: &str| Line {
            of,
            text: text.to_owned(),
        };
        let lines = vec![line("web", "1"), line("web", "2"), line("redis", "3")];
        let kept: Vec<_> = newest(lines, 1).into_iter().map(|it| it.text).collect();
        assert_eq!(kept, ["2", "3"]);
    }
}
