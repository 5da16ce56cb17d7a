//! A cgroup in every hierarchy that is mounted, whichever they are, and what the kernel says of it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use cgflux::host::cgroup_tree::{Hierarchy, Layout};

use crate::{disk, lab::Told};

/// Cgroups of one name, one a hierarchy. They end with the machine.
pub(crate) struct Group {
    name: &'static str,
    layout: Layout,
}

impl Group {
    /// Makes them.
    #[track_caller]
    pub(crate) fn new(name: &'static str) -> Self {
        let layout = Layout::find().unwrap();
        let group = Self { name, layout };
        for hierarchy in group.hierarchies() {
            fs::create_dir(hierarchy.folder(name)).unwrap();
        }
        group
    }

    /// Its path, the same in each hierarchy.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// Runs a shell script inside, in the background; gives its process.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Child {
        let enter: Vec<String> = self
            .hierarchies()
            .map(|it| format!("echo 0 >{}/cgroup.procs", it.folder(self.name).display()))
            .collect();
        let enter = enter.join("; ");
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{enter}; exec sh -c \"$0\""), script]);
        shell.stdin(Stdio::null()).spawn().unwrap()
    }

    /// CPU time, in nanoseconds, by the file of the accounting hierarchy.
    pub(crate) fn usage_ns(&self) -> Option<Told> {
        let accounting = self.layout.accounting();
        let folder = accounting.folder(self.name);
        if accounting.id == 0 {
            let stat = fs::read_to_string(folder.join("cpu.stat")).ok()?;
            let told = value(&stat, "usage_usec")?;
            // Cut to whole microseconds.
            return Some(Told::new(told * 1_000, 1_000));
        }
        let usage = fs::read_to_string(folder.join("cpuacct.usage")).ok()?;
        Some(Told::new(usage.trim().parse().ok()?, 0))
    }

    /// Time throttled, in nanoseconds.
    pub(crate) fn throttled_ns(&self) -> Option<Told> {
        let stat = self.read("cpu", "cpu.stat", "cpu.stat")?;
        // Version 2 tells it in microseconds, version 1 in nanoseconds.
        let told = match value(&stat, "throttled_usec") {
            Some(microseconds) => microseconds * 1_000,
            None => value(&stat, "throttled_time")?,
        };
        Some(Told::new(told, 0))
    }

    /// A number of a file that has only that. A version without such a file has an empty name.
    pub(crate) fn number(&self, controller: &str, v1: &str, v2: &str) -> Option<Told> {
        let text = self.read(controller, v1, v2)?;
        Some(Told::new(text.trim().parse().ok()?, 0))
    }

    /// The number behind a name in a file; of each version file and name. A version without it has empty names.
    pub(crate) fn line(
        &self,
        controller: &str,
        v1: (&str, &str),
        v2: (&str, &str),
    ) -> Option<Told> {
        let is_v1 = self.layout.legacy_with(controller).is_some();
        let text = self.read(controller, v1.0, v2.0)?;
        let found = value(&text, if is_v1 { v1.1 } else { v2.1 })?;
        Some(Told::new(found, 0))
    }

    /// A value of `memory.stat`, by its name in version 1 and in version 2.
    pub(crate) fn memory_stat(&self, v1: &str, v2: &str) -> Option<Told> {
        let file = "memory.stat";
        self.line("memory", (file, v1), (file, v2))
    }

    /// Total stalled time by a pressure file, of `some` tasks or the `full` group, in nanoseconds.
    pub(crate) fn stalled_ns(&self, file: &str, who: &str) -> Option<Told> {
        let folder = self.layout.unified()?.folder(self.name);
        let text = fs::read_to_string(folder.join(file)).ok()?;
        let line = text.lines().find(|line| line.starts_with(who))?;
        let (_, total_us) = line.rsplit_once("total=")?;
        Some(Told::new(total_us.parse::<u64>().ok()? * 1_000, 0))
    }

    /// Makes the throttle of version 1 count, where it counts only what stands under a limit.
    #[track_caller]
    pub(crate) fn count_io(&self) {
        let Some(hierarchy) = self.layout.legacy_with("blkio") else {
            return;
        };
        let limit = format!("{} {}", disk::number(), 1_u64 << 40);
        for way in ["read", "write"] {
            let file = format!("blkio.throttle.{way}_bps_device");
            fs::write(hierarchy.folder(self.name).join(file), &limit).unwrap();
        }
    }

    /// What the throttle of version 1 counted of a kind, in bytes.
    pub(crate) fn throttled_io(&self, kind: &str) -> Option<Told> {
        let folder = self.layout.legacy_with("blkio")?.folder(self.name);
        let file = folder.join("blkio.throttle.io_service_bytes_recursive");
        let text = fs::read_to_string(file).ok()?;
        let wanted = format!("{} {kind} ", disk::number());
        let found = text.lines().find_map(|line| line.strip_prefix(&wanted))?;
        Some(Told::new(found.trim().parse().ok()?, 0))
    }

    /// A process in it.
    pub(crate) fn process(&self) -> Option<String> {
        let folder = self.layout.accounting().folder(self.name);
        let processes = fs::read_to_string(folder.join("cgroup.procs")).ok()?;
        processes.lines().next().map(str::to_owned)
    }

    /// A counter of `io.stat`, summed over devices; `None` where the unified hierarchy does not have the controller.
    pub(crate) fn io(&self, counter: &str) -> Option<Told> {
        let hierarchy = self.layout.unified()?;
        // A group without any I/O has an empty file.
        let stat = fs::read_to_string(hierarchy.folder(self.name).join("io.stat")).ok()?;
        let pairs = stat
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        let values = pairs
            .filter(|(name, _)| *name == counter)
            .map(|(_, value)| value.parse::<u64>());
        let sum: Result<u64, _> = values.sum();
        Some(Told::new(sum.ok()?, 0))
    }

    /// Writes a value to a file of the version that is mounted.
    #[track_caller]
    pub(crate) fn set(&self, controller: &str, v1: [&str; 2], v2: [&str; 2]) {
        let is_v1 = self.layout.legacy_with(controller).is_some();
        let [_, value] = if is_v1 { v1 } else { v2 };
        let file = self.file(controller, v1[0], v2[0]).expect("a controller");
        fs::write(&file, value).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    fn read(&self, controller: &str, v1: &str, v2: &str) -> Option<String> {
        fs::read_to_string(self.file(controller, v1, v2)?).ok()
    }

    /// A file of a controller, of version 1 where that has the controller, else of version 2.
    fn file(&self, controller: &str, v1: &str, v2: &str) -> Option<PathBuf> {
        let hierarchy = self.layout.with(controller)?;
        let file = if hierarchy.id == 0 { v2 } else { v1 };
        Some(hierarchy.folder(self.name).join(file))
    }

    fn hierarchies(&self) -> impl Iterator<Item = &Hierarchy> {
        self.layout.legacy().iter().chain(self.layout.unified())
    }
}

impl Told {
    fn new(value: u64, slack: u64) -> Self {
        Self { value, slack }
    }
}

/// The number behind a name, in a file of such lines.
fn value(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(key, _)| *key == name)?;
    value.trim().parse().ok()
}
