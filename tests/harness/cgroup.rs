//! Cgroups, and the kernel's own counters.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::eventually;

/// A cgroup of the unified hierarchy, made by the test. When dropped, its processes are killed and it is removed.
pub(crate) struct Cgroup {
    path: String,
    children: Vec<Child>,
}

impl Cgroup {
    /// A new cgroup right below the root.
    pub(crate) fn new(name: &str) -> Self {
        Self::at(format!("/{}", unique(name)))
    }

    /// A new cgroup inside this one.
    pub(crate) fn child(&self, name: &str) -> Self {
        Self::at(format!("{}/{name}", self.path))
    }

    fn at(path: String) -> Self {
        fs::create_dir(folder(&path)).unwrap();
        let children = Vec::new();
        Self { path, children }
    }

    /// Its path, as `/proc/PID/cgroup` has it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Runs a shell script inside, in the background.
    pub(crate) fn run(&mut self, script: &str) -> &mut Child {
        let child = Command::new("sh")
            .args(["-c", "echo 0 >\"$1\"; exec sh -c \"$0\"", script])
            .arg(self.processes())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.children.push(child);
        self.children.last_mut().expect("just put there")
    }

    /// Moves a process inside.
    #[track_caller]
    pub(crate) fn enter(&self, pid: &str) {
        fs::write(self.processes(), pid).unwrap();
    }

    /// The file that names those inside, and takes others.
    pub(crate) fn processes(&self) -> PathBuf {
        folder(&self.path).join("cgroup.procs")
    }

    /// The kernel's id of it.
    pub(crate) fn id(&self) -> u64 {
        fs::metadata(folder(&self.path)).unwrap().ino()
    }

    /// How many cgroups that were removed from it the kernel still holds.
    pub(crate) fn dying(&self) -> u64 {
        let stat = fs::read_to_string(folder(&self.path).join("cgroup.stat")).unwrap();
        let dying = stat
            .lines()
            .find_map(|line| line.strip_prefix("nr_dying_descendants "));
        dying.unwrap().parse().unwrap()
    }

    /// Waits for the end of all that [`Cgroup::run`] started.
    pub(crate) fn wait(&mut self) {
        for mut child in self.children.drain(..) {
            child.wait().unwrap();
        }
    }

    /// Kills all that is inside.
    pub(crate) fn kill(&mut self) {
        kill_all(&folder(&self.path));
        self.wait();
    }

    /// CPU time used, as the kernel counts it.
    pub(crate) fn usage_us(&self) -> u64 {
        usage_us(&self.path).unwrap()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        self.kill();
        remove(&folder(&self.path));
    }
}

/// A name that no other test of this machine uses.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("cgfluxtest{}{name}{count}", std::process::id())
}

/// `usage_usec` of a cgroup of the unified hierarchy.
pub(crate) fn usage_us(path: &str) -> io::Result<u64> {
    let stat = fs::read_to_string(folder(path).join("cpu.stat"))?;
    let usage = stat
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "));
    usage
        .and_then(|usage| usage.parse().ok())
        .ok_or_else(|| io::Error::other(stat.clone()))
}

/// The directory of a cgroup of the unified hierarchy.
pub(crate) fn folder(path: &str) -> PathBuf {
    unified().join(path.trim_start_matches('/'))
}

/// The directory of a cgroup where the files of `controller` are, and whether they are those of version 1.
pub(crate) fn folder_with(controller: &str, path: &str) -> (PathBuf, bool) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let legacy = mounts.lines().find_map(|line| {
        let mount: Vec<&str> = line.split(' ').collect();
        let has = |options: &str| options.split(',').any(|option| option == controller);
        (mount[2] == "cgroup" && has(mount[3])).then(|| PathBuf::from(mount[1]))
    });
    match legacy {
        Some(mount) => (mount.join(path.trim_start_matches('/')), true),
        None => (folder(path), false),
    }
}

/// Kills each process in and below a cgroup.
pub(crate) fn kill_all(folder: &Path) {
    for process in processes(folder) {
        // It may be gone by now.
        kill(Pid::from_raw(process), Signal::SIGKILL).unwrap_or_default();
    }
    for inner in inside(folder) {
        kill_all(&inner);
    }
}

/// Removes a cgroup whose processes were killed, and all in it.
pub(crate) fn remove(folder: &Path) {
    for inner in inside(folder) {
        remove(&inner);
    }
    eventually(
        Duration::from_secs(20),
        "the cgroup is empty",
        || match fs::remove_dir(folder) {
            Err(error) if folder.exists() => Err(error),
            _ => Ok(()),
        },
    );
}

fn processes(folder: &Path) -> Vec<i32> {
    let list = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|pid| pid.parse().ok()).collect()
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// The mount points of all hierarchies, of both versions.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    mounted(|kind| kind.starts_with("cgroup"))
}

fn unified() -> PathBuf {
    let unified = mounted(|kind| kind == "cgroup2").into_iter().next();
    unified.expect("a kernel with cgroup2 mounted")
}

fn mounted(wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mounts = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let wanted = mounts.filter(|mount| mount.get(2).is_some_and(|kind| wanted(kind)));
    wanted.map(|mount| mount[1].into()).collect()
}
