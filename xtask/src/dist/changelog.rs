//! `packaging/CHANGELOG.md` in the words of each package manager. Pure.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};

/// The changes of one version, one text each.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Changelog {
    version: String,
    changes: Vec<String>,
}

const PACKAGER: &str = "The cgflux authors <cgflux@cgflux.example>";

impl Changelog {
    /// The section of `version`: a heading `## VERSION …`, then words such as `Added` and items, which may go on in the
    /// lines after.
    pub(super) fn of(text: &str, version: &str) -> Result<Self> {
        let heading = format!("## {version}");
        let is_ours = |line: &&str| {
            line.strip_prefix(&heading)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let (at, _) = text
            .lines()
            .enumerate()
            .find(|(_, line)| is_ours(line))
            .with_context(|| {
                format!("packaging/CHANGELOG.md has no section `## {version}` of the version that is packaged")
            })?;
        let mut changes: Vec<String> = Vec::new();
        for line in text.lines().skip(at + 1) {
            if line.starts_with("## ") {
                break;
            }
            if let Some(item) = line.strip_prefix("- ") {
                changes.push(item.trim().to_owned());
            } else if let (Some(more), Some(last)) = (line.strip_prefix("  "), changes.last_mut()) {
                last.push(' ');
                last.push_str(more.trim());
            }
        }
        ensure!(
            !changes.is_empty(),
            "packaging/CHANGELOG.md says nothing of {version}"
        );
        Ok(Self {
            version: version.to_owned(),
            changes,
        })
    }

    /// Debian's: `deb-changelog(5)`.
    pub(super) fn debian(&self, epoch: u64) -> String {
        let items: Vec<_> = self
            .changes
            .iter()
            .map(|change| folded(change, "  * ", "    "))
            .collect();
        // A date of HTTP is one of RFC 5322, but for how it says UTC.
        let date = httpdate::fmt_http_date(time(epoch)).replace(" GMT", " +0000");
        format!(
            "cgflux ({}-1) unstable; urgency=medium\n\n{}\n -- {PACKAGER}  {date}\n",
            self.version,
            items.concat()
        )
    }

    /// The one that nfpm reads, as YAML.
    pub(super) fn nfpm(&self, epoch: u64) -> String {
        let date = humantime::format_rfc3339_seconds(time(epoch));
        let notes: Vec<_> = self
            .changes
            .iter()
            .map(|change| format!("    - note: {}\n", serde_json::Value::from(change.as_str())))
            .collect();
        format!(
            "- semver: {}-1\n  date: {date}\n  packager: {PACKAGER}\n  changes:\n{}",
            self.version,
            notes.concat()
        )
    }
}

fn time(epoch: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(epoch)
}

/// As lines of no more than 78 characters, the first after `first`, the others after `other`.
fn folded(text: &str, first: &str, other: &str) -> String {
    const WIDTH: usize = 78;
    let mut folded = String::new();
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in text.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            folded.push_str(&line);
            folded.push('\n');
            other.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    folded.push_str(&line);
    folded.push('\n');
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Changes\n\n## 0.2.0\n\nAdded\n- One thing: with \"quotes\" that\n  goes on.\n- Another.\n\n\
                        Fixed\n- A third.\n\n## 0.1.0 (unreleased)\n\nAdded\n- Old.\n";

    #[test]
    fn the_changes_of_a_version_are_its_items_and_no_others() {
        let changelog = Changelog::of(TEXT, "0.2.0").unwrap();
        let changes = [
            "One thing: with \"quotes\" that goes on.",
            "Another.",
            "A third.",
        ];
        assert_eq!(changelog.changes, changes);
        assert_eq!(Changelog::of(TEXT, "0.1.0").unwrap().changes, ["Old."]);
        let error = Changelog::of(TEXT, "0.2").unwrap_err().to_string();
        assert!(error.contains("no section `## 0.2`"), "{error}");
    }

    #[test]
    fn debian_and_nfpm_are_told_the_same() {
        let changelog = Changelog::of(TEXT, "0.2.0").unwrap();
        let debian = "cgflux (0.2.0-1) unstable; urgency=medium\n\n  \
             * One thing: with \"quotes\" that goes on.\n  * Another.\n  * A third.\n\n -- \
             The cgflux authors <cgflux@cgflux.example>  Thu, 01 Jan 1970 00:01:00 +0000\n";
        assert_eq!(changelog.debian(60), debian);
        let nfpm = "- semver: 0.2.0-1\n  date: 1970-01-01T00:01:00Z\n  packager: \
             The cgflux authors <cgflux@cgflux.example>\n  changes:\n    \
             - note: \"One thing: with \\\"quotes\\\" that goes on.\"\n    - note: \"Another.\"\n    \
             - note: \"A third.\"\n";
        assert_eq!(changelog.nfpm(60), nfpm);
    }

    #[test]
    fn a_long_change_is_folded() {
        let folded = folded(&"word ".repeat(20), "  * ", "    ");
        let lines: Vec<_> = folded.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("  * word") && lines[0].len() <= 78);
        assert!(lines[1].starts_with("    word"));
    }
}
