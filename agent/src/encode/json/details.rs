//! What an entry did within a tick, as the live stream and the history tell it.

use std::collections::{BTreeMap, HashMap};

use agent_ebpf::network::Peer;
use serde::Serialize;

use crate::{
    live::{Counts, Detail, Flow, Point, Preemptor},
    metrics::network,
};

/// An object of a tick's `d`; what is not known is absent.
#[derive(Serialize)]
pub(super) struct DetailText {
    cgroup: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    throttled: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_limit: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_set: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<BothWays>,
    #[serde(skip_serializing_if = "Option::is_none")]
    net: Option<Peers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<Buckets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<Buckets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preemptors: Option<Vec<PreemptorText>>,
}

/// One that took the CPU.
#[derive(Serialize)]
struct PreemptorText {
    cgroup: u64,
    name: String,
    waiting: f32,
}

/// Points as columns of equal length, with null where a value is not known; of what is never known there is no column.
#[derive(Serialize)]
pub(super) struct HistoryText {
    taken: Vec<i64>,
    usage_cpus: Vec<Option<f32>>,
    runq_waiting: Vec<Option<f32>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    throttled: Vec<Option<f32>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cpu_limit: Vec<Option<f32>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    memory: Vec<Option<u64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    working_set: Vec<Option<u64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    memory_limit: Vec<Option<u64>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    disk: Vec<Option<BothWays>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    net: Vec<Option<Peers>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    wait: Vec<Option<Buckets>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    block: Vec<Option<Buckets>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preemptors: Vec<Option<Vec<PreemptorText>>>,
}

/// Bytes per second read and written, or received and sent.
type BothWays = (u64, u64);

/// By the words of the network metrics' label.
type Peers = BTreeMap<&'static str, BothWays>;

/// The buckets that are not zero, each with its count.
type Buckets = Vec<(usize, u64)>;

impl DetailText {
    pub(super) fn new(detail: &Detail) -> Self {
        Self {
            cgroup: detail.cgroup.0,
            throttled: detail.throttled,
            cpu_limit: detail.cpu_limit,
            memory: detail.memory_bytes,
            working_set: detail.working_set_bytes,
            memory_limit: detail.memory_limit_bytes,
            disk: detail.disk.map(both_ways),
            net: detail.network.map(|flows| {
                let words = Peer::ALL.into_iter().map(network::word);
                words.zip(flows.map(both_ways)).collect()
            }),
            wait: detail.wait.as_ref().map(buckets),
            block: detail.block.as_ref().map(buckets),
            preemptors: detail.preemptors.as_deref().map(preemptors),
        }
    }
}

impl HistoryText {
    /// Points of an entry, and the details that are known at some of their times.
    pub(super) fn new(points: &[Point], details: &[(i64, Detail)]) -> Self {
        let texts = details
            .iter()
            .map(|(wall_ns, it)| (wall_ns, DetailText::new(it)));
        let mut by_time: HashMap<_, _> = texts.collect();
        let mut rows: Vec<_> = points
            .iter()
            .map(|it| by_time.remove(&it.wall_ns))
            .collect();
        Self {
            taken: points.iter().map(|point| point.wall_ns).collect(),
            usage_cpus: points.iter().map(|point| point.cpus).collect(),
            runq_waiting: points.iter().map(|point| point.waiting).collect(),
            throttled: column(&mut rows, |it| it.throttled),
            cpu_limit: column(&mut rows, |it| it.cpu_limit),
            memory: column(&mut rows, |it| it.memory),
            working_set: column(&mut rows, |it| it.working_set),
            memory_limit: column(&mut rows, |it| it.memory_limit),
            disk: column(&mut rows, |it| it.disk),
            net: column(&mut rows, |it| it.net.take()),
            wait: column(&mut rows, |it| it.wait.take()),
            block: column(&mut rows, |it| it.block.take()),
            preemptors: column(&mut rows, |it| it.preemptors.take()),
        }
    }
}

/// Empty where nothing is known.
fn column<T>(
    rows: &mut [Option<DetailText>],
    value: impl Fn(&mut DetailText) -> Option<T>,
) -> Vec<Option<T>> {
    let values = rows.iter_mut().map(|row| row.as_mut().and_then(&value));
    let column: Vec<_> = values.collect();
    if column.iter().all(Option::is_none) {
        return Vec::new();
    }
    column
}

fn both_ways(flow: Flow) -> BothWays {
    (flow.inward, flow.outward)
}

fn preemptors(takers: &[Preemptor]) -> Vec<PreemptorText> {
    let one = |taker: &Preemptor| PreemptorText {
        cgroup: taker.cgroup.0,
        name: taker.name.to_string(),
        waiting: taker.waiting,
    };
    takers.iter().map(one).collect()
}

fn buckets(counts: &Counts) -> Buckets {
    let all = counts.iter().copied().enumerate();
    all.filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use agent_ebpf::histogram::BUCKETS;
    use serde_json::{Value as Json, json, to_value};

    use super::*;
    use crate::container::CgroupId;

    /// All that can be known, and how it is told.
    pub(in crate::encode::json) fn everything() -> (Detail, Json) {
        let flow = |inward| Flow {
            inward,
            outward: inward + 1,
        };
        let mut wait = [0; BUCKETS];
        (wait[3], wait[23]) = (7, 1);
        let detail = Detail {
            cgroup: CgroupId(7),
            throttled: Some(0.5),
            cpu_limit: Some(1.5),
            memory_bytes: Some(30),
            working_set_bytes: Some(20),
            memory_limit_bytes: Some(40),
            disk: Some(flow(1)),
            network: Some([flow(10), flow(20), flow(30)]),
            wait: Some(wait),
            block: Some([0; BUCKETS]),
            preemptors: Some(vec![Preemptor {
                cgroup: CgroupId(9),
                name: Arc::from("db"),
                waiting: 0.25,
            }]),
        };
        let told = json!({
            "cgroup": 7, "throttled": 0.5, "cpu_limit": 1.5, "memory": 30, "working_set": 20, "memory_limit": 40,
            "disk": [1, 2], "net": {"loopback": [10, 11], "host": [20, 21], "outside": [30, 31]},
            "wait": [[3, 7], [23, 1]], "block": [],
            "preemptors": [{"cgroup": 9, "name": "db", "waiting": 0.25}],
        });
        (detail, told)
    }

    #[test]
    fn what_is_known_is_told_and_zero_is_known() {
        let (detail, told) = everything();
        assert_eq!(to_value(DetailText::new(&detail)).unwrap(), told);
        let unknown = DetailText::new(&Detail::unknown(CgroupId(8)));
        assert_eq!(to_value(unknown).unwrap(), json!({"cgroup": 8}));
    }

    #[test]
    fn history_has_a_column_a_value_and_null_where_there_is_none() {
        let point = |wall_ns, cpus| Point {
            wall_ns,
            cpus,
            waiting: None,
        };
        let points = [point(1, None), point(2, Some(0.5))];
        let rates =
            json!({"taken": [1, 2], "usage_cpus": [null, 0.5], "runq_waiting": [null, null]});
        assert_eq!(to_value(HistoryText::new(&points, &[])).unwrap(), rates);
        let (detail, told) = everything();
        let history = to_value(HistoryText::new(&points, &[(2, detail)])).unwrap();
        for (name, value) in told.as_object().unwrap() {
            if name != "cgroup" {
                assert_eq!(history[name], json!([null, value]), "{name}");
            }
        }
        assert_eq!(history["usage_cpus"], rates["usage_cpus"]);
    }
}
