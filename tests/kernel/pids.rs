//! A container's tasks and their limit are what its cgroup's own files say.

use std::{fs, time::Duration};

use crate::harness::{Docker, Home, cgroup, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn tasks_their_limit_and_what_it_refused_are_those_of_the_files() {
    let Some(docker) = Docker::here() else { return };
    for source in ["kernel", "files"] {
        let home = Home::with("[collect]\nfile_interval = \"1s\"\n");
        let agent = home.start(&["--source", source]);
        // More than the limit; each that is refused ends its subshell only.
        let script =
            "for i in $(seq 12); do (for j in 1 2; do sleep 1000 & done) ; done; exec sleep 1000";
        let container = docker.run(&["--pids-limit", "20"], script);
        let (folder, _) = cgroup::folder_with("pids", &container.cgroup_path());
        let file = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let refused = || -> Option<u64> {
            let events = file("pids.events")?;
            events.trim().strip_prefix("max ")?.parse().ok()
        };
        eventually(PATIENCE, "forks are refused and all has settled", || {
            let (before, tasks) = (refused(), file("pids.current"));
            let batch = agent.next_batch();
            let entry = batch.container(&container.id).ok_or("not listed")?;
            let is_settled = (&before, &tasks) == (&refused(), &file("pids.current"));
            let ours = |field| entry.value("pids", field);
            println!(
                "source={source} kernel: tasks={tasks:?} refused={before:?} ours: tasks={:?} limit={:?} peak={:?} refused={:?}",
                ours("pids"),
                ours("pids_limit"),
                ours("pids_peak"),
                ours("pids_refused")
            );
            if !is_settled || before.unwrap_or_default() == 0 {
                return Err("not yet");
            }
            let number = |text: Option<String>| text.and_then(|text| text.trim().parse().ok());
            assert_eq!(ours("pids"), number(tasks), "{entry:?}");
            assert_eq!(ours("pids_limit"), Some(20), "{entry:?}");
            assert_eq!(ours("pids_peak"), number(file("pids.peak")), "{entry:?}");
            assert_eq!(ours("pids_refused"), before, "{entry:?}");
            Ok(())
        });
    }
}
