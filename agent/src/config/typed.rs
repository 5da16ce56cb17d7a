//! How a setting of each type is read from a value and written back. Ranges and what depends on other settings are
//! left to `check`.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tracing::Level;

use super::{
    Address, InfluxdbVersion, LogFormat, Mode, Percent, Schema, ServerUrl, SourceChoice, Value,
};
use crate::{
    container::Rule,
    metrics::{
        catalog::{Families, Family},
        choice::{self, Names},
    },
};

/// A type that settings have.
pub(super) trait Typed: Sized {
    /// Reads it, or says what is wrong in words that continue "`key`: ".
    fn read(value: &Value) -> Result<Self, String>;
    /// Writes it.
    fn value(&self) -> Value;
}

impl Typed for bool {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Boolean(flag) => Ok(*flag),
            Value::Untyped(text) if text == "true" => Ok(true),
            Value::Untyped(text) if text == "false" => Ok(false),
            other => Err(format!("is {other}; write true or false")),
        }
    }

    fn value(&self) -> Value {
        Value::Boolean(*self)
    }
}

impl Typed for u32 {
    fn read(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::Integer(number) => Self::try_from(*number).ok(),
            Value::Untyped(text) => text.parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| format!("is {value}; write a whole number without quotes"))
    }

    fn value(&self) -> Value {
        Value::Integer(i64::from(*self))
    }
}

impl Typed for usize {
    fn read(value: &Value) -> Result<Self, String> {
        u32::read(value).map(|number| number as Self)
    }

    fn value(&self) -> Value {
        Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl Typed for Percent {
    fn read(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::Float(number) => Some(*number),
            Value::Integer(number) => i32::try_from(*number).ok().map(f64::from),
            Value::Untyped(text) => text.parse().ok(),
            _ => None,
        };
        let thousandths = number.map(|number| (number * 1_000.0).round());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "just found to fit"
        )]
        thousandths
            .filter(|it| (0.0..=f64::from(u32::MAX)).contains(it))
            .map(|it| Self(it as u32))
            .ok_or_else(|| format!("is {value}; write percent of one core as a number, as in 3.0"))
    }

    fn value(&self) -> Value {
        Value::Float(self.percent())
    }
}

impl Typed for Mode {
    fn read(value: &Value) -> Result<Self, String> {
        let bits = match value {
            Value::Text(text) | Value::Untyped(text) => u32::from_str_radix(text, 8).ok(),
            _ => None,
        };
        bits.filter(|bits| *bits <= 0o777)
            .map(Self)
            .ok_or_else(|| format!("is {value}; write permission bits in quotes, as in \"0660\""))
    }

    fn value(&self) -> Value {
        Value::Text(format!("{:04o}", self.0))
    }
}

impl Typed for String {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) | Value::Untyped(text) => Ok(text.clone()),
            other => Err(format!("is {other}; write a text in quotes")),
        }
    }

    fn value(&self) -> Value {
        Value::Text(self.clone())
    }
}

impl Typed for Vec<String> {
    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::List(items) => items
                .iter()
                .map(|item| match item {
                    Value::Text(text) => Ok(text.clone()),
                    other => Err(format!(
                        "holds {other}; write a list of texts, as in [\"a\", \"b\"]"
                    )),
                })
                .collect(),
            // A variable: parted by commas.
            Value::Untyped(text) => Ok(text
                .split(',')
                .map(|item| item.trim().to_owned())
                .filter(|item| !item.is_empty())
                .collect()),
            other => Err(format!(
                "is {other}; write a list of texts, as in [\"a\", \"b\"]"
            )),
        }
    }

    fn value(&self) -> Value {
        Value::List(self.iter().map(Typed::value).collect())
    }
}

impl Typed for Vec<Address> {
    fn read(value: &Value) -> Result<Self, String> {
        let texts = match value {
            Value::Text(text) => vec![text.clone()],
            other => Vec::<String>::read(other)?,
        };
        let address = |text: &String| {
            text.parse()
                .map_err(|error| format!("is {}, which {error}", text.value()))
        };
        texts.iter().map(address).collect()
    }

    fn value(&self) -> Value {
        Value::List(
            self.iter()
                .map(|address| address.to_string().value())
                .collect(),
        )
    }
}

impl Typed for Vec<Rule> {
    fn read(value: &Value) -> Result<Self, String> {
        let rule = |text: &String| {
            Rule::parse(text).map_err(|error| format!("holds {}, which {error}", text.value()))
        };
        Vec::<String>::read(value)?.iter().map(rule).collect()
    }

