//! Flags as Go's package `flag` reads them: one dash or two, a value behind `=` or as the next word, switches with `=`
//! alone. What Go would end at is passed over with a warning.

use std::{ffi::OsString, time::Duration};

use super::flags::{Flag, Takes};
use crate::text::printable;

/// A command line that was read.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What was said, in this order.
    pub(super) said: Vec<Said>,
    /// What was passed over.
    pub(super) warnings: Vec<String>,
}

/// One flag with what stands behind it.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) flag: &'static Flag,
    /// Of a switch `true` or `false`.
    pub(super) text: String,
}

pub(super) fn read(arguments: &[OsString]) -> Read {
    let mut read = Read::default();
    let words = arguments.iter().map(|word| word.to_string_lossy());
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        let Some(name) = flag_name(&word) else {
            let rest = words.count();
            // A terminator with nothing behind it ends nothing.
            if word != "--" || rest > 0 {
                let word = printable(&word);
                read.warn(format!(
                    "what follows no flag is not looked at, from {word:?} on"
                ));
            }
            return read;
        };
        let (name, given) = match name.split_once('=') {
            Some((name, text)) => (name, Some(text.to_owned())),
            None => (name, None),
        };
        let next_value =
            |is_value: fn(&str) -> bool| move |next: &std::borrow::Cow<'_, str>| is_value(next);
        let Some(flag) = Flag::named(name) else {
            if given.is_none() {
                // Nobody knows whether it takes one; flags go on behind it in any case.
                words.next_if(next_value(|next| !next.starts_with('-')));
            }
            read.warn(format!("there is no flag --{}", printable(name)));
            continue;
        };
        let text = match (flag.takes, given) {
            (Takes::Switch, None) => Some("true".to_owned()),
            (Takes::Switch, Some(text)) => truth(&text).map(|is| is.to_string()),
            (Takes::Value, None) => words.next().map(std::borrow::Cow::into_owned),
            (Takes::Value, given) => given,
        };
        match text {
            Some(text) => read.said.push(Said { flag, text }),
            None => read.warn(match flag.takes {
                Takes::Switch => format!("{}: write true or false", flag.shown),
                Takes::Value => format!("{} stands without a value", flag.shown),
            }),
        }
    }
    read
}

impl Read {
    fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }
}

/// What follows the dashes; absent where flags end.
fn flag_name(word: &str) -> Option<&str> {
    let name = word.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    (!name.is_empty()).then_some(name)
}

/// As `strconv.ParseBool` has it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A time as Go writes it, such as `1m30s`, `1.5h` or `250ms`; none is below zero here.
pub(super) fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|char: char| !char.is_ascii_digit() && char != '.')?;
        let (number, behind) = rest.split_at(number);
        let unit = behind.find(|char: char| char.is_ascii_digit() || char == '.');
        let (unit, behind) = behind.split_at(unit.unwrap_or(behind.len()));
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        rest = behind;
    }
    // What stands in a command line has no need of more than this.
    let nanos = (seconds * 1e9).round() / 1e9;
    (!text.is_empty())
        .then(|| Duration::try_from_secs_f64(nanos).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Vec<String> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        let read = read(&words);
        let said = read.said.iter();
        let said = said.map(|it| format!("{}={}", it.flag.shown, it.text));
        said.chain(read.warnings).collect()
    }

    #[test]
    fn a_flag_has_one_dash_or_two_and_its_value_behind_it_or_next() {
        let expected = ["--port=1", "--port=2", "--port=3", "--port=4"];
        assert_eq!(said("-port=1 --port=2 -port 3 --port 4"), expected);
        assert_eq!(
            said("--log_dir=/ --docker=a=b"),
            ["--log_dir=/", "--docker=a=b"]
        );
        assert_eq!(said("--listen_ip="), ["--listen_ip="]);
    }

    #[test]
    fn a_switch_takes_its_value_by_an_equals_sign_alone() {
        for (text, meant) in [
            ("True", true),
            ("1", true),
            ("t", true),
            ("F", false),
            ("False", false),
            ("0", false),
        ] {
            let expected = [format!("--docker_only={meant}")];
            assert_eq!(said(&format!("--docker_only={text}")), expected);
        }
        assert_eq!(
            said("-docker_only --port 1"),
            ["--docker_only=true", "--port=1"]
        );
        // As in Go, where flags end at the first word that is none.
        let ended = "what follows no flag is not looked at, from \"false\" on";
        assert_eq!(
            said("--docker_only false --port 1"),
            ["--docker_only=true", ended]
        );
        assert_eq!(
            said("--docker_only=perhaps"),
            ["--docker_only: write true or false"]
        );
    }

    #[test]
    fn what_go_would_end_at_is_passed_over() {
        let unknown = ["--port=1", "there is no flag --nonsense"];
        assert_eq!(said("--nonsense=3 --port=1"), unknown);
        assert_eq!(said("--nonsense 3 --port=1"), unknown);
        assert_eq!(said("--nonsense --port=1"), unknown);
        assert_eq!(said("--port=1 -- --port=2").len(), 2);
        assert_eq!(said("--port=1 --"), ["--port=1"]);
        assert_eq!(said("--port"), ["--port stands without a value"]);
        assert_eq!(said("---port=1"), ["there is no flag ---port"]);
        assert_eq!(said("--=1"), ["there is no flag --"]);
    }

    #[test]
    fn times_are_those_of_go() {
        for (text, nanos) in [
            ("1s", 1_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("100ms", 100_000_000),
            ("2m0s", 120_000_000_000),
            ("3us", 3_000),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "1", "s", "1d", "1.2.3s", "-1s", "1 s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
