//! Flags that say what a benchmark's options are: `cargo xtask bench` hands them on, and the heading shows them.

use std::ffi::OsString;

use serde::Serialize;
use serde_json::Value;

/// `--name=value` for each field; a list is its flag several times, a field that is false is none.
pub(crate) fn of(options: &impl Serialize) -> Vec<OsString> {
    let Ok(Value::Object(fields)) = serde_json::to_value(options) else {
        // Options are plain fields of plain types.
        return Vec::new();
    };
    let flags = fields.into_iter().flat_map(|(field, value)| {
        let name = field.replace('_', "-");
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        values
            .into_iter()
            .filter_map(move |value| flag(&name, &value))
    });
    flags.map(OsString::from).collect()
}

fn flag(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(format!("--{name}")),
        Value::String(text) => Some(format!("--{name}={text}")),
        value => Some(format!("--{name}={value}")),
    }
}
