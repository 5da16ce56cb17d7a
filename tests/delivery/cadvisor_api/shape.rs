//! The shape of a JSON text: which fields there are, and of which types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

/// Types by path, as `.spec.cpu.limit` and `[].stats[].timestamp`. Keys that are names of things and not of fields are `*`.
pub(super) type Shape = BTreeMap<String, BTreeSet<&'static str>>;

pub(super) fn of(json: &Json) -> Shape {
    let mut shape = Shape::new();
    add(&mut shape, "", json);
    shape
}

fn add(shape: &mut Shape, path: &str, json: &Json) {
    let mut is = |kind| {
        shape.entry(path.to_owned()).or_default().insert(kind);
    };
    match json {
        Json::Null => is("null"),
        Json::Bool(_) => is("bool"),
        Json::Number(_) => is("number"),
        Json::String(_) => is("string"),
        Json::Array(values) => {
            for value in values {
                add(shape, &format!("{path}[]"), value);
            }
        }
        Json::Object(fields) => {
            for (name, value) in fields {
                let is_field = name
                    .chars()
                    .all(|it| it.is_ascii_alphanumeric() || it == '_' || it == ' ');
                let name = if is_field { name } else { "*" };
                add(shape, &format!("{path}.{name}"), value);
            }
        }
    }
}

#[test]
fn fields_have_paths_and_types() {
    let json = serde_json::json!({"/docker/x": [{"a": 1, "b": []}, {"a": "x", "c": {"d": true}}]});
    let shape = of(&json);
    let told: Vec<_> = shape
        .iter()
        .map(|(path, kinds)| format!("{path} {kinds:?}"))
        .collect();
    assert_eq!(
        told,
        [".*[].a {\"number\", \"string\"}", ".*[].c.d {\"bool\"}"]
    );
}
