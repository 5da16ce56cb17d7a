//! What happened, as `events` tells it.

use serde::Serialize;

use super::time::Time;
use crate::{
    live::{self, EventKind},
    snapshot::OomKill,
};

/// One event.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    container_name: String,
    timestamp: Time,
    #[serde(rename = "event_type")]
    kind: EventType,
    #[serde(rename = "event_data")]
    data: EventData,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
pub enum EventType {
    /// The kernel ran out of memory for a container.
    #[serde(rename = "oom")]
    Oom,
    /// And killed a process for it.
    #[serde(rename = "oomKill")]
    OomKill,
    /// A container was made.
    #[serde(rename = "containerCreation")]
    Creation,
    /// A container is gone.
    #[serde(rename = "containerDeletion")]
    Deletion,
}

#[derive(Clone, Debug, Default, Serialize)]
struct EventData {
    #[serde(skip_serializing_if = "Option::is_none")]
    oom: Option<OomData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container_deletion: Option<DeletionData>,
}

#[derive(Clone, Debug, Serialize)]
struct OomData {
    pid: u32,
    process_name: String,
}

#[derive(Clone, Debug, Serialize)]
struct DeletionData {
    exit_code: i64,
}

impl Event {
    /// What cAdvisor tells of one of ours: of a kill two events.
    pub fn all_of(event: &live::Event) -> Vec<Self> {
        let of = |kind, data| Self {
            container_name: event.container.path.clone(),
            timestamp: Time(event.wall_ns),
            kind,
            data,
        };
        match &event.kind {
            EventKind::Start => vec![of(EventType::Creation, EventData::default())],
            EventKind::Oom(OomKill { pid, comm, .. }) => vec![
                of(EventType::Oom, EventData::default()),
                of(
                    EventType::OomKill,
                    EventData {
                        oom: Some(OomData {
                            pid: *pid,
                            process_name: comm.clone(),
                        }),
                        ..EventData::default()
                    },
                ),
            ],
            EventKind::Exit { exit, .. } => {
                let container_deletion = exit.code.map(|exit_code| DeletionData { exit_code });
                vec![of(
                    EventType::Deletion,
                    EventData {
                        container_deletion,
                        ..EventData::default()
                    },
                )]
            }
        }
    }

    /// Its kind.
    pub fn kind(&self) -> EventType {
        self.kind
    }

    /// When it was.
    pub fn time(&self) -> Time {
        self.timestamp
    }

    /// Whose it was.
    pub fn container(&self) -> &str {
        &self.container_name
    }
}
