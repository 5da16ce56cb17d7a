//! Judges where points go.

use crate::check::{
    facts::{Facts, SinkFacts, SinkState},
    report::Item,
};

pub(super) fn items(facts: &Facts) -> Vec<Item> {
    if facts.sinks.is_empty() {
        let finding = "none is configured: numbers are shown, not shipped";
        return vec![Item::note("sinks", finding)];
    }
    facts.sinks.iter().map(item).collect()
}

fn item(sink: &SinkFacts) -> Item {
    let SinkFacts { name, place, state } = sink;
    let waiting = "points wait meanwhile, on disk where the sink has a spool; when there is no more room the oldest are dropped, and \
                   counted";
    match state {
        SinkState::Answers(version) => Item::pass(name, format!("{place} answers: {version}")),
        SinkState::Writable => Item::pass(name, place),
        SinkState::Odd(status) => {
            Item::warn(name, format!("{place} answers /ping with status {status}"))
                .because("an InfluxDB answers with 204; this may be something else")
                .fixed_by(format!(
                    "see that `url` in [sinks.{name}] is that of an InfluxDB"
                ))
        }
        SinkState::Silent(reason) => Item::fail(name, reason).because(waiting).fixed_by(format!(
            "start it, let this machine through to it, or correct `url` in [sinks.{name}]"
        )),
        SinkState::Unwritable(reason) => Item::fail(name, format!("{place}: {reason}"))
            .because(waiting)
            .fixed_by(format!(
                "let this user write there, or choose another `path` in [sinks.{name}]"
            )),
    }
}
