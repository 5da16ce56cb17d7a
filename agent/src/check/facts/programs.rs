//! What became of the kernel programs: each is loaded and attached for a moment, which is the only probe that tells.

use crate::{
    config::{Collect, SourceChoice},
    host::cgroup_tree::Layout,
    kernel::{Kernel, KernelError, Obstacle, ProgramReport, StorageKind},
    source::{self, SourceError},
    text::chain,
};

/// What became of the programs.
#[derive(Clone, Debug)]
pub enum Programs {
    /// The configuration wants none.
    NotWanted,
    /// There is no hierarchy to load them for.
    NoHierarchy,
    /// The kernel side cannot be used.
    Refused(Refusal),
    /// Loaded and attached, as far as each report says.
    Attached {
        /// Where slots are kept.
        storage: StorageKind,
        /// Why not in a better place; `None` if there is none.
        passed_over: Option<Refusal>,
        /// One for each program.
        reports: Vec<ProgramReport>,
    },
}

/// Why the kernel did not take something.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The error and its causes in one line.
    pub text: String,
    /// What stands in the way, as far as the error tells.
    pub obstacle: Obstacle,
}

/// Attaches all programs and takes them out again.
pub(super) fn attach(collect: &Collect, layout: Option<&Layout>) -> Programs {
    if collect.source == SourceChoice::Files {
        return Programs::NotWanted;
    }
    let Some(layout) = layout else {
        return Programs::NoHierarchy;
    };
    let tried = source::options(collect, layout)
        .map_err(|error| match error {
            SourceError::Kernel(error) => Refusal::of(&error),
            other => Refusal {
                text: chain(&other),
                obstacle: Obstacle::Other,
            },
        })
        .and_then(|options| {
            let mut kernel = Kernel::load(&options).map_err(|error| Refusal::of(&error))?;
            kernel.attach_all().map_err(|error| Refusal::of(&error))?;
            Ok(Programs::Attached {
                storage: kernel.storage(),
                passed_over: kernel.passed_over().map(Refusal::of),
                reports: kernel.programs().to_vec(),
            })
        });
    tried.unwrap_or_else(Programs::Refused)
}

impl Refusal {
    fn of(error: &KernelError) -> Self {
        Self {
            text: chain(error),
            obstacle: error.obstacle(),
        }
    }
}
