//! Bars over time and over buckets.

use agent_ebpf::histogram::{BUCKETS, bucket_bound_ns};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Style},
    symbols,
};

use super::{
    super::{measure::Measure, model::Buckets, ring::Ring},
    DIM, Manner, put,
    text::fitted,
};

impl Manner {
    /// The colour of a measure's bars.
    pub(super) fn of(self, measure: Measure) -> Style {
        let colour = match measure {
            Measure::Cpu => Color::Cyan,
            Measure::Wait => Color::Yellow,
            Measure::Throttled => Color::Red,
            Measure::Memory | Measure::Share => Color::Green,
            Measure::Disk => Color::Magenta,
            Measure::Net => Color::Blue,
        };
        self.coloured(Style::new(), colour)
    }
}

/// A bar a tick, the newest at the right; full height is the highest of those shown, or `least` where that is more.
pub(super) fn bars(buffer: &mut Buffer, area: Rect, ring: &Ring, least: f64, style: Style) {
    let width = usize::from(area.width);
    let top = ring.newest(width).flatten().fold(least, f64::max);
    let left = width.saturating_sub(ring.len());
    for (value, column) in ring.newest(width).zip(left..) {
        let column = u16::try_from(column).unwrap_or(u16::MAX);
        if let Some(value) = value {
            bar(buffer, area, column, value / top, style);
        }
    }
}

/// One bar of eighths of a line; what is not nothing is to be seen.
fn bar(buffer: &mut Buffer, area: Rect, column: u16, part: f64, style: Style) {
    const EIGHTHS: [&str; 9] = [
        " ",
        symbols::bar::ONE_EIGHTH,
        symbols::bar::ONE_QUARTER,
        symbols::bar::THREE_EIGHTHS,
        symbols::bar::HALF,
        symbols::bar::FIVE_EIGHTHS,
        symbols::bar::THREE_QUARTERS,
        symbols::bar::SEVEN_EIGHTHS,
        symbols::bar::FULL,
    ];
    let all = usize::from(area.height) * 8;
    let mut left = scaled(part, all).max(usize::from(part > 0.0));
    for line in (0..area.height).rev() {
        put(buffer, area, line, column, EIGHTHS[left.min(8)], style);
        left = left.saturating_sub(8);
        if left == 0 {
            break;
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of the whole, from 0 to 1"
)]
fn scaled(part: f64, all: usize) -> usize {
    (part.clamp(0.0, 1.0) * all as f64).round() as usize
}

/// A heading, and bars below it.
pub(super) fn titled(
    buffer: &mut Buffer,
    area: Rect,
    (title, measure): (&str, Measure),
    ring: &Ring,
    manner: Manner,
) {
    put(buffer, area, 0, 0, &fitted(title, area.width.into()), DIM);
    let below = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    bars(buffer, below, ring, measure.least(), manner.of(measure));
}

impl Measure {
    /// What the full height is at least, so that what is next to nothing is drawn as such.
    fn least(self) -> f64 {
        match self {
            Self::Cpu => 0.02,
            Self::Wait | Self::Throttled => 0.001,
            Self::Share => 1.0,
            Self::Memory | Self::Disk | Self::Net => 4096.0,
        }
    }
}

/// How often something took how long: a bar a bucket, and below them the times.
pub(super) fn histogram(
    buffer: &mut Buffer,
    area: Rect,
    (title, measure): (&str, Measure),
    buckets: &Buckets,
    manner: Manner,
) {
    let all = total(buckets);
    let told = if all == 0 {
        format!("{title}: none")
    } else {
        format!(
            "{title} 50%<{} 99%<{} of {all}",
            bound(quantile(buckets, 0.5)),
            bound(quantile(buckets, 0.99))
        )
    };
    put(buffer, area, 0, 0, &fitted(&told, area.width.into()), DIM);
    let buckets_shown = u16::try_from(BUCKETS).unwrap_or(u16::MAX);
    let each = (area.width / buckets_shown).max(1);
    let chart = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(2),
        ..area
    };
    let most = buckets.values().copied().max().unwrap_or(0).max(1);
    for (&bucket, &count) in buckets {
        let first = u16::try_from(bucket)
            .unwrap_or(u16::MAX)
            .saturating_mul(each);
        // With a column between two where there is room.
        let wide = each.saturating_sub(u16::from(each > 1));
        for column in first..first.saturating_add(wide) {
            let part = count as f64 / most as f64;
            bar(buffer, chart, column, part, manner.of(measure));
        }
    }
    for bucket in (0..BUCKETS).step_by(if each > 1 { 5 } else { 10 }) {
        let column = u16::try_from(bucket)
            .unwrap_or(u16::MAX)
            .saturating_mul(each);
        let line = area.height.saturating_sub(1);
        put(buffer, area, line, column, &bound(bucket), DIM);
    }
}

fn total(buckets: &Buckets) -> u64 {
    buckets.values().copied().fold(0, u64::saturating_add)
}

/// The bucket that the value of this rank falls into.
fn quantile(buckets: &Buckets, part: f64) -> usize {
    let all = total(buckets);
    let rank = all as f64 * part;
    let mut passed = 0_u64;
    for (&bucket, &count) in buckets {
        passed = passed.saturating_add(count);
        if passed as f64 >= rank {
            return bucket;
        }
    }
    BUCKETS - 1
}

/// The upper bound of a bucket, in few characters.
fn bound(bucket: usize) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    let Some(ns) = bucket_bound_ns(bucket) else {
        return "∞".to_owned();
    };
    let fitting = UNITS.into_iter().find(|(least, _)| ns >= *least);
    let (unit, name) = fitting.unwrap_or((1, "ns"));
    format!("{}{name}", (ns + unit / 2) / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_buckets_that_ranks_fall_into() {
        let buckets: Buckets = [(2, 50), (5, 49), (9, 1)].into();
        assert_eq!(quantile(&buckets, 0.5), 2);
        assert_eq!(quantile(&buckets, 0.51), 5);
        assert_eq!(quantile(&buckets, 0.99), 5);
        assert_eq!(quantile(&buckets, 1.0), 9);
    }

    #[test]
    fn bounds_are_told_in_few_characters() {
        for (bucket, text) in [(0, "1µs"), (10, "1ms"), (14, "17ms"), (22, "4s"), (23, "∞")] {
            assert_eq!(bound(bucket), text);
        }
    }
}
