//! Numbers and times for people; the unit is what the column's name says: `…bytes`, `…_ns`, each also `…/s`.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

/// A number in three digits or four of a fitting unit.
pub(super) fn short(value: f64, column: &str) -> String {
    let (name, per_second) = match column.strip_suffix("/s") {
        Some(name) => (name, "/s"),
        None => (column, ""),
    };
    let text = if name.ends_with("bytes") {
        scaled(value, 1024.0, ["B", "K", "M", "G", "T"])
    } else if name.ends_with("_ns") {
        scaled(value, 1000.0, ["ns", "µs", "ms", "s", "ks"])
    } else {
        scaled(value, 1000.0, ["", "k", "M", "G", "T"])
    };
    text + per_second
}

fn scaled(value: f64, step: f64, units: [&str; 5]) -> String {
    let mut value = value;
    let mut units = units.into_iter();
    let mut unit = units.next().unwrap_or_default();
    // What would round up to four digits is one of the next unit.
    while value.abs() >= step - 0.5
        && let Some(next) = units.next()
    {
        value /= step;
        unit = next;
    }
    if value.abs() >= 1e6 {
        return format!("{value:.1e}{unit}");
    }
    let decimals = match value.abs() {
        0.0 | 100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}{unit}")
}

/// A cell of a table: integers and text as they are, floats to four digits; `-` for nothing.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().map_or_else(|| number.to_string(), float)
        }
        other => other.to_string(),
    }
}

fn float(value: f64) -> String {
    if value != 0.0 && value.abs() < 0.001 || value.abs() >= 1e15 {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A time in ns as in RFC 3339, in UTC, to the second; to the ns where that is not 0. `None` before 1970.
pub(super) fn rfc3339(time_ns: i64) -> Option<String> {
    let time = UNIX_EPOCH.checked_add(Duration::from_nanos(u64::try_from(time_ns).ok()?))?;
    Some(if time_ns % 1_000_000_000 == 0 {
        humantime::format_rfc3339_seconds(time).to_string()
    } else {
        humantime::format_rfc3339_nanos(time).to_string()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_has_the_unit_of_its_column() {
        for (value, column, text) in [
            (0.0, "cpus", "0"),
            (1.256, "cpus", "1.26"),
            (1234.0, "reads", "1.23k"),
            (999.7, "reads", "1.00k"),
            (1536.0, "read_bytes", "1.50K"),
            (3e9, "rx_bytes/s", "2.79G/s"),
            (250e6, "throttled_ns/s", "250ms/s"),
            (-12.34, "x", "-12.3"),
            (1e300, "x", "1.0e288T"),
        ] {
            assert_eq!(short(value, column), text);
        }
    }

    #[test]
    fn cells_tell_floats_briefly_and_integers_in_full() {
        for (value, text) in [
            (json!(1_234_567_890_123_u64), "1234567890123"),
            (json!(0.25), "0.25"),
            (json!(1.0), "1"),
            (json!(0.000_012_34), "1.234e-5"),
            (json!(null), "-"),
            (json!(true), "true"),
            (json!("web"), "web"),
        ] {
            assert_eq!(cell(&value), text);
        }
    }

    #[test]
    fn times_are_told_in_utc() {
        let time = rfc3339(1_700_000_000_000_000_000);
        assert_eq!(time.as_deref(), Some("2023-11-14T22:13:20Z"));
        let time = rfc3339(1_700_000_000_000_000_001);
        assert_eq!(time.as_deref(), Some("2023-11-14T22:13:20.000000001Z"));
        assert_eq!(rfc3339(-1), None);
    }
}
