//! What this machine is, by other means than the agent's: kernel, boot, hierarchies.

use std::{fs, sync::LazyLock};

use cgflux::host::cgroup_tree::{Layout, Mode};

/// What claims depend on.
#[derive(Debug)]
pub(crate) struct Machine {
    /// Major and minor version of the kernel.
    pub(crate) version: (u32, u32),
    pub(crate) layout: Layout,
    command_line: String,
}

/// This one.
pub(crate) fn machine() -> &'static Machine {
    static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split('.').filter_map(|it| it.parse().ok());
        Machine {
            version: numbers.next().zip(numbers.next()).expect("a version"),
            layout: Layout::find().unwrap(),
            command_line: fs::read_to_string("/proc/cmdline").unwrap(),
        }
    });
    &MACHINE
}

impl Machine {
    /// Whether the unified hierarchy is mounted.
    pub(crate) fn has_unified(&self) -> bool {
        self.layout.mode != Mode::V1
    }

    /// Whether a controller is there, of either version. Kernels from 6.12 on are built without v1's of memory.
    pub(crate) fn has(&self, controller: &str) -> bool {
        let in_unified = || {
            let root = &self.layout.unified()?.mount;
            let enabled = fs::read_to_string(root.join("cgroup.subtree_control")).ok()?;
            Some(enabled.split_whitespace().any(|it| it == controller))
        };
        self.layout.legacy_with(controller).is_some() || in_unified() == Some(true)
    }

    /// Whether pressure is accounted.
    pub(crate) fn has_pressure(&self) -> bool {
        !self.was_booted_with("psi=0")
    }

    /// Whether it is of cgroups too: its files are in the unified hierarchy.
    pub(crate) fn has_pressure_of_cgroups(&self) -> bool {
        self.has_unified() && self.has_pressure()
    }

    /// Whether programs may not copy kernel memory.
    pub(crate) fn is_locked_down(&self) -> bool {
        self.was_booted_with("lockdown=confidentiality")
    }

    /// Whether there is a word on the kernel's command line.
    fn was_booted_with(&self, word: &str) -> bool {
        self.command_line.split_whitespace().any(|it| it == word)
    }
}
