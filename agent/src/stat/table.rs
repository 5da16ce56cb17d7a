//! Rows → a table that fits a terminal. Nothing in a name acts on the terminal.

use unicode_width::UnicodeWidthStr as _;

use super::rates::Row;
use crate::{
    container::Kind,
    text::{cut, padded, printable},
};

/// Columns that the name keeps, however narrow the terminal.
const LEAST_NAME: usize = 24;

/// Columns that an image gets at least, or it is left out.
const LEAST_IMAGE: usize = 8;

/// Space between two columns.
const GAP: usize = 2;

/// One column of numbers.
struct Column {
    head: &'static str,
    /// Those with the highest number are left out first where there is no room.
    rank: u8,
    left: bool,
    cell: fn(&Row<'_>) -> String,
}

/// All but name and image, which take what is left.
const COLUMNS: [Column; 13] = [
    column("KIND", 6, true, |row| kind(row).to_owned()),
    column("CPU%", 0, false, |row| percent(row.cpus)),
    column("USER%", 7, false, |row| percent(row.user)),
    column("SYS%", 8, false, |row| percent(row.system)),
    column("WAIT%", 3, false, |row| percent(row.waiting)),
    column("SWITCHES/s", 5, false, |row| count(row.switches)),
    column("THROTTLED", 4, false, |row| time(row.throttled_ns)),
    column("TOTAL", 2, false, |row| time(row.total_ns)),
    column("MEM", 1, false, |row| bytes(row.memory_bytes)),
    column("READ/s", 9, false, |row| bytes(row.traffic.read)),
    column("WRITE/s", 9, false, |row| bytes(row.traffic.write)),
    column("RX/s", 10, false, |row| bytes(row.traffic.received)),
    column("TX/s", 10, false, |row| bytes(row.traffic.sent)),
];

const fn column(head: &'static str, rank: u8, left: bool, cell: fn(&Row<'_>) -> String) -> Column {
    Column {
        head,
        rank,
        left,
        cell,
    }
}

