//! However the agent ends, nothing of it stays in the kernel.

use std::{collections::BTreeSet, fs, time::Duration};

use aya::{
    maps::loaded_maps,
    programs::{loaded_links, loaded_programs},
};

use crate::harness::{AgentProcess, Home, eventually};

/// The kernel takes programs apart in the background.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn sigterm_leaves_no_program_map_or_link() {
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    let held = Held::by(&agent);
    let status = agent.stop();
    assert!(status.success(), "{status}");
    held.are_gone();
}

#[test]
fn sigkill_leaves_no_program_map_or_link() {
    let home = Home::new();
    let mut agent = home.start::<&str>(&[]);
    let held = Held::by(&agent);
    agent.kill();
    held.are_gone();
}

/// What a process holds in the kernel, by number. A number is not given again before four billion others were.
#[derive(Debug, Default)]
struct Held {
    programs: BTreeSet<u32>,
    maps: BTreeSet<u32>,
    links: BTreeSet<u32>,
}

impl Held {
    fn by(agent: &AgentProcess) -> Self {
        let mut held = Self::default();
        for file in fs::read_dir(format!("/proc/{}/fdinfo", agent.pid())).unwrap() {
            // A descriptor may be closed meanwhile.
            let info = fs::read_to_string(file.unwrap().path()).unwrap_or_default();
            for line in info.lines() {
                let Some((key, number)) = line.split_once(":\t") else {
                    continue;
                };
                let numbers = match key {
                    "prog_id" => &mut held.programs,
                    "map_id" => &mut held.maps,
                    "link_id" => &mut held.links,
                    _ => continue,
                };
                numbers.insert(number.trim().parse().unwrap());
            }
        }
        println!("{held:?}");
        let nothing = held.programs.is_empty() || held.maps.is_empty() || held.links.is_empty();
        assert!(!nothing, "{held:?}");
        held
    }

    #[track_caller]
    fn are_gone(&self) {
        eventually(PATIENCE, "the kernel is clean", || {
            let programs: Vec<u32> = loaded_programs().flatten().map(|it| it.id()).collect();
            let maps: Vec<u32> = loaded_maps().flatten().map(|it| it.id()).collect();
            let links: Vec<u32> = loaded_links().flatten().map(|it| it.id()).collect();
            let left = Self {
                programs: still(&self.programs, &programs),
                maps: still(&self.maps, &maps),
                links: still(&self.links, &links),
            };
            let clean = left.programs.is_empty() && left.maps.is_empty() && left.links.is_empty();
            clean.then_some(()).ok_or(format!("{left:?}"))
        });
    }
}

fn still(held: &BTreeSet<u32>, loaded: &[u32]) -> BTreeSet<u32> {
    loaded
        .iter()
        .filter(|it| held.contains(it))
        .copied()
        .collect()
}
