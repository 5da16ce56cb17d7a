//! A resolved configuration as text: TOML that can be pasted into a file, each line with its origin.

use std::iter;

use super::{Key, Setting, Value};

/// The example configuration: every setting explained, equal to what is built in.
pub const EXAMPLE: &str = include_str!("../../../packaging/cgflux.toml");

/// All settings as TOML; behind each stands where it comes from. Settings that are absent, and passwords, stand as
/// comments.
pub fn listing(settings: &[Setting]) -> String {
    let assignments: Vec<String> = settings.iter().map(assignment).collect();
    let width = assignments
        .iter()
        .map(|it| it.chars().count())
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    let mut section = Key::from_parts(Vec::new());
    for (setting, assignment) in iter::zip(settings, assignments) {
        if setting.key.section() != section {
            section = setting.key.section();
            lines.push(format!("\n[{section}]"));
        }
        lines.push(match setting.value {
            Some(_) => format!("{assignment:width$}  # {}", setting.origin),
            None => assignment,
        });
    }
    lines.push(String::new());
    lines.join("\n")
}

fn assignment(setting: &Setting) -> String {
    let name = setting.key.name();
    match &setting.value {
        None => format!("# {name} is not set"),
        Some(Value::Other(what)) => format!("# {name} is {what}"),
        Some(value) => format!("{name} = {value}"),
    }
}
