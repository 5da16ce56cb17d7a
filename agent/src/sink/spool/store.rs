//! The file of a spool: how it is opened, its pragmas and tables, its log, and how it gives room back.
//!
//! SQLite in WAL mode with `synchronous=FULL`: what is committed is on the disk, and the folder's entry of a file that
//! SQLite made is too (`unixOpen` and `unixSync` in its `os_unix.c` sync the folder of a new journal or log; of the
//! file itself see [`make`]). The lock is exclusive, which leaves out the file of shared memory.
//! <https://www.sqlite.org/wal.html>

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::statvfs::statvfs;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row};

use super::{
    Seq,
    change::Committed,
    error::Trouble,
    ledger::Ledger,
    room::{PAGE_BYTES, Room},
};
use crate::encode::Times;
use crate::loss::{Loss, LossReason};

/// "cgfl": tells a spool from other files of SQLite.
const APPLICATION_ID: i64 = 0x6367_666c;

/// The version of the tables. A file of a later one is left to the program that made it.
const FORMAT: i64 = 1;

/// A disk with as much free and more was not full just now.
const SPARE_BYTES: u64 = 32 << 20;

/// Set each time. The cache is 1 MiB; the log is copied when the spool says so, since the bound depends on it.
const PRAGMAS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA cache_size = -1024;
    PRAGMA mmap_size = 0;
    PRAGMA temp_store = MEMORY;
    PRAGMA trusted_schema = OFF;
    PRAGMA cell_size_check = ON;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 0;";

/// Set before anything else is written, since it cannot be later.
const SHAPE: &str = "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL";

/// `auto_vacuum` of [`SHAPE`] as SQLite tells it.
const INCREMENTAL: i64 = 2;

