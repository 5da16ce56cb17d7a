//! Hostile text → text that every InfluxDB reads back as itself.
//!
//! Line protocol has no encoding for some tag values, and versions disagree on others (1.x keeps a doubled backslash,
//! 2.x and 3.x make it one). Such characters are replaced by `_`, so that what is stored is what was meant, on every
//! version:
//!
//! | text | in a tag | in a string field |
//! |---|---|---|
//! | control character (newline, NUL, TAB, …) | `_` | `_` |
//! | backslash before `,` `=` space or `\`, or at the end | `_` | kept |
//! | more than [`MAX_TAG_BYTES`] | cut | kept |
//! | nothing | the tag is left out | kept |

use std::borrow::Cow;

/// Longest tag key or value. All tags of a point must fit into InfluxDB's 65,535 bytes for a series key.
pub(super) const MAX_TAG_BYTES: usize = 1024;

/// `text` as a tag key or value can hold it, not yet escaped.
pub(super) fn clean_tag(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(MAX_TAG_BYTES)];
    let next = |at: usize| text.as_bytes().get(at + 1);
    let unusable = |(at, char): (usize, char)| {
        char.is_control()
            || (char == '\\' && matches!(next(at), None | Some(b',' | b'=' | b' ' | b'\\')))
    };
    replace(text, unusable)
}

/// `text` as a string field can hold it on one line, not yet escaped.
pub(super) fn clean_string(text: &str) -> Cow<'_, str> {
    replace(text, |(_, char)| char.is_control())
}

/// Appends a cleaned tag key or value, escaped.
pub(super) fn push_tag(out: &mut String, clean: &str) {
    for char in clean.chars() {
        if matches!(char, ',' | '=' | ' ') {
            out.push('\\');
        }
        out.push(char);
    }
}

/// Appends a cleaned measurement, escaped. An equals sign is none of its delimiters, and a backslash before one would
/// stay.
pub(super) fn push_measurement(out: &mut String, clean: &str) {
    for char in clean.chars() {
        if matches!(char, ',' | ' ') {
            out.push('\\');
        }
        out.push(char);
    }
}

/// Appends a cleaned string field's value, quoted and escaped.
pub(super) fn push_string(out: &mut Vec<u8>, clean: &str) {
    out.push(b'"');
    for byte in clean.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn replace(text: &str, unusable: impl Fn((usize, char)) -> bool) -> Cow<'_, str> {
    if !text.char_indices().any(&unusable) {
        return Cow::Borrowed(text);
    }
    let replaced = text
        .char_indices()
        .map(|(at, char)| if unusable((at, char)) { '_' } else { char });
    Cow::Owned(replaced.collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in [
            "web",
            "my app",
            "a=b,c",
            r"dev-disk-by\x2dlabel",
            "käse 🧀",
            "#1",
            "\"q\"",
        ] {
            assert_eq!(clean_tag(name), name);
            assert_eq!(clean_string(name), name);
        }
    }

    #[test]
    fn what_has_no_encoding_becomes_an_underscore() {
        for (text, tag, string) in [
            ("a\nb", "a_b", "a_b"),
            ("a\r\n\t\0b", "a____b", "a____b"),
            ("a\u{85}b", "a_b", "a_b"),
            (r"end\", "end_", r"end\"),
            (r"a\ b", "a_ b", r"a\ b"),
            (r"a\,b\=c", "a_,b_=c", r"a\,b\=c"),
            (r"a\\b", r"a_\b", r"a\\b"),
            ("a\\\n", r"a\_", r"a\_"),
        ] {
            assert_eq!(clean_tag(text), tag, "text={text:?}");
            assert_eq!(clean_string(text), string, "text={text:?}");
        }
    }

    #[test]
    fn long_tags_are_cut_at_a_character_boundary() {
        let clean = clean_tag(&"ä".repeat(MAX_TAG_BYTES)).into_owned();
        assert_eq!(clean, "ä".repeat(MAX_TAG_BYTES / 2));
        let backslash_at_the_cut = format!("{}\\x", "a".repeat(MAX_TAG_BYTES - 1));
        assert!(clean_tag(&backslash_at_the_cut).ends_with("a_"));
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing_more(text in r#"[a\\,= \n"é]{0,12}"#) {
            let once = clean_tag(&text);
            prop_assert_eq!(clean_tag(&once), once.as_ref());
        }
    }
}
