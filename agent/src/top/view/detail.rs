//! One entry: facts, charts, histograms, who took its CPU, and what happened to it.

use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    style::Style,
};

use super::{
    super::{
        measure::{Measure, UNKNOWN, bytes, decimal},
        model::{Entry, Model, RECENT},
    },
    BOLD, DIM, Manner, events, graph, put,
    text::fitted,
};

/// Lines of events, if there are any, where the screen is small.
const LEAST_EVENTS: u16 = 3;

pub(super) fn draw(buffer: &mut Buffer, area: Rect, cgroup: u64, model: &Model, manner: Manner) {
    let Some(entry) = model.entry(cgroup) else {
        put(
            buffer,
            area,
            1,
            1,
            "It ended, and its numbers are gone; q goes back.",
            BOLD,
        );
        return;
    };
    let events = u16::try_from(its_events(model, cgroup).count()).unwrap_or(u16::MAX);
    let most = (area.height / 5).max(LEAST_EVENTS);
    let [facts, charts, histograms, happened] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Fill(3),
        Constraint::Fill(2),
        Constraint::Length(events.min(most)),
    ])
    .areas(area);
    draw_facts(buffer, facts, entry, manner);
    draw_charts(buffer, charts, entry, manner);
    draw_histograms(buffer, histograms, entry, manner);
    for (event, line) in its_events(model, cgroup).zip(0..happened.height) {
        events::draw_event(buffer, happened, line, event, manner);
    }
}

fn its_events(model: &Model, cgroup: u64) -> impl Iterator<Item = &crate::stream::Event> {
    model
        .events()
        .filter(move |event| event.who.cgroup == cgroup)
}

/// Who it is, in three lines.
fn draw_facts(buffer: &mut Buffer, area: Rect, entry: &Entry, manner: Manner) {
    let who = &entry.who;
    let width = usize::from(area.width);
    let x = put(buffer, area, 0, 0, &fitted(&who.name, width / 2), BOLD);
    let state = match entry.ended_ms {
        Some(ended_ms) => format!("  ended at {}", (manner.time)(ended_ms)),
        None => String::new(),
    };
    let x = put(buffer, area, 0, x, &state, manner.alarm());
    let short_id = who
        .id
        .as_deref()
        .map(|id| id.chars().take(12).collect::<String>());
    let first = [
        Some(who.runtime.clone()),
        short_id,
        who.image.clone(),
        told("pod", who.pod.as_ref()),
        told("namespace", who.namespace.as_ref()),
        told("project", who.project.as_ref()),
        told("service", who.service.as_ref()),
    ];
    let first: Vec<String> = first.into_iter().flatten().collect();
    put(
        buffer,
        area,
        0,
        x,
        &fitted(&format!("  {}", first.join(" · ")), width),
        Style::new(),
    );
    let path = who.path.as_deref().unwrap_or(UNKNOWN);
    put(buffer, area, 1, 0, &fitted(path, width), DIM);
    let labels: Vec<String> = who
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    put(buffer, area, 2, 0, &fitted(&labels.join("  "), width), DIM);
}

fn told(word: &str, value: Option<&String>) -> Option<String> {
    value.map(|value| format!("{word} {value}"))
}

/// Three charts beside three.
fn draw_charts(buffer: &mut Buffer, area: Rect, entry: &Entry, manner: Manner) {
    let charts = [
        (cpu(entry), Measure::Cpu),
        (wait(entry), Measure::Wait),
        (memory(entry), Measure::Memory),
        (throttled(entry), Measure::Throttled),
        (disk(entry), Measure::Disk),
        (net(entry), Measure::Net),
    ];
    let lines: [Rect; 3] = Layout::vertical([Constraint::Fill(1); 3]).areas(area);
    for (pair, line) in charts.chunks(2).zip(lines) {
        let halves: [Rect; 2] = Layout::horizontal([Constraint::Fill(1); 2])
            .spacing(2)
            .areas(line);
        for ((title, measure), half) in pair.iter().zip(halves) {
            graph::titled(
                buffer,
                half,
                (title, *measure),
                entry.ring(*measure),
                manner,
            );
        }
    }
}

fn cpu(entry: &Entry) -> String {
    let limit = entry.detail.as_ref().and_then(|it| it.cpu_limit);
    let limit = limit.map_or_else(
        || ", no limit".to_owned(),
        |cpus| format!(" of {}%", decimal(cpus * 100.0)),
    );
    format!(
        "CPU {}%{limit}{}",
        shown(entry, Measure::Cpu),
        most(entry, Measure::Cpu)
    )
}

