//! The disk space family → samples.

use super::{Sample, catalog};
use crate::snapshot::SpaceTotals;

/// Adds all samples of one entry's disk space, in catalog order.
pub(super) fn add(samples: &mut Vec<Sample>, space: &SpaceTotals) {
    samples.extend(Sample::integers([
        (&catalog::SPACE_SIZE, space.size_bytes),
        (&catalog::SPACE_AVAILABLE, space.available_bytes),
        (&catalog::INODES, space.inodes),
        (&catalog::INODES_FREE, space.inodes_free),
    ]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::assert_counts_through;

    #[test]
    fn every_value_has_its_metric_in_catalog_order_and_what_is_not_known_has_none() {
        let everything = SpaceTotals {
            size_bytes: Some(1),
            available_bytes: Some(2),
            inodes: Some(3),
            inodes_free: Some(4),
        };
        let mut samples = Vec::new();
        add(&mut samples, &everything);
        let catalog = catalog::container().filter(|metric| metric.measurement == "container_fs");
        assert_counts_through(catalog, &samples);
        samples.clear();
        add(&mut samples, &SpaceTotals::default());
        assert_eq!(samples, []);
    }
}