/// A line of headings and one for each row, no wider than `width` if there is one.
pub(super) fn table(rows: &[Row<'_>], width: Option<usize>) -> Vec<String> {
    let names = Texts::of("NAME", rows, |row| &row.container.name);
    let images = Texts::of("IMAGE", rows, |row| {
        row.container.image.as_deref().unwrap_or("-")
    });
    let mut columns: Vec<(&Column, Vec<String>, usize)> = COLUMNS
        .iter()
        .map(|column| {
            let cells: Vec<String> = rows.iter().map(column.cell).collect();
            let widest = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
            (column, cells, widest.max(column.head.width()))
        })
        .collect();
    let room = width.unwrap_or(usize::MAX);
    let least = names.width.min(LEAST_NAME);
    while taken(&columns) + least > room && columns.len() > 1 {
        let widest_rank = columns.iter().map(|(column, ..)| column.rank).max();
        columns.retain(|(column, ..)| Some(column.rank) != widest_rank);
    }
    let left = room.saturating_sub(taken(&columns));
    // The name comes before the image, but need not have all it wants.
    let name_width = names.width.min(left.max(LEAST_NAME));
    let image_width = images.width.min(left.saturating_sub(name_width + GAP));
    let has_images = image_width >= images.width.min(LEAST_IMAGE);
    let line = |name: &str, cells: &dyn Fn(usize) -> String, image: &str| {
        let mut line = padded(&cut(name, name_width), name_width, true);
        for (index, (column, _, width)) in columns.iter().enumerate() {
            line.push_str(&" ".repeat(GAP));
            line.push_str(&padded(&cells(index), *width, column.left));
        }
        if has_images {
            line.push_str(&" ".repeat(GAP));
            line.push_str(&cut(image, image_width));
        }
        line.truncate(line.trim_end().len());
        line
    };
    let head = line("NAME", &|index| columns[index].0.head.to_owned(), "IMAGE");
    let body = names.texts.iter().zip(&images.texts).enumerate();
    let body =
        body.map(|(row, (name, image))| line(name, &|index| columns[index].1[row].clone(), image));
    std::iter::once(head).chain(body).collect()
}

/// One column of text, made safe.
struct Texts {
    texts: Vec<String>,
    width: usize,
}

impl Texts {
    fn of<'r>(head: &str, rows: &'r [Row<'_>], text: impl Fn(&'r Row<'_>) -> &'r str) -> Self {
        let texts: Vec<String> = rows
            .iter()
            .map(|row| printable(text(row)).into_owned())
            .collect();
        let widest = texts.iter().map(|text| text.width()).max().unwrap_or(0);
        Self {
            texts,
            width: widest.max(head.width()),
        }
    }
}

fn taken(columns: &[(&Column, Vec<String>, usize)]) -> usize {
    columns.iter().map(|(_, _, width)| width + GAP).sum()
}

fn kind(row: &Row<'_>) -> &'static str {
    match row.container.kind() {
        Kind::Container => "container",
        Kind::Unit => "unit",
        Kind::Cgroup => "cgroup",
        Kind::Other => "other",
        Kind::Host => "host",
    }
}

/// Hundredths of one CPU, or of one task.
fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{:.1}", value * 100.0))
}

fn count(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"))
}

/// Three digits or four of the largest unit.
fn bytes(value: Option<u64>) -> String {
    const UNITS: [(u64, &str); 4] = [
        (1 << 40, "T"),
        (1 << 30, "G"),
        (1 << 20, "M"),
        (1 << 10, "K"),
    ];
    let Some(value) = value else {
        return "-".to_owned();
    };
    let unit = UNITS.iter().find(|(size, _)| value >= *size);
    let Some((size, unit)) = unit else {
        return format!("{value}B");
    };
    let scaled = value as f64 / *size as f64;
    let digits = usize::from(scaled < 100.0);
    format!("{scaled:.digits$}{unit}")
}

/// The two largest units of a time.
fn time(ns: Option<u64>) -> String {
    let Some(ns) = ns else {
        return "-".to_owned();
    };
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..60 => format!("{:.2}s", ns as f64 / 1e9),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::rates::Traffic, *};
    use crate::{
        container::Container,
        encode::fixture::{HOSTILE, container},
    };

    fn row(container: &Container, cpus: f64) -> Row<'_> {
        Row {
            container,
            cpus: Some(cpus),
            user: Some(0.5),
            system: None,
            waiting: Some(0.0),
            switches: Some(1234.4),
            throttled_ns: Some(0),
            total_ns: Some(3_661_000_000_000),
            memory_bytes: Some(47 << 20),
            traffic: Traffic {
                read: None,
                write: Some(1536),
                received: Some(0),
                sent: Some(3_000_000_000),
            },
        }
    }

    #[test]
    fn columns_are_aligned() {
        let mut web = container(1, "web");
        web.image = Some("nginx:1".to_owned());
        let other = container(2, "容器");
        let lines = table(&[row(&web, 12.5), row(&other, 0.25)], None);
        assert_eq!(
            lines,
            [
                "NAME  KIND         CPU%  USER%  SYS%  WAIT%  SWITCHES/s  THROTTLED  TOTAL    MEM  READ/s  WRITE/s  RX/s  TX/s  IMAGE",
                "web   container  1250.0   50.0     -    0.0        1234      0.00s  1h01m  47.0M       -     1.5K    0B  2.8G  nginx:1",
                "容器  container    25.0   50.0     -    0.0        1234      0.00s  1h01m  47.0M       -     1.5K    0B  2.8G  -",
            ]
        );
    }

    #[test]
    fn a_table_fits_its_terminal_and_keeps_name_and_cpu() {
        let long = "n".repeat(60);
        let named = container(1, &long);
        for width in 10..200 {
            let lines = table(&[row(&named, 1.0)], Some(width));
            for line in &lines {
                // Name and CPU take 24 + 2 + 5 columns, and stay.
                assert!(line.width() <= width.max(31), "{width}: {line:?}");
            }
            assert!(lines[0].starts_with("NAME"), "{width}: {lines:?}");
            assert!(lines[1].contains("100.0"), "{width}: {lines:?}");
        }
        let narrow = table(&[row(&named, 1.0)], Some(40));
        assert_eq!(narrow[1], format!("{}…  100.0  47.0M", "n".repeat(25)));
    }

    #[test]
    fn hostile_names_stay_on_their_line() {
        for name in HOSTILE {
            let mut hostile = container(1, name);
            hostile.image = Some((*name).to_owned());
            for width in [None, Some(100)] {
                for line in table(&[row(&hostile, 1.0)], width) {
                    assert!(!line.chars().any(crate::text::is_unprintable), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn bytes_are_told_in_the_largest_unit() {
        for (value, text) in [
            (Some(0), "0B"),
            (Some(1023), "1023B"),
            (Some(1536), "1.5K"),
            (Some(300 << 20), "300M"),
            (Some(3 << 39), "1.5T"),
            (None, "-"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn a_time_is_told_in_its_two_largest_units() {
        for (ns, text) in [
            (0, "0.00s"),
            (59_990_000_000, "59.99s"),
            (60_000_000_000, "1m00s"),
            (3_600_000_000_000, "1h00m"),
            (90_000_000_000_000, "1d01h"),
        ] {
            assert_eq!(time(Some(ns)), text);
        }
    }
}