fn wait(entry: &Entry) -> String {
    let most = most(entry, Measure::Wait);
    format!("wait {} ms/s{most}", shown(entry, Measure::Wait))
}

fn throttled(entry: &Entry) -> String {
    let most = most(entry, Measure::Throttled);
    format!("throttled {} ms/s{most}", shown(entry, Measure::Throttled))
}

fn memory(entry: &Entry) -> String {
    let limit = entry.detail.as_ref().and_then(|it| it.memory_limit);
    let limit = match (limit, entry.value(Measure::Share)) {
        (Some(limit), Some(share)) => {
            format!(" of {}, {}%", bytes(limit), decimal(share * 100.0))
        }
        _ => ", no limit".to_owned(),
    };
    format!(
        "memory {}{limit}{}",
        shown(entry, Measure::Memory),
        most(entry, Measure::Memory)
    )
}

fn disk(entry: &Entry) -> String {
    match entry.detail.as_ref().and_then(|it| it.disk) {
        Some((read, written)) => {
            format!("disk read {}/s, written {}/s", bytes(read), bytes(written))
        }
        None => format!("disk {}/s", shown(entry, Measure::Disk)),
    }
}

/// By peer, received and sent.
fn net(entry: &Entry) -> String {
    let Some(peers) = entry.detail.as_ref().and_then(|it| it.net) else {
        return format!("network {}/s", shown(entry, Measure::Net));
    };
    let by_peer = [
        ("outside", peers.outside),
        ("host", peers.host),
        ("self", peers.loopback),
    ];
    let flows = by_peer.into_iter().filter_map(|(peer, flow)| {
        let (received, sent) = flow?;
        Some(format!("{peer} ↓{}↑{}", bytes(received), bytes(sent)))
    });
    let flows: Vec<String> = flows.collect();
    format!("net/s {}", flows.join(" "))
}

fn shown(entry: &Entry, measure: Measure) -> String {
    measure.told(entry.value(measure).filter(|_| !entry.has_ended()))
}

/// The highest of what the charts may show.
fn most(entry: &Entry, measure: Measure) -> String {
    let ring = entry.ring(measure);
    let most = ring.newest(ring.len()).flatten().reduce(f64::max);
    most.map_or_else(String::new, |it| {
        format!(", most {}", measure.told(Some(it)))
    })
}

fn draw_histograms(buffer: &mut Buffer, area: Rect, entry: &Entry, manner: Manner) {
    let parts: [Rect; 3] = Layout::horizontal([Constraint::Fill(1); 3])
        .spacing(2)
        .areas(area);
    graph::histogram(
        buffer,
        parts[0],
        ("waits", Measure::Wait),
        &entry.waits(),
        manner,
    );
    graph::histogram(
        buffer,
        parts[1],
        ("block I/O", Measure::Disk),
        &entry.blocks(),
        manner,
    );
    draw_takers(buffer, parts[2], entry);
}

fn draw_takers(buffer: &mut Buffer, area: Rect, entry: &Entry) {
    let width = usize::from(area.width);
    let title = fitted("ran while it waited", width);
    put(buffer, area, 0, 0, &title, DIM);
    let takers = entry.takers();
    let instead: &[&str] = match &takers {
        None => &["not told: the agent has", "families.preemption off"],
        Some(takers) if takers.is_empty() => &["nobody"],
        Some(_) => &[],
    };
    for (text, line) in instead.iter().zip(1..) {
        put(buffer, area, line, 0, &fitted(text, width), DIM);
    }
    let takers = takers.unwrap_or_default();
    let last = area.height.saturating_sub(1);
    for ((name, waiting), line) in takers.iter().zip(1..=last.max(1)) {
        let told = format!("{:>6} ms/s  ", decimal(waiting * 1000.0));
        let x = put(buffer, area, line, 0, &told, Style::new());
        let name = fitted(name, width.saturating_sub(x.into()));
        put(buffer, area, line, x, &name, BOLD);
    }
    let lines = instead.len().max(takers.len()) + 1;
    if lines < usize::from(area.height) {
        let of = format!("(histograms: the last {RECENT} ticks)");
        put(buffer, area, last, 0, &fitted(&of, width), DIM);
    }
}
