//! The rows of batches, read. Each is proven by its own sum before it is believed.
//!
//! SQLite finds a row by the order in which the tree should be, and in a damaged one gives others than were asked for,
//! without end. So the order is looked at here.

use flate2::Crc;
use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{Seq, error::Trouble, ledger::Label, room::MOST_BATCH_BYTES, store::unsigned};
use crate::encode::{Packed, Times};

/// What [`label`] reads. The length stands before the bytes, so these are not read for it.
const LABEL: &str = "SELECT seq, points, oldest_ns, newest_ns, length(gzip) FROM batch";

/// A batch in the file, unread.
pub(super) type Labelled = (Seq, Label);

/// The first batch from `from` on that `is_free`.
pub(super) fn first(
    file: &Connection,
    from: Seq,
    is_free: impl Fn(Seq) -> bool,
) -> Result<Option<Labelled>, Trouble> {
    let mut statement = file.prepare(&format!("{LABEL} WHERE seq >= ? ORDER BY seq"))?;
    let mut rows = statement.query([from.0])?;
    let mut lowest = from;
    while let Some(row) = rows.next()? {
        let seq = Seq(row.get(0)?);
        if seq < lowest {
            return Err(out_of_order(seq));
        }
        lowest = seq.next();
        if is_free(seq) {
            return Ok(Some((seq, label(row)?)));
        }
    }
    Ok(None)
}

/// The last batch before `seq`.
pub(super) fn last_before(file: &Connection, seq: Seq) -> Result<Option<Labelled>, Trouble> {
    let query = format!("{LABEL} WHERE seq < ? ORDER BY seq DESC LIMIT 1");
    let found = file.query_row(&query, [seq.0], |row| Ok((Seq(row.get(0)?), label(row)?)));
    match found.optional()? {
        Some((found, _)) if found >= seq => Err(out_of_order(found)),
        found => Ok(found),
    }
}

/// What is known of one batch; `None` if it is not there.
pub(super) fn find(file: &Connection, seq: Seq) -> Result<Option<Label>, Trouble> {
    let query = format!("{LABEL} WHERE seq = ?");
    let found = file.query_row(&query, [seq.0], label);
    Ok(found.optional()?)
}

/// The batch itself; `None` if it is not what was kept. One of a size that no spool takes is not even read.
pub(super) fn read(file: &Connection, (seq, label): &Labelled) -> Result<Option<Packed>, Trouble> {
    if label.bytes > MOST_BATCH_BYTES {
        return Ok(None);
    }
    let query = "SELECT gzip, kept_ns, crc FROM batch WHERE seq = ?";
    let all = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (gzip, kept_ns, crc): (Vec<u8>, i64, i64) = file.query_row(query, [seq.0], all)?;
    let packed = Packed {
        gzip: gzip.into(),
        points: usize::try_from(label.points).unwrap_or(0),
        times: label.times,
    };
    Ok((i64::from(crc_of(*seq, &packed, kept_ns)) == crc).then_some(packed))
}

/// Since when a batch waits, in nanoseconds since the Unix epoch.
pub(super) fn kept_ns(file: &Connection, seq: Seq) -> Result<i64, Trouble> {
    let query = "SELECT kept_ns FROM batch WHERE seq = ?";
    Ok(file.query_row(query, [seq.0], |row| row.get(0))?)
}

/// What the ledger counts of a batch.
pub(super) fn label_of(batch: &Packed) -> Label {
    Label {
        points: batch.points as u64,
        bytes: batch.gzip.len() as u64,
        times: batch.times,
    }
}

/// The sum over a row.
pub(super) fn crc_of(seq: Seq, batch: &Packed, kept_ns: i64) -> u32 {
    let mut crc = Crc::new();
    crc.update(&seq.0.to_le_bytes());
    crc.update(&(batch.points as u64).to_le_bytes());
    crc.update(&batch.times.oldest_ns.to_le_bytes());
    crc.update(&batch.times.newest_ns.to_le_bytes());
    crc.update(&kept_ns.to_le_bytes());
    crc.update(&batch.gzip);
    crc.sum()
}

fn out_of_order(seq: Seq) -> Trouble {
    Trouble::Corrupt(format!("batch {} is out of order", seq.0).into())
}

fn label(row: &Row<'_>) -> rusqlite::Result<Label> {
    Ok(Label {
        points: row.get(1).map(unsigned)?,
        times: Times {
            oldest_ns: row.get(2)?,
            newest_ns: row.get(3)?,
        },
        bytes: row.get(4).map(unsigned)?,
    })
}
