//! What `cgflux check --json` says.

use std::{process::Output, sync::LazyLock};

use caps::Capability;

use serde_json::Value as Json;

use crate::{harness::Home, unprivileged};

/// One report.
#[derive(Debug)]
pub(crate) struct Report(Json);

/// The machine's report, as root; asked for once, for it takes the kernel seconds.
pub(crate) fn check() -> &'static Report {
    static REPORT: LazyLock<Report> = LazyLock::new(|| {
        let home = Home::new();
        let mut command = home.command("check");
        read(&command.arg("--json").output().unwrap())
    });
    &REPORT
}

/// The report for a user without rights, but for these capabilities.
#[track_caller]
pub(crate) fn check_as_nobody(capabilities: &[Capability]) -> Report {
    let home = Home::new();
    let mut command = unprivileged::command(&home, "check");
    command.arg("--json");
    read(&unprivileged::run(command, capabilities))
}

#[track_caller]
fn read(output: &Output) -> Report {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_str(&text);
    Report(report.unwrap_or_else(|error| panic!("{error}: {text}{errors}")))
}

impl Report {
    /// The items of a section, by name.
    pub(crate) fn section(&self, section: &str) -> impl Iterator<Item = (&str, &Json)> {
        let sections = self.0["sections"].as_array().into_iter().flatten();
        let items = sections
            .filter(move |it| it["name"] == section)
            .filter_map(|it| it["items"].as_array());
        items
            .flatten()
            .filter_map(|item| Some((item["name"].as_str()?, item)))
    }

    /// One item.
    #[track_caller]
    pub(crate) fn item(&self, section: &str, name: &str) -> &Json {
        let mut items = self.section(section);
        let found = items.find(|(known, _)| *known == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {section}: {}", self.0))
            .1
    }

    /// Whether a kernel program is in use.
    pub(crate) fn is_attached(&self, program: &str) -> bool {
        let mut programs = self.section("programs");
        programs.any(|(name, item)| name == program && item["details"]["state"] == "attached")
    }

    /// An item is not as it should be, says so with these words, and says what to do with these.
    #[track_caller]
    pub(crate) fn complains(&self, section: &str, name: &str, words: &str, fix: &str) {
        let item = self.item(section, name);
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let said = format!("{}: {}; {}", text("level"), text("finding"), text("why"));
        println!("{section}, {name}: {said}; fix: {}", text("fix"));
        assert!(
            ["warn", "fail", "note"].contains(&text("level").as_str()),
            "{item}"
        );
        assert!(said.contains(words), "no `{words}` in {item}");
        assert!(text("fix").contains(fix), "no `{fix}` in {item}");
    }

    /// Why and what to do, in one word: `ready`, `degraded`, `kernel_lacks`, …
    pub(crate) fn verdict(&self) -> &str {
        self.0["verdict"].as_str().unwrap_or_default()
    }
}
