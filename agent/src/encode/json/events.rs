//! What happened to containers.

use serde::Serialize;
use serde_json::json;

use super::{Who, text};
use crate::live::{Event, EventKind};

/// What happened, oldest first: `{"events":[{"taken":…,"event":"oom",who…,"pid":…,"comm":…}…]}`. An exit has
/// `usage_ns`, `exit_code`, `signal` and `oom`, as far as they are known.
pub fn events(events: &[Event]) -> String {
    let events: Vec<_> = events.iter().map(EventText::new).collect();
    text(&json!({ "events": events }))
}

#[derive(Serialize)]
struct EventText<'a> {
    taken: i64,
    event: &'static str,
    #[serde(flatten)]
    who: Who<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oom: Option<bool>,
}

impl<'a> EventText<'a> {
    fn new(event: &'a Event) -> Self {
        let text = Self {
            taken: event.wall_ns,
            event: "start",
            who: Who::new(&event.container),
            pid: None,
            comm: None,
            usage_ns: None,
            exit_code: None,
            signal: None,
            oom: None,
        };
        match &event.kind {
            EventKind::Start => text,
            EventKind::Oom(kill) => Self {
                event: "oom",
                pid: Some(kill.pid),
                comm: Some(&kill.comm),
                ..text
            },
            EventKind::Exit { usage_ns, exit } => Self {
                event: "exit",
                usage_ns: *usage_ns,
                exit_code: exit.code,
                signal: exit.signal,
                oom: exit.oom,
                ..text
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        container::{CgroupId, Exit},
        encode::{
            fixture::{HOSTILE, container},
            json::tests::parsed,
        },
        snapshot::OomKill,
    };

    #[test]
    fn what_happened_is_told_with_hostile_names_as_text() {
        for name in HOSTILE {
            let event = |kind| Event {
                wall_ns: 7,
                container: Arc::new(container(7, name)),
                kind,
            };
            let kill = OomKill {
                entry: CgroupId(7),
                pid: 4711,
                comm: (*name).to_owned(),
            };
            let exit = EventKind::Exit {
                usage_ns: Some(5),
                exit: Exit::of_status(9, true),
            };
            let all = [EventKind::Start, EventKind::Oom(kill), exit].map(event);
            let told = parsed(&events(&all));
            let [start, oom, exit] = [0, 1, 2].map(|at| &told["events"][at]);
            assert_eq!(
                (&start["event"], &start["name"]),
                (&json!("start"), &json!(name))
            );
            assert_eq!((&oom["pid"], &oom["comm"]), (&json!(4711), &json!(name)));
            assert!(start.get("pid").is_none() && oom.get("oom").is_none());
            assert_eq!(
                (
                    &exit["exit_code"],
                    &exit["signal"],
                    &exit["oom"],
                    &exit["usage_ns"]
                ),
                (&json!(137), &json!(9), &json!(true), &json!(5))
            );
        }
    }
}
