//! How full filesystems are: `statvfs(3)` on one mount point each.
//!
//! One of another machine that is away does not answer, for hours or for ever, and nothing can be done about the thread
//! that asks. So a thread asks that nobody waits for. One that does not come back is left behind with the filesystem
//! it asks, which is then absent until it answers; the others are asked on by a new thread.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use nix::sys::statvfs::statvfs;

use super::mounts::{Mount, worth_telling};
use crate::{
    host::{outside, privileges},
    snapshot::{Filesystem, Inodes},
};

/// How long a filesystem may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most threads left behind; then none is asked any more until one of them comes back.
const MAX_LEFT_BEHIND: usize = 8;

/// Asks one filesystem below that root; to be replaced where a test wants one that does not answer.
type Ask = fn(&Path, &Mount) -> io::Result<Filesystem>;

/// The filesystems as they were last told.
#[derive(Debug)]
pub(super) struct Filesystems {
    /// Where the machine's `/` is for this process.
    root: &'static Path,
    mountinfo: PathBuf,
    ask: Ask,
    interval_ns: u64,
    due_ns: u64,
    told: Vec<Filesystem>,
    under_way: Option<Survey>,
    left_behind: Vec<Survey>,
    /// Whether it was told that there are too many of those.
    gave_up: bool,
}

/// A thread that asks.
#[derive(Debug)]
struct Survey {
    /// Which mount point it was seen to ask, and since when.
    at: Option<PathBuf>,
    since_ns: u64,
    progress: Arc<Mutex<Progress>>,
}

/// How far it has come.
#[derive(Debug, Default)]
struct Progress {
    /// The mount point asked now.
    at: Option<PathBuf>,
    answers: Vec<Filesystem>,
    has_ended: bool,
    /// Nobody waits for it any more.
    is_left_behind: bool,
}

impl Filesystems {
    /// Filesystems that are asked once in `interval`.
    pub(super) fn new(interval: Duration) -> Self {
        let root = outside::machine_root();
        Self {
            root,
            ..Self::asked_by(outside::mountinfo(root), interval, ask)
        }
    }

    fn asked_by(mountinfo: &Path, interval: Duration, ask: Ask) -> Self {
        Self {
            root: Path::new("/"),
            mountinfo: mountinfo.to_owned(),
            ask,
            interval_ns: nanoseconds(interval),
            due_ns: 0,
            told: Vec::new(),
            under_way: None,
            left_behind: Vec::new(),
            gave_up: false,
        }
    }

    /// What was answered last; never waits. What is asked now is told at a later reading.
    pub(super) fn read(&mut self, boot_ns: u64) -> Vec<Filesystem> {
        self.take_answers(boot_ns);
        self.left_behind.retain(|survey| !survey.has_come_back());
        if self.under_way.is_none() && boot_ns >= self.due_ns {
            self.due_ns = boot_ns.saturating_add(self.interval_ns);
            self.begin(boot_ns);
        }
        self.told.clone()
    }

    fn take_answers(&mut self, boot_ns: u64) {
        let Some(mut survey) = self.under_way.take() else {
            return;
        };
        let progress = Arc::clone(&survey.progress);
        let mut progress = lock(&progress);
        if progress.has_ended {
            self.told = std::mem::take(&mut progress.answers);
        } else if progress.at != survey.at {
            survey.at.clone_from(&progress.at);
            survey.since_ns = boot_ns;
            self.under_way = Some(survey);
        } else if boot_ns.saturating_sub(survey.since_ns) < nanoseconds(PATIENCE) {
            self.under_way = Some(survey);
        } else {
            progress.is_left_behind = true;
            let mount = progress.at.clone().unwrap_or_default();
            self.told.retain(|it| it.mount != mount.to_string_lossy());
            tracing::warn!(
                ?mount,
                "does not answer: how full it is, is not told until it does"
            );
            self.left_behind.push(survey);
            // The others are asked again without it.
            self.due_ns = boot_ns;
        }
    }

    fn begin(&mut self, boot_ns: u64) {
        if self.left_behind.len() >= MAX_LEFT_BEHIND {
            if !std::mem::replace(&mut self.gave_up, true) {
                tracing::warn!("too many filesystems do not answer: none is asked until one does");
            }
            self.told.clear();
            return;
        }
        self.gave_up = false;
        let progress = Arc::new(Mutex::new(Progress::default()));
        let silent: Vec<PathBuf> = self
            .left_behind
            .iter()
            .filter_map(|survey| survey.progress().at.clone())
            .collect();
        let (root, mountinfo, ask) = (self.root, self.mountinfo.clone(), self.ask);
        let shared = Arc::clone(&progress);
        let started = thread::Builder::new()
            .name("filesystems".to_owned())
            .spawn(move || {
                privileges::keep_to_read();
                survey(&mountinfo, &silent, |mount| ask(root, mount), &shared);
            });
        match started {
            Ok(_detached) => {
                self.under_way = Some(Survey {
                    at: None,
                    since_ns: boot_ns,
                    progress,
                });
            }
            Err(error) => tracing::debug!(%error, "no thread can be had to ask filesystems"),
        }
    }
}

impl Survey {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    fn has_come_back(&self) -> bool {
        let progress = self.progress();
        if progress.has_ended {
            tracing::info!(mount = ?progress.at, "answers again");
        }
        progress.has_ended
    }
}

