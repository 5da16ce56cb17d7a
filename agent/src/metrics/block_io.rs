//! Block I/O: an entry's totals by device → samples labelled with the device.

use super::{Histogram, Metric, Sample, Value, catalog};
use crate::snapshot::{DeviceIo, LatencyHistogram, OperationTotals};

/// Adds all block I/O samples of one entry: a device after the other, each in catalog order.
pub(super) fn add(samples: &mut Vec<Sample>, devices: &[DeviceIo]) {
    for device in devices {
        add_device(samples, device);
    }
}

fn add_device(samples: &mut Vec<Sample>, io: &DeviceIo) {
    let mut push = |metric: &'static Metric, value: Option<Value>| {
        let sample = value.map(|value| Sample::new(metric, value));
        samples.extend(sample.map(|sample| sample.labelled("device", io.device.to_string())));
    };
    let integer = |value: Option<u64>| value.map(Value::Integer);
    let DeviceIo {
        read,
        write,
        flush,
        discard,
        ..
    } = io;
    push(&catalog::READ_BYTES, integer(read.bytes));
    push(&catalog::WRITE_BYTES, integer(write.bytes));
    push(&catalog::DISCARD_BYTES, integer(discard.bytes));
    push(&catalog::READS, integer(read.operations));
    push(&catalog::WRITES, integer(write.operations));
    push(&catalog::FLUSHES, integer(flush.operations));
    push(&catalog::DISCARDS, integer(discard.operations));
    push(&catalog::READ_TIME, integer(read.total_ns));
    push(&catalog::WRITE_TIME, integer(write.total_ns));
    push(&catalog::FLUSH_TIME, integer(flush.total_ns));
    push(&catalog::READ_DEVICE_TIME, integer(read.device_ns));
    push(&catalog::WRITE_DEVICE_TIME, integer(write.device_ns));
    push(&catalog::READ_LATENCY, latency(read));
    push(&catalog::WRITE_LATENCY, latency(write));
    push(&catalog::READ_DEVICE_LATENCY, device_latency(read));
    push(&catalog::WRITE_DEVICE_LATENCY, device_latency(write));
}

fn latency(operation: &OperationTotals) -> Option<Value> {
    histogram(operation.latency.as_deref(), operation.total_ns)
}

fn device_latency(operation: &OperationTotals) -> Option<Value> {
    histogram(operation.device_latency.as_deref(), operation.device_ns)
}

fn histogram(buckets: Option<&LatencyHistogram>, sum_ns: Option<u64>) -> Option<Value> {
    Some(Value::Histogram(Box::new(Histogram {
        buckets: buckets?.0,
        sum_ns: sum_ns?,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples_of(block_io: &[DeviceIo]) -> Vec<Sample> {
        let mut samples = Vec::new();
        add(&mut samples, block_io);
        samples
    }

    fn device(name: &str, operation: &OperationTotals) -> DeviceIo {
        let operation = || operation.clone();
        DeviceIo {
            device: name.into(),
            read: operation(),
            write: operation(),
            flush: operation(),
            discard: operation(),
        }
    }

    #[test]
    fn each_device_has_all_metrics_in_catalog_order_under_its_name() {
        let everything = OperationTotals {
            bytes: Some(1),
            operations: Some(2),
            total_ns: Some(3),
            device_ns: Some(4),
            latency: Some(Box::default()),
            device_latency: Some(Box::default()),
        };
        let samples = samples_of(&[device("vda", &everything), device("vdb", &everything)]);
        let catalog = || catalog::container().filter(|it| it.measurement == "container_io");
        let wanted: Vec<(&str, &str)> = ["vda", "vdb"]
            .into_iter()
            .flat_map(|device| catalog().map(move |metric| (metric.field, device)))
            .collect();
        let given: Vec<(&str, &str)> = samples
            .iter()
            .map(|it| (it.metric.field, it.labels[0].1.as_ref()))
            .collect();
        assert_eq!(given, wanted);
    }

    #[test]
    fn what_files_do_not_tell_is_absent_and_zero_is_not() {
        let of_files = OperationTotals {
            bytes: Some(0),
            operations: Some(0),
            ..OperationTotals::default()
        };
        let io = DeviceIo {
            flush: OperationTotals::default(),
            ..device("vda", &of_files)
        };
        let samples = samples_of(&[io]);
        let given: Vec<&str> = samples.iter().map(|it| it.metric.field).collect();
        assert_eq!(
            given,
            [
                "read_bytes",
                "write_bytes",
                "discard_bytes",
                "reads",
                "writes",
                "discards"
            ]
        );
    }
}
