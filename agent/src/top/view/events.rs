//! What happened, as lines.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    super::{look::Look, model::Model},
    BOLD, DIM, Manner, put,
    text::fitted,
};
use crate::stream::Event;

/// All that happened, the newest first.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, look: &mut Look, live: &Model, manner: Manner) {
    let page = usize::from(area.height - 1);
    let count = look.shown(live).events().count();
    look.page = page;
    look.scroll = look.scroll.min(count.saturating_sub(page));
    let title = format!("Events: {count}, the newest first");
    put(buffer, area, 0, 0, &title, BOLD);
    if count == 0 {
        put(
            buffer,
            area,
            2,
            0,
            "Nothing has started, ended or run out of memory so far.",
            DIM,
        );
    }
    let shown = look.shown(live).events().skip(look.scroll).take(page);
    for (event, line) in shown.zip(1..) {
        draw_event(buffer, area, line, event, manner);
    }
}

/// One of them in one line.
pub(super) fn draw_event(
    buffer: &mut Buffer,
    area: Rect,
    line: u16,
    event: &Event,
    manner: Manner,
) {
    let width = usize::from(area.width);
    let x = put(
        buffer,
        area,
        line,
        0,
        &(manner.time)(event.taken / 1_000_000),
        DIM,
    );
    let is_bad = event.event == "oom" || event.oom == Some(true);
    let style = if is_bad { manner.alarm() } else { Style::new() };
    let word = format!("  {:6}", fitted(&event.event, 6));
    let x = put(buffer, area, line, x, &word, style);
    let x = put(
        buffer,
        area,
        line,
        x,
        &fitted(&event.who.name, width / 2),
        BOLD,
    );
    put(
        buffer,
        area,
        line,
        x,
        &fitted(&format!("  {}", how(event)), width),
        style,
    );
}

/// What is told of it.
fn how(event: &Event) -> String {
    let mut words = Vec::new();
    if event.event == "oom" {
        let comm = event.comm.as_deref().unwrap_or("a process");
        let pid = event
            .pid
            .map_or_else(String::new, |pid| format!(" ({pid})"));
        words.push(format!("out of memory: the kernel killed {comm}{pid}"));
    }
    if let Some(code) = event.exit_code {
        words.push(format!("status {code}"));
    }
    if let Some(signal) = event.signal {
        words.push(format!("signal {signal}"));
    }
    if event.oom == Some(true) {
        words.push("out of memory".to_owned());
    }
    if let Some(ns) = event.usage_ns {
        words.push(format!("{:.1} s of CPU", ns as f64 / 1e9));
    }
    words.join(", ")
}
