//! When the last tick was, so that the next run knows from when on nothing was seen.
//!
//! One line, written over at each tick: the boot's id and the time. A process that is killed has written its last; after
//! a power cut the file may be half a minute behind, as long as the kernel keeps what is written (`dirty_expire_centisecs`).

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use super::{LockError, boot_id};
use crate::gap::{Gap, GapReason};

/// The file of the last tick.
#[derive(Debug)]
pub struct LastTick {
    file: File,
    boot_id: String,
    /// What a former process wrote, until it is told.
    former: Option<Former>,
    is_failing: bool,
}

#[derive(Debug)]
struct Former {
    wall_ns: i64,
    boot_id: String,
}

impl LastTick {
    /// Opens `last_tick` in `folder`.
    pub fn open(folder: &Path) -> Result<Self, LockError> {
        let open = || Self::open_file(&folder.join("last_tick"), boot_id::read()?);
        open().map_err(|source| LockError::Folder {
            folder: folder.to_owned(),
            source,
        })
    }

    fn open_file(path: &Path, boot_id: String) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        let mut bytes = Vec::new();
        file.by_ref().take(256).read_to_end(&mut bytes)?;
        Ok(Self {
            file,
            boot_id,
            former: former(&String::from_utf8_lossy(&bytes)),
            is_failing: false,
        })
    }

    /// The time between the last tick of a former process and the first of this one, at `wall_ns`; told once. `None`
    /// where there was no other process, or the clock says that there is no time between.
    pub fn gap_until(&mut self, wall_ns: i64) -> Option<Gap> {
        let former = self.former.take()?;
        let reason = if former.boot_id == self.boot_id {
            GapReason::Restart
        } else {
            GapReason::Reboot
        };
        (former.wall_ns < wall_ns).then_some(Gap {
            from_ns: former.wall_ns,
            to_ns: wall_ns,
            reason,
        })
    }

    /// A tick was published.
    pub fn save(&mut self, wall_ns: i64) {
        // As long each time, so that it is written over, and in one call, so that none is half there.
        let line = format!("{} {wall_ns:020}\n", self.boot_id);
        let saved = self.file.write_all_at(line.as_bytes(), 0);
        match &saved {
            Err(error) if !self.is_failing => {
                tracing::warn!(%error, "the time of the last tick cannot be saved: a gap would begin too early");
            }
            Ok(()) if self.is_failing => tracing::info!("the time of the last tick is saved again"),
            _ => {}
        }
        self.is_failing = saved.is_err();
    }
}

fn former(text: &str) -> Option<Former> {
    let (boot_id, wall_ns) = text.lines().next()?.split_once(' ')?;
    Some(Former {
        wall_ns: wall_ns.parse().ok()?,
        boot_id: boot_id.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_gap_is_from_the_last_tick_to_the_first_and_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last_tick");
        let open = |boot_id: &str| LastTick::open_file(&path, boot_id.to_owned()).unwrap();
        let mut first = open("boot-1");
        assert_eq!(first.gap_until(5), None);
        first.save(7);
        first.save(1_800_000_000_000_000_000);
        first.save(9);
        let gap = |reason| {
            Some(Gap {
                from_ns: 9,
                to_ns: 20,
                reason,
            })
        };
        let mut next = open("boot-1");
        assert_eq!(next.gap_until(20), gap(GapReason::Restart));
        assert_eq!(next.gap_until(21), None);
        assert_eq!(open("boot-2").gap_until(20), gap(GapReason::Reboot));
        // The clock went back.
        assert_eq!(open("boot-1").gap_until(9), None);
    }

    #[test]
    fn a_damaged_file_tells_of_no_gap_and_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last_tick");
        for damage in [&b""[..], b"\n", b"boot-1", b"boot-1 soon\n", &[0xff; 4000]] {
            fs::write(&path, damage).unwrap();
            let mut file = LastTick::open_file(&path, "boot-1".to_owned()).unwrap();
            assert_eq!(file.gap_until(20), None);
            file.save(9);
            let mut next = LastTick::open_file(&path, "boot-1".to_owned()).unwrap();
            assert!(next.gap_until(20).is_some());
        }
    }
}
