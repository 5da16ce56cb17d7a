//! What was asked, checked, with the files that it names read.

use std::{
    env, fs, io,
    net::SocketAddr,
    num::NonZero,
    path::{self, Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use super::{
    address::{Address, AddressError},
    store::{Mode, Place},
};
use crate::{cli::WebArgs, config::Secret, surroundings::read_secret};

/// Threads that nobody asked for: so many keep a Redis busy, which has one.
const MOST_THREADS: usize = 8;

/// What `web` is to do.
#[derive(Debug)]
pub struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) reuse_port: bool,
    pub(super) place: Place,
    pub(super) mode: Mode,
    pub(super) threads: usize,
    /// Connections to Redis, one for each thread at least.
    pub(super) lanes: usize,
    /// Batches under way on each connection.
    pub(super) inflight: usize,
    /// How long a batch may be waited for to grow.
    pub(super) linger: Duration,
    pub(super) deadline: Duration,
    /// Hits that may wait for each connection.
    pub(super) most_waiting: usize,
    pub(super) any_path: bool,
    pub(super) reset: bool,
}

/// What was asked for does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// `--redis-address`, or the variable.
    #[error("--redis-address (or REDIS_ADDRESS) {0}")]
    Address(#[from] AddressError),
    /// The file of the password.
    #[error("--redis-password-file: {0}")]
    Password(String),
    /// The file of the certificates.
    #[error("cannot read {path}, the file of --redis-ca")]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Settings {
    /// Checks the arguments and reads the files that they name.
    pub fn of(arguments: &WebArgs) -> Result<Self, SettingsError> {
        let mut address = arguments.redis_address.0.clone()?;
        if let (Address::Redis(info), Some(file)) = (&mut address, &arguments.redis_password_file) {
            let password = password(file).map_err(SettingsError::Password)?;
            let mut redis = info.redis_settings().clone();
            redis = redis.set_password(password.expose());
            if let Some(user) = &arguments.redis_user {
                redis = redis.set_username(user);
            }
            **info = info.as_ref().clone().set_redis_settings(redis);
        }
        let ca = arguments.redis_ca.as_ref().map(|path| {
            fs::read(path).map_err(|source| SettingsError::Ca {
                path: path.clone(),
                source,
            })
        });
        let (threads, lanes) = shares(arguments.threads, arguments.max_connections, cpus());
        let waiting = usize::try_from(arguments.max_waiting).unwrap_or(usize::MAX);
        Ok(Self {
            listen: arguments.listen,
            admin: arguments.admin,
            reuse_port: arguments.reuse_port,
            place: Place {
                address,
                key: arguments.key.clone(),
                ca: ca.transpose()?,
                memory: Arc::default(),
            },
            mode: arguments.redis_mode,
            threads,
            lanes,
            inflight: arguments.inflight.into(),
            linger: arguments.linger,
            deadline: arguments.deadline,
            most_waiting: waiting.div_ceil(lanes),
            any_path: arguments.any_path,
            reset: arguments.reset,
        })
    }
}

/// CPUs that this process may use, by its affinity and its cgroups' limits.
fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// How many threads serve, and by how many connections: never by more than are allowed, and each thread by one of its own.
fn shares(threads: Option<u16>, connections: Option<u16>, cpus: usize) -> (usize, usize) {
    let threads = threads.map_or_else(|| cpus.clamp(1, MOST_THREADS), usize::from);
    let connections = connections.map_or(threads, usize::from);
    (threads.min(connections), connections)
}

/// The password in a file that only its owner may read, or that the service manager hands over.
fn password(file: &Path) -> Result<Secret, String> {
    let credentials = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let file = match credentials {
        // Named from the folder that this program was started in.
        None => path::absolute(file).map_err(|error| error.to_string())?,
        Some(_) => file.to_owned(),
    };
    Secret::in_file(&file, credentials.as_deref(), &read_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_a_connection_and_there_are_no_more_than_allowed() {
        for (threads, connections, cpus, expected) in [
            (None, None, 2, (2, 2)),
            (None, None, 64, (8, 8)),
            (Some(16), None, 2, (16, 16)),
            (None, Some(10), 2, (2, 10)),
            (Some(4), Some(1), 8, (1, 1)),
        ] {
            assert_eq!(shares(threads, connections, cpus), expected);
        }
    }
}
