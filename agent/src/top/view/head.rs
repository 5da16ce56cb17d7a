//! The lines above every view: who and when, how much the host does, what measuring costs and what was lost.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    super::{
        look::{Look, View},
        measure::{Measure, UNKNOWN, bytes, decimal},
        model::Model,
        own::{Machine, OwnCost},
        rows::counts,
        status::{Place, Status},
    },
    BOLD, DIM, Manner, put,
    text::{columns, fitted},
};

/// Columns between what stands at the left and what stands at the right.
const GAP: u16 = 2;

pub(super) fn draw(
    buffer: &mut Buffer,
    area: Rect,
    look: &Look,
    live: &Model,
    status: &Status,
    manner: Manner,
) {
    let model = look.shown(live);
    who(buffer, area, look, model, status, manner);
    let told = host(buffer, area, model, manner);
    cost(buffer, area, model, status, manner);
    if look.view == View::List {
        let room = usize::from(area.width.saturating_sub(told + GAP));
        right(
            buffer,
            area,
            1,
            &fitted(&listed(look, model), room),
            Style::new(),
        );
    }
}

/// Which entries are listed.
fn listed(look: &Look, model: &Model) -> String {
    let (shown, all) = counts(model, &look.wanted);
    let filter = look.wanted.filter.text().trim();
    let told = look.wanted.told();
    if filter.is_empty() {
        format!("{all} {told}")
    } else {
        format!("{shown} of {all} {told} /{filter}")
    }
}

/// The host, where the numbers come from, and the time they are of.
fn who(
    buffer: &mut Buffer,
    area: Rect,
    look: &Look,
    model: &Model,
    status: &Status,
    manner: Manner,
) {
    let width = usize::from(area.width);
    let time = model
        .wall_ms
        .map_or_else(|| "waiting".to_owned(), manner.time);
    let state = match (&status.trouble, &status.place) {
        (None, Some(place)) => replay(place, manner),
        (None, None) if look.held.is_some() => "HELD, p goes on".to_owned(),
        _ => String::new(),
    };
    let time = format!("{state}  {time}");
    let x = put(
        buffer,
        area,
        0,
        0,
        &fitted(&model.hello.host, width / 3),
        BOLD,
    );
    let room = width.saturating_sub(usize::from(x) + columns(&time) + 3);
    match &status.trouble {
        Some(trouble) => {
            put(
                buffer,
                area,
                0,
                x + 1,
                &fitted(trouble, room),
                manner.alarm(),
            );
        }
        None => {
            put(buffer, area, 0, x + 1, &fitted(&status.origin, room), DIM);
        }
    }
    right(buffer, area, 0, &time, BOLD);
}

fn replay(place: &Place, manner: Manner) -> String {
    let state = if place.is_playing { "▶" } else { "❙❙" };
    format!(
        "{state} ×{}  {} to {} ",
        place.speed,
        (manner.time)(place.from_ms),
        (manner.time)(place.to_ms)
    )
}

/// All entries together, and the machine. Returns the column behind it.
fn host(buffer: &mut Buffer, area: Rect, model: &Model, manner: Manner) -> u16 {
    let of = |measure: Measure| model.whole[measure.at()].last();
    let cpus = model.hello.cpus;
    let used = of(Measure::Cpu);
    let share = used.filter(|_| cpus > 0).map(|used| used / f64::from(cpus));
    let number = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| UNKNOWN.to_owned(), |it| format!("{it:.decimals$}"))
    };
    let mut x = put(buffer, area, 1, 0, "CPU ", DIM);
    let percent = share.map_or_else(|| UNKNOWN.to_owned(), |it| format!("{:.0}%", it * 100.0));
    x = put(buffer, area, 1, x, &format!("{percent} of {cpus}"), BOLD);
    x = put(buffer, area, 1, x, "  wait ", DIM);
    let wait = of(Measure::Wait).map_or_else(|| UNKNOWN.to_owned(), |it| decimal(it * 1000.0));
    x = put(buffer, area, 1, x, &format!("{wait} ms/s"), BOLD);
    let Machine {
        load,
        memory_bytes,
        available_bytes,
    } = model.machine;
    x = put(buffer, area, 1, x, "  load ", DIM);
    x = put(buffer, area, 1, x, &number(load, 2), BOLD);
    x = put(buffer, area, 1, x, "  mem ", DIM);
    let memory = memory_bytes.zip(available_bytes);
    let is_short = memory.is_some_and(|(all, available)| available < all / 10.0);
    let told = memory.map_or_else(
        || UNKNOWN.to_owned(),
        |(all, available)| format!("{} of {}", bytes(all - available), bytes(all)),
    );
    put(
        buffer,
        area,
        1,
        x,
        &told,
        if is_short { manner.alarm() } else { BOLD },
    )
}

/// What measuring costs, and what was lost: of every number here.
fn cost(buffer: &mut Buffer, area: Rect, model: &Model, status: &Status, manner: Manner) {
    let own: &OwnCost = &model.own;
    let percent = |cpus: Option<f64>| {
        cpus.map_or_else(|| UNKNOWN.to_owned(), |it| format!("{:.2}%", it * 100.0))
    };
    let rss = own.rss_bytes.map_or_else(|| UNKNOWN.to_owned(), bytes);
    let mut x = put(buffer, area, 2, 0, "cgflux ", DIM);
    let programs = match own.programs_cpus {
        Some(cpus) => format!(" + {} in the kernel", percent(Some(cpus))),
        None => String::new(),
    };
    let told = format!("CPU {}{programs}, {rss}", percent(own.cpus()));
    x = put(buffer, area, 2, x, &told, Style::new());
    x = put(buffer, area, 2, x, "  lost ", DIM);
    let (lost, style) = match own.lost_total() {
        None => (UNKNOWN.to_owned(), Style::new()),
        Some(0.0) => ("nothing".to_owned(), Style::new()),
        Some(count) => {
            let reasons = own
                .lost
                .iter()
                .flatten()
                .map(|(reason, _)| reason.replace('_', " "));
            let reasons: Vec<String> = reasons.collect();
            (
                format!("{count:.0} ({})", reasons.join(", ")),
                manner.alarm(),
            )
        }
    };
    let room = usize::from(area.width.saturating_sub(x));
    x = put(buffer, area, 2, x, &fitted(&lost, room.min(30)), style);
    if !own.shed.is_empty() {
        let shed = own.shed.join(", ").replace('_', " ");
        let shed = format!("  not measured to keep to the budget: {shed}");
        x = put(
            buffer,
            area,
            2,
            x,
            &fitted(&shed, usize::from(area.width)),
            manner.alarm(),
        );
    }
    if let Some(recording) = &status.recording {
        let room = usize::from(area.width.saturating_sub(x + 2));
        right(buffer, area, 2, &fitted(recording, room), BOLD);
    }
}

/// Writes at the right edge of a line.
fn right(buffer: &mut Buffer, area: Rect, line: u16, text: &str, style: Style) {
    let width = u16::try_from(columns(text)).unwrap_or(area.width);
    put(
        buffer,
        area,
        line,
        area.width.saturating_sub(width),
        text,
        style,
    );
}
