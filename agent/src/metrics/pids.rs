//! The tasks family → samples.

use super::{Sample, catalog};
use crate::snapshot::PidsTotals;

/// Adds all samples of one entry's tasks, in catalog order.
pub(super) fn add(samples: &mut Vec<Sample>, pids: &PidsTotals) {
    samples.extend(Sample::integers([
        (&catalog::PIDS, pids.tasks),
        (&catalog::PIDS_LIMIT, pids.limit),
        (&catalog::PIDS_PEAK, pids.peak),
        (&catalog::PIDS_REFUSED, pids.refused),
    ]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::assert_counts_through;

    #[test]
    fn every_value_has_its_metric_in_catalog_order_and_what_is_not_known_has_none() {
        let everything = PidsTotals {
            tasks: Some(1),
            limit: Some(2),
            peak: Some(3),
            refused: Some(4),
        };
        let mut samples = Vec::new();
        add(&mut samples, &everything);
        let catalog = catalog::container().filter(|metric| metric.measurement == "container_pids");
        assert_counts_through(catalog, &samples);
        samples.clear();
        add(&mut samples, &PidsTotals::default());
        assert_eq!(samples, []);
    }
}
