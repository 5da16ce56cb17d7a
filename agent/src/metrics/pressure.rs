//! The pressure family → samples.

use super::{Sample, catalog};
use crate::snapshot::PressureTotals;

/// Adds all samples of one entry's pressure, in catalog order.
pub(super) fn add(samples: &mut Vec<Sample>, pressure: &PressureTotals) {
    samples.extend(Sample::integers([
        (&catalog::CPU_SOME, pressure.cpu.some_ns),
        (&catalog::CPU_FULL, pressure.cpu.full_ns),
        (&catalog::MEMORY_SOME, pressure.memory.some_ns),
        (&catalog::MEMORY_FULL, pressure.memory.full_ns),
        (&catalog::IO_SOME, pressure.io.some_ns),
        (&catalog::IO_FULL, pressure.io.full_ns),
        (&catalog::IRQ_FULL, pressure.irq.full_ns),
    ]));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::assert_counts_through;
    use crate::snapshot::Stalls;

    #[test]
    fn every_value_has_its_metric_in_catalog_order_and_what_is_not_known_has_none() {
        let mut values = 1..;
        let mut stalls = || Stalls {
            some_ns: values.next(),
            full_ns: values.next(),
        };
        let mut everything = PressureTotals {
            cpu: stalls(),
            memory: stalls(),
            io: stalls(),
            irq: Stalls::default(),
        };
        everything.irq.full_ns = Some(7);
        let mut samples = Vec::new();
        add(&mut samples, &everything);
        let catalog = catalog::container().filter(|metric| metric.measurement == "container_psi");
        assert_counts_through(catalog, &samples);
        samples.clear();
        add(&mut samples, &PressureTotals::default());
        assert_eq!(samples, []);
    }
}
