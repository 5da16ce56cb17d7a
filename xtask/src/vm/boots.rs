//! The boots of the matrix: the ways in which a machine can be set up, and on which kernels each is tried. Pure.
//!
//! What is claimed of each stands in tests/vm; the same names stand there.

use super::series::{self, Series};

/// One way to set a machine up.
#[derive(Debug)]
pub(crate) struct Boot {
    pub(crate) name: &'static str,
    /// What it adds to the kernel's command line.
    pub(crate) command_line: &'static str,
    /// Another processor than the kernel's usual one.
    pub(crate) processor: Option<&'static str>,
    /// The modules of tests/vm whose claims it is to hold.
    pub(crate) claims: &'static [&'static str],
    /// On which kernels it is tried; empty for all.
    series: &'static [&'static str],
}

/// What is compared with the kernel's files; holds without kernel programs too.
const COMPARED: &str = "counting::what_is_counted_lies";

/// What is read from files anyway.
const FILES: &str = "counting::files";

/// All of them. Kernels from 6.12 on are built without the memory controller of cgroup v1.
pub(crate) const ALL: [Boot; 11] = [
    Boot {
        name: "v2",
        command_line: "",
        processor: None,
        claims: &["counting", "kept", "layouts::v2", "remains::sigkill"],
        series: &[],
    },
    Boot {
        name: "chains",
        command_line: "",
        processor: None,
        claims: &["chains", "remains::sigterm"],
        series: &[],
    },
    Boot {
        name: "hybrid",
        command_line: "",
        processor: None,
        claims: &["counting", "layouts::hybrid", "chains"],
        series: &["5.10", "6.1", "6.18"],
    },
    Boot {
        name: "v1-only",
        command_line: "",
        processor: None,
        claims: &["counting", "layouts::v1_only", "chains"],
        series: &["5.10", "6.1", "6.18"],
    },
    Boot {
        name: "no-memory-no-psi",
        command_line: "cgroup_disable=memory psi=0",
        processor: None,
        claims: &["counting", "lacking::no_memory_no_psi"],
        series: &["6.12"],
    },
    Boot {
        name: "lockdown",
        command_line: "lockdown=confidentiality",
        processor: None,
        claims: &["counting", "lacking::lockdown"],
        series: &["5.10", "6.12"],
    },
    Boot {
        name: "lockdown-hybrid",
        command_line: "lockdown=confidentiality",
        processor: None,
        claims: &["counting", "lacking::lockdown"],
        series: &["6.1"],
    },
    Boot {
        name: "paranoid",
        command_line: "sysctl.kernel.perf_event_paranoid=4",
        processor: None,
        claims: &["lacking::paranoid"],
        series: &["6.1", "7.x"],
    },
    Boot {
        name: "memlock",
        command_line: "",
        processor: None,
        claims: &["lacking::memlock"],
        series: &["5.10"],
    },
    Boot {
        name: "no-cx16",
        command_line: "",
        processor: Some(series::WITHOUT_CX16),
        claims: &["lacking::no_cx16", COMPARED, FILES],
        series: &["7.x"],
    },
    Boot {
        name: "no-btf",
        command_line: "",
        processor: None,
        claims: &[
            "lacking::no_btf",
            COMPARED,
            FILES,
            "counting::block_io",
            "counting::network",
            "counting::oom",
        ],
        series: &["6.12"],
    },
];

/// The ones that every run of the tests has.
pub(crate) const DEFAULT: [(&str, &str); 2] = [("6.1", "v2"), ("6.12", "v2")];

/// A kernel to boot, and how.
pub(crate) type Case = (&'static Series, &'static Boot);

/// The default cases.
pub(crate) fn default() -> Vec<Case> {
    let is_default = |(series, boot): &Case| DEFAULT.contains(&(series.name, boot.name));
    all().into_iter().filter(is_default).collect()
}

/// Every case, kernel by kernel.
pub(crate) fn all() -> Vec<Case> {
    let of_series = |series: &'static Series| {
        let boots = ALL.iter();
        let boots =
            boots.filter(|boot| boot.series.is_empty() || boot.series.contains(&series.name));
        boots.map(move |boot| (series, boot))
    };
    series::ALL.iter().flat_map(of_series).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernel_boots_into_v2_and_the_defaults_are_among_the_cases() {
        let cases = all();
        for series in &series::ALL {
            let has = |(of, boot): &Case| *of == series && boot.name == "v2";
            assert!(cases.iter().any(has), "{}", series.name);
        }
        assert_eq!(default().len(), DEFAULT.len());
    }

    #[test]
    fn each_boot_is_tried_on_a_kernel_that_there_is() {
        let names: Vec<_> = series::ALL.iter().map(|series| series.name).collect();
        for boot in &ALL {
            let known = boot.series.iter().all(|name| names.contains(name));
            assert!(known, "{}", boot.name);
        }
    }
}
