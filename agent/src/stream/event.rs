//! Something that happened to an entry.

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::Who;

/// One of `/api/v1/events`.
#[derive(Clone, Debug, Deserialize)]
#[serde(remote = "Self")]
pub struct Event {
    /// The tick that saw it, in nanoseconds since the Unix epoch.
    pub taken: i64,
    /// `start`, `exit`, `oom`, or what a later version knows.
    pub event: String,
    /// To whom, as it was called then.
    #[serde(skip)]
    pub who: Who,
    /// Of a kill: the process.
    pub pid: Option<u32>,
    /// Of a kill: what the process was called.
    pub comm: Option<String>,
    /// Of an end: all CPU time it ever used.
    pub usage_ns: Option<u64>,
    /// Of an end: the status of its main process.
    pub exit_code: Option<i64>,
    /// Of an end: the signal that ended its main process.
    pub signal: Option<i64>,
    /// Of an end: whether memory ran out in it.
    pub oom: Option<bool>,
}

/// Who it is about stands beside the rest. Read twice, for a flattened field would have serde keep all it does not know.
impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        let mut json = serde_json::Deserializer::from_str(text);
        let event = Self::deserialize(&mut json).map_err(D::Error::custom)?;
        let who = serde_json::from_str(text).map_err(D::Error::custom)?;
        Ok(Self { who, ..event })
    }
}
