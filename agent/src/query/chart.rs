//! Series over time → small charts of braille dots, one below the other, with one axis of time. Pure.
//!
//! Own code rather than a library: those at hand draw one chart of evenly spaced numbers, know neither times nor holes,
//! and the drawing is the smaller part of this file.

use super::{
    answer::{Answer, Series, TIME},
    number::{rfc3339, short},
};
use crate::text::{cut, padded, printable};

/// Columns left of the dots.
const MARGIN: usize = 10;

/// Columns that dots get at least, however narrow the terminal.
const LEAST_COLUMNS: usize = 20;

/// Lines of one chart.
const HEIGHT: usize = 4;

/// Points further apart than this many usual distances have a hole between them, not a line.
const HOLE: i64 = 3;

/// The dot of a column and a line of a character; <https://www.unicode.org/charts/PDF/U2800.pdf>.
const DOTS: [[u32; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// One line of a chart.
struct Plot {
    name: String,
    column: String,
    points: Vec<(i64, f64)>,
}

/// Lines no wider than `width`: the highest `most` plots, and a word on the others. None where nothing is over time.
pub(super) fn chart(answer: &Answer, width: usize, most: usize) -> Vec<String> {
    let mut plots = plots(answer);
    plots.sort_by(|one, other| other.height().total_cmp(&one.height()));
    let left_out = plots.len().saturating_sub(most);
    plots.truncate(most);
    let times = || plots.iter().flat_map(|plot| &plot.points);
    let (Some(first), Some(last)) = (
        times().map(|(time_ns, _)| *time_ns).min(),
        times().map(|(time_ns, _)| *time_ns).max(),
    ) else {
        return Vec::new();
    };
    let columns = width.saturating_sub(MARGIN).max(LEAST_COLUMNS);
    let mut lines = Vec::new();
    for plot in &plots {
        lines.push(cut(&plot.title(), columns + MARGIN));
        lines.extend(plot.draw((first, last), columns));
    }
    lines.extend(axis(first, last, columns));
    if left_out > 0 {
        lines.push(format!(
            "… and {left_out} lower ones; --series shows more, --container and --host fewer"
        ));
    }
    lines
}

/// Each column of numbers of each series that has any, named by the tags that tell series apart.
fn plots(answer: &Answer) -> Vec<Plot> {
    let mut plots = Vec::new();
    for series in &answer.series {
        let name = name(series, answer);
        for (at, column) in series.columns.iter().enumerate() {
            let mut points: Vec<(i64, f64)> = series.points(at).collect();
            if column != TIME && !points.is_empty() {
                points.sort_by_key(|(time_ns, _)| *time_ns);
                plots.push(Plot {
                    name: name.clone(),
                    column: column.clone(),
                    points,
                });
            }
        }
    }
    plots
}

fn name(series: &Series, answer: &Answer) -> String {
    let tags = series.tags.iter().filter(|(key, value)| {
        let mut others = answer.series.iter();
        *key == "container" || others.any(|other| other.tags.get(*key) != Some(*value))
    });
    let tags: Vec<&str> = tags.map(|(_, value)| value.as_str()).collect();
    if tags.is_empty() {
        series.name.clone()
    } else {
        tags.join(" ")
    }
}

impl Plot {
    fn height(&self) -> f64 {
        self.points.iter().map(|(_, value)| *value).sum::<f64>() / self.points.len() as f64
    }

    fn range(&self) -> (f64, f64) {
        let values = self.points.iter().map(|(_, value)| *value);
        values.fold((f64::MAX, f64::MIN), |(least, most), value| {
            (least.min(value), most.max(value))
        })
    }

    fn title(&self) -> String {
        let (least, most) = self.range();
        let last = self.points.last().map_or(0.0, |(_, value)| *value);
        let told = |value| short(value, &self.column);
        format!(
            "{}  {}: last {}, least {}, most {}",
            printable(&self.name),
            printable(&self.column),
            told(last),
            told(least),
            told(most)
        )
    }

    /// From 0, or from the least where that is below, to the most.
    fn draw(&self, (first, last): (i64, i64), columns: usize) -> Vec<String> {
        let (least, most) = self.range();
        let bottom = least.min(0.0);
        let top = if most > bottom { most } else { bottom + 1.0 };
        let across = |time_ns: i64| {
            let part = time_ns.abs_diff(first) as f64 / last.abs_diff(first).max(1) as f64;
            rounded(part, columns * 2 - 1)
        };
        let up = |value: f64| rounded((value - bottom) / (top - bottom), HEIGHT * 4 - 1);
        let mut canvas = Canvas::new(columns);
        let usual_ns = usual_distance(&self.points);
        let mut before: Option<(i64, usize, usize)> = None;
        for (time_ns, value) in &self.points {
            let (x, y) = (across(*time_ns), up(*value));
            match before {
                Some((then, from_x, from_y))
                    if time_ns.saturating_sub(then) <= usual_ns.saturating_mul(HOLE) =>
                {
                    canvas.line((from_x, from_y), (x, y));
                }
                _ => canvas.dot(x, y),
            }
            before = Some((*time_ns, x, y));
        }
        let labels = [short(top, &self.column), short(bottom, &self.column)];
        let lines = canvas.lines().enumerate().map(|(at, dots)| {
            let label = match at {
                0 => labels[0].as_str(),
                _ if at == HEIGHT - 1 => labels[1].as_str(),
                _ => "",
            };
            let label = padded(&cut(label, MARGIN - 2), MARGIN - 2, false);
            format!("{label} │{dots}").trim_end().to_owned()
        });
        lines.collect()
    }
}

/// The nearest of the dots 0 to `last` for a part of the whole.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "within 0 and `last`; a cast saturates, and no number becomes 0"
)]
fn rounded(part: f64, last: usize) -> usize {
    ((part * last as f64).round() as usize).min(last)
}

