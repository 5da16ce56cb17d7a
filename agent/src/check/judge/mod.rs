//! Facts → judgements. Pure: no clock, no file; the same facts always come to the same report.

mod cgroups;
mod daemon;
mod delivery;
mod families;
mod kernel;
mod metrics;
mod privileges;
mod programs;
mod refusal;
mod resources;
mod runtimes;
mod sandbox;
mod sinks;
#[cfg(test)]
mod tests;

use super::{
    facts::{Facts, Programs},
    report::{Item, Level, Report, Section, Verdict},
};
use crate::config::SourceChoice;
use refusal::{Cause, explain};

/// Judges everything.
pub fn judge(facts: &Facts) -> Report {
    let section = |name, items| Section { name, items };
    let sections = vec![
        section("kernel", kernel::items(facts)),
        section("privileges", privileges::items(facts)),
        section("cgroups", cgroups::items(facts)),
        section("programs", programs::items(facts)),
        section("families", families::items(facts)),
        section("metrics", metrics::items(facts)),
        section("runtimes", runtimes::items(facts)),
        section("daemon", daemon::items(facts)),
        section("sinks", sinks::items(facts)),
        section("delivery", delivery::items(facts)),
    ];
    let (verdict, summary) = verdict(facts, &sections);
    Report {
        sections,
        verdict,
        summary,
    }
}

fn verdict(facts: &Facts, sections: &[Section]) -> (Verdict, String) {
    if let Some(cause) = cannot_measure(facts) {
        let (verdict, lacking) = match cause {
            Cause::Kernel => (
                Verdict::KernelLacks,
                "the kernel, or how it is set up, lacks something",
            ),
            Cause::Privilege => (Verdict::NotPrivileged, "this process lacks privileges"),
            Cause::Chance => (
                Verdict::CannotStart,
                "the kernel programs do not load now; see `programs`",
            ),
        };
        let asked = match facts.collect.source {
            SourceChoice::Kernel => " with collect.source = \"kernel\"",
            SourceChoice::Auto | SourceChoice::Files => "",
        };
        return (verdict, format!("cgflux cannot run{asked}: {lacking}"));
    }
    if daemon::cannot_start(facts) {
        let summary = "cgflux cannot start as it is configured: see `daemon`";
        return (Verdict::CannotStart, summary.to_owned());
    }
    let source = match facts.programs {
        Programs::Attached { .. } => "with kernel programs",
        Programs::NotWanted | Programs::NoHierarchy | Programs::Refused(_) => {
            "from cgroup files alone"
        }
    };
    let items: Vec<&Item> = sections.iter().flat_map(|it| &it.items).collect();
    let lacking = items.iter().filter(|it| it.level >= Level::Warn).count();
    let things = match lacking {
        0 => {
            let summary = format!("everything works: cgflux measures {source}");
            return (Verdict::Ready, summary);
        }
        1 => "1 thing is".to_owned(),
        many => format!("{many} things are"),
    };
    let summary =
        format!("started like this, cgflux measures {source}; {things} missing or second best");
    (Verdict::Degraded, summary)
}

impl Item {
    /// The same as a note, if it is about kernel programs only and the configuration wants none.
    fn unless_unwanted(mut self, facts: &Facts) -> Self {
        if facts.collect.source == SourceChoice::Files {
            self.level = self.level.min(Level::Note);
        }
        self
    }
}

/// Why no numbers can be had, if so.
fn cannot_measure(facts: &Facts) -> Option<Cause> {
    let has_files = facts.cgroups.as_ref().is_ok_and(|it| it.count.is_ok());
    match (&facts.programs, facts.collect.source) {
        _ if !has_files => Some(Cause::Kernel),
        (Programs::Refused(refusal), SourceChoice::Kernel) => Some(explain(facts, refusal).cause),
        _ => None,
    }
}
