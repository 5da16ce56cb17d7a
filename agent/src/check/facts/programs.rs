//! What became of the kernel programs: each is loaded and attached for a moment, which is the only probe that tells.

use crate::{
    config::{Collect, SourceChoice},
    host::cgroup_tree::Layout,
    kernel::{Kernel, KernelError, Obstacle, Options, ProgramReport, Role, StorageKind},
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
        .and_then(|options| load(&options))
        .and_then(|(mut kernel, passed_over)| {
            attach_all(&mut kernel).map_err(|error| Refusal::of(&error))?;
            Ok(Programs::Attached {
                storage: kernel.storage(),
                passed_over,
                reports: kernel.programs().to_vec(),
            })
        });
    tried.unwrap_or_else(Programs::Refused)
}

/// Loads as [`Kernel::load`] does, keeping the reason why the best storage was passed over.
fn load(options: &Options) -> Result<(Kernel, Option<Refusal>), Refusal> {
    let with = |storage| {
        let options = Options {
            storage: Some(storage),
            ..options.clone()
        };
        Kernel::load(&options).map_err(|error| Refusal::of(&error))
    };
    match with(StorageKind::CgrpStorage) {
        Ok(kernel) => Ok((kernel, None)),
        Err(refusal) => Ok((with(StorageKind::Hash)?, Some(refusal))),
    }
}

fn attach_all(kernel: &mut Kernel) -> Result<(), KernelError> {
    kernel.attach(|role| !role.counts())?;
    kernel.attach(Role::counts)
}

impl Refusal {
    fn of(error: &KernelError) -> Self {
        Self {
            text: chain(error),
            obstacle: error.obstacle(),
        }
    }
}
