//! Block I/O: bytes, operations and latencies by slot and device, where a request ends.
//!
//! One hook and one record: it costs a hash look-up or two and a few atomic adds for a request that took tens of
//! microseconds at least. Requests end in interrupts, on any CPU, so nothing here belongs to a CPU.
//!
//! What makes no requests is not seen: device-mapper, md, zram and RAM disks handle bios themselves. Where such a
//! device stands on others, those have the requests; so nothing is counted twice but what a loop device (and
//! request-based multipath) passes on, and that stands under two devices.

use core::{mem::offset_of, ptr::null_mut};

use agent_ebpf::{
    block_io::{
        BlockCounters, BlockKey, BlockLatencies, DISCARD, FLUSH, OperationCounters,
        OperationLatencies, READ, WRITE, device, head_page, operation,
    },
    histogram,
    losses::Losses,
    path::CgroupKey,
};
use aya_ebpf::{
    bindings::{BPF_NOEXIST, cgroup as Cgroup},
    btf_maps::{Array, HashMap, Stack},
    helpers::{bpf_probe_read_kernel, generated::bpf_ktime_get_ns},
    macros::{btf_map, btf_tracepoint},
    programs::BtfTracePointContext,
};

use super::{
    BLOCK, LAYOUT, MMAPABLE, SETTINGS, add_atomic,
    cgroup::{self, load},
    constant, lost, paths,
};
use crate::slots;

/// `struct request` of the running kernel; only pointers to it exist.
enum Request {}

/// How many cgroups up a slot is looked for; deeper ones count for the host. Each cgroup has one by its own path as long
/// as it lives, but for those of one hierarchy alone.
const MAX_ASCENT: usize = 4;

/// How many bios of a request are looked at; what the rest has is the last one's, and the verifier follows each. A request has as many as its disk
/// takes segments: 128 on many, 254 on virtio.
const MAX_BIOS: usize = 256;

#[btf_map]
static BLOCK_RECORDS: HashMap<BlockKey, u32, 1> = HashMap::new();

#[btf_map]
static FREE_BLOCK_RECORDS: Stack<u32, 1> = Stack::new();

#[btf_map]
static BLOCK_OWNERS: Array<u64, 1, MMAPABLE> = Array::new();

#[btf_map]
static BLOCK_TAKEN: Array<u64, 1, MMAPABLE> = Array::new();

#[btf_map]
static BLOCK_COUNTERS: Array<BlockCounters, 1, MMAPABLE> = Array::new();

#[btf_map]
static BLOCK_LATENCIES: Array<BlockLatencies, 1, MMAPABLE> = Array::new();

/// Counts a request that ends, or a part of it.
///
/// `trace_block_rq_complete(struct request *rq, blk_status_t error, unsigned int nr_bytes)`, from `blk_update_request`
/// before the bios that are done are taken off (block/blk-mq.c); `error` was an `int` before 5.16. Checked on 6.18.
///
/// A request without an owner in the I/O controller's hierarchy is the host's, and all buffered writes are that under
/// cgroup v1: of those, the page's memory cgroup tells whose they are. That takes `bpf_probe_read_kernel`, which
/// lockdown=confidentiality refuses; then [`block_rq_complete_by_bio`] serves.
#[btf_tracepoint(function = "block_rq_complete")]
pub(crate) fn block_rq_complete(ctx: BtfTracePointContext) -> i32 {
    complete(&ctx, true)
}

/// [`block_rq_complete`] without a look at pages.
#[btf_tracepoint(function = "block_rq_complete")]
pub(crate) fn block_rq_complete_by_bio(ctx: BtfTracePointContext) -> i32 {
    complete(&ctx, false)
}

