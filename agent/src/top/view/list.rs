//! The table of all entries.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Modifier, Style},
};

use super::{
    super::{
        look::{Look, Placed},
        measure::Measure,
        model::{Entry, Model},
        rows::{Key, Kinds, Layout, Row, Sort},
    },
    BOLD, DIM, Manner, graph, put,
    text::{cell, columns},
};

/// Columns between two.
const GAP: u16 = 2;

/// What a name keeps, however narrow the terminal is.
const LEAST_NAME: u16 = 22;

/// What a name gets at most while other columns wait.
const MOST_NAME: u16 = 40;

/// Columns of the sparkline: a dot a second.
const SPARK: u16 = 20;

const RUNTIME: u16 = 10;

const LEAST_IMAGE: u16 = 16;

/// What is left out first where there is no room.
const BY_IMPORTANCE: [Measure; 7] = [
    Measure::Cpu,
    Measure::Memory,
    Measure::Wait,
    Measure::Net,
    Measure::Disk,
    Measure::Throttled,
    Measure::Share,
];

/// The columns that there is room for.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Columns {
    name: u16,
    has_spark: bool,
    measures: Vec<Measure>,
    has_runtime: bool,
    image: Option<u16>,
}

pub(super) fn draw(buffer: &mut Buffer, area: Rect, look: &mut Look, live: &Model, manner: Manner) {
    let page = usize::from(area.height - 1);
    let Placed {
        rows,
        first,
        chosen,
    } = look.rows(live, page);
    let model = look.shown(live);
    let names = rows.iter().map(|row| columns(&label(row, look)));
    let columns = Columns::of(area.width, names.max().unwrap_or(0));
    headings(buffer, area, &columns, look);
    if rows.is_empty() {
        empty(buffer, area, look, model);
    }
    let shown = rows.iter().enumerate().skip(first).take(page);
    for ((at, row), line) in shown.zip(1..) {
        let entry = match row.key {
            Key::Entry(cgroup) => model.entry(cgroup),
            Key::Group(_) => None,
        };
        draw_row(
            buffer,
            area,
            line,
            (row, &label(row, look)),
            entry,
            &columns,
            manner,
        );
        if at == chosen {
            let line = Rect {
                y: area.y + line,
                height: 1,
                ..area
            };
            buffer.set_style(line, Style::new().add_modifier(Modifier::REVERSED));
        }
    }
}

impl Columns {
    /// What fits into `width`, where the longest name has `longest` characters.
    fn of(width: u16, longest: usize) -> Self {
        let mut measures = Measure::ALL.to_vec();
        let taken =
            |measures: &[Measure]| -> u16 { measures.iter().map(|it| it.width() + GAP).sum() };
        for least in BY_IMPORTANCE.iter().rev() {
            if taken(&measures) + LEAST_NAME > width {
                measures.retain(|it| it != least);
            }
        }
        let mut left = width.saturating_sub(taken(&measures));
        let longest = u16::try_from(longest).unwrap_or(u16::MAX);
        let name = longest.clamp(LEAST_NAME, MOST_NAME).min(left);
        left -= name;
        let mut take = |columns: u16| {
            let has_room = left >= columns + GAP;
            if has_room {
                left -= columns + GAP;
            }
            has_room
        };
        let has_spark = take(SPARK);
        let has_runtime = take(RUNTIME);
        let image = (left >= LEAST_IMAGE + GAP).then(|| left - GAP);
        Self {
            // What nobody else takes.
            name: if image.is_some() { name } else { name + left },
            has_spark,
            measures,
            has_runtime,
            image,
        }
    }
}

impl Measure {
    fn width(self) -> u16 {
        if self == Self::Share { 5 } else { 6 }
    }
}

fn headings(buffer: &mut Buffer, area: Rect, columns: &Columns, look: &Look) {
    let style = |sort: Sort| {
        if look.wanted.sort == sort {
            BOLD.add_modifier(Modifier::UNDERLINED)
        } else {
            DIM.add_modifier(Modifier::UNDERLINED)
        }
    };
    let under = Style::new().add_modifier(Modifier::UNDERLINED);
    put(buffer, area, 0, 0, &" ".repeat(area.width.into()), under);
    put(
        buffer,
        area,
        0,
        0,
        &cell("NAME", columns.name.into(), true),
        style(Sort::Name),
    );
    let mut x = columns.name;
    if columns.has_spark {
        put(
            buffer,
            area,
            0,
            x + GAP,
            "CPU of late",
            style(Sort::Name).remove_modifier(Modifier::BOLD),
        );
        x += GAP + SPARK;
    }
    for measure in &columns.measures {
        let head = cell(measure.head(), measure.width().into(), false);
        put(buffer, area, 0, x + GAP, &head, style(Sort::By(*measure)));
        x += GAP + measure.width();
    }
    let rest = DIM.add_modifier(Modifier::UNDERLINED);
    if columns.has_runtime {
        put(buffer, area, 0, x + GAP, "RUNTIME", rest);
        x += GAP + RUNTIME;
    }
    if columns.image.is_some() {
        put(buffer, area, 0, x + GAP, "IMAGE", rest);
    }
}

