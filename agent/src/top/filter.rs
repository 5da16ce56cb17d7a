//! Which entries are shown: words that a person types, which all have to be found. Pure.

use crate::stream::Who;

/// Words, each text that is somewhere in the name, or `label:value`, a part of what has that name. Case does not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Filter {
    text: String,
    words: Vec<Word>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Word {
    Text(String),
    Of { what: String, value: String },
}

impl Filter {
    pub(super) fn new(text: &str) -> Self {
        let words = text.split_whitespace().map(|word| {
            let word = word.to_lowercase();
            match word.split_once(':') {
                Some((what, value)) if !what.is_empty() => Word::Of {
                    what: what.to_owned(),
                    value: value.to_owned(),
                },
                _ => Word::Text(word),
            }
        });
        Self {
            text: text.to_owned(),
            words: words.collect(),
        }
    }

    /// As it was typed.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub(super) fn fits(&self, who: &Who) -> bool {
        self.words.iter().all(|word| word.fits(who))
    }
}

impl Word {
    fn fits(&self, who: &Who) -> bool {
        match self {
            Self::Text(text) => has(&who.name, text) || is_told(who.image.as_ref(), text),
            Self::Of { what, value } => of(who, what, value),
        }
    }
}

/// A word about who it is, else a label of that name. What has a colon and is neither, as an image with its tag, is text.
fn of(who: &Who, what: &str, value: &str) -> bool {
    let fixed = match what {
        "name" => Some(&who.name),
        "kind" => Some(&who.kind),
        "runtime" => Some(&who.runtime),
        _ => None,
    };
    if let Some(text) = fixed {
        return has(text, value);
    }
    let told = match what {
        "id" => &who.id,
        "image" => &who.image,
        "namespace" => &who.namespace,
        "pod" => &who.pod,
        "project" => &who.project,
        "service" => &who.service,
        "unit" => &who.unit,
        "slice" => &who.slice,
        "path" => &who.path,
        label => {
            let mut labels = who.labels.iter();
            return labels.any(|(key, text)| key.to_lowercase() == label && has(text, value));
        }
    };
    is_told(told.as_ref(), value)
}

fn is_told(text: Option<&String>, part: &str) -> bool {
    text.is_some_and(|text| has(text, part))
}

/// Whether `part`, which is in lower case, is somewhere in `text`.
fn has(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_have_to_be_found() {
        let who = Who {
            name: "Web-1".to_owned(),
            kind: "container".to_owned(),
            image: Some("nginx:1.27".to_owned()),
            project: Some("shop".to_owned()),
            labels: [("Tier".to_owned(), "front".to_owned())].into(),
            ..Who::default()
        };
        for (text, fits) in [
            ("", true),
            ("web", true),
            ("WEB nginx", true),
            ("web db", false),
            ("tier:front", true),
            ("tier:FR", true),
            ("tier:", true),
            ("tier:back", false),
            ("project:shop name:1", true),
            ("pod:x", false),
            ("image:nginx:1", true),
            ("::", false),
        ] {
            assert_eq!(Filter::new(text).fits(&who), fits, "{text:?}");
        }
    }
}
