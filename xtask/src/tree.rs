//! Where things lie in the source tree. Touches no file.

use std::path::{Path, PathBuf};

/// The source tree and the places that xtask writes to, all below its `target/`.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The tree that this xtask was compiled in.
    pub(crate) fn of_this_build() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self {
            root: package.parent().unwrap_or(package).to_owned(),
        }
    }

    /// The workspace's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that is built or left behind.
    pub(crate) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// The kernel objects, ready for `agent/build.rs`.
    pub(crate) fn kernel_objects(&self) -> PathBuf {
        self.target().join("bpf")
    }

    /// Cargo's folder for the BPF target: another compiler than the rest of the tree has.
    pub(crate) fn kernel_build(&self) -> PathBuf {
        self.target().join("bpf-build")
    }

    /// Cargo's folder for another processor, where another compiler builds for it.
    pub(crate) fn foreign_build(&self) -> PathBuf {
        self.target().join("foreign-build")
    }

    /// Cargo's folder for linting kernel code on the host: another `--cfg` than the rest has.
    pub(crate) fn kernel_lint(&self) -> PathBuf {
        self.target().join("lint-kernel")
    }

    /// The root of the image, ready for `packaging/container/Dockerfile`.
    pub(crate) fn image(&self) -> PathBuf {
        self.target().join("image")
    }

    /// Lists of Debian's packages.
    pub(crate) fn lists(&self) -> PathBuf {
        self.target().join("apt")
    }

    /// Tools compiled or unpacked for this tree, one folder a version.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    /// Packages, and what they are made from.
    pub(crate) fn packages(&self) -> PathBuf {
        self.target().join("packages")
    }

    /// The Debian that packages are installed in.
    pub(crate) fn guest(&self) -> PathBuf {
        self.target().join("guest")
    }

    /// Kernels, and the machines that boot them.
    pub(crate) fn vm(&self) -> PathBuf {
        self.target().join("vm")
    }

    /// What runs started from here leave behind: the agent's state, services' data, tests' files.
    pub(crate) fn run(&self) -> PathBuf {
        self.target().join("run")
    }
}