    fn value(&self) -> Value {
        Value::List(self.iter().map(|rule| rule.to_string().value()).collect())
    }
}

impl Typed for Names {
    fn read(value: &Value) -> Result<Self, String> {
        Self::of(&Vec::<String>::read(value)?)
    }

    fn value(&self) -> Value {
        self.words().value()
    }
}

impl Typed for Families {
    fn read(value: &Value) -> Result<Self, String> {
        choice::families(&Vec::<String>::read(value)?)
    }

    fn value(&self) -> Value {
        let named = Family::ALL.into_iter().filter(|it| self.has(*it));
        Value::List(named.map(|it| it.as_str().to_owned().value()).collect())
    }
}

impl Typed for Duration {
    fn read(value: &Value) -> Result<Self, String> {
        const EXAMPLES: &str = "write a number and its unit, as in \"1s\", \"250ms\" or \"10m\"";
        let text = match value {
            Value::Text(text) | Value::Untyped(text) => text,
            other => return Err(format!("is {other}, which has no unit; {EXAMPLES}")),
        };
        humantime::parse_duration(text)
            .map_err(|error| format!("is {value}, which is no duration ({error}); {EXAMPLES}"))
    }

    fn value(&self) -> Value {
        Value::Text(humantime::format_duration(*self).to_string())
    }
}

impl Typed for SocketAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let problem =
            || format!("is {value}; write an IP address and a port, as in \"127.0.0.1:8190\"");
        String::read(value)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(problem)
    }

    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

impl Typed for PathBuf {
    fn read(value: &Value) -> Result<Self, String> {
        let text = String::read(value)?;
        if text.is_empty() || text.contains('\0') {
            return Err(format!("is {value}; write a path"));
        }
        Ok(Self::from(text))
    }

    fn value(&self) -> Value {
        Value::Text(self.to_string_lossy().into_owned())
    }
}

impl Typed for ServerUrl {
    fn read(value: &Value) -> Result<Self, String> {
        String::read(value)?
            .parse()
            .map_err(|error: super::ServerUrlError| error.to_string())
    }

    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }
}

/// A type of which each value has a word.
trait Words: Copy + PartialEq + 'static {
    const WORDS: &[(&str, Self)];
}

impl Words for SourceChoice {
    const WORDS: &[(&str, Self)] = &[
        ("auto", Self::Auto),
        ("kernel", Self::Kernel),
        ("files", Self::Files),
    ];
}

impl Words for InfluxdbVersion {
    const WORDS: &[(&str, Self)] = &[("1", Self::V1), ("2", Self::V2), ("3", Self::V3)];
}

impl Words for Schema {
    const WORDS: &[(&str, Self)] = &[
        ("native", Self::Native),
        ("telegraf", Self::Telegraf),
        ("cadvisor", Self::Cadvisor),
        ("influxdb08", Self::Influxdb08),
    ];
}

impl Words for LogFormat {
    const WORDS: &[(&str, Self)] = &[
        ("auto", Self::Auto),
        ("text", Self::Text),
        ("json", Self::Json),
    ];
}

impl Words for Level {
    const WORDS: &[(&str, Self)] = &[
        ("error", Self::ERROR),
        ("warn", Self::WARN),
        ("info", Self::INFO),
        ("debug", Self::DEBUG),
        ("trace", Self::TRACE),
    ];
}

/// The types of sinks, as `type` names them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SinkType {
    Influxdb,
    Stdout,
    File,
    Unix,
    Udp,
}

impl Words for SinkType {
    const WORDS: &[(&str, Self)] = &[
        ("influxdb", Self::Influxdb),
        ("stdout", Self::Stdout),
        ("file", Self::File),
        ("unix", Self::Unix),
        ("udp", Self::Udp),
    ];
}

impl<T: Words> Typed for T {
    fn read(value: &Value) -> Result<Self, String> {
        let given = match value {
            Value::Text(text) | Value::Untyped(text) => text.as_str(),
            _ => "",
        };
        let found = Self::WORDS.iter().find(|(word, _)| *word == given);
        found.map(|(_, meant)| *meant).ok_or_else(|| {
            let words: Vec<String> = Self::WORDS
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            format!("is {value}; write one of {}", words.join(", "))
        })
    }

    fn value(&self) -> Value {
        let word = Self::WORDS.iter().find(|(_, meant)| meant == self);
        Value::Text(word.map_or("", |(word, _)| *word).to_owned())
    }
}
