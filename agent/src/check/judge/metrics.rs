//! Judges each metric: which of its sources is in use, and why not a better one.

use humantime::format_duration;

use super::{
    cgroups::{has_controller, has_io_files},
    resources,
};
use crate::{
    check::{
        facts::{Facts, Programs},
        report::Item,
    },
    config::SourceChoice,
    kernel::{ProgramReport, ProgramState, Role},
    metrics::{
        Metric,
        catalog::{self, Resolution, Source},
    },
    source::Coverage,
};

/// What only the bandwidth controller's files tell.
static OF_BANDWIDTH: [&Metric; 5] = [
    &catalog::CPU_PERIODS,
    &catalog::CPU_THROTTLED_PERIODS,
    &catalog::CPU_THROTTLED,
    &catalog::CPU_QUOTA,
    &catalog::CPU_PERIOD,
];

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let families = facts.collect.families;
    let coverage = match &facts.programs {
        Programs::Attached { reports, .. } => Coverage::of(reports, families),
        Programs::NotWanted | Programs::NoHierarchy | Programs::Refused(_) => {
            Coverage::files(families)
        }
    };
    catalog::container()
        .map(|metric| item(facts, &coverage, metric))
        .collect()
}

fn item(facts: &Facts, coverage: &Coverage, metric: &Metric) -> Item {
    let name = metric.field;
    if let Some(family) = metric.family()
        && !coverage.is_on(family)
    {
        return Item::note(name, "absent").because(family.when_off());
    }
    if facts.cgroups.is_err() {
        return Item::fail(name, "absent")
            .because("there is no cgroup to read it of")
            .fixed_by("see `cgroups` above");
    }
    if facts.collect.source == SourceChoice::Kernel
        && matches!(facts.programs, Programs::Refused(_))
    {
        return Item::fail(name, "absent")
            .because(
                "no kernel program is in use, and collect.source = \"kernel\" allows nothing else",
            )
            .fixed_by("see `programs` above");
    }
    if OF_BANDWIDTH.iter().any(|it| it.field == name) && !has_controller(facts, "cpu") {
        return Item::warn(name, "absent")
            .because("no cpu controller tells it")
            .fixed_by("see `cpu controller` above");
    }
    if let Some(item) = resources::absent(facts, metric) {
        return item;
    }
    let is_chosen = facts.collect.source == SourceChoice::Files;
    let is_in_files = metric.measurement != catalog::READ_BYTES.measurement || has_io_files(facts);
    let source = coverage.source_of(metric);
    let source = source.filter(|source| *source != Source::CgroupFile || is_in_files);
    let Some(source) = source else {
        let why = metric
            .sources
            .first()
            .map(|source| not_in_use(facts, *source));
        let why = why.unwrap_or_else(|| "nothing gives it".to_owned());
        return if is_chosen {
            Item::note(name, "absent").because(why)
        } else {
            Item::warn(name, "absent")
                .because(why)
                .fixed_by("see `programs` above")
        };
    };
    let cadence = cadence(facts, metric);
    let finding = format!("from {}, every {cadence}", source.as_str());
    let better = metric.sources.iter().take_while(|it| **it != source);
    let passed_over = better.copied().find(|better| !is_given_up(facts, *better));
    let item = match passed_over {
        None => Item::pass(name, finding),
        Some(better) => Item::warn(name, finding)
            .because(format!("{}; {}", not_in_use(facts, better), costs(source)))
            .fixed_by("see `programs` above"),
    };
    item.detail("source", source.as_str())
        .detail("resolution", cadence)
}

fn cadence(facts: &Facts, metric: &Metric) -> String {
    let every = match metric.resolution {
        Resolution::Tick | Resolution::Hourly => facts.collect.interval,
        Resolution::Files => facts.collect.file_interval,
    };
    format_duration(every).to_string()
}

/// Whether the configuration asks not to use `source`.
fn is_given_up(facts: &Facts, source: Source) -> bool {
    match facts.collect.source {
        SourceChoice::Files => true,
        SourceChoice::Auto | SourceChoice::Kernel => {
            let is_inexact = source == Source::SchedStatRuntime && !facts.collect.exact;
            is_inexact || is_skipped(facts, source)
        }
    }
}

fn is_skipped(facts: &Facts, source: Source) -> bool {
    let Programs::Attached { reports, .. } = &facts.programs else {
        return false;
    };
    let mut its = reports
        .iter()
        .filter(|report| report.spec.role == Role::Metric(source));
    its.any(|report| report.state == ProgramState::Skipped)
}

fn not_in_use(facts: &Facts, source: Source) -> String {
    let word = source.as_str();
    let reports = match &facts.programs {
        Programs::Attached { reports, .. } => reports,
        Programs::NotWanted => return "collect.source = \"files\" leaves it out".to_owned(),
        Programs::NoHierarchy | Programs::Refused(_) => {
            return "no kernel program is in use".to_owned();
        }
    };
    let is_its = |report: &&ProgramReport| report.spec.role == Role::Metric(source);
    // Of several the one that is missing.
    let is_missing = |report: &&ProgramReport| report.state != ProgramState::Loaded;
    let its = reports.iter().filter(is_its);
    match its.clone().find(is_missing).map(|report| &report.state) {
        Some(ProgramState::Unsupported(reason)) => {
            format!("{word} is not for this kernel: {reason}")
        }
        Some(ProgramState::Refused(reason)) => format!("{word} was refused: {reason}"),
        Some(ProgramState::Skipped) => format!("{word} is skipped: collect.skip_programs names it"),
        // A program that counts is left out only where another one does its work.
        Some(ProgramState::NotNeeded(reason)) => format!("{word} is not in use: {reason}"),
        Some(ProgramState::Loaded) | None => format!("{word} is not in use"),
    }
}

/// What a second-best source costs.
fn costs(source: Source) -> &'static str {
    match source {
        Source::CgroupFile => "what lives and ends between two readings is missed",
        Source::SchedSwitch => "a task that never sleeps is up to a tick behind",
        _ => "it is less exact",
    }
}
