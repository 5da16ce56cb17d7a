//! The memory family → samples.

use super::{Sample, catalog};
use crate::snapshot::MemoryTotals;

/// Adds all samples of one entry's memory, in catalog order.
pub(super) fn add(samples: &mut Vec<Sample>, memory: &MemoryTotals) {
    samples.extend(Sample::integers([
        (&catalog::MEMORY_USAGE, memory.usage_bytes),
        (&catalog::WORKING_SET, memory.working_set_bytes),
        (&catalog::ANON, memory.anon_bytes),
        (&catalog::FILE, memory.file_bytes),
        (&catalog::SHMEM, memory.shmem_bytes),
        (&catalog::KERNEL_MEMORY, memory.kernel_bytes),
        (&catalog::SLAB, memory.slab_bytes),
        (&catalog::SOCKET_BUFFERS, memory.sock_bytes),
        (&catalog::SWAP, memory.swap_bytes),
        (&catalog::MEMORY_LIMIT, memory.limit_bytes),
        (&catalog::MEMORY_HIGH, memory.high_bytes),
        (&catalog::SWAP_LIMIT, memory.swap_limit_bytes),
        (&catalog::MEMORY_PEAK, memory.peak_bytes),
        (&catalog::PAGE_FAULTS, memory.faults),
        (&catalog::MAJOR_FAULTS, memory.major_faults),
        (&catalog::REFAULTS, memory.refaults),
        (&catalog::HIGH_EVENTS, memory.high_events),
        (&catalog::LIMIT_EVENTS, memory.limit_events),
        (&catalog::OOM_EVENTS, memory.oom_events),
    ]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::assert_counts_through;

    #[test]
    fn every_value_has_its_metric_in_catalog_order_and_what_is_not_known_has_none() {
        let mut values = 1..;
        let mut next = || values.next();
        let everything = MemoryTotals {
            usage_bytes: next(),
            working_set_bytes: next(),
            anon_bytes: next(),
            file_bytes: next(),
            shmem_bytes: next(),
            kernel_bytes: next(),
            slab_bytes: next(),
            sock_bytes: next(),
            swap_bytes: next(),
            limit_bytes: next(),
            high_bytes: next(),
            swap_limit_bytes: next(),
            peak_bytes: next(),
            faults: next(),
            major_faults: next(),
            refaults: next(),
            high_events: next(),
            limit_events: next(),
            oom_events: next(),
        };
        let mut samples = Vec::new();
        add(&mut samples, &everything);
        let catalog = catalog::container().filter(|metric| {
            metric.measurement == "container_mem" && **metric != catalog::OOM_KILLS
        });
        assert_counts_through(catalog, &samples);
        samples.clear();
        add(&mut samples, &MemoryTotals::default());
        assert_eq!(samples, []);
    }
}