/// One batch a row. The sum is over all of the row, its number included: SQLite has none for a page, and that of gzip
/// does not cover what is said about the batch. That of the ledger is over its row and all of `loss`.
const TABLES: &str = "
    CREATE TABLE batch (
        seq INTEGER PRIMARY KEY,
        points INTEGER NOT NULL,
        oldest_ns INTEGER NOT NULL,
        newest_ns INTEGER NOT NULL,
        kept_ns INTEGER NOT NULL,
        crc INTEGER NOT NULL,
        gzip BLOB NOT NULL
    ) STRICT;
    CREATE TABLE ledger (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        next_seq INTEGER NOT NULL,
        newest_ns INTEGER,
        batches INTEGER NOT NULL,
        points INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        stored INTEGER NOT NULL,
        crc INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE loss (
        reason TEXT PRIMARY KEY,
        total INTEGER NOT NULL,
        untold INTEGER NOT NULL,
        oldest_ns INTEGER NOT NULL,
        newest_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// An open file and the account that is in it.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) room: Room,
    /// As committed.
    pub(super) ledger: Ledger,
    /// Rows that are gone since this was emptied last.
    pub(super) removed: Vec<Seq>,
}

impl Store {
    /// Opens the file, or makes it. It may have more pages than `room` allows: see [`Store::excess_pages`].
    pub(super) fn open(path: &Path, room: Room) -> Result<Self, Trouble> {
        make(path)?;
        let connection = connect(path)?;
        if identify(&connection)? == Identity::Empty {
            let crc = Ledger::default().crc();
            connection.execute_batch(&format!(
                "BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; {TABLES}
                 INSERT INTO ledger VALUES (1, 1, NULL, 0, 0, 0, 0, {crc}); COMMIT"
            ))?;
        }
        let mut ledger = read_ledger(&connection)?;
        ledger.waiting.oldest_ns = oldest_ns(&connection)?;
        let store = Self {
            connection,
            room,
            ledger,
            removed: Vec::new(),
        };
        store.bound()?;
        match store.log("TRUNCATE") {
            // A log from before can wait until the disk has room.
            Ok(_) | Err(Trouble::Full(_)) => Ok(store),
            Err(trouble) => Err(trouble),
        }
    }

    /// Takes note of what a transaction has changed.
    pub(super) fn committed(&mut self, committed: Committed) {
        self.ledger = committed.ledger;
        self.removed.extend(committed.removed);
    }

    /// Makes sure that a transaction that adds so many pages fits in the log; returns how many rows it may remove.
    pub(super) fn reserve(&self, new_pages: u64) -> Result<u64, Trouble> {
        let left = self.frames_left()?;
        let is_short = self.room.frames.saturating_sub(left) < self.room.checkpoint_frames();
        if is_short && let Some(rows) = self.room.removals(new_pages, left) {
            return Ok(rows);
        }
        match self.checkpoint() {
            // The file cannot grow now, but the log may have room.
            Ok(()) | Err(Trouble::Full(_)) => {}
            Err(trouble) => return Err(trouble),
        }
        let rows = self.room.removals(new_pages, self.frames_left()?);
        rows.ok_or_else(|| Trouble::Full("the log cannot be copied to the file".into()))
    }

    /// Copies the log to the file; the next transaction starts the log anew.
    pub(super) fn checkpoint(&self) -> Result<(), Trouble> {
        self.log("PASSIVE").map(drop)
    }

    /// Pages over the bound. There are some after the limit was lowered, and not else.
    pub(super) fn excess_pages(&self) -> Result<u64, Trouble> {
        Ok(self.number("page_count")?.saturating_sub(self.room.pages))
    }

    /// Pages that nothing stands in.
    pub(super) fn free_pages(&self) -> Result<u64, Trouble> {
        self.number("freelist_count")
    }

    /// Pages that more can stand in: free ones, and those that the file may grow by.
    pub(super) fn spare_pages(&self) -> Result<u64, Trouble> {
        let growth = self.room.pages.saturating_sub(self.number("page_count")?);
        Ok(self.free_pages()? + growth)
    }

    /// Pages of the file.
    pub(super) fn pages(&self) -> Result<u64, Trouble> {
        self.number("page_count")
    }

    /// Gives free pages back to the file system, at most as many as the log has room for.
    pub(super) fn give_back(&self, pages: u64) -> Result<(), Trouble> {
        self.checkpoint()?;
        let pages = pages.min(self.room.moves());
        let mut statement = self
            .connection
            .prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        // Each step frees one page.
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        self.checkpoint()
    }

    /// Sets the bound of the file, as far as it is not over it.
    pub(super) fn bound(&self) -> Result<(), Trouble> {
        let Room { pages, .. } = self.room;
        let log_bytes = self.room.usual_log_bytes();
        self.connection.execute_batch(&format!(
            "PRAGMA max_page_count = {pages}; PRAGMA journal_size_limit = {log_bytes}"
        ))?;
        Ok(())
    }

    /// Frames that can be added to the log before it must be copied.
    fn frames_left(&self) -> Result<u64, Trouble> {
        let (frames, copied) = self.log("NOOP")?;
        let used = if frames == copied { 0 } else { frames };
        Ok(self.room.frames.saturating_sub(used))
    }

    /// Frames of the log, and those of them that are in the file too.
    pub(super) fn log(&self, checkpoint: &str) -> Result<(u64, u64), Trouble> {
        let frames = |row: &Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
        let pragma = format!("PRAGMA wal_checkpoint({checkpoint})");
        let (frames, copied) = self.connection.query_row(&pragma, [], frames)?;
        // -1 where there is no log yet.
        Ok((unsigned(frames), unsigned(copied)))
    }

    fn number(&self, pragma: &str) -> Result<u64, Trouble> {
        number(&self.connection, pragma).map(unsigned)
    }
}

/// A number that is never negative in a file that is whole.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// A number as SQLite keeps it; beyond 2⁶³ there is nothing left to count.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes the file and its folder if they are missing, for their owner only. A file that is there is not opened here:
/// to close it would let go of every lock that this process has on it.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        // SQLite syncs the folder for the files that it makes itself; this one it finds.
        Ok(_) => File::open(folder)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// A connection that holds the file for itself alone.
fn connect(path: &Path) -> Result<Connection, Trouble> {
    let connection = connect_bare(path)?;
    if fs::metadata(path)?.len() == 0 {
        connection.execute_batch(SHAPE)?;
    }
    connection.execute_batch(PRAGMAS)?;
    Ok(connection)
}

/// A connection to a file that is damaged, which reads what can be read.
pub(super) fn connect_damaged(path: &Path) -> Result<Connection, Trouble> {
    let connection = connect_bare(path)?;
    // Else a file that was cut short is not read at all.
    connection.execute_batch("PRAGMA writable_schema = ON")?;
    connection.execute_batch(PRAGMAS)?;
    Ok(connection)
}

fn connect_bare(path: &Path) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}

