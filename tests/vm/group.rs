//! A cgroup in every hierarchy that is mounted, whichever they are, and what the kernel says of it.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use cgflux::host::cgroup_tree::{Hierarchy, Layout};

use crate::lab::Told;

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

    /// A number of a file that has only that; apart by at most `slack`.
    pub(crate) fn number(&self, controller: &str, v1: &str, v2: &str, slack: u64) -> Option<Told> {
        let text = self.read(controller, v1, v2)?;
        Some(Told::new(text.trim().parse().ok()?, slack))
    }

    /// A counter of `io.stat`, summed over devices. Version 1 counts only what it throttles.
    pub(crate) fn io(&self, counter: &str) -> Option<Told> {
        let hierarchy = self.layout.unified()?;
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
    pub(crate) fn set(&self, controller: &str, v1: (&str, &str), v2: (&str, &str)) {
        let is_v1 = self.layout.legacy_with(controller).is_some();
        let (_, value) = if is_v1 { v1 } else { v2 };
        let file = self.file(controller, v1.0, v2.0).expect("a controller");
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
