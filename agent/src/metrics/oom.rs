//! Processes killed for want of memory → samples.

use super::{Sample, Value, catalog};
use crate::snapshot::Span;

/// Adds the sample of one entry.
pub(super) fn add(samples: &mut Vec<Sample>, span: &Span<'_>) {
    let kills = span.after.totals.oom.kills;
    samples.extend(kills.map(|kills| Sample::new(&catalog::OOM_KILLS, Value::Integer(kills))));
}
