//! What the keys do, and what the columns mean.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    super::{look::Look, measure::Measure},
    BOLD, put,
};

const KEYS: [(&str, &str); 19] = [
    ("↑ ↓ j k", "choose a row; PgUp PgDn Home End G too"),
    (
        "Enter",
        "what the chosen one does: charts, histograms, events",
    ),
    (
        "/",
        "filter: words that must all fit name, image, id, pod, project …;",
    ),
    (
        "",
        "label:value a label, or name, id, kind, runtime, image, namespace,",
    ),
    (
        "",
        "pod, project, service, unit, slice, path; -word what is not",
    ),
    ("< > s S", "sort by another column"),
    ("r", "lowest first"),
    (
        "t",
        "flat, tree of cgroups, groups of project, pod or slice",
    ),
    ("Space", "fold what is below"),
    ("a", "containers; and units and the host; and other cgroups"),
    ("e", "events of all"),
    (
        "p",
        "hold the picture (measuring goes on); of a recording: play or stop",
    ),
    (
        "← →",
        "of a recording: 10 s back or on; with Shift or by [ ] a minute",
    ),
    ("g", "of a recording: to a time"),
    ("+ -", "of a recording: twice as fast, half as fast"),
    ("Ctrl-L", "draw anew"),
    ("Ctrl-Z", "back to the shell; fg goes on"),
    ("Esc q", "back; from the list: end"),
    ("Ctrl-C Q", "end"),
];

pub(super) fn draw(buffer: &mut Buffer, area: Rect, look: &mut Look) {
    let keys = KEYS.iter().map(|(key, text)| (*key, *text));
    let columns = Measure::ALL.map(|it| (it.head(), it.meaning()));
    let more = [
        ("–", "what is not known here"),
        ("host", "_host is all that belongs to no other row"),
        (
            "order",
            "by the mean of ten ticks, so that rows do not jump",
        ),
    ];
    let blank = std::iter::once(("", ""));
    let lines: Vec<(&str, &str)> = keys.chain(blank).chain(columns).chain(more).collect();
    let page = usize::from(area.height);
    look.page = page;
    look.scroll = look.scroll.min(lines.len().saturating_sub(page));
    for ((key, text), line) in lines.iter().skip(look.scroll).zip(0..area.height) {
        put(buffer, area, line, 1, key, BOLD);
        put(buffer, area, line, 12, text, Style::new());
    }
}
