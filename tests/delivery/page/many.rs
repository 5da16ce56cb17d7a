//! The page beside five hundred containers.

use std::{
    fs,
    process::{Child, Command},
};

use serde_json::Value;

use super::{hands::names, opened, picture};
use crate::harness::{Browser, cgroup};

const MANY: usize = 500;

/// Cgroups that are named as Docker names its own, each with a shell that does next to nothing, and often.
struct Crowd {
    parent: String,
    shells: Vec<Child>,
}

/// Some seconds of frames: how long the page's own work took in each, and how long the browser was kept from drawing.
const WATCH: &str = "new Promise((resolve) => {
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((it) => it.duration)));
    observer.observe({ entryTypes: ['longtask'] });
    const gaps = [];
    let last = performance.now();
    const end = last + 8_000;
    const frame = (now) => {
        gaps.push(now - last);
        last = now;
        if (now < end) return requestAnimationFrame(frame);
        gaps.sort((a, b) => a - b);
        const at = (share) => Math.round(gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * share))]);
        resolve({ frames: gaps.length, median: at(0.5), p99: at(0.99), most: at(1), long: tasks.map(Math.round) });
    };
    requestAnimationFrame(frame);
})";

#[test]
fn five_hundred_containers_stand_on_the_page() {
    let Some(mut opened) = opened() else { return };
    let page = &mut opened.page;
    let crowd = Crowd::gather();
    page.wait_until(&format!(
        "Number(document.getElementById('total-containers').textContent) >= {MANY}"
    ));
    assert!(names(page).len() >= MANY);
    let before = cost(page);
    let frames = page.evaluate(WATCH);
    let after = cost(page);
    println!("{MANY} containers, 8 s: frames in ms {frames}");
    for (name, spent) in ["script", "layout", "style", "all"].iter().zip(0..) {
        println!(
            "{name}: {:.1} ms of CPU a tick",
            (after[spent] - before[spent]) * 1_000.0 / 8.0
        );
    }
    // All that is on the page moves on.
    page.wait_until("document.querySelectorAll('#rows tr').length >= 500");
    picture(page, "page-500.png");
    assert_eq!(page.complaints(), [""; 0]);
    drop(crowd);
}

/// What the page has cost so far, in seconds of its thread's CPU time.
fn cost(page: &mut Browser) -> [f64; 4] {
    let domain = serde_json::json!({ "timeDomain": "threadTicks" });
    page.call("Performance.enable", &domain);
    let metrics = page.call("Performance.getMetrics", &serde_json::json!({}));
    let metrics = metrics["metrics"].as_array().unwrap().clone();
    [
        "ScriptDuration",
        "LayoutDuration",
        "RecalcStyleDuration",
        "TaskDuration",
    ]
    .map(|wanted| {
        let of = |it: &&Value| it["name"] == wanted;
        metrics
            .iter()
            .find(of)
            .and_then(|it| it["value"].as_f64())
            .unwrap()
    })
}

impl Crowd {
    fn gather() -> Self {
        let parent = format!("/{}", cgroup::unique("docker"));
        fs::create_dir(cgroup::folder(&parent)).unwrap();
        let start = |at: usize| {
            let folder = cgroup::folder(&format!("{parent}/docker-{:064x}.scope", at + 1));
            fs::create_dir(&folder).unwrap();
            Command::new("sh")
                .args([
                    "-c",
                    "echo 0 >\"$0\"/cgroup.procs; while :; do sleep 2; done",
                ])
                .arg(folder)
                .spawn()
                .unwrap()
        };
        let shells = (0..MANY).map(start).collect();
        Self { parent, shells }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let folder = cgroup::folder(&self.parent);
        cgroup::kill_all(&folder);
        for shell in &mut self.shells {
            shell.wait().expect("it is ours");
        }
        cgroup::remove(&folder);
    }
}
