//! Machines that lack something: `cgflux check` names it and what to do, and the rest goes on.

use caps::Capability;

/// What the kernel programs take, but for those on packets.
const TRACING: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];

/// What all of them take.
const ALL: [Capability; 3] = [TRACING[0], TRACING[1], Capability::CAP_NET_ADMIN];

mod lockdown {
    use crate::{checked::check, harness::Cgroup, lab::lab};

    #[test]
    fn births_without_a_path_are_named_and_explained() {
        let report = check();
        let fix = "boot without lockdown=confidentiality";
        report.complains("programs", "cgroup_mkdir", "lockdown forbids", fix);
        report.complains("kernel", "lockdown", "confidentiality", "");
        assert_eq!(report.verdict(), "degraded");
    }

    #[test]
    fn block_io_goes_on_without_a_look_at_pages() {
        let report = check();
        let fix = "boot without lockdown=confidentiality";
        report.complains("programs", "block_rq_complete", "lockdown forbids", fix);
        let instead = report.item("programs", "block_rq_complete_by_bio");
        println!("{}", instead["finding"]);
        assert_eq!(instead["details"]["state"], "attached", "{instead}");
    }

    #[test]
    fn a_new_cgroup_is_found_in_the_tree() {
        let lab = lab();
        let cgroup = Cgroup::new("found");
        let batch = lab.agent.next_batch();
        assert!(batch.at(cgroup.path()).is_some(), "{:?}", batch.containers);
    }
}

mod no_memory_no_psi {
    use crate::checked::check;

    #[test]
    fn the_memory_controller_is_missed_and_what_brings_it_back_is_told() {
        let fix = "without `cgroup_disable=memory`";
        check().complains("cgroups", "memory controller", "not there", fix);
    }

    #[test]
    fn pressure_is_missed_and_what_brings_it_back_is_told() {
        let words = "does not account pressure";
        check().complains("metrics", "memory_full_ns", words, "boot with `psi=1`");
    }
}

mod paranoid {
    use super::{ALL, TRACING};
    use crate::{checked::check_as_nobody, unprivileged::measures};

    #[test]
    fn three_capabilities_are_enough_for_every_program() {
        let report = check_as_nobody(&ALL);
        for (name, item) in report.section("programs") {
            assert_eq!(item["level"], "pass", "{name}: {item}");
        }
        measures(&ALL, "by kernel programs");
    }

    #[test]
    fn without_the_third_packets_are_missed_and_nothing_else() {
        let report = check_as_nobody(&TRACING);
        // Among others that it lacks too.
        let fix = "CAP_NET_ADMIN`";
        report.complains("privileges", "CAP_NET_ADMIN", "interfaces", fix);
        for (name, item) in report.section("programs") {
            if name.starts_with("network_") {
                report.complains("programs", name, "takes CAP_NET_ADMIN", fix);
            } else {
                assert_eq!(item["level"], "pass", "{name}: {item}");
            }
        }
        let of_interfaces = report.item("metrics", "rx_bytes");
        assert_eq!(of_interfaces["details"]["source"], "proc_file");
        measures(&TRACING, "by kernel programs");
    }

    #[test]
    fn the_capability_that_is_missing_is_named_and_how_to_get_it() {
        for (held, missing) in [(0, "CAP_PERFMON"), (1, "CAP_BPF")] {
            let report = check_as_nobody(&TRACING[held..=held]);
            let fix = format!("AmbientCapabilities={missing}");
            report.complains("privileges", missing, "no counting program", &fix);
            report.complains("programs", "all programs", missing, &fix);
            report.complains("metrics", "usage_ns", "cgroup_file", "see `programs`");
            assert_eq!(report.verdict(), "degraded");
            measures(&TRACING[held..=held], "from cgroup files");
        }
    }
}

mod memlock {
    use super::TRACING;
    use crate::{checked::check_as_nobody, unprivileged::measures};

    #[test]
    fn the_limit_of_locked_memory_is_named_and_how_to_raise_it() {
        let report = check_as_nobody(&TRACING);
        let fix = "ulimit -l unlimited";
        report.complains("privileges", "locked memory", "limited to 64 KiB", fix);
        report.complains("programs", "all programs", "locked memory", fix);
        report.complains("metrics", "usage_ns", "cgroup_file", "see `programs`");
        assert_eq!(report.verdict(), "degraded");
        measures(&TRACING, "from cgroup files");
    }
}

mod no_cx16 {
    use crate::{checked::check, lab::lab};

    #[test]
    fn storage_that_cannot_be_filled_is_named_and_a_hash_serves() {
        let report = check();
        let words = "slots cannot be kept there (cgrp_storage)";
        report.complains("programs", "slots", words, "report it");
        let counts = lab().agent.log();
        assert!(counts.contains("slots in hash"), "{counts}");
    }
}

mod no_btf {
    use crate::{checked::check, lab::lab};

    #[test]
    fn the_type_information_is_named_and_which_kernel_has_it() {
        let report = check();
        let (words, fix) = (
            "there is no /sys/kernel/btf/vmlinux",
            "CONFIG_DEBUG_INFO_BTF=y",
        );
        report.complains("kernel", "type information", words, fix);
        report.complains("programs", "all programs", "type information", "see");
        report.complains(
            "metrics",
            "runq_wait_ns",
            "no kernel program",
            "see `programs`",
        );
        assert_eq!(report.verdict(), "degraded");
    }

    #[test]
    fn the_agent_runs_on_files() {
        let lab = lab();
        let log = lab.agent.log();
        assert!(log.contains("cgroup files serve"), "{log}");
        let metrics = lab.agent.metrics();
        let labels = "metric=\"usage_ns\",source=\"cgroup_file\"";
        assert!(metrics.contains(labels), "no {labels} in {metrics}");
    }
}
