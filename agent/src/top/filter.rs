//! Which entries are shown: words that a person types, which must all fit. Their meaning is that of the page's filter
//! (`http/page/script/filter.js`). Pure.

use crate::stream::Who;

/// Words: text that is somewhere in what an entry is called, or `label:value`, text in one thing that is told of it; with `-`
/// before it what must not be, and in quotes with spaces. Case does not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Filter {
    text: String,
    words: Vec<Word>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Word {
    /// Whether it must not fit.
    is_not: bool,
    /// Where it is looked for; `None`: in all that people call things by.
    label: Option<String>,
    value: String,
}

impl Filter {
    pub(super) fn new(text: &str) -> Self {
        let lower = text.to_lowercase();
        let mut rest = lower.as_str();
        let mut words = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                break;
            }
            let (word, behind) = word(rest);
            if word.label.is_some() || !word.value.is_empty() {
                words.push(word);
            }
            rest = behind;
        }
        Self {
            text: text.to_owned(),
            words,
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
        self.words.iter().all(|word| word.is_not != word.fits(who))
    }
}

/// The first word of a text that begins with one, and what is behind it.
fn word(text: &str) -> (Word, &str) {
    let (is_not, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let is_end = |char: char| char.is_whitespace() || matches!(char, '"' | ':');
    let label = text.split_once(is_end).map(|(label, _)| label);
    let label = label.filter(|label| !label.is_empty() && text[label.len()..].starts_with(':'));
    let text = label.map_or(text, |label| &text[label.len() + 1..]);
    let (value, behind) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => text.split_at(text.find(char::is_whitespace).unwrap_or(text.len())),
    };
    let word = Word {
        is_not,
        label: label.map(str::to_owned),
        value: value.to_owned(),
    };
    (word, behind)
}

impl Word {
    fn fits(&self, who: &Who) -> bool {
        let has = |text: &str| text.to_lowercase().contains(&self.value);
        let Some(label) = &self.label else {
            let told = [
                &who.image,
                &who.id,
                &who.namespace,
                &who.pod,
                &who.project,
                &who.service,
            ];
            return has(&who.name) || told.into_iter().flatten().any(|text| has(text));
        };
        let told = match label.as_str() {
            "name" => return has(&who.name),
            "kind" => return has(&who.kind),
            "runtime" => return has(&who.runtime),
            "id" => &who.id,
            "short_id" => &who.short_id,
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
                return labels
                    .any(|(key, text)| is_called(&key.to_lowercase(), label) && has(text));
            }
        };
        told.as_ref().is_some_and(|text| has(text))
    }
}

/// Whether `label` is a label's name or the last part of it: `tier` is also `com.example.tier`.
fn is_called(name: &str, label: &str) -> bool {
    let before = name.strip_suffix(label);
    before.is_some_and(|before| before.is_empty() || before.ends_with(['.', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_have_to_fit() {
        let who = Who {
            name: "Web-1".to_owned(),
            kind: "container".to_owned(),
            id: Some("0123456789abcdef".to_owned()),
            image: Some("nginx:1.27".to_owned()),
            project: Some("shop".to_owned()),
            labels: [
                ("Tier".to_owned(), "front".to_owned()),
                ("com.example.team".to_owned(), "Blue Team".to_owned()),
            ]
            .into(),
            ..Who::default()
        };
        for (text, fits) in [
            ("", true),
            ("web", true),
            ("WEB nginx", true),
            ("shop", true),
            ("89abcd", true),
            ("web db", false),
            ("tier:front", true),
            ("tier:FR", true),
            ("tier:", true),
            ("none:", false),
            ("tier:back", false),
            ("-tier:back", true),
            ("-web", false),
            ("web -db", true),
            ("team:\"blue team\"", true),
            ("team:\"blue", true),
            ("\"blue team\"", false),
            ("eam:blue", false),
            ("project:shop name:1", true),
            ("pod:x", false),
            ("short_id:abc", false),
            ("id:abc", true),
            ("image:nginx:1", true),
            ("-", true),
            ("kind:container runtime:docker", false),
        ] {
            assert_eq!(Filter::new(text).fits(&who), fits, "{text:?}");
        }
    }
}
