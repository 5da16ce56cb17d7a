//! What a cgroup is limited to, as its files say: read when somebody asks, not at each tick.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use super::cgroup_tree::Layout;
use crate::encode::cadvisor::api::{Limits, UNLIMITED};

/// More than any of these files has; a list of CPUs may be long.
const MOST_BYTES: u64 = 4 << 10;

/// The limits of the cgroup at `path`; what its files do not say is absent.
pub fn read(layout: &Layout, path: &str) -> Limits {
    let of = |controller: &str, v1: &str, v2: &str| {
        let hierarchy = layout.with(controller)?;
        let name = if hierarchy.id == 0 { v2 } else { v1 };
        text(&hierarchy.folder(path).join(name)).ok()
    };
    let number = |controller, v1, v2| bytes(&of(controller, v1, v2)?);
    let is_v1 = |controller| layout.with(controller).is_some_and(|it| it.id != 0);
    let (cpu_quota_us, cpu_period_us) = if is_v1("cpu") {
        let quota = of("cpu", "cpu.cfs_quota_us", "").and_then(|it| it.parse().ok());
        (quota, number("cpu", "cpu.cfs_period_us", ""))
    } else {
        of("cpu", "", "cpu.max").map_or((None, None), |it| bandwidth(&it))
    };
    Limits {
        cpu_shares: if is_v1("cpu") {
            number("cpu", "cpu.shares", "")
        } else {
            number("cpu", "", "cpu.weight").map(shares)
        },
        cpu_quota_us,
        cpu_period_us,
        cpus: of("cpuset", "cpuset.cpus", "cpuset.cpus").filter(|it| !it.is_empty()),
        memory: number("memory", "memory.limit_in_bytes", "memory.max"),
        memory_reservation: number("memory", "memory.soft_limit_in_bytes", "memory.min"),
        swap: number("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
        tasks: number("pids", "pids.max", "pids.max").filter(|it| *it != UNLIMITED),
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MOST_BYTES)
        .read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}

/// A number, or `max`, which is no limit.
fn bytes(text: &str) -> Option<u64> {
    match text {
        "max" => Some(UNLIMITED),
        number => number.parse().ok(),
    }
}

/// `cpu.max`: what it may use in a period, and the period.
fn bandwidth(text: &str) -> (Option<u64>, Option<u64>) {
    let (quota, period) = text.split_once(' ').unwrap_or((text, ""));
    (quota.parse().ok(), period.parse().ok())
}

/// Version 2's weight as cAdvisor tells it: 1 to 10,000 stand for 2 to 262,144 in a straight line (`getSpecInternal`,
/// container/common/helpers.go of google/cadvisor).
fn shares(weight: u64) -> u64 {
    2 + weight.saturating_sub(1).saturating_mul(262_142) / 9_999
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_the_greatest_number() {
        assert_eq!(bytes("max"), Some(UNLIMITED));
        assert_eq!(
            bytes("9223372036854771712"),
            Some(9_223_372_036_854_771_712)
        );
        assert_eq!(bytes(""), None);
    }

    #[test]
    fn bandwidth_and_weight_of_version_2() {
        assert_eq!(bandwidth("max 100000"), (None, Some(100_000)));
        assert_eq!(bandwidth("50000 100000"), (Some(50_000), Some(100_000)));
        assert_eq!(bandwidth(""), (None, None));
        for (weight, expected) in [(1, 2), (39, 998), (100, 2_597), (10_000, 262_144)] {
            assert_eq!(shares(weight), expected, "{weight}");
        }
    }
}
