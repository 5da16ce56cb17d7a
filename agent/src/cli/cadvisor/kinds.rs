//! cAdvisor's kinds of metrics, as `--disable_metrics` and `--enable_metrics` name them, and the families that they are here.

use crate::{
    config::{Given, Key},
    metrics::catalog::Family,
};

/// What a kind is here.
enum Kind {
    Family(Family),
    /// CPU time, which is always measured.
    Always,
    /// Nothing that could be switched.
    Nothing,
}

/// The settings of one of the two flags, and what is to be said of it.
pub(super) fn settings(flag: &'static str, list: &str, enables: bool) -> (Vec<Given>, Vec<String>) {
    let mut warnings = Vec::new();
    let mut named = Vec::new();
    for word in list.split(',').map(str::trim).filter(|it| !it.is_empty()) {
        match kind(word) {
            Some(Kind::Family(family)) => named.push(family),
            Some(Kind::Always) if enables => {}
            Some(Kind::Always) => {
                warnings.push(format!("{flag}: {word} is always measured"));
            }
            Some(Kind::Nothing) if enables => {
                warnings.push(format!("{flag}: {word} is not measured here"));
            }
            Some(Kind::Nothing) => {}
            None => {
                let word = crate::text::printable(word);
                warnings.push(format!("{flag}: there is no kind {word:?}"));
            }
        }
    }
    let mut given: Vec<Given> = Vec::new();
    for family in Family::SWITCHABLE {
        let is_named = named.contains(&family);
        // The host as a whole is no kind: `--disable_root_cgroup_stats` is about it.
        let is_on = match (enables, is_named) {
            _ if family == Family::Host => continue,
            (true, is_named) => is_named,
            (false, true) => false,
            (false, false) => continue,
        };
        let key = Key::of("families").child(family.as_str()).child("enabled");
        given.push(Given::by_flag(flag, &key.to_string(), is_on.to_string()));
    }
    (given, warnings)
}

fn kind(word: &str) -> Option<Kind> {
    Some(match word {
        "cpu" => Kind::Always,
        "sched" => Kind::Family(Family::Sched),
        "memory" => Kind::Family(Family::Memory),
        "diskIO" => Kind::Family(Family::BlockIo),
        "disk" => Kind::Family(Family::Space),
        "network" => Kind::Family(Family::Network),
        "process" => Kind::Family(Family::Pids),
        "oom_event" => Kind::Family(Family::Oom),
        "pressure" => Kind::Family(Family::Pressure),
        "percpu" | "cpuLoad" | "app" | "perf_event" | "memory_numa" | "tcp" | "advtcp" | "udp"
        | "hugetlb" | "referenced_memory" | "cpu_topology" | "resctrl" | "cpuset" => Kind::Nothing,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(list: &str, enables: bool) -> (Vec<String>, Vec<String>) {
        let (given, warnings) = settings("--flag", list, enables);
        let given = given.iter().map(|it| format!("{}={}", it.key, it.value));
        (given.collect(), warnings)
    }

    #[test]
    fn what_is_disabled_is_off_and_nothing_else() {
        let (given, warnings) = shown("percpu,tcp,diskIO,oom_event", false);
        let off = [
            "families.block_io.enabled=\"false\"",
            "families.oom.enabled=\"false\"",
        ];
        assert_eq!(
            (given.as_slice(), warnings.len()),
            (off.map(str::to_owned).as_slice(), 0)
        );
        assert_eq!(shown("", false), (Vec::new(), Vec::new()));
        let (given, warnings) = shown("cpu,accelerator", false);
        assert_eq!(given, [""; 0]);
        assert_eq!(
            warnings,
            [
                "--flag: cpu is always measured",
                "--flag: there is no kind \"accelerator\""
            ]
        );
    }

    #[test]
    fn what_is_enabled_is_on_and_all_else_off_but_the_host() {
        let (given, warnings) = shown("cpu,memory,hugetlb", true);
        assert_eq!(warnings, ["--flag: hugetlb is not measured here"]);
        let on: Vec<&String> = given.iter().filter(|it| it.contains("true")).collect();
        assert_eq!(on, ["families.memory.enabled=\"true\""]);
        assert_eq!(given.len(), Family::SWITCHABLE.len() - 1, "{given:?}");
        assert!(!given.iter().any(|it| it.contains(".host.")), "{given:?}");
    }
}
