//! The arithmetic of the bound: how many pages the file may have, how many frames its log, and what a batch takes.
//!
//! Both files together stay within the limit at every moment, so the log's share is set aside for the largest
//! transaction there may be. Facts of the format: <https://www.sqlite.org/fileformat2.html>.

/// Least bytes that a spool can be bounded to. The log has 1.75 MiB of them: 259 pages of a batch of 1 MiB that did not
/// compress, 64 for the rows that make way for it, some 30 that every transaction may change, and what a frame's header
/// adds. What remains for the file, 2.2 MiB, holds two such batches.
pub const LEAST_BYTES: u64 = 4 << 20;

/// See [`LEAST_BYTES`].
const LEAST_LOG_BYTES: u64 = (7 << 20) / 4;

/// Beyond this a larger log only makes larger transactions.
const MOST_LOG_BYTES: u64 = 16 << 20;

/// No batch has more, however high the limit is.
pub(super) const MOST_BATCH_BYTES: u64 = MOST_LOG_BYTES;

/// Bytes of a page: SQLite's own choice, and the usual block of a file system.
pub(super) const PAGE_BYTES: u64 = 4096;

/// Bytes of a page in the log: with a header each, after one header of the log.
pub(super) const FRAME_BYTES: u64 = PAGE_BYTES + 24;
const LOG_HEADER_BYTES: u64 = 32;

/// Bytes of a batch in a page that holds nothing else; four are the next page's number.
const OVERFLOW_BYTES: u64 = PAGE_BYTES - 4;

/// Most bytes of a row besides the batch itself.
const ROW_BYTES: u64 = 64;

/// Pages of which one page of the pointer map tells where they belong.
const PAGES_OF_A_MAP: u64 = 819;

/// Pages that any transaction may change: the first, the ledger's two, three levels above the rows, trunks of the free
/// list; and the last one a second time, with the commit.
const FIXED_FRAMES: u64 = 24;

/// Pages that change where a row goes: its own, two neighbours and the one above.
const FRAMES_OF_A_REMOVAL: u64 = 4;

/// A transaction can always remove as many rows.
const LEAST_REMOVALS: u64 = 16;

/// Most rows that one transaction removes; the rest go with the next.
const MOST_REMOVALS: u64 = 1024;

/// What the bound allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Room {
    /// Most pages of the file.
    pub(super) pages: u64,
    /// Most frames of the log.
    pub(super) frames: u64,
}

impl Room {
    /// Divides a limit; one below [`LEAST_BYTES`] counts as that.
    pub(super) fn within(limit_bytes: u64) -> Self {
        // SQLite counts pages in 32 bits.
        let bytes = limit_bytes.clamp(LEAST_BYTES, u64::from(u32::MAX) * PAGE_BYTES);
        let maps_bytes = (bytes / PAGE_BYTES / PAGES_OF_A_MAP) * FRAME_BYTES;
        let log_bytes = (bytes / 8).clamp(LEAST_LOG_BYTES, MOST_LOG_BYTES) + maps_bytes;
        let frames = (log_bytes - LOG_HEADER_BYTES) / FRAME_BYTES;
        let pages = (bytes - LOG_HEADER_BYTES - frames * FRAME_BYTES) / PAGE_BYTES;
        Self { pages, frames }
    }

    /// Frames after which the log is copied to the file: a quarter, and no more than SQLite's own choice.
    pub(super) fn checkpoint_frames(self) -> u64 {
        (self.frames / 4).min(1000)
    }

    /// Bytes that the log is cut to when it starts anew.
    pub(super) fn usual_log_bytes(self) -> u64 {
        2 * self.checkpoint_frames() * FRAME_BYTES
    }

    /// Whether a batch of so many bytes can ever be kept.
    pub(super) fn takes(self, bytes: u64) -> bool {
        bytes <= MOST_BATCH_BYTES && pages_of(bytes) <= self.most_new_pages()
    }

    /// Most pages that one transaction may add.
    pub(super) fn most_new_pages(self) -> u64 {
        let of_log = self.frames - self.overhead() - LEAST_REMOVALS * FRAMES_OF_A_REMOVAL;
        of_log.min(self.pages - FIXED_FRAMES)
    }

    /// How many rows a transaction may remove that adds `new_pages` and has `frames` of the log; `None` if these are
    /// too few for it.
    pub(super) fn removals(self, new_pages: u64, frames: u64) -> Option<u64> {
        let left = frames.checked_sub(new_pages + self.overhead())?;
        let rows = left / FRAMES_OF_A_REMOVAL;
        (rows >= LEAST_REMOVALS).then_some(rows.min(MOST_REMOVALS))
    }

    /// How many free pages a transaction may give back that has all of the log: with each change the page that is
    /// moved to its place and the one that points there.
    pub(super) fn moves(self) -> u64 {
        ((self.frames - self.overhead()) / FRAMES_OF_A_REMOVAL).min(MOST_REMOVALS)
    }

    fn overhead(self) -> u64 {
        FIXED_FRAMES + self.pages / PAGES_OF_A_MAP + 2
    }
}

/// Most pages that a batch of so many compressed bytes adds: its own, what it shares with others, and one where a page
/// above it is full.
pub(super) fn pages_of(bytes: u64) -> u64 {
    bytes.saturating_add(ROW_BYTES) / OVERFLOW_BYTES + 4
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_smallest_spool_takes_a_batch_of_a_mebibyte_that_did_not_compress() {
        let least = Room::within(0);
        assert_eq!(least, Room::within(LEAST_BYTES));
        assert!(least.takes((1 << 20) + 1024), "{least:?}");
        assert!(least.pages > 2 * pages_of(1 << 20), "{least:?}");
        assert!(!least.takes(LEAST_BYTES));
        assert!(!least.takes(u64::MAX));
    }

    proptest! {
        #[test]
        fn both_files_are_within_the_limit_and_neither_is_without_room(
            limit in prop_oneof![LEAST_BYTES..1 << 30, LEAST_BYTES..1 << 44],
        ) {
            let room = Room::within(limit);
            let bytes = room.pages * PAGE_BYTES + LOG_HEADER_BYTES + room.frames * FRAME_BYTES;
            prop_assert!(bytes <= limit, "{bytes}");
            prop_assert!(bytes > limit - PAGE_BYTES - FRAME_BYTES);
            prop_assert!(room.takes((1 << 20) + 1024));
            prop_assert!(!room.takes(MOST_BATCH_BYTES + 1));
            prop_assert!(room.pages * PAGE_BYTES >= limit / 2);
            let least = room.removals(room.most_new_pages(), room.frames);
            prop_assert!(least >= Some(LEAST_REMOVALS));
        }
    }
}
