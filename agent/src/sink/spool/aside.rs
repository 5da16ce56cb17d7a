//! Files that cannot be used go aside, under a name that says why; what can be read of them is saved first.

use std::{
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use super::{
    Seq, Unsure,
    change::Change,
    error::Trouble,
    ledger::Ledger,
    pending::Pending,
    room::pages_of,
    rows::{self, Labelled},
    store::{Store, bytes_of, connect_damaged, files_of, read_ledger},
};
use crate::encode::Packed;

/// Most damaged files that are kept for whoever wants to look at them.
const MOST_DAMAGED: usize = 3;

/// Pages after which what was saved is committed.
const GROUP_PAGES: u64 = 64;

/// A file that could not be used any more. A new one was begun in its place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SetAside {
    /// Where it is now.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
    /// Points that were read from it and are in the new file.
    pub points_saved: u64,
    /// Whether the account was damaged too: totals, and losses that no point had told of, begin anew.
    pub is_account_lost: bool,
}

/// Why a file was set aside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Why {
    /// It is damaged, or no spool. Points of it that are known to be lost are counted as
    /// [`super::LossReason::Damaged`].
    Corrupt,
    /// A later version of this program wrote it, and that one can read it again. It is never deleted.
    NewerFormat,
}

impl Why {
    fn suffix(self) -> &'static str {
        match self {
            Self::Corrupt => ".corrupt-",
            Self::NewerFormat => ".newer-",
        }
    }
}

/// Moves the file at `path`, which nobody has open, and those that belong to it. Of the damaged ones before it the
/// oldest are deleted: all beyond [`MOST_DAMAGED`], and those that together with it are larger than `most_bytes`.
pub(super) fn move_away(path: &Path, why: Why, most_bytes: u64) -> io::Result<PathBuf> {
    let before = set_aside(path, why)?;
    let number = before.last().map_or(1, |(number, _)| number + 1);
    let to = aside(path, why, number);
    for (from, to) in files_of(path).iter().zip(files_of(&to)).rev() {
        match fs::rename(from, to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if why == Why::Corrupt {
        let mut bytes = bytes_of(&to);
        for (kept, (_, old)) in before.iter().rev().enumerate() {
            bytes = bytes.saturating_add(bytes_of(old));
            if kept + 1 >= MOST_DAMAGED || bytes > most_bytes {
                delete(old)?;
            }
        }
    }
    Ok(to)
}

/// A damaged file that was moved away, and of which nothing is in the new one yet.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) path: PathBuf,
    /// Its account, if that is known better than from the file itself.
    pub(super) known: Option<Ledger>,
}

/// Makes the account of a damaged file that of the new one. What waited there counts as damaged from now on, to be found
/// again batch by batch: whenever that ends, the account is right. Nothing has changed after an error, or it is as if
/// this had not been called yet.
pub(super) fn take_account(
    store: &mut Store,
    moved: &Moved,
    unsure: Option<Unsure>,
    pending: &mut Pending,
) -> Result<SetAside, Trouble> {
    let old = connect_damaged(&moved.path).ok();
    let read = || old.as_ref().and_then(|old| read_ledger(old).ok());
    let account = moved.known.clone().or_else(read);
    let mut then = pending.clone();
    let mut told = Vec::new();
    // What is known of an open file is what was committed; in one that was read the last transaction may be.
    if let (None, Some(account), Some(old), Some(unsure)) = (&moved.known, &account, &old, unsure)
        && unsure.is_made(account)
    {
        told = then.carried().to_vec();
        then.resolve(true);
        then.check_damaged(old);
    }
    let is_account_lost = account.is_none();
    let mut change = Change::of(store)?;
    let least_seq = change.next.next_seq;
    change.next = then.applied_to(&account.unwrap_or_default());
    change.next.next_seq = change.next.next_seq.max(least_seq);
    change.next.untell(&told);
    change.next.miss_all();
    let committed = change.commit()?;
    store.committed(committed);
    then.forget_settled();
    *pending = then;
    Ok(SetAside {
        path: moved.path.clone(),
        why: Why::Corrupt,
        points_saved: 0,
        is_account_lost,
    })
}

/// Moves what can be read of the file that was set aside to a new one, each batch under its number, but for those that
/// are settled or went before; `aside` tells what came of it.
///
/// From the newest back until one cannot be reached, then from the oldest on: so a damaged page costs what is on it or
/// below it.
pub(super) fn salvage(
    store: &mut Store,
    aside: &mut SetAside,
    pending: &Pending,
) -> Result<(), Trouble> {
    let Ok(old) = connect_damaged(&aside.path) else {
        return Ok(());
    };
    let mut saved = Saved {
        old: &old,
        store,
        group: Vec::new(),
        points: 0,
    };
    let done = saved.all(|seq| pending.is_gone(seq));
    aside.points_saved = saved.points;
    match done {
        // The old file was not held to the bound of the new one: the newest is saved, the rest is lost.
        Ok(()) | Err(Trouble::Full(_)) => Ok(()),
        Err(trouble) => Err(trouble),
    }
}

/// What is moved from a damaged file.
struct Saved<'a> {
    old: &'a Connection,
    store: &'a mut Store,
    /// Read, and not yet in the new file.
    group: Vec<(Seq, Packed)>,
    points: u64,
}

