//! Block I/O: of each group what `io.stat` says, or on v1 what the throttle counts and what was asked for; of all
//! together what the disk did.

use cgflux::host::cgroup_tree::Mode;
use nix::unistd::sync;

use crate::{
    checked::check,
    disk::{self, at_rest},
    group::Group,
    harness::{Entry, eventually},
    lab::{Counter, PATIENCE, Told, lab},
    machine::machine,
};

/// What each load writes.
const SIZE: u64 = 32 << 16;

/// What the file system writes beside the data for so little.
const METADATA: u64 = 256 << 10;

/// What files of v1 tell with certainty: reads, and writes of who makes the request itself.
const DIRECT: [Counter; 3] = [
    bytes("read_bytes", &["direct"], |group| {
        group.io("rbytes").or_else(|| group.throttled_io("Read"))
    }),
    bytes("write_bytes", &["direct"], |group| {
        let told = group.io("wbytes").or_else(|| group.throttled_io("Write"));
        told.map(with_metadata)
    }),
    bytes("reads", &["direct"], |group| group.io("rios")),
];

/// What the kernel also writes back on its own.
const WRITTEN: [Counter; 2] = [
    bytes("read_bytes", &["writing", "dirtying"], |group| {
        group.io("rbytes")
    }),
    bytes("write_bytes", &["writing", "dirtying"], |group| {
        group.io("wbytes").map(with_metadata)
    }),
];

#[test]
fn direct_reads_and_writes_are_what_the_kernel_counts_and_what_was_asked_for() {
    let lab = lab();
    // The throttle of v1 counts operations by a measure of its own.
    let told = if machine().layout.mode == Mode::V2 {
        3
    } else {
        2
    };
    let batch = lab.agree(&DIRECT[..told]);
    let entry = lab.entry(&batch, "direct");
    for field in ["read_bytes", "write_bytes"] {
        let bytes = total(entry, field).unwrap_or_default();
        println!("{field}: asked={SIZE} ours={bytes}");
        assert!((SIZE..SIZE + METADATA).contains(&bytes), "{entry:?}");
    }
    if !is_counted() {
        // Files tell no times.
        assert_eq!(total(entry, "read_ns"), None, "{entry:?}");
        return;
    }
    for (operations, time, device_time) in [
        ("reads", "read_ns", "read_device_ns"),
        ("writes", "write_ns", "write_device_ns"),
    ] {
        let [operations, total_ns, device_ns] =
            [operations, time, device_time].map(|field| total(entry, field).unwrap_or_default());
        println!("operations={operations} total_ns={total_ns} device_ns={device_ns}");
        assert!((32..64).contains(&operations), "{entry:?}");
        assert!(total_ns > operations * 1_000, "{entry:?}");
        assert!(device_ns <= total_ns, "{entry:?}");
    }
    let counted = entry.latencies(disk::NAME);
    assert!(counted.iter().all(|count| *count >= 32), "{counted:?}");
}

#[test]
fn what_the_kernel_writes_back_is_its_writers() {
    let lab = lab();
    lab.rests();
    sync();
    let batch = if machine().layout.mode == Mode::V2 {
        lab.agree(&WRITTEN)
    } else {
        lab.agent.next_batch()
    };
    let of = |name| total(lab.entry(&batch, name), "write_bytes").unwrap_or_default();
    let (synced, dirty) = (of("writing"), of("dirtying"));
    println!("asked={SIZE} synced={synced} written back={dirty}");
    if has_owners() {
        assert!((SIZE..SIZE + METADATA).contains(&synced), "{synced}");
        assert!((SIZE..SIZE + METADATA).contains(&dirty), "{dirty}");
    } else {
        assert!(dirty < METADATA, "{dirty}");
    }
}

#[test]
fn all_entries_together_are_the_disk() {
    let lab = lab();
    if !is_counted() {
        // Nor what is in no group.
        return;
    }
    lab.rests();
    sync();
    eventually(PATIENCE, "both are the same", || {
        let (disk, ours) = at_rest(&lab.agent)?;
        let (before_disk, before_ours) = lab.idle;
        let (disk, ours) = (disk.since(before_disk), ours.since(before_ours));
        let facts = format!("disk: {disk:?}, ours: {ours:?}");
        (disk == ours).then(|| println!("{facts}")).ok_or(facts)
    });
}

/// Pages of metadata are written back for the root; by those pages they are of who dirtied them.
fn with_metadata(told: Told) -> Told {
    let slack = if looks_at_pages() { METADATA } else { 0 };
    Told { slack, ..told }
}

/// Whether the program is in use that looks at pages.
fn looks_at_pages() -> bool {
    check().is_attached("block_rq_complete")
}

/// Whether a program counts, and not files.
fn is_counted() -> bool {
    looks_at_pages() || check().is_attached("block_rq_complete_by_bio")
}

/// Whether it is known whose a buffered write is: v2 remembers the first writer's cgroup where it accounts memory; on
/// v1 only the page tells, and only to a program that may copy kernel memory.
fn has_owners() -> bool {
    machine().has("memory") && (machine().layout.mode == Mode::V2 || looks_at_pages())
}

fn total(entry: &Entry, field: &str) -> Option<u64> {
    entry.io(disk::NAME, field)
}

const fn bytes(
    field: &'static str,
    loads: &'static [&'static str],
    kernel: fn(&Group) -> Option<Told>,
) -> Counter {
    Counter {
        measurement: "container_io",
        field,
        loads,
        kernel,
        ours: match field.as_bytes() {
            b"read_bytes" => |entry| Some(total(entry, "read_bytes").unwrap_or_default()),
            b"write_bytes" => |entry| Some(total(entry, "write_bytes").unwrap_or_default()),
            b"reads" => |entry| total(entry, "reads"),
            _ => |entry| total(entry, "writes"),
        },
    }
}