/// Asks all filesystems but the `silent` ones, one after the other.
fn survey(
    mountinfo: &Path,
    silent: &[PathBuf],
    ask: impl Fn(&Mount) -> io::Result<Filesystem>,
    progress: &Mutex<Progress>,
) {
    let mountinfo = fs::read(mountinfo).unwrap_or_else(|error| {
        tracing::debug!(%error, "the mounts cannot be read");
        Vec::new()
    });
    let mounts = worth_telling(&mountinfo).into_iter();
    for mount in mounts.filter(|mount| !silent.contains(&mount.point)) {
        lock(progress).at = Some(mount.point.clone());
        let answer = ask(&mount);
        let mut progress = lock(progress);
        if progress.is_left_behind {
            break;
        }
        match answer {
            Ok(filesystem) => progress.answers.push(filesystem),
            // Unmounted meanwhile, or another user's.
            Err(error) => tracing::debug!(%error, mount = ?mount.point, "cannot be asked"),
        }
    }
    lock(progress).has_ended = true;
}

fn ask(root: &Path, mount: &Mount) -> io::Result<Filesystem> {
    let answer = statvfs(&outside::below(root, &mount.point))?;
    let bytes = |blocks: u64| blocks.saturating_mul(answer.fragment_size());
    let inodes = Inodes {
        total: answer.files(),
        free: answer.files_free(),
    };
    Ok(Filesystem {
        mount: mount.point.to_string_lossy().into_owned(),
        device: mount.device.clone(),
        fstype: mount.fstype.clone(),
        size_bytes: bytes(answer.blocks()),
        free_bytes: bytes(answer.blocks_free()),
        available_bytes: bytes(answer.blocks_available()),
        inodes: (inodes.total > 0).then_some(inodes),
    })
}

fn lock(progress: &Mutex<Progress>) -> MutexGuard<'_, Progress> {
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Instant,
    };

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    const MOUNTS: &str = "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
                          28 27 0:50 / /dead rw - nfs4 nas:/dead rw\n\
                          29 27 0:51 / /alive rw - nfs4 nas:/alive rw\n";

    fn mounts() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), MOUNTS).unwrap();
        file
    }

    /// Reads at `boot_ns` until the thread has ended or stands at `at`.
    fn settled(filesystems: &mut Filesystems, boot_ns: u64, at: &str) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let told = filesystems.read(boot_ns);
            let waits = filesystems
                .under_way
                .as_ref()
                .is_some_and(|survey| survey.progress().at.as_deref() != Some(Path::new(at)));
            if !waits {
                return told.into_iter().map(|it| it.mount).collect();
            }
            assert!(Instant::now() < deadline, "{filesystems:?}");
            thread::yield_now();
        }
    }

    #[test]
    fn the_root_is_as_large_as_statvfs_says() {
        let mut filesystems = Filesystems::new(Duration::from_secs(10));
        settled(&mut filesystems, 1, "");
        for it in filesystems.read(2) {
            assert!(
                it.available_bytes <= it.free_bytes && it.free_bytes <= it.size_bytes,
                "{it:?}"
            );
        }
    }

    static ANSWERS: AtomicBool = AtomicBool::new(false);

    #[expect(clippy::unnecessary_wraps, reason = "it asks as the real one does")]
    fn answers_late(_root: &Path, mount: &Mount) -> io::Result<Filesystem> {
        while mount.point == Path::new("/dead") && !ANSWERS.load(Ordering::Relaxed) {
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(Filesystem {
            mount: mount.point.to_string_lossy().into_owned(),
            ..Filesystem::default()
        })
    }

    #[test]
    fn one_that_does_not_answer_is_left_out_until_it_does_and_holds_up_no_other() {
        let mounts = mounts();
        let interval = Duration::from_secs(10);
        let mut filesystems = Filesystems::asked_by(mounts.path(), interval, answers_late);
        assert_eq!(settled(&mut filesystems, 0, "/dead"), [""; 0]);
        filesystems.read(SECOND_NS);
        // Out of patience: the others are asked anew.
        assert_eq!(filesystems.read(6 * SECOND_NS), []);
        assert_eq!(filesystems.left_behind.len(), 1);
        assert_eq!(
            settled(&mut filesystems, 7 * SECOND_NS, ""),
            ["/", "/alive"]
        );
        assert_eq!(
            settled(&mut filesystems, 30 * SECOND_NS, ""),
            ["/", "/alive"]
        );
        assert_eq!(filesystems.left_behind.len(), 1);
        ANSWERS.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + Duration::from_secs(20);
        while !filesystems.left_behind.is_empty() && Instant::now() < deadline {
            filesystems.read(31 * SECOND_NS);
        }
        assert_eq!(
            settled(&mut filesystems, 60 * SECOND_NS, ""),
            ["/", "/dead", "/alive"]
        );
    }

    #[test]
    fn no_more_than_a_few_threads_are_left_behind() {
        static ENOUGH: AtomicBool = AtomicBool::new(false);
        fn never(_root: &Path, _mount: &Mount) -> io::Result<Filesystem> {
            while !ENOUGH.load(Ordering::Relaxed) {
                thread::park_timeout(Duration::from_millis(1));
            }
            Err(io::Error::from(io::ErrorKind::TimedOut))
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let line = |at: usize| format!("9 1 0:{at} / /dead{at} rw - nfs nas:/{at} rw\n");
        fs::write(file.path(), (0..20).map(line).collect::<String>()).unwrap();
        let interval = Duration::from_secs(10);
        let mut filesystems = Filesystems::asked_by(file.path(), interval, never);
        for turn in 0..40 {
            let boot_ns = turn * 60 * SECOND_NS;
            filesystems.read(boot_ns);
            let deadline = Instant::now() + Duration::from_secs(20);
            while let Some(survey) = &filesystems.under_way
                && survey.progress().at.is_none()
                && Instant::now() < deadline
            {
                thread::yield_now();
            }
        }
        assert_eq!(filesystems.left_behind.len(), MAX_LEFT_BEHIND);
        assert!(filesystems.gave_up);
        ENOUGH.store(true, Ordering::Relaxed);
    }
}
