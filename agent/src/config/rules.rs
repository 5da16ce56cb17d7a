//! What a value must be, whatever its key: each rule says what is wrong, without the key's name. Pure.

use std::{
    collections::BTreeSet,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::typed::Typed;
use crate::text::is_unprintable;

/// No check: every value of the type is fine.
#[expect(clippy::unnecessary_wraps, reason = "a check like the others")]
pub(super) fn any<T>(_value: &T) -> Result<(), String> {
    Ok(())
}

/// Between these, both allowed.
pub(super) fn within<T: PartialOrd + Typed>(
    range: RangeInclusive<T>,
) -> impl FnOnce(&T) -> Result<(), String> {
    move |value| {
        if range.contains(value) {
            return Ok(());
        }
        let [value, low, high] = [value, range.start(), range.end()].map(Typed::value);
        Err(format!("is {value}; allowed are {low} to {high}"))
    }
}

/// A path from the root on.
pub(super) fn absolute(path: &PathBuf) -> Result<(), String> {
    if Path::is_absolute(path) {
        Ok(())
    } else {
        Err(format!(
            "is {}; write the whole path, from / on",
            path.value()
        ))
    }
}

/// A name: something that can be seen.
pub(super) fn name(text: &String) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("is empty".to_owned());
    }
    if text.chars().any(is_unprintable) {
        return Err(format!(
            "is {}, which holds a control character",
            text.value()
        ));
    }
    Ok(())
}

/// Names of hosts, each once.
pub(super) fn host_names(hosts: &[String]) -> Result<(), String> {
    let is_name = |host: &&String| {
        !host.is_empty()
            && host
                .chars()
                .all(|char| char.is_ascii_alphanumeric() || "-._".contains(char))
    };
    match hosts.iter().find(|host| !is_name(host)) {
        None => distinct(hosts),
        Some(host) => Err(format!(
            "holds {}; write names only, without scheme and port",
            host.value()
        )),
    }
}

/// Each item once.
pub(super) fn distinct<T: ToString>(items: &[T]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut items = items.iter().map(ToString::to_string);
    match items.find(|item| !seen.insert(item.clone())) {
        None => Ok(()),
        Some(twice) => Err(format!("holds {} twice", twice.value())),
    }
}
