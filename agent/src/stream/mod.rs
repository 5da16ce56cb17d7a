//! What the live stream tells, read back: `hello`, ticks and events. The inverse of `encode::json`'s ticks and events.
//!
//! Read with indulgence: what this version does not know is passed over, what another version leaves out is unknown, and
//! nothing that is unknown becomes zero. What names say is hostile; whoever shows it makes it safe.

mod event;
mod host;
mod indulgent;
mod list;
mod row;
mod tick;

pub use event::Event;
pub use host::{Agent, AgentSelf, Counts, Labels, Machine};
pub use list::List;
pub(crate) use list::bounded;
pub use tick::{
    Detail, Flow, Hello, Histogram, Peers, Preemptor, Preemptors, Rates, Tick, Totals, Who,
};

/// The text is no word of the live stream.
#[derive(Debug, thiserror::Error)]
#[error("not in a form that this version knows")]
pub struct StreamError(#[from] serde_json::Error);

/// What does not change while the agent runs.
pub fn hello(text: &str) -> Result<Hello, StreamError> {
    Ok(serde_json::from_str(text)?)
}

/// One tick.
pub fn tick(text: &str) -> Result<Tick, StreamError> {
    Ok(serde_json::from_str(text)?)
}

/// What happened, oldest first, as `{"events":[…]}`.
pub fn events(text: &str) -> Result<Vec<Event>, StreamError> {
    #[derive(serde::Deserialize)]
    struct Events {
        #[serde(deserialize_with = "bounded")]
        events: Vec<Event>,
    }
    let Events { events } = serde_json::from_str(text)?;
    Ok(events)
}
