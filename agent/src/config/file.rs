//! A configuration file: TOML text → values that know their line. What keys and types mean is left to `check`.

use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::{Complaint, Given, Key, Origin, Value};

/// A configuration file and its text.
#[derive(Clone, Debug)]
pub struct File {
    /// Where it stands.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

impl File {
    /// Its values, in no particular order, or every place where it is no TOML.
    pub(super) fn read(&self) -> Result<Vec<Given>, Vec<Complaint>> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if errors.is_empty() {
            let mut given = Vec::new();
            self.collect(&[], table.get_ref(), &mut given);
            return Ok(given);
        }
        let complaint = |error: &toml::de::Error| Complaint {
            key: None,
            origin: Some(self.origin(error.span().map_or(0, |span| span.start))),
            problem: error.message().to_owned(),
        };
        Err(errors.iter().map(complaint).collect())
    }

    fn collect(&self, section: &[String], table: &DeTable<'_>, given: &mut Vec<Given>) {
        for (name, value) in table {
            let mut parts = section.to_vec();
            parts.push(name.get_ref().as_ref().to_owned());
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => self.collect(&parts, inner, given),
                value => given.push(Given {
                    key: Key::from_parts(parts),
                    value: plain(value),
                    origin: self.origin(name.span().start),
                }),
            }
        }
    }

    fn origin(&self, byte: usize) -> Origin {
        let before = self.text.get(..byte).unwrap_or_default();
        Origin::File {
            path: self.path.clone(),
            line: before.matches('\n').count() + 1,
        }
    }
}

fn plain(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.as_ref().to_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a huge integer"), Value::Integer),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| plain(item.get_ref())).collect())
        }
        DeValue::Table(inner) if inner.is_empty() => Value::EmptySection,
        DeValue::Table(_) => Value::Other("a table"),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(Value::Other("a number with a fraction"), Value::Float),
        DeValue::Datetime(_) => Value::Other("a date"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> File {
        File {
            path: PathBuf::from("test.toml"),
            text: text.to_owned(),
        }
    }

    #[test]
    fn every_value_knows_its_key_and_line() {
        let mut given = file(
            "state_dir = \"/a\"\n\n[sinks.influx]\nqueue = 1_000\n[sinks.out]\n[labels]\nallow = [\"a\", \"b\"]\n",
        )
        .read()
        .expect("valid");
        given.sort_by(|a, b| a.key.cmp(&b.key));
        let seen: Vec<String> = given
            .iter()
            .map(|it| format!("{} = {} # {}", it.key, it.value, it.origin))
            .collect();
        assert_eq!(
            seen,
            [
                "labels.allow = [\"a\", \"b\"] # test.toml:7",
                "sinks.influx.queue = 1000 # test.toml:4",
                "sinks.out = {} # test.toml:5",
                "state_dir = \"/a\" # test.toml:1",
            ]
        );
    }

    #[test]
    fn all_syntax_errors_are_told_with_their_lines() {
        let complaints = file("[collect]\ninterval = 1s\n[host]\nname = \"a\"\nname = \"b\"\n")
            .read()
            .expect_err("invalid");
        let lines: Vec<String> = complaints.iter().map(Complaint::to_string).collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("test.toml:2: "), "{lines:?}");
        assert_eq!(lines[1], "test.toml:5: duplicate key");
    }
}
