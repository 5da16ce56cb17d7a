//! One value as one layer gave it: under which key, and where it stood.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::Secret;
use crate::text::printable;

/// Name of a setting as the path of its sections: `collect.interval`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(Vec<String>);

/// A value before anybody asked what type it should have.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A TOML string.
    Text(String),
    /// A TOML integer.
    Integer(i64),
    /// A TOML number with a fraction.
    Float(f64),
    /// A TOML boolean.
    Boolean(bool),
    /// A TOML array.
    List(Vec<Value>),
    /// A section without a key in it; it still names a sink.
    EmptySection,
    /// Any other TOML value, by the name of its type; no setting has such a value.
    Other(&'static str),
    /// From a variable or a flag: text that may stand for any type.
    Untyped(String),
    /// A password from where an older program has it. No file can hold one.
    Secret(Secret),
}

/// Where a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Built in.
    Default,
    /// Found out about this system.
    System,
    /// A configuration file.
    File {
        /// The file.
        path: PathBuf,
        /// Line of the key, from 1.
        line: usize,
    },
    /// An environment variable, by name.
    Variable(String),
    /// A flag of the command line, as it is written.
    Flag(&'static str),
    /// What a program did unasked, in whose place this one was started; by its name.
    Predecessor(&'static str),
}

/// One value of one layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Which setting.
    pub key: Key,
    /// What it was set to.
    pub value: Value,
    /// Where.
    pub origin: Origin,
}

impl Given {
    /// What a flag says about the setting `key`, written with dots.
    pub fn by_flag(flag: &'static str, key: &str, text: impl Into<String>) -> Self {
        Self {
            key: Key::of(key),
            value: Value::Untyped(text.into()),
            origin: Origin::Flag(flag),
        }
    }
}

impl Key {
    /// The key written as `dotted`; none of its parts may hold a dot.
    pub fn of(dotted: &str) -> Self {
        Self(dotted.split('.').map(str::to_owned).collect())
    }

    /// The key of these parts, the outermost first.
    pub fn from_parts(parts: Vec<String>) -> Self {
        Self(parts)
    }

    /// This key with one more part behind.
    #[must_use]
    pub fn child(&self, part: &str) -> Self {
        let mut parts = self.0.clone();
        parts.push(part.to_owned());
        Self(parts)
    }

    /// Its parts, the outermost first.
    pub fn parts(&self) -> &[String] {
        &self.0
    }

    /// The section it stands in; empty for a key outside of all.
    #[must_use]
    pub fn section(&self) -> Self {
        Self(
            self.0
                .split_last()
                .map_or(&[][..], |(_, rest)| rest)
                .to_vec(),
        )
    }

    /// Whether it stands in `section`, at any depth.
    pub fn is_below(&self, section: &Key) -> bool {
        self.0.len() > section.0.len() && self.0.starts_with(&section.0)
    }

    /// The last part, as TOML writes it.
    pub fn name(&self) -> String {
        self.0
            .last()
            .map_or_else(String::new, |part| key_part(part))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|part| key_part(part)).collect();
        f.write_str(&parts.join("."))
    }
}

/// As TOML writes it, so that what is shown can be pasted into a file.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Untyped(text) => f.write_str(&quoted(text)),
            Self::Integer(number) => number.fmt(f),
            // With a point, also where the fraction is zero.
            Self::Float(number) => write!(f, "{number:?}"),
            Self::Boolean(flag) => flag.fmt(f),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Self::EmptySection => f.write_str("{}"),
            Self::Secret(_) => f.write_str("not shown"),
            Self::Other(kind) => f.write_str(kind),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::System => f.write_str("this system"),
            Self::File { path, line } => write!(f, "{}:{line}", shown(path)),
            Self::Variable(name) => write!(f, "variable {}", printable(name)),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Predecessor(name) => write!(f, "as {name} did"),
        }
    }
}

/// A path for a message.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

fn key_part(part: &str) -> String {
    let is_bare = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    if !part.is_empty() && part.chars().all(is_bare) {
        part.to_owned()
    } else {
        quoted(part)
    }
}

/// A TOML basic string; what a terminal would act on is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            _ if crate::text::is_unprintable(char) => {
                let code = u32::from(char);
                quoted.extend(format!("\\u{code:04X}").chars());
            }
            _ => quoted.push(char),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_as_toml_that_reads_back() {
        for text in [
            "plain",
            "a\"b\\c",
            "line\nbreak",
            "bidi\u{202e}",
            "\u{1b}[2J",
        ] {
            let shown = Value::Text(text.to_owned()).to_string();
            let document = format!("key = {shown}");
            let table = toml::de::DeTable::parse(&document).expect("valid TOML");
            let (_, value) = table.get_ref().iter().next().expect("one key");
            assert_eq!(value.get_ref().as_str(), Some(text));
            assert!(!shown.chars().any(crate::text::is_unprintable), "{shown}");
        }
    }

    #[test]
    fn a_key_is_quoted_where_toml_wants_it() {
        let key = Key::of("tags").child("a.b");
        assert_eq!(key.to_string(), "tags.\"a.b\"");
        assert_eq!(Key::of("collect.interval").to_string(), "collect.interval");
        assert!(key.is_below(&Key::of("tags")));
        assert!(!Key::of("tags").is_below(&Key::of("tags")));
    }
}
