//! How the program ends: one number a cause, so that a service manager knows whether to try again.

use std::{
    error::Error,
    iter,
    process::{ExitCode, Termination},
};

use crate::{
    config::Complaints,
    dashboards::ExportError,
    host::cgroup_tree::LayoutError,
    kernel::{KernelError, Obstacle},
    load::LoadError,
    query::QueryError,
    top::TopError,
    web::SettingsError,
};

/// Why the program ended. The unit file lists those after which a restart cannot help.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// All went well.
    Ok,
    /// Something failed that may go better next time.
    Failure,
    /// The command line asks for what does not exist.
    Usage,
    /// `check`: it runs, but lacks some metrics.
    Degraded,
    /// `load`: what was expected does not hold.
    Unmet,
    /// `load`: its target cannot be reached.
    Unreachable,
    /// The kernel lacks a feature. `EX_UNAVAILABLE` of sysexits(3).
    KernelFeature,
    /// The process lacks privileges. `EX_NOPERM` of sysexits(3).
    Privileges,
    /// The configuration does not hold. `EX_CONFIG` of sysexits(3).
    Configuration,
}

impl Exit {
    /// What an error that ended the program stands for, by its first cause that tells; and what to do about it, where
    /// the error does not say so itself.
    pub fn of(error: &(dyn Error + 'static)) -> (Self, Option<&'static str>) {
        iter::successors(Some(error), |&cause| cause.source())
            .find_map(Self::of_cause)
            .unwrap_or((Self::Failure, None))
    }

    fn of_cause(cause: &(dyn Error + 'static)) -> Option<(Self, Option<&'static str>)> {
        if cause.is::<Complaints>() {
            return Some((Self::Configuration, None));
        }
        match cause.downcast_ref() {
            Some(QueryError::Usage(_)) => return Some((Self::Usage, None)),
            Some(QueryError::NoServer) => return Some((Self::Configuration, None)),
            _ => {}
        }
        if let Some(ExportError::Variable { .. }) = cause.downcast_ref() {
            return Some((Self::Usage, None));
        }
        if let Some(TopError::Usage { .. } | TopError::Time(_)) = cause.downcast_ref() {
            return Some((Self::Usage, None));
        }
        if let Some(SettingsError::Address(_)) = cause.downcast_ref() {
            return Some((Self::Usage, None));
        }
        match cause.downcast_ref() {
            Some(LoadError::Usage(_) | LoadError::Remote { .. }) => {
                return Some((Self::Usage, None));
            }
            Some(LoadError::Unreachable { .. }) => return Some((Self::Unreachable, None)),
            _ => {}
        }
        if let Some(LayoutError::NothingMounted) = cause.downcast_ref() {
            return Some((
                Self::KernelFeature,
                Some("mount one: mount -t cgroup2 none /sys/fs/cgroup"),
            ));
        }
        let kernel: &KernelError = cause.downcast_ref()?;
        Some(match kernel.obstacle() {
            Obstacle::Privileges => (
                Self::Privileges,
                Some(
                    "run cgflux as root or with CAP_BPF and CAP_PERFMON, or measure with `--source files`, which sees \
                     less; `cgflux check` says what each privilege gives",
                ),
            ),
            Obstacle::Feature => (
                Self::KernelFeature,
                Some(
                    "measure with `--source files`, which sees less; `cgflux check` says what this kernel has and \
                     what it lacks",
                ),
            ),
            Obstacle::Other => (Self::Failure, None),
        })
    }

    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Degraded | Self::Unmet => 3,
            Self::Unreachable => 4,
            Self::KernelFeature => 69,
            Self::Privileges => 77,
            Self::Configuration => 78,
        }
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::{app::BuildError, source::SourceError, state::LockError, web::AddressError};

    #[test]
    fn each_cause_has_its_status() {
        let kernel = |error| BuildError::Source(SourceError::Kernel(error));
        let program = |forbidden| KernelError::Program {
            program: "cgroup_mkdir",
            reason: "refused".to_owned(),
            forbidden,
        };
        let lock = LockError::Held {
            folder: "/var/lib/cgflux".into(),
            holder: "4711".to_owned(),
        };
        let listen = BuildError::Listen {
            address: ([127, 0, 0, 1], 8190).into(),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        let unknown = QueryError::Usage("no query is called so".to_owned());
        let address = SettingsError::Address(AddressError::Malformed);
        let away = LoadError::Unreachable {
            target: "http://127.0.0.1:1/".to_owned(),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        let time = TopError::Time("never".to_owned());
        let cases: [(Box<dyn Error>, Exit, bool); 14] = [
            (Box::new(time), Exit::Usage, false),
            (Box::new(away), Exit::Unreachable, false),
            (
                Box::new(LoadError::Usage("no".to_owned())),
                Exit::Usage,
                false,
            ),
            (Box::new(address), Exit::Usage, false),
            (Box::new(unknown), Exit::Usage, false),
            (Box::new(QueryError::NoServer), Exit::Configuration, false),
            (Box::new(Complaints(Vec::new())), Exit::Configuration, false),
            (
                Box::new(kernel(KernelError::Layout("no task_struct.pid".to_owned()))),
                Exit::KernelFeature,
                true,
            ),
            (Box::new(kernel(program(false))), Exit::KernelFeature, true),
            (Box::new(kernel(program(true))), Exit::Privileges, true),
            (
                Box::new(BuildError::Source(SourceError::Layout(
                    LayoutError::NothingMounted,
                ))),
                Exit::KernelFeature,
                true,
            ),
            (Box::new(kernel(KernelError::Slot(7))), Exit::Failure, false),
            (Box::new(BuildError::Lock(lock)), Exit::Failure, false),
            (Box::new(listen), Exit::Failure, false),
        ];
        for (error, exit, has_remedy) in cases {
            let (found, remedy) = Exit::of(error.as_ref());
            assert_eq!((found, remedy.is_some()), (exit, has_remedy), "{error:?}");
        }
    }
}
