//! Text for a terminal and a log: names that others chose, made safe; errors with their causes.

use std::{borrow::Cow, error::Error, iter};

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// `text` with everything a terminal would act on, or that would hide what stands there, escaped as in `\u{1b}`.
/// Container names, labels, images and cgroup paths are chosen by whoever may start a container.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if is_unprintable(char) {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}

/// JSON that says the same, without what JSON allows raw within strings and a terminal would act on. Line breaks,
/// which stand only between values, are kept.
pub fn printable_json(json: &str) -> String {
    let mut printable = String::with_capacity(json.len());
    for char in json.chars() {
        if char != '\n' && is_unprintable(char) {
            let code = u32::from(char);
            printable.extend(format!("\\u{code:04x}").chars());
        } else {
            printable.push(char);
        }
    }
    printable
}

/// Whether `char` is a control character, a line separator, or one of those that change the direction of writing.
pub fn is_unprintable(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            // The Bidi_Control property and the two separators of Unicode 16, PropList.txt and UnicodeData.txt.
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// An error and its causes in one text: `cannot read x: permission denied`. A cause that its effect quotes already,
/// as those of some libraries do, is not told twice.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// `text` with spaces up to `width` columns; behind it, or else in front of it.
pub fn padded(text: &str, width: usize, left: bool) -> String {
    let space = " ".repeat(width.saturating_sub(text.width()));
    if left {
        format!("{text}{space}")
    } else {
        format!("{space}{text}")
    }
}

/// `text` in no more than `width` columns; where something is cut off stands `…`.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut column = 0;
    for char in text.chars() {
        column += char.width().unwrap_or(0);
        if column >= width {
            break;
        }
        kept.push(char);
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Told {
        text: &'static str,
        source: Option<Box<Told>>,
    }

    fn told<'a>(texts: impl IntoIterator<Item = &'a &'static str>) -> Option<Box<Told>> {
        let mut texts = texts.into_iter();
        let text = texts.next()?;
        let source = told(texts.by_ref().collect::<Vec<_>>());
        Some(Box::new(Told { text, source }))
    }

    #[test]
    fn each_cause_is_told_once() {
        for (causes, text) in [
            (&["a"][..], "a"),
            (&["a", "b", "c"], "a: b: c"),
            (
                &["cannot do a", "map error: no b", "no b", "EPERM"],
                "cannot do a: map error: no b: EPERM",
            ),
        ] {
            assert_eq!(chain(&*told(causes).unwrap()), text);
        }
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["", "web-1", "naïve", "服务", "a\\b"] {
            assert!(matches!(printable(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn json_keeps_its_meaning() {
        let names = ["\u{9b}2J", "\u{202e}x", "naïve"];
        let json = format!("{}\n", serde_json::to_string(&names).expect("JSON"));
        let printable = printable_json(&json);
        assert_eq!(printable, "[\"\\u009b2J\",\"\\u202ex\",\"naïve\"]\n");
        let back: Vec<String> = serde_json::from_str(&printable).expect("JSON");
        assert_eq!(back, names);
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        for (text, escaped) in [
            ("\u{1b}[2Jx", "\\u{1b}[2Jx"),
            ("two\nlines\r\t", "two\\nlines\\r\\t"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("gpj\u{202e}exe", "gpj\\u{202e}exe"),
            ("a\u{2028}b\u{2066}c", "a\\u{2028}b\\u{2066}c"),
        ] {
            assert_eq!(printable(text), escaped);
        }
    }
}
