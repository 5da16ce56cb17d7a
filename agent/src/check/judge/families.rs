//! Judges the families: which are measured, which are not, and what all of it may cost.

use humantime::format_duration;

use crate::{
    budget::ORDER,
    check::{
        facts::{Capability, Facts},
        report::Item,
    },
    metrics::catalog::{self, Family, Metric},
};

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    let families = Family::SWITCHABLE.into_iter();
    let mut items = vec![Item::pass(Family::Cpu.as_str(), "on, always").detail("state", "on")];
    items.extend(families.map(|family| item(facts, family)));
    items.push(budget(facts));
    items
}

fn item(facts: &Facts, family: Family) -> Item {
    let name = family.as_str();
    if !facts.collect.families.has(family) {
        return Item::note(name, "off")
            .because(format!("the configuration says so in [families.{name}]"))
            .detail("state", "off");
    }
    if facts.daemon.shed.iter().any(|shed| shed == name) {
        return Item::warn(name, "shed")
            .because("the running daemon would exceed its CPU budget")
            .fixed_by(
                "raise budget.cpu_percent or collect.interval, or switch off in [families] what is missed less",
            )
            .detail("state", "shed");
    }
    let metrics = catalog::container().chain(catalog::host());
    let its = |metric: &&Metric| metric.family() == Some(family);
    let finding = match metrics.filter(|metric| its(metric)).count() {
        1 => "on: 1 metric".to_owned(),
        count => format!("on: {count} metrics"),
    };
    Item::pass(name, finding).detail("state", "on")
}

fn budget(facts: &Facts) -> Item {
    let name = "cpu budget";
    let budget = facts.budget;
    if budget.cpu.0 == 0 {
        return Item::note(name, "none: whatever it costs, nothing is shed");
    }
    let order = ORDER.map(Family::as_str).join(", ");
    let finding = format!(
        "{} % of one core, on average over {}",
        budget.cpu.percent(),
        format_duration(budget.window)
    );
    let order = format!("beyond it families are shed in this order: {order}");
    if facts.privileges.holds(Capability::SYS_ADMIN) == Some(false) {
        return Item::note(name, format!("{finding}, of the daemon alone"))
            .because(format!(
                "what the programs take is told only to CAP_SYS_ADMIN; {order}"
            ))
            .fixed_by(
                "set it lower by what the programs take (some tenths of a percent), or give the daemon CAP_SYS_ADMIN",
            );
    }
    Item::pass(name, finding).because(order)
}
