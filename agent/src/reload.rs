//! What another configuration changes while the daemon runs, and what has to wait for its next start.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Key, Setting, Value};

/// Sections that take effect at once.
const AT_ONCE: [&str; 2] = ["families", "budget"];

/// What changed, by key.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Takes effect now.
    pub now: Vec<Key>,
    /// Takes effect at the next start.
    pub later: Vec<Key>,
}

impl Changes {
    /// What differs between the settings that were in force and others. A password is no setting; where it is kept is.
    pub fn between(before: &[Setting], after: &[Setting]) -> Self {
        let (before, after) = (by_key(before), by_key(after));
        let keys: BTreeSet<&Key> = before.keys().chain(after.keys()).copied().collect();
        let changed = keys
            .into_iter()
            .filter(|key| before.get(key) != after.get(key));
        let (now, later) = changed.cloned().partition(is_at_once);
        Self { now, later }
    }
}

/// The settings in force after `after` was loaded over `before`.
pub fn in_force(before: &[Setting], after: &[Setting]) -> Vec<Setting> {
    let kept = before.iter().filter(|it| !is_at_once(&it.key));
    let taken = after.iter().filter(|it| is_at_once(&it.key));
    kept.chain(taken).cloned().collect()
}

fn by_key(settings: &[Setting]) -> BTreeMap<&Key, Option<&Value>> {
    let settings = settings.iter();
    settings.map(|it| (&it.key, it.value.as_ref())).collect()
}

fn is_at_once(key: &Key) -> bool {
    key.parts()
        .first()
        .is_some_and(|section| AT_ONCE.contains(&section.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::fixture::resolved;

    fn keys(keys: &[Key]) -> Vec<String> {
        keys.iter().map(Key::to_string).collect()
    }

    #[test]
    fn families_and_the_budget_change_at_once_and_all_else_at_the_next_start() {
        let before = resolved("[collect]\nslots = 64\n[sinks.stdout]\n").settings;
        let text = "[collect]\nslots = 128\n[families.network]\nenabled = false\n[budget]\ncpu_percent = 0.5\n";
        let after = resolved(text).settings;
        let changes = Changes::between(&before, &after);
        assert_eq!(
            keys(&changes.now),
            ["budget.cpu_percent", "families.network.enabled"]
        );
        let later = keys(&changes.later);
        assert!(later.contains(&"collect.slots".to_owned()), "{later:?}");
        assert!(
            later.contains(&"sinks.stdout.spool".to_owned()),
            "{later:?}"
        );
        // What waits goes on waiting, and is told again.
        let running = in_force(&before, &after);
        let again = Changes::between(&running, &after);
        assert_eq!((again.now, again.later), (Vec::new(), changes.later));
    }

    #[test]
    fn the_same_from_elsewhere_is_no_change() {
        let before = resolved("").settings;
        let after = resolved("[families.network]\nenabled = true\n").settings;
        assert_eq!(Changes::between(&before, &after), Changes::default());
    }
}
