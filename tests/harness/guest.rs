//! A guest: a Debian with a systemd of its own, started by systemd-nspawn, in which packages are installed.
//!
//! It has the kernel of this machine, the unified hierarchy alone, and what lies on its disk is gone with it. The files
//! come from the archive that `cargo xtask test` has made; `/packages` in it are the packages.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{
    Cgroup, Namespace,
    cgroup::{folder_with, remove},
    eventually, skip,
};

/// A start takes two seconds, and longer where others keep the machine busy.
const PATIENCE: Duration = Duration::from_mins(1);

const NO_GUEST: &str = "there is no Debian to install packages in: `cargo xtask test` makes it";

/// Where the packages lie within.
pub(crate) const PACKAGES: &str = "/packages";

/// Ended when dropped, with all that runs in it.
pub(crate) struct Guest {
    /// What is in it is below this cgroup.
    cgroup: Cgroup,
    process: Child,
    /// Its first process.
    first: u32,
}

/// The folder with the packages; `None` where none were made.
#[track_caller]
pub(crate) fn packages() -> Option<PathBuf> {
    match env::var_os("CGFLUX_TEST_PACKAGES") {
        Some(folder) => Some(folder.into()),
        None => skip("there are no packages to install: `cargo xtask test` makes them"),
    }
}

/// Lays the guest's files down in a folder; `None` where there is no archive of them.
#[track_caller]
pub(crate) fn unpack(folder: &Path) -> Option<()> {
    let Some(archive) = env::var_os("CGFLUX_TEST_GUEST") else {
        return skip(NO_GUEST);
    };
    unpack_archive(&archive, folder);
    Some(())
}

/// The same of a Debian 11.
#[track_caller]
pub(crate) fn unpack_oldest(folder: &Path) -> Option<()> {
    let Some(archive) = env::var_os("CGFLUX_TEST_OLDEST_GUEST") else {
        return skip("there is no Debian 11 to install in: `cargo xtask test` makes it");
    };
    unpack_archive(&archive, folder);
    Some(())
}

fn unpack_archive(archive: &OsStr, folder: &Path) {
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(archive);
    let unpacked = tar.arg("--directory").arg(folder).status();
    assert!(unpacked.unwrap().success());
}

/// The tree that guests share: none of them changes it. It stays in the folder of the tests, anew each time.
#[track_caller]
fn shared() -> Option<&'static Path> {
    static SHARED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let folder = super::run_folder().join("guest");
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        unpack(&folder).map(|()| folder)
    });
    match shared {
        Some(folder) => Some(folder),
        None => skip(NO_GUEST),
    }
}

impl Guest {
    /// Boots one in a network namespace, and returns when its systemd is up. `None` where there is nothing to boot.
    #[track_caller]
    pub(crate) fn boot(network: &Namespace) -> Option<Self> {
        let packages = packages()?;
        let own = ["--volatile=overlay"];
        Some(Self::boot_with(&own, shared()?, &packages, network))
    }

    /// The same from a tree of the test's own, which it changes.
    #[track_caller]
    pub(crate) fn boot_from(root: &Path, packages: &Path, network: &Namespace) -> Self {
        Self::boot_with(&[], root, packages, network)
    }

    #[track_caller]
    fn boot_with(options: &[&str], root: &Path, packages: &Path, network: &Namespace) -> Self {
        let cgroup = Cgroup::new("guest");
        let enter = format!(
            "echo 0 >'{}'; exec \"$0\" \"$@\"",
            cgroup.processes().display()
        );
        let mut nspawn = Command::new("sh");
        nspawn
            .args(["-c", &enter, "systemd-nspawn", "--quiet", "--boot"])
            .arg("--directory")
            .arg(root)
            .args(["--register=no", "--keep-unit", "--console=pipe"])
            .args(["--capability=all", "--network-namespace-path"])
            .arg(network.path())
            .arg(format!(
                "--bind-ro={}:{PACKAGES}",
                packages.canonicalize().unwrap().display()
            ))
            .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
            .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "1")
            .env("SYSTEMD_SECCOMP", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        nspawn.args(options);
        let mut guest = Self {
            cgroup,
            process: nspawn.spawn().unwrap(),
            first: 0,
        };
        eventually(PATIENCE, "the guest is up", || {
            guest.first = guest.first_process()?;
            let state = guest.attempt("systemctl is-system-running || true")?;
            let is_up = ["running", "degraded"].contains(&state.trim());
            is_up.then_some(()).ok_or(state)
        });
        guest
    }

    /// systemd-nspawn has one child after another until the last one is the guest's.
    fn first_process(&self) -> Result<u32, String> {
        let children = format!("/proc/{0}/task/{0}/children", self.process.id());
        let children = fs::read_to_string(children).map_err(|error| error.to_string())?;
        let first = children.split_ascii_whitespace().next();
        let first = first.and_then(|it| it.parse().ok());
        first.ok_or("it has no process".to_owned())
    }

    /// Runs a shell script as its root, and gives what it prints.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> String {
        self.attempt(script)
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same of one that may fail; then what it said.
    pub(crate) fn attempt(&self, script: &str) -> Result<String, String> {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.first.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"])
            .args(["--", "/bin/sh", "-ec", script])
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        let output = command.output().map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (said, complained) = (text(&output.stdout), text(&output.stderr));
        if output.status.success() {
            Ok(said)
        } else {
            Err(format!("{}: {said}{complained}", output.status))
        }
    }

    /// Writes a file in it, and the folders that it stands in.
    #[track_caller]
    pub(crate) fn write(&self, path: &str, text: &str) {
        let text = text.replace('\'', r"'\''");
        self.run(&format!(
            "mkdir -p \"$(dirname {path})\"; printf %s '{text}' >{path}"
        ));
    }

    /// One that does not by itself is killed with its cgroup.
    fn shut_down(&mut self) {
        let nspawn = Pid::from_raw(self.process.id().try_into().unwrap());
        kill(nspawn, Signal::SIGTERM).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(15);
        while std::time::Instant::now() < deadline {
            if self.process.try_wait().unwrap().is_some() {
                return;
            }
            super::pause(Duration::from_millis(50));
        }
        self.cgroup.kill();
        self.process.wait().unwrap();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let journal = self.attempt("journalctl --no-pager --unit 'cgflux*' | tail -n 60");
            println!("{}", journal.unwrap_or_else(|error| error));
        }
        self.shut_down();
        // On a hybrid host nspawn makes the same cgroups in systemd's own hierarchy, and leaves them.
        let (mirror, is_another) = folder_with("name=systemd", self.cgroup.path());
        if is_another && mirror.exists() {
            remove(&mirror);
        }
    }
}
