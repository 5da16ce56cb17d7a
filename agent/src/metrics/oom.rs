//! Processes killed for want of memory → samples.

use super::{Sample, Value, catalog};
use crate::snapshot::OomTotals;

/// Adds the sample of one entry.
pub(super) fn add(samples: &mut Vec<Sample>, oom: &OomTotals) {
    samples.extend(
        oom.kills
            .map(|kills| Sample::new(&catalog::OOM_KILLS, Value::Integer(kills))),
    );
}
