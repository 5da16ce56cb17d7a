//! `summary` of v2: percentiles of what a container used over the last minute.
//!
//! Of hours and days nothing is told: moments are kept for two minutes, in the database they are for years. cAdvisor keeps
//! an hour at most, and calls that a day.

use serde::Serialize;

use super::{
    super::{moment::Moment, numbers::Number},
    time::Time,
};

const MINUTE_NS: i64 = 60_000_000_000;
/// From here on a minute counts as whole, as with cAdvisor (`getPercentComplete`, summary/percentiles.go).
const ALMOST_A_MINUTE_NS: i64 = 58_000_000_000;

/// An answer about one container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DerivedStats {
    timestamp: Time,
    latest_usage: InstantUsage,
    minute_usage: Usage,
}

/// CPU time in thousandths of a CPU, memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct InstantUsage {
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Usage {
    percent_complete: i64,
    cpu: Percentiles,
    memory: Percentiles,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Percentiles {
    present: bool,
    #[serde(skip_serializing_if = "Option::is_none", flatten)]
    known: Option<Known>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Known {
    mean: u64,
    max: u64,
    fifty: u64,
    ninety: u64,
    ninetyfive: u64,
    count: usize,
}

impl DerivedStats {
    /// Of a container's moments, the latest last; `None` of none.
    pub fn of(moments: &[Moment]) -> Option<Self> {
        let latest = moments.last()?;
        let since_ns = latest.wall_ns.saturating_sub(MINUTE_NS);
        let at = moments.partition_point(|it| it.wall_ns < since_ns);
        let minute = &moments[at..];
        let rates = minute
            .windows(2)
            .filter_map(|pair| thousandths(&pair[0], &pair[1]));
        let rates: Vec<u64> = rates.collect();
        let memory = minute
            .iter()
            .filter_map(|it| it.number(Number::MemoryWorkingSet));
        let covered_ns = minute.first().map_or(0, |it| latest.wall_ns - it.wall_ns);
        Some(Self {
            timestamp: Time(latest.wall_ns),
            latest_usage: InstantUsage {
                cpu: rates.last().copied(),
                memory: latest.number(Number::MemoryWorkingSet),
            },
            minute_usage: Usage {
                percent_complete: if covered_ns >= ALMOST_A_MINUTE_NS {
                    100
                } else {
                    covered_ns * 100 / MINUTE_NS
                },
                cpu: Percentiles::of(rates.clone()),
                memory: Percentiles::of(memory.collect()),
            },
        })
    }
}

/// CPU time between two moments, in thousandths of a CPU.
fn thousandths(before: &Moment, after: &Moment) -> Option<u64> {
    let elapsed_ns = u64::try_from(after.wall_ns - before.wall_ns).ok()?;
    let used_ns = after
        .number(Number::CpuTotal)?
        .checked_sub(before.number(Number::CpuTotal)?)?;
    used_ns.saturating_mul(1_000).checked_div(elapsed_ns)
}

impl Percentiles {
    fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let Some(max) = values.last().copied() else {
            return Self::default();
        };
        let count = values.len();
        let sum: u128 = values.iter().copied().map(u128::from).sum();
        let mean = sum / u128::try_from(count).unwrap_or(1);
        Self {
            present: true,
            known: Some(Known {
                mean: u64::try_from(mean).unwrap_or(max),
                max,
                fifty: percentile(&values, 50),
                ninety: percentile(&values, 90),
                ninetyfive: percentile(&values, 95),
                count,
            }),
        }
    }
}

/// The value at a hundredth of the sorted `values`, in between by proportion, as cAdvisor reckons it (`GetPercentile`,
/// summary/percentiles.go): at the place `hundredths × (count + 1)`, counted from one.
fn percentile(values: &[u64], hundredths: usize) -> u64 {
    let place = hundredths * (values.len() + 1);
    let (whole, part) = (place / 100, place % 100);
    let at = |place: usize| {
        let at = place.clamp(1, values.len().max(1)) - 1;
        values.get(at).copied().unwrap_or(0)
    };
    let (low, high) = (at(whole), at(whole + 1));
    let part = u128::try_from(part).unwrap_or(0);
    let above = u128::from(high - low) * part / 100;
    low.saturating_add(u64::try_from(above).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn moments(count: i64) -> Vec<Moment> {
        (0..count)
            .map(|second| {
                let mut moment = Moment {
                    wall_ns: second * 1_000_000_000,
                    numbers: [None; Number::ALL.len()],
                    parts: Vec::new(),
                };
                // Half a CPU, and a page more each second.
                let second = second.unsigned_abs();
                moment.numbers[Number::CpuTotal as usize] = Some(second * 500_000_000);
                moment.numbers[Number::MemoryWorkingSet as usize] = Some(second * 4_096);
                moment
            })
            .collect()
    }

    #[test]
    fn a_minute_is_whole_after_a_minute() {
        let json = |count| serde_json::to_value(DerivedStats::of(&moments(count))).unwrap();
        assert_eq!(
            json(1)["minute_usage"]["cpu"],
            serde_json::json!({"present": false})
        );
        assert_eq!(json(31)["minute_usage"]["percent_complete"], 50);
        let minute = &json(100)["minute_usage"];
        assert_eq!(minute["percent_complete"], 100);
        assert_eq!(minute["cpu"]["ninety"], 500);
        assert_eq!(minute["cpu"]["count"], 60);
        assert_eq!(minute["memory"]["max"], 99 * 4_096);
        assert_eq!(json(100)["latest_usage"]["cpu"], 500);
        assert!(json(0).is_null());
    }

    #[test]
    fn percentiles_between_two_values_are_by_proportion() {
        let values: Vec<u64> = (1..=10).map(|it| it * 10).collect();
        for (hundredths, expected) in [(50, 55), (90, 99), (95, 100)] {
            assert_eq!(percentile(&values, hundredths), expected);
        }
    }

    proptest! {
        #[test]
        fn a_percentile_is_between_the_least_and_the_most(
            mut values in vec(any::<u64>(), 1..70),
            hundredths in 1_usize..100,
        ) {
            values.sort_unstable();
            let value = percentile(&values, hundredths);
            prop_assert!((values[0]..=values[values.len() - 1]).contains(&value));
        }
    }
}