fn draw_row(
    buffer: &mut Buffer,
    area: Rect,
    line: u16,
    (row, label): (&Row, &str),
    entry: Option<&Entry>,
    columns: &Columns,
    manner: Manner,
) {
    let is_group = matches!(row.key, Key::Group(_));
    let style = match () {
        () if row.has_ended => DIM,
        () if is_group => BOLD,
        () => Style::new(),
    };
    put(
        buffer,
        area,
        line,
        0,
        &cell(label, columns.name.into(), true),
        style,
    );
    let mut x = columns.name;
    if columns.has_spark {
        if let Some(entry) = entry {
            let place = Rect {
                x: area.x + x + GAP,
                y: area.y + line,
                width: SPARK,
                height: 1,
            };
            // A fiftieth of a CPU at least, so that what is next to nothing stays flat.
            graph::bars(
                buffer,
                place,
                entry.ring(Measure::Cpu),
                0.02,
                manner.of(Measure::Cpu),
            );
        }
        x += GAP + SPARK;
    }
    for measure in &columns.measures {
        let value = row.values[measure.at()];
        let told = match (row.has_ended, measure) {
            (true, Measure::Cpu) => "ended".to_owned(),
            (true, _) => String::new(),
            (false, Measure::Share) if value.is_none() => String::new(),
            (false, _) => measure.told(value),
        };
        let style = match (measure, value) {
            _ if row.has_ended => DIM,
            (Measure::Throttled, Some(value)) if value > 0.0 => manner.alarm(),
            (Measure::Share, Some(value)) if value >= 0.9 => manner.alarm(),
            _ => style,
        };
        let told = cell(&told, measure.width().into(), false);
        put(buffer, area, line, x + GAP, &told, style);
        x += GAP + measure.width();
    }
    let Some(entry) = entry else {
        return;
    };
    if columns.has_runtime {
        let runtime = cell(&entry.who.runtime, RUNTIME.into(), true);
        put(buffer, area, line, x + GAP, &runtime, style);
        x += GAP + RUNTIME;
    }
    if let Some(width) = columns.image {
        let image = entry.who.image.as_deref().unwrap_or_default();
        put(
            buffer,
            area,
            line,
            x + GAP,
            &cell(image, width.into(), true),
            style,
        );
    }
}

/// The name, in as far as it stands below others, and whether there is something below it.
fn label(row: &Row, look: &Look) -> String {
    let indent = "  ".repeat(row.depth);
    let mark = match (look.wanted.layout, row.below) {
        (Layout::Flat, _) => "",
        (_, 0) => "  ",
        _ if row.is_folded => "▸ ",
        _ => "▾ ",
    };
    let count = if row.is_folded {
        format!(" ({})", row.below)
    } else {
        String::new()
    };
    format!("{indent}{mark}{}{count}", row.name)
}

/// Why there is nothing to be seen, and what to do.
fn empty(buffer: &mut Buffer, area: Rect, look: &Look, model: &Model) {
    let text = match (
        model.wall_ms,
        look.wanted.filter.is_empty(),
        look.wanted.kinds,
    ) {
        (None, ..) => "The first numbers take a second or two.",
        (_, false, _) => "Nothing fits the filter; Esc drops it.",
        (_, true, Kinds::Containers) => {
            "No container runs. Start one, or press a to see units and the host."
        }
        (_, true, _) => "Nothing runs that is told of.",
    };
    let width = u16::try_from(columns(text)).unwrap_or(0);
    put(
        buffer,
        area,
        2,
        area.width.saturating_sub(width) / 2,
        text,
        Style::new(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_of_80_columns_has_all_numbers_and_wider_ones_more() {
        for (width, measures, has_spark, has_runtime, has_image) in [
            (60, 4, false, false, false),
            (80, 7, false, false, false),
            (100, 7, true, false, false),
            (132, 7, true, true, true),
        ] {
            let columns = Columns::of(width, 12);
            let found = (
                columns.measures.len(),
                columns.has_spark,
                columns.has_runtime,
                columns.image.is_some(),
            );
            assert_eq!(
                found,
                (measures, has_spark, has_runtime, has_image),
                "{width}"
            );
        }
        assert_eq!(Columns::of(80, 60).name, 25);
    }
}
