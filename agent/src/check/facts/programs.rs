//! What became of the kernel programs: each is loaded and attached for a moment, which is the only probe that tells.

use std::{error::Error, io};

use super::chain;
use crate::{
    config::{Collect, SourceChoice},
    host::cgroup_tree::Layout,
    kernel::{Kernel, KernelError, Options, ProgramReport, Role, StorageKind},
    source,
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
    /// The error number within, as in errno(3).
    pub errno: Option<i32>,
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
        .map_err(|error| Refusal::of(&error))
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
    fn of(error: &(dyn Error + 'static)) -> Self {
        let mut errno = None;
        let mut cause = Some(error);
        while let Some(error) = cause {
            let io = error.downcast_ref::<io::Error>();
            errno = io.and_then(io::Error::raw_os_error).or(errno);
            cause = error.source();
        }
        let text = chain(error);
        Self {
            errno: errno.or_else(|| errno_in(&text)),
            text,
        }
    }

    /// A refusal of which only the text was kept.
    pub fn by_text(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            errno: errno_in(text),
        }
    }
}

/// The number in a text that an error was made part of, as in `Operation not permitted (os error 1)`.
fn errno_in(text: &str) -> Option<i32> {
    let (_, rest) = text.rsplit_once("(os error ")?;
    rest.split_once(')')?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_number_is_found_however_deep_it_lies() {
        let error = KernelError::Mmap(io::Error::from_raw_os_error(libc::EPERM));
        assert_eq!(Refusal::of(&error).errno, Some(libc::EPERM));
        let error = KernelError::Program {
            program: "cgroup_rmdir",
            reason: io::Error::from_raw_os_error(libc::EINVAL).to_string(),
            forbidden: false,
        };
        assert_eq!(Refusal::of(&error).errno, Some(libc::EINVAL));
        let error = KernelError::Layout("no member".to_owned());
        assert_eq!(Refusal::of(&error).errno, None);
    }
}
