//! A cgroup in every hierarchy that is mounted, whichever they are, and what the kernel says of it.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use cgflux::host::cgroup_tree::{Hierarchy, Layout};

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

    /// Runs a shell script inside, in the background.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) {
        let folders = self.hierarchies().map(|it| it.folder(self.name));
        let enter: String = folders
            .map(|folder| format!("echo 0 >{}/cgroup.procs; ", folder.display()))
            .collect();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{enter} exec sh -c \"$0\""), script]);
        // It runs until the machine ends; nobody waits for it.
        drop(shell.stdin(Stdio::null()).spawn().unwrap());
    }

    /// A file of a controller, of version 1 where that has the controller, else of version 2.
    pub(crate) fn file(&self, controller: &str, v1: &str, v2: &str) -> PathBuf {
        let hierarchy = self.layout.with(controller).expect("a controller");
        let file = if hierarchy.id == 0 { v2 } else { v1 };
        hierarchy.folder(self.name).join(file)
    }

    /// Writes to such a file.
    #[track_caller]
    pub(crate) fn set(&self, controller: &str, v1: (&str, &str), v2: (&str, &str)) {
        let file = self.file(controller, v1.0, v2.0);
        let value = if file.ends_with(v2.0) { v2.1 } else { v1.1 };
        fs::write(&file, value).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// CPU time, in nanoseconds, by the file of the accounting hierarchy, and how exactly that tells it.
    #[track_caller]
    pub(crate) fn usage_ns(&self) -> (u64, u64) {
        let accounting = self.layout.accounting();
        let folder = accounting.folder(self.name);
        if accounting.id == 0 {
            let stat = fs::read_to_string(folder.join("cpu.stat")).unwrap();
            (value(&stat, "usage_usec") * 1_000, 1_000)
        } else {
            let usage = fs::read_to_string(folder.join("cpuacct.usage")).unwrap();
            (usage.trim().parse().unwrap(), 0)
        }
    }

    /// Time throttled, in nanoseconds.
    #[track_caller]
    pub(crate) fn throttled_ns(&self) -> u64 {
        let stat = fs::read_to_string(self.file("cpu", "cpu.stat", "cpu.stat")).unwrap();
        if stat.contains("throttled_usec") {
            value(&stat, "throttled_usec") * 1_000
        } else {
            value(&stat, "throttled_time")
        }
    }

    fn hierarchies(&self) -> impl Iterator<Item = &Hierarchy> {
        self.layout.legacy().iter().chain(self.layout.unified())
    }
}

/// The number behind a name, in a file of such lines.
#[track_caller]
fn value(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(key, _)| *key == name).expect(name);
    value.trim().parse().unwrap()
}
