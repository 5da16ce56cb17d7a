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

#[cfg(test)]
mod tests {
    use crate::stream::tick;

    #[test]
    fn what_is_of_another_form_or_longer_than_it_can_be_is_unknown_and_the_rest_holds() {
        let buckets = vec!["[0,1]"; 100].join(",");
        let text = format!(
            r#"{{"t":5,"v":[[7,0.5,null]],"machine":5,"agent":{{"agent_self":{{"cpu_ns":"much"}}}},
                "d":[{{"cgroup":7,"throttled":0.25,"wait":[{buckets}],"disk":"fast","preemptors":{{}}}}]}}"#
        );
        let tick = tick(&text).unwrap();
        assert_eq!(tick.wall_ms, 5);
        assert!(tick.machine.is_none());
        assert!(tick.agent.is_some_and(|it| it.agent_self.is_none()));
        let detail = &tick.details[0];
        assert_eq!((detail.cgroup, detail.throttled), (7, Some(0.25)));
        assert!(detail.wait.is_empty() && detail.disk.is_none() && detail.preemptors.is_none());
    }
}
