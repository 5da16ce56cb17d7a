//! What a server said, as it can be told: short, and without secrets. Pure.

/// An error may quote a whole batch.
pub(super) fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(300)]
}

/// `text` without each of these texts, and without the beginning of one that it was cut in.
pub(super) fn concealed(text: &str, secrets: &[String]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| {
        let text = text.replace(secret.as_str(), HIDDEN);
        let ends = secret.char_indices().rev().map(|(at, _)| at);
        let ends = ends.take_while(|end| *end >= LEAST_TELLING);
        let mut beginnings = ends.map(|end| &secret[..end]);
        match beginnings.find_map(|beginning| text.strip_suffix(beginning)) {
            Some(before) => [before, HIDDEN].concat(),
            None => text,
        }
    })
}

const HIDDEN: &str = "(not shown)";

/// Fewer bytes of a secret tell nothing, and any text may end with them.
const LEAST_TELLING: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_also_where_the_text_was_cut_within() {
        let cut = concealed("502 Authorization: Token s3cr", &["s3cret".to_owned()]);
        assert_eq!(cut, "502 Authorization: Token (not shown)");
        assert_eq!(
            concealed("502 no s3c", &["s3cret".to_owned()]),
            "502 no s3c"
        );
    }
}
