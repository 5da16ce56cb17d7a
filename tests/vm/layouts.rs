//! The layouts of cgroup hierarchies: each is told by its name, and its cgroups are the entries.

use crate::{checked::check, lab::lab};

mod v2 {
    #[test]
    fn the_layout_is_told() {
        super::is_told("v2");
    }
}

mod hybrid {
    #[test]
    fn the_layout_is_told() {
        super::is_told("hybrid");
    }
}

mod v1_only {
    #[test]
    fn the_layout_is_told() {
        super::is_told("v1");
    }
}

#[track_caller]
fn is_told(mode: &str) {
    let report = check();
    let told = &report.item("cgroups", "mode")["details"]["mode"];
    let accounting = report.item("cgroups", "accounting");
    println!("{told}: {}", accounting["finding"]);
    assert_eq!(told, mode);
    let lab = lab();
    let batch = lab.agent.next_batch();
    for name in lab.names() {
        let path = lab.group(name).path();
        let entries = batch.containers.iter().filter(|it| it.path == path).count();
        assert_eq!(entries, 1, "{path}");
    }
}
