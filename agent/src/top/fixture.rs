//! A made-up host with names that somebody may give, for the tests of what shows it.

use serde_json::{Value as Json, json};

use super::{
    look::Look,
    model::Model,
    status::Status,
    view::{self, Manner},
};
use crate::stream;

/// The time of the first tick: 15:04:05 on some day.
const FIRST_MS: i64 = 1_764_428_645_000;

/// A model of `ticks` ticks of these containers: busy at first, and less so the further behind they are.
pub(super) fn model(names: &[&str], ticks: i64) -> Model {
    let mut model = Model::default();
    let hello = r#"{"host":"box","cpus":4,"interval_ms":1000,"version":"1"}"#;
    model.greet(stream::hello(hello).unwrap());
    for at in 0..ticks {
        model.tick(&stream::tick(&tick(names, at).to_string()).unwrap());
    }
    model
}

/// The tick that is so many seconds after the first. Container `i` of these has cgroup id `100 + i`.
pub(super) fn tick(names: &[&str], at: i64) -> Json {
    let each = || names.iter().zip(0..);
    let who = each().map(|(name, i)| {
        json!({
            "cgroup": 100 + i, "name": name, "kind": "container", "runtime": "docker",
            "id": format!("{:064x}", i + 1), "image": format!("registry.example/{name}:1.27"),
            "path": format!("/shop.slice/docker-{i}.scope"),
            "project": if i % 2 == 0 { Some("shop") } else { None },
            "labels": {"tier": if i == 0 { "front" } else { "back" }},
        })
    });
    let rates = each().map(|(_, i)| json!([100 + i, 1.5 / f64::from(i + 1), 0.02 * f64::from(i)]));
    let totals = each().map(|(_, i)| json!([100 + i, 50_000_000, 1000 * at, 2048 * at]));
    let details = each().map(|(_, i)| {
        json!({
            "cgroup": 100 + i, "throttled": if i == 0 { 0.25 } else { 0.0 }, "cpu_limit": 2.0,
            "working_set": 64 << 20, "memory_limit": if i == 0 { Some(67 << 20) } else { None },
            "disk": [4096.0, 8192.0],
            "net": {"loopback": [1.0, 1.0], "host": [100.0, 200.0], "outside": [1_048_576.0, 2_097_152.0]},
            "wait": [[3, 40], [9, 10]], "block": [[12, 7]],
            "preemptors": [{"cgroup": 101, "name": "neighbour", "waiting": 0.0125}],
        })
    });
    json!({
        "t": FIRST_MS + 1000 * at,
        "new": if at == 0 { who.collect() } else { Vec::new() },
        "v": rates.collect::<Vec<_>>(), "r": totals.collect::<Vec<_>>(), "d": details.collect::<Vec<_>>(),
        "machine": {"load": {"load1": 0.84}, "mem": {"total_bytes": 8_u64 << 30, "available_bytes": 5_u64 << 30}},
        "agent": {"agent_self": {
            "cpu_ns": 3_000_000 * at, "rss_bytes": 17 << 20, "programs_cpus": 0.0002,
            "losses": [{"labels": {"reason": "unseen_switch_ins"}, "value": 5}],
        }},
    })
}

/// The screen of this size as lines.
pub(super) fn screen(look: &mut Look, model: &Model, size: (u16, u16)) -> Vec<String> {
    drawn(look, model, size, false)
        .content
        .chunks(size.0.into())
        .map(|line| {
            let cells = line.iter().map(ratatui::buffer::Cell::symbol);
            cells.collect::<String>().trim_end().to_owned()
        })
        .collect()
}

/// The same, cell by cell.
pub(super) fn drawn(
    look: &mut Look,
    model: &Model,
    (width, height): (u16, u16),
    has_colours: bool,
) -> ratatui::buffer::Buffer {
    let manner = Manner {
        has_colours,
        time: utc,
    };
    let status = Status {
        origin: "live from http://127.0.0.1:8190".to_owned(),
        ..Status::default()
    };
    let backend = ratatui::backend::TestBackend::new(width, height);
    let mut terminal = ratatui::Terminal::new(backend).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| view::draw(frame, look, model, &status, manner);
    terminal.draw(draw).unwrap();
    terminal.backend().buffer().clone()
}

fn utc(wall_ms: i64) -> String {
    let second = wall_ms.div_euclid(1000).rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}