#[inline(always)]
fn complete(ctx: &BtfTracePointContext, by_page: bool) -> i32 {
    let request: *const Request = ctx.arg(0);
    let done_bytes: u32 = ctx.arg(2);
    // SAFETY: the request is the hook's argument; it is not given back before the hook returns.
    unsafe {
        let op: u32 = load(request, constant(&BLOCK.request_cmd_flags));
        let Some(kind) = operation(op & 0xff) else {
            return 0;
        };
        let bio: *const u8 = load(request, constant(&BLOCK.request_bio));
        let device = disk(request);
        let index = match owner(bio) {
            Owner::Nobody if by_page && kind == WRITE && !bio.is_null() => {
                count_by_page(bio, device, done_bytes)
            }
            Owner::Nobody => count_bytes(BlockKey { slot: 0, device }, kind, done_bytes),
            Owner::Slot(slot) => count_bytes(BlockKey { slot, device }, kind, done_bytes),
        };
        let left_bytes: u32 = load(request, constant(&BLOCK.request_data_len));
        // In the midst of a flush sequence a request ends to be continued (block/blk-flush.c).
        let flags: u32 = load(request, constant(&BLOCK.request_rq_flags));
        let is_last = done_bytes >= left_bytes && flags & constant(&BLOCK.flush_sequence) == 0;
        // A write without data is a flush: `blkdev_issue_flush` sends a bio without pages.
        let is_flush =
            left_bytes == 0 && kind == WRITE && load::<u16, _>(bio, constant(&BLOCK.bio_vcnt)) == 0;
        if is_last {
            finish(request, index, if is_flush { FLUSH } else { kind });
        }
    }
    0
}

/// Adds bytes to the record of `key`, and tells its index.
///
/// # Safety
/// None here; the adds are to a map.
#[inline(always)]
unsafe fn count_bytes(key: BlockKey, kind: usize, bytes: u32) -> u32 {
    let index = record(key);
    if let Some(counters) = BLOCK_COUNTERS.get_ptr_mut(index) {
        // SAFETY: the pointer comes from the map and is checked.
        unsafe {
            let counters = operation_counters(counters, kind);
            add_atomic(&raw mut (*counters).bytes, u64::from(bytes));
        }
    }
    index
}

/// Adds the bytes of each bio to the record of who its first page is charged to, and tells the first bio's record. A
/// bio that the kernel wrote back is of one file; a request is of as many as happened to lie side by side.
///
/// # Safety
/// `bio` must be the request's first one left.
#[inline(always)]
unsafe fn count_by_page(bio: *const u8, device: u32, done_bytes: u32) -> u32 {
    let mut bio = bio;
    let mut left_bytes = done_bytes;
    let mut first = None;
    let mut last = (0, 0);
    // SAFETY: the bios of a request are linked; the last one's link is null.
    unsafe {
        for place in 0..MAX_BIOS {
            let memcg = memcg(bio);
            if first.is_none() || memcg != last.0 {
                last = (memcg, slot_of_memcg(memcg));
            }
            let key = BlockKey {
                slot: last.1,
                device,
            };
            let size: u32 = load(bio, constant(&BLOCK.bio_size));
            bio = load(bio, constant(&BLOCK.bio_next));
            let is_end = size >= left_bytes || bio.is_null() || place + 1 == MAX_BIOS;
            let bytes = if is_end { left_bytes } else { size };
            let index = count_bytes(key, WRITE, bytes);
            first.get_or_insert(index);
            if is_end {
                break;
            }
            left_bytes -= bytes;
        }
    }
    first.unwrap_or(0)
}

/// Counts the operation and its latencies.
///
/// # Safety
/// `request` must be the hook's argument.
#[inline(always)]
unsafe fn finish(request: *const Request, index: u32, kind: usize) {
    let Some(counters) = BLOCK_COUNTERS.get_ptr_mut(index) else {
        return;
    };
    // SAFETY: the caller's; pointers into maps are checked.
    unsafe {
        let counters = operation_counters(counters, kind);
        add_atomic(&raw mut (*counters).operations, 1);
        // The kernel's clock for requests is `ktime_get_ns`, too; it sets no time where statistics are off.
        let now_ns = bpf_ktime_get_ns();
        let made_ns: u64 = load(request, constant(&BLOCK.request_start_time));
        if made_ns == 0 {
            return;
        }
        let total_ns = now_ns.saturating_sub(made_ns);
        add_atomic(&raw mut (*counters).total_ns, total_ns);
        let latencies = latencies(index, kind);
        if !latencies.is_null() {
            add_to_bucket((&raw mut (*latencies).total).cast(), total_ns);
        }
        let issued_ns: u64 = load(request, constant(&BLOCK.request_io_start_time));
        if issued_ns == 0 {
            return;
        }
        let device_ns = now_ns.saturating_sub(issued_ns);
        add_atomic(&raw mut (*counters).device_ns, device_ns);
        add_atomic(&raw mut (*counters).device_timed, 1);
        if !latencies.is_null() {
            add_to_bucket((&raw mut (*latencies).device).cast(), device_ns);
        }
    }
}

