//! Who asked: builds run as this person, and what root leaves behind is given back to them.

use std::{
    env, fs, io,
    os::unix::{
        fs::{MetadataExt as _, lchown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Uid, User};

/// A user and a group, by number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Debian's `nobody` and `nogroup`, for a system that knows neither.
const NOBODY: Account = Account {
    uid: 65_534,
    gid: 65_534,
};

/// The person behind this command.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    uid: u32,
    gid: u32,
    /// Their home when they came through sudo, whose environment names root's.
    home_behind_sudo: Option<PathBuf>,
}

impl Person {
    /// Looks behind sudo: root with `SUDO_UID` is the person who called sudo.
    pub(crate) fn asking() -> Self {
        let number = |name| env::var(name).ok()?.parse::<u32>().ok();
        let own = Self {
            uid: Uid::effective().as_raw(),
            gid: own_gid(),
            home_behind_sudo: None,
        };
        if own.uid != 0 {
            return own;
        }
        match (number("SUDO_UID"), number("SUDO_GID")) {
            (Some(uid), Some(gid)) if uid != 0 => {
                let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
                Self {
                    uid,
                    gid,
                    home_behind_sudo: user.map(|user| user.dir),
                }
            }
            _ => own,
        }
    }

    /// Whether this process has root's rights itself.
    pub(crate) fn is_root_now() -> bool {
        Uid::effective().is_root()
    }

    /// Whoever runs what needs no rights: the person, or `nobody` where the person is root.
    pub(crate) fn unprivileged(&self) -> Account {
        if self.uid != 0 {
            return Account {
                uid: self.uid,
                gid: self.gid,
            };
        }
        let nobody = User::from_name("nobody").ok().flatten();
        nobody.map_or(NOBODY, |user| Account {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        })
    }

    /// The person's login name, or their number where they have none.
    pub(crate) fn name(&self) -> String {
        User::from_uid(Uid::from_raw(self.uid))
            .ok()
            .flatten()
            .map_or_else(|| self.uid.to_string(), |user| user.name)
    }

    /// A command that runs as the person, never as the root that sudo made of them.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Some(home) = &self.home_behind_sudo {
            command.uid(self.uid).gid(self.gid);
            command
                .env("HOME", home)
                .env("USER", self.name())
                .env("LOGNAME", self.name());
            for roots_own in ["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
                command.env_remove(roots_own);
            }
        }
        command
    }

    /// The cargo to build with: the one that started xtask, or the person's own behind sudo.
    pub(crate) fn cargo(&self) -> PathBuf {
        let own = self
            .home_behind_sudo
            .as_ref()
            .map(|home| home.join(".cargo/bin/cargo"));
        own.filter(|cargo| cargo.exists())
            .or_else(|| env::var_os("CARGO").map(PathBuf::from))
            .unwrap_or_else(|| "cargo".into())
    }

    /// Gives everything below `folder` that root owns back to the person. Does nothing for root.
    pub(crate) fn reclaim(&self, folder: &Path) -> io::Result<()> {
        if self.uid == 0 || !Self::is_root_now() || !folder.exists() {
            return Ok(());
        }
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            match self.reclaim_one(&folder, &mut folders) {
                // A service of the demo may take away what it has just made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                reclaimed => reclaimed?,
            }
        }
        Ok(())
    }

    /// One folder with its files; the folders in it are added to `folders`.
    fn reclaim_one(&self, folder: &Path, folders: &mut Vec<PathBuf>) -> io::Result<()> {
        self.take(folder)?;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            match self.take(&entry.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                taken => taken?,
            }
        }
        Ok(())
    }

    fn take(&self, path: &Path) -> io::Result<()> {
        if fs::symlink_metadata(path)?.uid() == self.uid {
            return Ok(());
        }
        lchown(path, Some(self.uid), Some(self.gid))
    }
}

fn own_gid() -> u32 {
    nix::unistd::Gid::effective().as_raw()
}
