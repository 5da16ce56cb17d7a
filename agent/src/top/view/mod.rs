//! A model → a frame. Pure: what is drawn depends on what is handed in and on nothing else.
//!
//! Colours are those of the terminal's own palette, and text has the terminal's own colour, so that dark and light ones
//! show it as their owners like it; what matters is told by words, bold or reverse too.

mod detail;
mod events;
mod graph;
mod head;
mod help;
mod list;
#[cfg(test)]
mod tests;
pub(super) mod text;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

use super::{
    look::{Look, PromptKind, View},
    model::Model,
    status::Status,
};
use text::fitted;

/// The least there is room in for a table.
pub(super) const LEAST: (u16, u16) = (60, 12);

/// Lines above the view: who, how much, and what it costs.
const HEAD: u16 = 3;

/// How things are drawn on this terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) has_colours: bool,
    /// A time in milliseconds since the Unix epoch as people here read it, `15:04:05`.
    pub(super) time: fn(i64) -> String,
}

/// Draws all of it.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    look: &mut Look,
    live: &Model,
    status: &Status,
    manner: Manner,
) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(buffer, area);
        return;
    }
    let head = Rect {
        height: HEAD,
        ..area
    };
    let body = Rect {
        y: area.y + HEAD,
        height: area.height - HEAD - 1,
        ..area
    };
    let foot = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    head::draw(buffer, head, look, live, status, manner);
    match look.view {
        View::List => list::draw(buffer, body, look, live, manner),
        View::Detail(cgroup) => detail::draw(buffer, body, cgroup, look.shown(live), manner),
        View::Events => events::draw(buffer, body, look, live, manner),
        View::Help => help::draw(buffer, body, look),
    }
    self::foot(buffer, foot, look, status);
}

fn too_small(buffer: &mut Buffer, area: Rect) {
    let lines = [
        format!("This terminal has {}×{}.", area.width, area.height),
        format!("At least {}×{} are needed.", LEAST.0, LEAST.1),
        "q quits.".to_owned(),
    ];
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        put(buffer, area, y - area.y, 0, line, Style::new());
    }
}

/// The prompt, what is to be said, or the keys.
fn foot(buffer: &mut Buffer, area: Rect, look: &Look, status: &Status) {
    let width = usize::from(area.width);
    if let Some(prompt) = &look.prompt {
        let (word, hint) = match prompt.kind {
            PromptKind::Filter => (
                "Filter: ",
                "  text, label:value; Enter keeps it, Esc drops it",
            ),
            PromptKind::Time => ("Go to: ", "  15:00 or 15:00:30; Enter goes, Esc stays"),
        };
        let x = put(buffer, area, 0, 0, word, BOLD);
        // Its end is where one types.
        let typed: Vec<char> = prompt.text.chars().collect();
        let skipped = typed.len().saturating_sub(width / 2);
        let typed: String = typed[skipped..].iter().collect();
        let x = put(buffer, area, 0, x, &fitted(&typed, width), Style::new());
        let x = put(buffer, area, 0, x, " ", REVERSED);
        put(buffer, area, 0, x, hint, DIM);
        return;
    }
    if let Some(message) = &status.message {
        put(buffer, area, 0, 0, &fitted(message, width), BOLD);
        return;
    }
    let replay: &[(&str, &str)] = &[
        ("p", "play"),
        ("←→", "10 s"),
        ("[]", "1 min"),
        ("g", "time"),
        ("+-", "speed"),
    ];
    let keys: &[(&str, &str)] = match look.view {
        View::List => &[
            ("Enter", "open"),
            ("q", "quit"),
            ("/", "filter"),
            ("<>", "sort"),
            ("t", "tree"),
            ("a", "all"),
            ("e", "events"),
            ("p", "pause"),
            ("?", "help"),
        ],
        View::Detail(_) | View::Events | View::Help => &[
            ("q", "back"),
            ("e", "events"),
            ("p", "pause"),
            ("?", "help"),
        ],
    };
    let shown = status.place.iter().flat_map(|_| replay).chain(
        keys.iter()
            .filter(|(key, _)| status.place.is_none() || *key != "p"),
    );
    let mut x = 0;
    for (key, word) in shown {
        if usize::from(x) + key.chars().count() + 1 + word.len() > width {
            break;
        }
        x = put(buffer, area, 0, x, key, BOLD);
        x = put(buffer, area, 0, x, &format!(" {word}  "), Style::new());
    }
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const DIM: Style = Style::new().add_modifier(Modifier::DIM);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

impl Manner {
    /// Of something that is wrong, or about to be.
    fn alarm(self) -> Style {
        self.coloured(BOLD, Color::Red)
    }

    fn coloured(self, style: Style, colour: Color) -> Style {
        if self.has_colours {
            style.fg(colour)
        } else {
            style
        }
    }
}

/// Writes safe text into a line of an area, as far as there is room, and returns the column behind it.
fn put(buffer: &mut Buffer, area: Rect, line: u16, column: u16, text: &str, style: Style) -> u16 {
    if line >= area.height || column >= area.width {
        return column;
    }
    let room = usize::from(area.width - column);
    let (x, _) = buffer.set_stringn(area.x + column, area.y + line, text, room, style);
    x - area.x
}
