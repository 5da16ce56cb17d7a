//! Why the kernel side cannot be used, and what stands in the way.

use std::{error::Error, io, iter};

use aya::{EbpfError, maps::MapError, programs::ProgramError};
use nix::errno::Errno;

use super::btf::BtfError;

/// Why the kernel side cannot be used, or an operation on it failed.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// No usable type information.
    #[error("no kernel type information")]
    Btf(#[from] BtfError),
    /// The loader's own reading of the type information failed.
    #[error("the loader cannot read the kernel's type information")]
    LoaderBtf(#[from] aya::BtfError),
    /// A structure this program relies on is not as expected.
    #[error("{0}")]
    Layout(String),
    /// The object could not be loaded: maps refused, mostly for lack of privilege.
    #[error("cannot load the kernel object ({storage})")]
    Object {
        /// Which of the objects.
        storage: &'static str,
        /// Why.
        source: Box<EbpfError>,
    },
    /// The object was loaded, but its slots cannot be filled.
    #[error("slots cannot be kept there ({storage})")]
    Unusable {
        /// Which of the objects.
        storage: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// A program that the kernel source cannot do without.
    #[error("kernel program {program} is not available: {reason}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Why.
        reason: String,
        /// Whether privileges are what is missing.
        forbidden: bool,
    },
    /// A program was loaded but not attached.
    #[error("cannot attach kernel program {program}")]
    Attach {
        /// Its name.
        program: &'static str,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A map is missing from the object or of another type.
    #[error("kernel map {map}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        source: Box<MapError>,
    },
    /// A map is not in the object.
    #[error("the kernel object has no map {0}")]
    NoMap(&'static str),
    /// Records could not be mapped into memory.
    #[error("cannot map kernel records into memory")]
    Mmap(#[source] io::Error),
    /// A slot number beyond the maps.
    #[error("slot {0} is beyond the kernel's maps")]
    Slot(u32),
    /// A cgroup's directory cannot be opened.
    #[error("cannot open cgroup directory {path}")]
    Directory {
        /// Which one.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// What stands in the way of the kernel programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Obstacle {
    /// This process may not.
    Privileges,
    /// This kernel cannot.
    Feature,
    /// Neither: it may go better next time.
    Other,
}

impl KernelError {
    /// What stands in the way.
    pub fn obstacle(&self) -> Obstacle {
        let causes = || iter::successors(Some(self as &(dyn Error + 'static)), |&it| it.source());
        let errno = causes()
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .find_map(io::Error::raw_os_error)
            .map(Errno::from_raw);
        match (self, errno) {
            (
                Self::Map { .. }
                | Self::NoMap(_)
                | Self::Mmap(_)
                | Self::Slot(_)
                | Self::Directory { .. },
                _,
            ) => Obstacle::Other,
            (
                Self::Program {
                    forbidden: true, ..
                },
                _,
            )
            | (_, Some(Errno::EPERM | Errno::EACCES)) => Obstacle::Privileges,
            (Self::Unusable { .. }, _) => Obstacle::Feature,
            (
                _,
                Some(Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::EINTR),
            ) => Obstacle::Other,
            _ => Obstacle::Feature,
        }
    }
}

/// The failure of an operation on `map`.
pub(super) fn map_error(map: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Map {
        map,
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_obstacle_is_found_in_the_cause() {
        let btf = |errno| BtfError::Read {
            path: "/sys/kernel/btf/vmlinux".to_owned(),
            source: io::Error::from(errno),
        };
        let object = |errno| KernelError::Object {
            storage: "hash",
            source: Box::new(EbpfError::MapError(MapError::CreateError {
                name: "EVENTS".to_owned(),
                io_error: io::Error::from(errno),
            })),
        };
        let program = |forbidden| KernelError::Program {
            program: "cgroup_mkdir",
            reason: String::new(),
            forbidden,
        };
        for (error, obstacle) in [
            (btf(Errno::ENOENT).into(), Obstacle::Feature),
            (btf(Errno::EACCES).into(), Obstacle::Privileges),
            (KernelError::Layout(String::new()), Obstacle::Feature),
            (object(Errno::EINVAL), Obstacle::Feature),
            (object(Errno::EPERM), Obstacle::Privileges),
            (object(Errno::ENOMEM), Obstacle::Other),
            (program(false), Obstacle::Feature),
            (program(true), Obstacle::Privileges),
            (KernelError::Slot(7), Obstacle::Other),
        ] {
            assert_eq!(error.obstacle(), obstacle, "{error:?}");
        }
    }
}
