//! Machines that lack something: `cgflux check` names it and what to do, and the rest goes on.

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
    fn a_new_cgroup_is_found_in_the_tree() {
        let lab = lab();
        let cgroup = Cgroup::new("found");
        let batch = lab.agent.next_batch();
        assert!(batch.at(cgroup.path()).is_some(), "{:?}", batch.containers);
    }
}