/// The histograms of a kind of operation; null where it has none.
#[inline(always)]
fn latencies(index: u32, kind: usize) -> *mut OperationLatencies {
    if kind != READ && kind != WRITE {
        return null_mut();
    }
    let Some(latencies) = BLOCK_LATENCIES.get_ptr_mut(index) else {
        return null_mut();
    };
    // SAFETY: the pointer comes from the map and is checked.
    unsafe {
        if kind == READ {
            &raw mut (*latencies).read
        } else {
            &raw mut (*latencies).write
        }
    }
}

/// # Safety
/// `buckets` must point to a histogram in a map.
#[inline(always)]
unsafe fn add_to_bucket(buckets: *mut u64, ns: u64) {
    // SAFETY: the caller's; a histogram has each bucket that there is.
    unsafe { add_atomic(buckets.add(histogram::bucket(ns)), 1) };
}

/// The counters of one kind of operation, by branches: an index that is not a constant would have to be checked.
///
/// # Safety
/// `record` must point into the map.
#[inline(always)]
unsafe fn operation_counters(record: *mut BlockCounters, kind: usize) -> *mut OperationCounters {
    // SAFETY: the caller's.
    unsafe {
        match kind {
            READ => &raw mut (*record).operations[READ],
            WRITE => &raw mut (*record).operations[WRITE],
            FLUSH => &raw mut (*record).operations[FLUSH],
            _ => &raw mut (*record).operations[DISCARD],
        }
    }
}

/// The record of `key`, taken now if there is none. Without a free one that of the host, which is counted.
#[inline(always)]
fn record(key: BlockKey) -> u32 {
    if let Some(index) = known(key) {
        return index;
    }
    // Record 0 belongs to this key.
    if key.word() == 0 {
        return 0;
    }
    if let Ok(Some(index)) = FREE_BLOCK_RECORDS.pop() {
        if BLOCK_RECORDS
            .insert(key, index, u64::from(BPF_NOEXIST))
            .is_ok()
        {
            if let (Some(owner), Some(taken)) =
                (BLOCK_OWNERS.get_ptr_mut(index), BLOCK_TAKEN.get_ptr_mut(0))
            {
                // SAFETY: the pointers come from maps and are checked.
                unsafe {
                    owner.write_volatile(key.word());
                    add_atomic(taken, 1);
                }
            }
            return index;
        }
        // Another CPU was faster. An index that cannot be pushed is lost until the agent starts again.
        FREE_BLOCK_RECORDS.push(index, 0).unwrap_or_default();
        if let Some(index) = known(key) {
            return index;
        }
    }
    lost(offset_of!(Losses, block_records_exhausted));
    known(BlockKey { slot: 0, ..key }).unwrap_or(0)
}

#[inline(always)]
fn known(key: BlockKey) -> Option<u32> {
    // SAFETY: the index is copied out at once.
    unsafe { BLOCK_RECORDS.get(key).copied() }
}

/// The number of the whole disk that the request went to; 0 for a queue without one.
///
/// # Safety
/// `request` must be the hook's argument.
#[inline(always)]
unsafe fn disk(request: *const Request) -> u32 {
    // SAFETY: the queue outlives its requests, the disk its queue's requests; a null pointer reads as zero.
    unsafe {
        let anchor: *const u8 = load(request, constant(&BLOCK.request_anchor));
        let disk: *const u8 = if constant(&BLOCK.anchor_is_queue) == 0 {
            anchor
        } else {
            load(anchor, constant(&BLOCK.queue_disk))
        };
        if disk.is_null() {
            return 0;
        }
        device(
            load(disk, constant(&BLOCK.disk_major)),
            load(disk, constant(&BLOCK.disk_first_minor)),
        )
    }
}

/// Whose a bio is.
enum Owner {
    /// Of a slot; of 0 where no cgroup above has one.
    Slot(u32),
    /// Of the root cgroup, or there is no bio.
    Nobody,
}