#[derive(PartialEq)]
enum Identity {
    Empty,
    Spool,
}

fn identify(connection: &Connection) -> Result<Identity, Trouble> {
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Trouble::Unavailable(
            format!("SQLite keeps no log there, but {mode}").into(),
        ));
    }
    let has_shape = unsigned(number(connection, "page_size")?) == PAGE_BYTES
        && number(connection, "auto_vacuum")? == INCREMENTAL;
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0))?;
    let application = number(connection, "application_id")?;
    match (application, number(connection, "user_version")?, tables) {
        (APPLICATION_ID, FORMAT, _) if has_shape => Ok(Identity::Spool),
        (APPLICATION_ID, newer, _) if newer > FORMAT => Err(Trouble::Newer),
        (0, 0, 0) if has_shape => Ok(Identity::Empty),
        _ => Err(Trouble::Corrupt("no spool, but another database".into())),
    }
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, Trouble> {
    let pragma = format!("PRAGMA {pragma}");
    Ok(connection.query_row(&pragma, [], |row| row.get(0))?)
}

/// The account in a file, without the time of what waits longest. One that its sum does not prove is damage.
pub(super) fn read_ledger(connection: &Connection) -> Result<Ledger, Trouble> {
    let mut ledger = Ledger::default();
    let columns = "SELECT next_seq, newest_ns, batches, points, bytes, stored, crc FROM ledger";
    let crc: i64 = connection.query_row(columns, [], |row| {
        ledger.next_seq = row.get(0)?;
        ledger.newest_ns = row.get(1)?;
        ledger.waiting.batches = row.get::<_, i64>(2).map(unsigned)?;
        ledger.waiting.points = row.get::<_, i64>(3).map(unsigned)?;
        ledger.waiting.bytes = row.get::<_, i64>(4).map(unsigned)?;
        ledger.totals.stored = row.get::<_, i64>(5).map(unsigned)?;
        row.get(6)
    })?;
    for reason in LossReason::ALL {
        let columns = "SELECT total, untold, oldest_ns, newest_ns FROM loss WHERE reason = ?";
        let read = |row: &Row<'_>| {
            let untold = Loss {
                reason,
                points: row.get::<_, i64>(1).map(unsigned)?,
                times: Times {
                    oldest_ns: row.get(2)?,
                    newest_ns: row.get(3)?,
                },
            };
            Ok((row.get::<_, i64>(0).map(unsigned)?, untold))
        };
        let found = connection.query_row(columns, [reason.as_str()], read);
        if let Some((total, untold)) = found.optional()? {
            ledger.restore(reason, total, (untold.points > 0).then_some(untold));
        }
    }
    if i64::from(ledger.crc()) == crc {
        Ok(ledger)
    } else {
        Err(Trouble::Corrupt(
            "the account is not what was written".into(),
        ))
    }
}

/// The earliest time in the oldest batch.
pub(super) fn oldest_ns(connection: &Connection) -> Result<Option<i64>, Trouble> {
    let first = "SELECT oldest_ns FROM batch ORDER BY seq LIMIT 1";
    let first = connection.query_row(first, [], |row| row.get(0));
    Ok(first.optional()?)
}

/// The files that belong to one at `path`, itself first. The log goes wherever the file goes.
pub(super) fn files_of(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-journal"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

/// Whether the disk has room for everything once more, and some: then it was not full just now.
pub(super) fn has_room_for_another(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(Path::new("."));
    let free_bytes = statvfs(folder).map_or(0, |it| {
        it.blocks_available().saturating_mul(it.fragment_size())
    });
    free_bytes / 2 > bytes_of(path) + SPARE_BYTES
}

/// Bytes of all files that belong to one at `path`.
pub(super) fn bytes_of(path: &Path) -> u64 {
    let bytes = |file: PathBuf| fs::metadata(file).map_or(0, |it| it.len());
    files_of(path).map(bytes).iter().sum()
}
