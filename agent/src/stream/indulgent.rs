//! Reading with indulgence, and within bounds: whatever stands in the text, it takes no more memory than its bytes until it
//! is known to be what it should be.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What is not as this version has it is unknown; what stands around it still holds.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    let text = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}