/// The median distance of two points.
fn usual_distance(points: &[(i64, f64)]) -> i64 {
    let pairs = points.windows(2);
    let mut distances: Vec<i64> = pairs
        .map(|pair| pair[1].0.saturating_sub(pair[0].0))
        .collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied().unwrap_or(0)
}

/// Dots, two across and four up in each character.
struct Canvas {
    cells: Vec<Vec<u32>>,
}

impl Canvas {
    fn new(columns: usize) -> Self {
        Self {
            cells: vec![vec![0; columns]; HEIGHT],
        }
    }

    /// `y` counts from below.
    fn dot(&mut self, x: usize, y: usize) {
        let down = (HEIGHT * 4 - 1).saturating_sub(y);
        let line = self.cells.get_mut(down / 4);
        if let Some(cell) = line.and_then(|line| line.get_mut(x / 2)) {
            *cell |= DOTS[x % 2][down % 4];
        }
    }

    fn line(&mut self, (from_x, from_y): (usize, usize), (to_x, to_y): (usize, usize)) {
        let steps = from_x.abs_diff(to_x).max(from_y.abs_diff(to_y)).max(1);
        let between = |from: usize, to: usize, step: usize| {
            let way = rounded(step as f64 / steps as f64, from.abs_diff(to));
            if to >= from { from + way } else { from - way }
        };
        for step in 0..=steps {
            self.dot(between(from_x, to_x, step), between(from_y, to_y, step));
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let char = |dots: &u32| match dots {
            0 => ' ',
            dots => char::from_u32(0x2800 | dots).unwrap_or(' '),
        };
        self.cells
            .iter()
            .map(move |line| line.iter().map(char).collect())
    }
}

/// The line below all charts, and the times of its ends.
fn axis(first: i64, last: i64, columns: usize) -> [String; 2] {
    let line = format!("{}└{}", " ".repeat(MARGIN - 1), "─".repeat(columns));
    let [from, to] = [first, last].map(|time_ns| {
        let second = time_ns - time_ns.rem_euclid(1_000_000_000);
        rfc3339(second).unwrap_or_else(|| "?".to_owned())
    });
    let day = from.find('T').map_or(0, |at| at + 1);
    // The day stands once, where both ends are of it and there is little room.
    let to = match to.get(..day) {
        Some(same) if from.starts_with(same) => &to[day..],
        _ => &to,
    };
    let to = padded(to, (columns + MARGIN).saturating_sub(from.len()), false);
    [line, from + &to]
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::{
        super::answer::fixture::{answer, series},
        *,
    };
    use crate::{encode::fixture::HOSTILE, text::is_unprintable};

    #[test]
    fn a_rise_is_drawn_from_corner_to_corner() {
        let values: Vec<f64> = (0..=139).map(f64::from).collect();
        let lines = chart(&answer([series("web", "cpus", &values)]), 80, 8);
        assert_eq!(
            lines,
            [
                "web  cpus: last 139, least 0, most 139",
                "     139 │                                                     ⢀⣀⣀⣀⣀⠤⠤⠤⠤⠤⠒⠒⠒⠒⠊⠉⠉",
                "         │                                   ⣀⣀⣀⣀⡠⠤⠤⠤⠤⠔⠒⠒⠒⠒⠉⠉⠉⠉⠁",
                "         │                ⢀⣀⣀⣀⣀⠤⠤⠤⠤⠔⠒⠒⠒⠒⠊⠉⠉⠉⠉",
                "       0 │⣀⣀⡠⠤⠤⠤⠤⠒⠒⠒⠒⠒⠉⠉⠉⠉⠁",
                "         └──────────────────────────────────────────────────────────────────────",
                "2023-11-14T22:13:20Z                                                   22:15:39Z",
            ]
        );
    }

    #[test]
    fn what_is_lower_is_left_out_and_said_so() {
        let all = (0..9).map(|at| series(&format!("c{at}"), "cpus", &[f64::from(at), 1.0]));
        let lines = chart(&answer(all), 80, 2);
        assert!(lines[0].starts_with("c8  cpus: last 1.00"), "{lines:?}");
        assert!(lines[1 + HEIGHT].starts_with("c7 "), "{lines:?}");
        let last = lines.last().unwrap();
        assert!(last.starts_with("… and 7 lower ones"), "{lines:?}");
    }

    #[test]
    fn a_hole_in_the_points_is_a_hole_in_the_line() {
        let mut holed = series("web", "cpus", &[1.0; 141]);
        holed.rows.drain(40..100);
        let lines = chart(&answer([holed]), 80, 1);
        let dots: Vec<char> = lines[1].chars().skip(MARGIN).collect();
        let blank = dots.iter().filter(|char| **char == ' ').count();
        assert!((28..=31).contains(&blank), "{lines:#?}");
    }

    #[test]
    fn no_numbers_and_no_names_break_a_chart() {
        let odd: [&[f64]; 5] = [
            &[0.0],
            &[1e300, -1e300],
            &[-5.0, -5.0],
            &[f64::MAX, f64::MIN],
            &[7.0; 3],
        ];
        for values in odd {
            for name in HOSTILE {
                for width in [0, 33, 200] {
                    let lines = chart(&answer([series(name, name, values)]), width, 8);
                    assert_eq!(lines.len(), 1 + HEIGHT + 2, "{lines:?}");
                    for line in lines {
                        assert!(!line.chars().any(is_unprintable), "{line:?}");
                        assert!(
                            line.width() <= width.max(LEAST_COLUMNS + MARGIN),
                            "{line:?}"
                        );
                    }
                }
            }
        }
        assert_eq!(chart(&Answer::default(), 80, 8), [""; 0]);
    }
}
