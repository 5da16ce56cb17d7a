//! Block I/O records: bytes, operations and latencies of one slot on one device.
//!
//! A slot has a record for each device that it used, and none before. The programs take records from a stack that the
//! agent fills; the agent gives a slot's records back with the slot. Record 0 is slot 0's for devices that have none:
//! what finds no record counts there, so that sums close.

use crate::histogram::BUCKETS;

/// What a record counts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(C)]
pub struct BlockKey {
    /// The slot.
    pub slot: u32,
    /// The disk, as the kernel numbers devices: see [`device`].
    pub device: u32,
}

const _: () = assert!(size_of::<BlockKey>() == 8);

impl BlockKey {
    /// The key as one word, as `BLOCK_OWNERS` has it; 0 is of record 0 only.
    #[inline]
    pub const fn word(self) -> u64 {
        ((self.slot as u64) << 32) | self.device as u64
    }

    /// The key that is this word.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the word is made of two halves"
    )]
    pub const fn from_word(word: u64) -> Self {
        Self {
            slot: (word >> 32) as u32,
            device: word as u32,
        }
    }
}

/// A device's number: `MKDEV` in `include/linux/kdev_t.h` (Linux 6.12).
#[inline]
pub const fn device(major: u32, minor: u32) -> u32 {
    (major << 20) | minor
}

/// Major and minor of a device's number.
pub const fn major_minor(device: u32) -> (u32, u32) {
    (device >> 20, device & ((1 << 20) - 1))
}

/// The page that stands for all of a compound one, by the address of a `struct page` of it and the word `compound_head`
/// there, since some 7.x `compound_info`: its lowest bit tells that this is not the head. Then the rest is the head's
/// address or, since that release, a mask that makes it of this one's (`_compound_head` in
/// include/linux/page-flags.h).
#[inline]
pub const fn head_page(page: u64, info: u64) -> u64 {
    /// As large a mask is for 16 GiB and less; page structures lie lower (arm64's end here, x86's before).
    const FIRST_MASK: u64 = 0xffff_ffff_c000_0000;
    if info & 1 == 0 {
        page
    } else if info < FIRST_MASK {
        info - 1
    } else {
        page & info
    }
}

/// Kinds of operations that are told apart.
pub const OPERATIONS: usize = 4;
/// Reads.
pub const READ: usize = 0;
/// Writes, zone appends and writes of zeroes included.
pub const WRITE: usize = 1;
/// Requests without data that ask the device to make what it has lasting.
pub const FLUSH: usize = 2;
/// Discards.
pub const DISCARD: usize = 3;

/// What the kernel's operation `op` (the low byte of `request.cmd_flags`) counts as; `None` for what a driver sends to
/// its device, and for flushes of a device: those are made for requests that are counted themselves.
///
/// As `op_stat_group` in `include/linux/blk_types.h` (Linux 6.12); the numbers are the same from 5.10 to 6.18.
#[inline]
pub const fn operation(op: u32) -> Option<usize> {
    const REQ_OP_FLUSH: u32 = 2;
    const REQ_OP_DISCARD: u32 = 3;
    /// From here on: `REQ_OP_DRV_IN`, `REQ_OP_SCSI_IN` and the like.
    const PASSTHROUGH: u32 = 32;
    match op {
        REQ_OP_FLUSH | PASSTHROUGH.. => None,
        REQ_OP_DISCARD => Some(DISCARD),
        op if op & 1 != 0 => Some(WRITE),
        _ => Some(READ),
    }
}

/// One kind of operation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct OperationCounters {
    /// Bytes done.
    pub bytes: u64,
    /// Requests that are finished.
    pub operations: u64,
    /// Time from the making of those requests to their end, in nanoseconds.
    pub total_ns: u64,
    /// Time from handing them to the device to their end, in nanoseconds.
    pub device_ns: u64,
    /// Those of which the kernel told when they were handed to the device.
    pub device_timed: u64,
}

/// What one slot did on one device, since the record was taken. Added to atomically.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct BlockCounters {
    /// By [`READ`], [`WRITE`], [`FLUSH`], [`DISCARD`].
    pub operations: [OperationCounters; OPERATIONS],
    /// Unused; fills the cache line.
    pub reserved: [u64; 4],
}

const _: () = assert!(size_of::<BlockCounters>() == 192);

/// Times of requests by length; not cumulative.
///
/// Kept apart from [`BlockCounters`] so that totals can be read without.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C, align(64))]
pub struct BlockLatencies {
    /// Of reads.
    pub read: OperationLatencies,
    /// Of writes.
    pub write: OperationLatencies,
}

/// Times of one kind of operation by length; see [`crate::histogram::bucket`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct OperationLatencies {
    /// From the making of a request to its end.
    pub total: [u64; BUCKETS],
    /// From handing it to the device to its end.
    pub device: [u64; BUCKETS],
}

const _: () = assert!(size_of::<BlockLatencies>() == 768);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_page_is_told_by_its_address_or_by_a_mask() {
        let (head, third) = (0xffff_ea00_0400_0000, 0xffff_ea00_0400_00c0);
        assert_eq!(head_page(head, 0), head);
        assert_eq!(head_page(third, 0), third, "a page of its own");
        assert_eq!(head_page(third, head + 1), head);
        // Of order 9, each structure of 64 bytes.
        let mask = !((64_u64 << 9) - 1);
        assert_eq!(head_page(third, mask | 1), head);
    }

    #[test]
    fn an_operation_is_told_as_the_kernel_tells_it() {
        // Linux 6.18: read, write, flush, discard, secure erase, zone append, write zeroes, reset, drv in and out.
        let kinds = [0, 1, 2, 3, 5, 7, 9, 17, 34, 35].map(operation);
        let (read, write) = (Some(READ), Some(WRITE));
        assert_eq!(
            kinds,
            [
                read,
                write,
                None,
                Some(DISCARD),
                write,
                write,
                write,
                write,
                None,
                None
            ]
        );
    }

    #[test]
    fn a_key_is_its_word() {
        let key = BlockKey {
            slot: 7,
            device: device(259, 3),
        };
        assert_eq!(BlockKey::from_word(key.word()), key);
        assert_eq!(major_minor(key.device), (259, 3));
    }
}
