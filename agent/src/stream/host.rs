//! What a tick tells beside entries: of the host as a whole, and what the agent says of itself. As much of it as anybody
//! here reads.

use serde::Deserialize;

use super::{indulgent::or_default, list::List};

/// Of the host as a whole.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Machine {
    /// Of tasks.
    #[serde(deserialize_with = "or_default")]
    pub load: Load,
    /// Of memory.
    #[serde(deserialize_with = "or_default")]
    pub mem: Memory,
}

/// Tasks that run or want to.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Load {
    /// On average over a minute.
    pub load1: Option<f64>,
}

/// The host's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// All there is.
    pub total_bytes: Option<f64>,
    /// What can be had without swapping.
    pub available_bytes: Option<f64>,
}

/// What the agent says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// See there.
    #[serde(deserialize_with = "or_default")]
    pub agent_self: Option<AgentSelf>,
}

/// The agent's cost and losses.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AgentSelf {
    /// CPU time it used since it started.
    pub cpu_ns: Option<f64>,
    /// CPUs that its kernel programs use.
    pub programs_cpus: Option<f64>,
    /// Memory it takes.
    pub rss_bytes: Option<f64>,
    /// What was lost, by reason.
    #[serde(deserialize_with = "or_default")]
    pub losses: Option<Counts>,
    /// Points that were lost, by sink.
    #[serde(deserialize_with = "or_default")]
    pub points_dropped: Option<Counts>,
    /// What becomes of each family.
    #[serde(deserialize_with = "or_default")]
    pub family_state: Option<Counts>,
}

/// A metric by its labels; a family or a reason is one, and there are some dozens.
pub type Counts = List<Count, 1024>;

/// One value of a metric that has labels.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Count {
    /// Which.
    #[serde(deserialize_with = "or_default")]
    pub labels: Labels,
    /// How much.
    pub value: Option<f64>,
}

/// Those of the labels that are read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// Of a loss.
    pub reason: Option<String>,
    /// Of points.
    pub sink: Option<String>,
    /// Of a state.
    pub family: Option<String>,
    /// Of a family.
    pub state: Option<String>,
}
