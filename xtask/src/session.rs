//! What every verb needs to know: the tree, who asked, how to talk to them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::{output::Output, person::Person, tree::Tree};

/// One call of xtask.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) tree: Tree,
    pub(crate) person: Person,
    pub(crate) output: Output,
    /// Whether installing packages was agreed to beforehand.
    pub(crate) agreed: bool,
    /// This program. Asked at once: cargo may replace the file while it runs.
    pub(crate) xtask: PathBuf,
}

impl Session {
    /// Opens the session. Called by sudo, it first gives back what cargo built as root.
    pub(crate) fn open(output: Output, agreed: bool) -> Result<Self> {
        let xtask = std::env::current_exe().context("cannot find out where xtask lies")?;
        let session = Self {
            tree: Tree::of_this_build(),
            person: Person::asking(),
            output,
            agreed,
            xtask,
        };
        session.reclaim_target()?;
        Ok(session)
    }

    /// Gives everything in `target/` back to the person, where root made it.
    pub(crate) fn reclaim_target(&self) -> Result<()> {
        let target = self.tree.target();
        self.person
            .reclaim(&target)
            .with_context(|| format!("cannot give {} back to its owner", target.display()))
    }
}