impl Saved<'_> {
    fn all(&mut self, is_gone: impl Fn(Seq) -> bool) -> Result<(), Trouble> {
        let mut lowest = Seq::END;
        let is_whole = loop {
            match rows::last_before(self.old, lowest) {
                Ok(Some(row)) => {
                    lowest = row.0;
                    self.save(&row, &is_gone)?;
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let mut from = Seq::FIRST;
        while !is_whole
            && let Ok(Some(row)) = rows::first(self.old, from, |_| true)
            && row.0 < lowest
        {
            from = row.0.next();
            self.save(&row, &is_gone)?;
        }
        self.write()
    }

    fn save(&mut self, row: &Labelled, is_gone: impl Fn(Seq) -> bool) -> Result<(), Trouble> {
        let (seq, _) = *row;
        if is_gone(seq) {
            return Ok(());
        }
        // What cannot be read is counted already.
        if let Ok(Some(batch)) = rows::read(self.old, row)
            && self.store.room.takes(batch.gzip.len() as u64)
        {
            self.group.push((seq, batch));
            if self.pages() >= GROUP_PAGES {
                self.write()?;
            }
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Trouble> {
        let pages = self.pages();
        self.store.reserve(pages)?;
        let mut change = Change::of(self.store)?;
        if self.store.spare_pages()? < pages {
            return Err(Trouble::Full("no room for what was saved".into()));
        }
        let mut points = 0;
        for (seq, batch) in &self.group {
            change.insert_as(*seq, batch)?;
            change.next.find(&rows::label_of(batch));
            change.next.next_seq = change.next.next_seq.max(seq.next().0);
            points += batch.points as u64;
        }
        let committed = change.commit()?;
        self.store.committed(committed);
        self.group.clear();
        self.points += points;
        Ok(())
    }

    fn pages(&self) -> u64 {
        let pages = |(_, batch): &(Seq, Packed)| pages_of(batch.gzip.len() as u64);
        self.group.iter().map(pages).sum()
    }
}

/// The files at `path` that were set aside before for this reason, by number.
fn set_aside(path: &Path, why: Why) -> io::Result<Vec<(u64, PathBuf)>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(why.suffix());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.as_bytes().strip_prefix(prefix.as_bytes());
        let number = number.and_then(|number| str::from_utf8(number).ok());
        if let Some(number) = number.and_then(|number| number.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn aside(path: &Path, why: Why, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{}{number}", why.suffix()));
    name.into()
}

fn delete(path: &Path) -> io::Result<()> {
    for file in files_of(path) {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
