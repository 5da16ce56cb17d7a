//! What the demo occupies on the machine: the lock, its folders and cgroups. Needs root.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;

use super::{
    places::{CGROUP, LOCK, Places, RUNTIME, cgroup},
    process::send,
    services::{LOAD, SERVICES},
};
use crate::{cgroup::Group, output::Output, person::Account};

/// How long a process may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks at what has to end.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// All of it, held by one process. Given back by [`Ground::release`], or by the next that takes it.
#[derive(Debug)]
pub(super) struct Ground {
    places: Places,
    /// Locked as long as it is open.
    _lock: File,
    services: Vec<Group>,
    load: Group,
    parent: Group,
}

impl Ground {
    /// Takes it, clear of whatever a killed one has left. Fails where somebody has it.
    pub(super) fn take(places: &Places, output: &Output) -> Result<Self> {
        let lock = lock(places)?;
        let group = |name| Group::at(&cgroup(name));
        let ground = Self {
            places: places.clone(),
            _lock: lock,
            services: SERVICES
                .iter()
                .map(|service| group(service.name))
                .collect::<Result<_>>()?,
            load: group(LOAD)?,
            parent: Group::at(CGROUP)?,
        };
        if ground.clear()? || places.state().exists() {
            output.note("An earlier demo was killed: what it had left is cleared away.");
        }
        Ok(ground)
    }

    /// Makes cgroups and empty folders. What an earlier demo has kept goes; logs are begun anew.
    pub(super) fn prepare(&self, account: Account) -> Result<()> {
        self.parent.make()?;
        self.parent.delegate();
        for group in self.services.iter().chain([&self.load]) {
            group.make()?;
        }
        for service in &SERVICES {
            let data = self.places.data(service.name);
            remove(&data).with_context(|| format!("cannot empty {}", data.display()))?;
            fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;
            for (name, text) in service.files {
                let file = data.join(name);
                fs::write(&file, text.replace("{group}", &account.gid.to_string()))
                    .with_context(|| format!("cannot write {}", file.display()))?;
            }
            if !service.is_root {
                chown(&data, Some(account.uid), Some(account.gid))
                    .with_context(|| format!("cannot give {} away", data.display()))?;
            }
            File::create(self.places.log(service.name)).context("cannot begin a log")?;
        }
        Ok(())
    }

    /// Ends whoever makes load.
    pub(super) fn end_load(&self) -> Result<()> {
        end(&self.load).map(drop)
    }

    /// Gives all of it back. Logs stay, to be read.
    pub(super) fn release(self) -> Result<()> {
        self.clear()?;
        remove(&self.places.state()).context("cannot remove the state file")?;
        // While the lock is held; who waits for it sees that its file is gone.
        fs::remove_dir_all(RUNTIME).with_context(|| format!("cannot remove {RUNTIME}"))
    }

    /// Ends whoever is in the cgroups, and takes those away. Whether anybody was.
    fn clear(&self) -> Result<bool> {
        let mut was_there = false;
        for group in self.services.iter().rev().chain([&self.load]) {
            was_there |= end(group)?;
            group.remove();
        }
        self.parent.remove();
        Ok(was_there)
    }
}

/// Ends all processes of a cgroup. Whether there were any.
fn end(group: &Group) -> Result<bool> {
    let was_there = !group.pids().is_empty();
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let since = Instant::now();
        for pid in group.pids() {
            send(signal, pid)?;
        }
        while !group.pids().is_empty() && since.elapsed() < PATIENCE {
            pause();
        }
    }
    Ok(was_there)
}

/// The lock, of which there is one on a machine.
fn lock(places: &Places) -> Result<File> {
    // Its file goes with the demo that held it, maybe just after it was opened here.
    for _ in 0..10 {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(RUNTIME);
        made.with_context(|| format!("cannot make {RUNTIME}"))?;
        let open = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(LOCK)
        };
        let mut file = match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.with_context(|| format!("cannot open {LOCK}"))?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(LOCK).unwrap_or_default();
                bail!(
                    "a demo is up already, with its files in {}",
                    holder.trim().escape_debug()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {LOCK}"));
            }
        }
        if file.metadata()?.nlink() > 0 {
            file.set_len(0)?;
            writeln!(file, "{}", places.folder().display())?;
            return Ok(file);
        }
    }
    bail!("{LOCK} is taken away again and again")
}

/// Removes a file or a folder that may not be there.
fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// For what tells nobody when it happens.
#[expect(
    clippy::disallowed_methods,
    reason = "no event is told when somebody else's process or a cgroup's last one ends"
)]
pub(super) fn pause() {
    std::thread::sleep(LOOK);
}
