//! How Go's programs read what they are asked and quote it in what they answer: its `strconv`, `time` and `path`.

/// A text as `%q` quotes it (`strconv.Quote`).
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            char if char < ' ' || char == '\u{7f}' => {
                quoted.extend([format!("\\x{:02x}", char as u32)]);
            }
            char if !crate::text::is_unprintable(char) => quoted.push(char),
            char if char <= '\u{ffff}' => quoted.extend([format!("\\u{:04x}", char as u32)]),
            char => quoted.extend([format!("\\U{:08x}", char as u32)]),
        }
    }
    quoted.push('"');
    quoted
}

/// `strconv.ParseBool`; `None` for what is neither.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `strconv.Atoi`; `None` for what is no number.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Whether `time.ParseDuration` takes it, and what it says if it does not.
pub(super) fn check_duration(text: &str) -> Result<(), String> {
    let invalid = || format!("time: invalid duration {}", quoted(text));
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let unit = rest.trim_start_matches(|it: char| it.is_ascii_digit() || it == '.');
        let number = &rest[..rest.len() - unit.len()];
        if number.parse::<f64>().is_err() {
            return Err(invalid());
        }
        let after = unit.find(|it: char| it.is_ascii_digit() || it == '.');
        let (unit, next) = unit.split_at(after.unwrap_or(unit.len()));
        match unit {
            "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h" => rest = next,
            "" => return Err(format!("time: missing unit in duration {}", quoted(text))),
            unit => {
                let (unit, text) = (quoted(unit), quoted(text));
                return Err(format!("time: unknown unit {unit} in duration {text}"));
            }
        }
    }
    Ok(())
}

/// The path that names lead to from `/` (`path.Join`): without empty ones, `.` and `..`.
pub(super) fn joined<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for name in names.into_iter().flat_map(|name| name.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_quoted_as_go_does() {
        for (text, quotes) in [
            ("nope", r#""nope""#),
            ("a\"b\\c\n\u{7}\u{1}\u{7f}", r#""a\"b\\c\n\a\x01\x7f""#),
            ("größer 容器 🦀", r#""größer 容器 🦀""#),
            ("\u{202e}x", r#""\u202ex""#),
        ] {
            assert_eq!(quoted(text), quotes);
        }
    }

    #[test]
    fn durations_are_those_of_go() {
        for text in ["0", "0s", "1h2m3.5s", "-1.5ms", "+.5s", "10µs"] {
            assert_eq!(check_duration(text), Ok(()), "{text}");
        }
        for (text, error) in [
            ("5", "time: missing unit in duration \"5\""),
            ("zz", "time: invalid duration \"zz\""),
            ("", "time: invalid duration \"\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            (".s", "time: invalid duration \".s\""),
        ] {
            assert_eq!(check_duration(text), Err(error.to_owned()));
        }
    }

    #[test]
    fn paths_lead_nowhere_but_down() {
        for (names, path) in [
            (vec![], "/"),
            (vec![""], "/"),
            (vec!["docker", "", ".", "x", ""], "/docker/x"),
            (vec!["..", "a", "..", "..", "b"], "/b"),
        ] {
            assert_eq!(joined(names), path);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd(text in "\\PC{0,40}|[0-9.a-zµ+-]{0,20}") {
            drop(check_duration(&text));
            let path = joined(text.split('/'));
            prop_assert!(path.starts_with('/') && !path.contains("//"));
            prop_assert_eq!(joined([path.as_str()]), path.clone());
            prop_assert!(!quoted(&text).contains('\n'));
        }
    }
}
