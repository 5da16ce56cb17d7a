//! The merged layers, from which `check` takes setting by setting. It remembers what was asked for, so that what
//! remains is what nobody knows.

use std::collections::{BTreeMap, BTreeSet};

use super::{Complaint, Given, Key, Origin, Secret, Setting, Value, typed::Typed};

/// How alike two names must be for one to be suggested for the other; 1 is equal.
const ALIKE: f64 = 0.6;

const SECTIONS: [&str; 12] = [
    "collect", "families", "budget", "host", "tags", "labels", "select", "ship", "http", "socket",
    "sinks", "log",
];

/// Settings to take, and what was found on the way.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// What was given and not yet asked for.
    given: BTreeMap<Key, Given>,
    /// What was asked for, with the value that holds, in that order.
    pub(super) settings: Vec<Setting>,
    pub(super) complaints: Vec<Complaint>,
}

impl Reader {
    /// Merges `given`, lowest layer first.
    pub(super) fn of(given: impl IntoIterator<Item = Given>) -> Self {
        Self {
            given: given.into_iter().map(|it| (it.key.clone(), it)).collect(),
            ..Self::default()
        }
    }

    /// Takes a setting that has a default. After a complaint the default is returned, so that reading goes on.
    pub(super) fn setting<T: Typed>(
        &mut self,
        key: &Key,
        default: T,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> T {
        let (value, origin) = self.take(key, check).unwrap_or((default, Origin::Default));
        self.settle(key, Some(value.value()), origin);
        value
    }

    /// Takes a setting that may be absent.
    pub(super) fn optional<T: Typed>(
        &mut self,
        key: &Key,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Option<T> {
        let taken = self.take(key, check);
        let (value, origin) = taken.unzip();
        self.settle(
            key,
            value.as_ref().map(Typed::value),
            origin.unwrap_or(Origin::Default),
        );
        value
    }

    /// Takes a setting that must be there; `problem` is the complaint if it is not.
    pub(super) fn required<T: Typed>(
        &mut self,
        key: &Key,
        problem: &str,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Option<T> {
        if !self.given.contains_key(key) {
            self.complain(key, problem.to_owned());
        }
        self.optional(key, check)
    }

    /// Takes a secret that an older program's way of starting gave; of a file there is none.
    pub(super) fn secret(&mut self, key: &Key) -> Option<(Secret, Origin)> {
        let is_secret = |given: &Given| matches!(given.value, Value::Secret(_));
        if !self.given.get(key).is_some_and(is_secret) {
            return None;
        }
        match self.given.remove(key)? {
            Given {
                value: Value::Secret(secret),
                origin,
                ..
            } => Some((secret, origin)),
            _ => None,
        }
    }

    /// Where a setting that was taken comes from.
    pub(super) fn origin(&self, key: &Key) -> Option<&Origin> {
        let setting = self.settings.iter().rev().find(|it| it.key == *key);
        setting.map(|it| &it.origin)
    }

    /// Records a setting that was found without being given.
    pub(super) fn settle(&mut self, key: &Key, value: Option<Value>, origin: Origin) {
        self.settings.push(Setting {
            key: key.clone(),
            value,
            origin,
        });
    }

    /// Complains about a setting wherever it was given.
    pub(super) fn complain(&mut self, key: &Key, problem: String) {
        let settled = self.settings.iter().rev().find(|it| it.key == *key);
        let origin = match (settled, self.given.get(key)) {
            (Some(setting), _) => Some(setting.origin.clone()),
            (None, Some(given)) => Some(given.origin.clone()),
            (None, None) => None,
        };
        self.complaints.push(Complaint {
            key: Some(key.clone()),
            origin: origin.filter(|origin| *origin != Origin::Default),
            problem,
        });
    }

    /// Whether anything was given for `key` and not yet taken.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.given.contains_key(key)
    }

    /// The keys directly below `section` that were given, or have something given below them.
    pub(super) fn children(&self, section: &Key) -> Vec<Key> {
        let depth = section.parts().len();
        let below = self.given.keys().filter(|key| key.is_below(section));
        let names: BTreeSet<&String> = below.filter_map(|key| key.parts().get(depth)).collect();
        names.into_iter().map(|name| section.child(name)).collect()
    }

    /// Enters a section: forgets that it was given empty, or complains that a value stands in its place.
    pub(super) fn enter(&mut self, section: &Key) -> bool {
        match self.given.get(section).map(|given| &given.value) {
            None => return true,
            Some(Value::EmptySection) => {}
            Some(value) => {
                let problem = format!("is {value}; write [{section}] and its settings below");
                self.complain(section, problem);
            }
        }
        let given = self.given.remove(section);
        given.is_some_and(|given| given.value == Value::EmptySection)
    }

    /// Lets go of all that was given at or below `section`, which cannot be judged.
    pub(super) fn skip(&mut self, section: &Key) {
        self.given
            .retain(|key, _| key != section && !key.is_below(section));
    }

    /// Complains about all that was given at or below `section`, and lets go of it.
    pub(super) fn refuse(&mut self, section: &Key, problem: &str) {
        let given = self.given.keys();
        let refused = given.filter(|key| *key == section || key.is_below(section));
        for key in refused.cloned().collect::<Vec<Key>>() {
            self.complain(&key, problem.to_owned());
        }
        self.skip(section);
    }

    /// Complains about all that nobody asked for.
    pub(super) fn finish(&mut self) {
        for (key, given) in std::mem::take(&mut self.given) {
            if given.value == Value::EmptySection && self.is_section(&key) {
                continue;
            }
            self.complaints.push(Complaint {
                problem: self.unknown(&key),
                key: Some(key),
                origin: Some(given.origin),
            });
        }
    }

    fn take<T: Typed>(
        &mut self,
        key: &Key,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Option<(T, Origin)> {
        let given = self.given.remove(key)?;
        let read = T::read(&given.value).and_then(|value| check(&value).map(|()| value));
        match read {
            Ok(value) => Some((value, given.origin)),
            Err(problem) => {
                self.complaints.push(Complaint {
                    key: Some(key.clone()),
                    origin: Some(given.origin),
                    problem,
                });
                None
            }
        }
    }

    fn is_section(&self, key: &Key) -> bool {
        matches!(key.parts(), [section] if SECTIONS.contains(&section.as_str()))
            || self.known().any(|known| known.is_below(key))
    }

    fn known(&self) -> impl Iterator<Item = &Key> {
        self.settings.iter().map(|setting| &setting.key)
    }

    fn unknown(&self, key: &Key) -> String {
        if self.is_section(key) {
            return format!("is a section; write [{key}] and its settings below");
        }
        if let Some(meant) = self.alike(key) {
            return format!("no such setting; did you mean `{meant}`?");
        }
        match key.parts() {
            [section, _, ..] if !SECTIONS.contains(&section.as_str()) => {
                format!("no such section; there are: {}", SECTIONS.join(", "))
            }
            _ => {
                let section = key.section();
                let siblings = self.known().filter(|known| known.section() == section);
                let siblings: Vec<String> = siblings.map(Key::name).collect();
                format!(
                    "no such setting; beside it may stand: {}",
                    siblings.join(", ")
                )
            }
        }
    }

    /// The known key most like `key`: the most like among those beside it, one with another section misspelt, or one
    /// of the same name elsewhere. Settings of one sink are not suggested for another, which may be of another type, nor
    /// those of other sections for a sink.
    fn alike(&self, key: &Key) -> Option<&Key> {
        let sinks = Key::of("sinks");
        let likeness = |known: &Key| {
            if known.section() == key.section() {
                return strsim::normalized_damerau_levenshtein(&key.name(), &known.name());
            }
            if known.is_below(&sinks) || key.is_below(&sinks) {
                return 0.0;
            }
            let same_name = if key.name() == known.name() {
                ALIKE
            } else {
                0.0
            };
            same_name.max(strsim::normalized_damerau_levenshtein(
                &key.to_string(),
                &known.to_string(),
            ))
        };
        self.known()
            .map(|known| (likeness(known), known))
            .filter(|(likeness, _)| *likeness >= ALIKE)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, known)| known)
    }
}
