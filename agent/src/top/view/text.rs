//! The one way of text that others chose to the terminal.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::text::{cut, padded, printable};

/// `text` with nothing a terminal would act on, and nothing that cannot be seen: both are escaped as in `\u{1b}`. Each
/// character left takes a column or two, so the text is as wide as its characters together.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    let printable = printable(text);
    let is_hidden = |char: char| char.width().unwrap_or(0) == 0;
    if !printable.chars().any(is_hidden) {
        return printable;
    }
    let mut shown = String::with_capacity(printable.len() + 8);
    for char in printable.chars() {
        if is_hidden(char) {
            shown.extend(char.escape_unicode());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// The same in no more than `width` columns.
pub(crate) fn fitted(text: &str, width: usize) -> String {
    // No character of which the start is made takes less than a column for a hundred bytes.
    let start: String = text.chars().take(width.saturating_add(1)).collect();
    cut(&safe(&start), width)
}

/// The same in just `width` columns; filled up behind it, or else in front of it.
pub(crate) fn cell(text: &str, width: usize, left: bool) -> String {
    padded(&fitted(text, width), width, left)
}

/// How many columns `text` takes when it is made safe.
pub(crate) fn columns(text: &str) -> usize {
    safe(text).width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::fixture::HOSTILE;

    #[test]
    fn nothing_hidden_and_nothing_that_acts_is_left() {
        for (text, shown) in [
            ("web-1", "web-1"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{200b}b", "a\\u{200b}b"),
            ("\u{202e}x", "\\u{202e}x"),
            ("e\u{301}", "e\\u{301}"),
            ("容器", "容器"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{feff}", "\\u{feff}"),
        ] {
            assert_eq!(safe(text), shown);
        }
    }

    #[test]
    fn a_cell_is_as_wide_as_it_says_whatever_is_in_it() {
        for name in HOSTILE.iter().chain(&["容器容器容器", "", "🦀🦀🦀🦀🦀"]) {
            for width in [0, 1, 2, 7, 8, 40, 200] {
                let cell = cell(name, width, true);
                assert_eq!(cell.width(), width, "{name:?} as {cell:?}");
                assert!(!cell.chars().any(char::is_control));
            }
        }
    }
}
