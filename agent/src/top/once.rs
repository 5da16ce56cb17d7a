//! The list as plain text, for whatever is no terminal.

use super::{
    measure::Measure,
    model::Model,
    rows::{Wanted, rows},
    view::text::{columns, safe},
};
use crate::text::padded;

/// A line of headings and one a row.
pub(super) fn table(model: &Model, wanted: &Wanted) -> String {
    let rows = rows(model, wanted);
    let cells = |row: &super::rows::Row| -> Vec<String> {
        let name = format!("{}{}", "  ".repeat(row.depth), safe(&row.name));
        let numbers = Measure::ALL.map(|it| it.told(row.values[it.at()]));
        std::iter::once(name).chain(numbers).collect()
    };
    let head = std::iter::once("NAME").chain(Measure::ALL.map(Measure::head));
    let mut lines = vec![head.map(str::to_owned).collect::<Vec<String>>()];
    lines.extend(rows.iter().filter(|row| !row.has_ended).map(cells));
    let width = |column: usize| lines.iter().map(|line| columns(&line[column])).max();
    let widths: Vec<usize> = (0..=Measure::ALL.len()).filter_map(width).collect();
    let text = lines.iter().map(|line| {
        let cells = line.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| padded(cell, *width, column == 0));
        let line: Vec<String> = cells.collect();
        format!("{}\n", line.join("  ").trim_end())
    });
    text.collect()
}