/// Whose a bio is, by the cgroup that it was made for.
///
/// # Safety
/// `bio` must be the request's.
#[inline(always)]
unsafe fn owner(bio: *const u8) -> Owner {
    if bio.is_null() {
        return Owner::Nobody;
    }
    // SAFETY: a bio holds its `blkcg_gq`, that its blkcg, and that its cgroup; a null pointer reads as null.
    unsafe {
        let blkg: *const u8 = load(bio, constant(&BLOCK.bio_blkg));
        let blkcg: *const u8 = if blkg.is_null() {
            blkg
        } else {
            load(blkg, constant(&BLOCK.blkg_blkcg))
        };
        let mut cgroup: *mut Cgroup = if blkcg.is_null() {
            blkcg.cast_mut().cast()
        } else {
            load(blkcg, constant(&BLOCK.blkcg_cgroup))
        };
        let mut is_root = true;
        for _ in 0..MAX_ASCENT {
            if cgroup.is_null() {
                break;
            }
            let parent = cgroup::parent(cgroup);
            if parent.is_null() {
                break;
            }
            is_root = false;
            if let Some(slot) = slot(cgroup) {
                return Owner::Slot(slot);
            }
            cgroup = parent;
        }
        if is_root {
            Owner::Nobody
        } else {
            Owner::Slot(0)
        }
    }
}

/// The slot of `cgroup` itself.
///
/// # Safety
/// `cgroup` must be a typed pointer.
#[inline(always)]
unsafe fn slot(cgroup: *mut Cgroup) -> Option<u32> {
    // SAFETY: the caller's.
    unsafe {
        if constant(&BLOCK.io_hierarchy) == constant(&SETTINGS.hierarchy) {
            slots::get(cgroup, cgroup::id(cgroup)).map(|entry| entry.slot)
        } else {
            paths::slot(paths::key(cgroup))
        }
    }
}

/// The slot of the memory cgroup at this address; 0 for none.
#[inline(always)]
fn slot_of_memcg(memcg: u64) -> u32 {
    let mut cgroup: u64 = match read(memcg, constant(&BLOCK.memcg_cgroup)) {
        Some(cgroup) => cgroup,
        None => return 0,
    };
    for _ in 0..MAX_ASCENT {
        let Some(id) = read(cgroup, constant(&LAYOUT.cgroup_kn))
            .and_then(|kn: u64| read(kn, constant(&LAYOUT.kernfs_id)))
        else {
            return 0;
        };
        if let Some(slot) = paths::slot(CgroupKey::of(constant(&BLOCK.memory_hierarchy), id)) {
            return slot;
        }
        let parent: Option<u64> = read(cgroup, constant(&LAYOUT.cgroup_parent));
        cgroup = match parent.and_then(|css| read(css, constant(&LAYOUT.css_cgroup))) {
            Some(parent) => parent,
            None => return 0,
        };
    }
    0
}

/// The memory cgroup of the bio's first page left (`folio_memcg` in include/linux/memcontrol.h, Linux 6.12;
/// `page_memcg` in include/linux/mm.h, Linux 5.10); 0 for a page of the kernel's own.
///
/// # Safety
/// `bio` must be the request's.
#[inline(always)]
unsafe fn memcg(bio: *const u8) -> u64 {
    /// `struct bio_vec`: a pointer and two `unsigned int`.
    const VEC_BYTES: u64 = 16;
    /// `MEMCG_DATA_OBJEXTS`, `MEMCG_DATA_KMEM`: the page is not charged to a cgroup by itself.
    const NOT_A_MEMCG: u64 = 3;
    /// All flags there are.
    const FLAGS: u64 = 7;
    // SAFETY: the caller's. What lies behind is read by address: pages are reached through numbers.
    let (vecs, index) = unsafe {
        (
            load::<u64, _>(bio, constant(&BLOCK.bio_io_vec)),
            load::<u32, _>(bio, constant(&BLOCK.bio_index)),
        )
    };
    let vec = vecs.wrapping_add(u64::from(index).wrapping_mul(VEC_BYTES));
    let data = read(vec, constant(&BLOCK.vec_page)).and_then(|page| {
        let info: u64 = read(page, constant(&BLOCK.page_head))?;
        read(head_page(page, info), constant(&BLOCK.page_memcg))
    });
    match data {
        Some(data) if data & NOT_A_MEMCG == 0 => data & !FLAGS,
        _ => 0,
    }
}

/// Reads the word at `offset` behind the address `base`; `None` behind a null pointer, and where nothing is.
#[inline(always)]
fn read(base: u64, offset: u64) -> Option<u64> {
    if base == 0 {
        return None;
    }
    // SAFETY: the helper reads from anywhere.
    unsafe { bpf_probe_read_kernel(base.wrapping_add(offset) as *const u64).ok() }
}
