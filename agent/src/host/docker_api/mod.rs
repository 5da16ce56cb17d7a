//! Docker's API: what the daemon says of its containers, as it happens.
//!
//! It adds to the state files what they cannot tell: a rename, an exit code, where they are. Nothing waits for it; a
//! daemon that is absent, hung or restarted costs one log line and one attempt now and then. While containers come
//! and go it is one message each, else nothing.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    error::Error,
    path::{Path, PathBuf},
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error as ApiError,
    models::{ContainerSummary, EventActor, EventMessage},
    query_parameters::{EventsOptionsBuilder, ListContainersOptionsBuilder},
};
use futures_util::TryStreamExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::runtimes::{bounded, docker::info};
use crate::{container::RuntimeInfo, text::chain};

/// The daemon's socket unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Messages that may lie unread. When it is full the daemon's stream is left unread: nothing is lost before the
/// daemon's own buffer overflows.
pub const N_QUEUED_MESSAGES: usize = 256;

/// What Docker says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum DockerMessage {
    /// Its data root, once for each connection.
    DataRoot(PathBuf),
    /// A container that runs or was renamed, with all that is known of it.
    Container {
        /// Its full id.
        id: String,
        /// Name, image and labels.
        info: RuntimeInfo,
    },
    /// A container in which memory ran out, which may have hit any of its processes.
    OutOfMemory {
        /// Its full id.
        id: String,
    },
    /// A container whose main process ended.
    Ended {
        /// Its full id.
        id: String,
        /// As `docker inspect` shows it: 128 + signal where a signal ended it. `None` if the daemon did not say.
        exit_code: Option<i64>,
    },
}

/// A connection to be kept up.
#[derive(Debug)]
pub struct DockerApi {
    socket: PathBuf,
    messages: mpsc::Sender<DockerMessage>,
}

/// Why [`DockerApi::run`] returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It was asked to.
    Stopped,
    /// Nobody receives the messages any more.
    NoReceiver,
}

/// Pause before the first new attempt; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How long the daemon may take to begin an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

impl DockerApi {
    /// The API at `socket`, and where its messages arrive.
    pub fn new(socket: &Path) -> (Self, mpsc::Receiver<DockerMessage>) {
        let (messages, receiver) = mpsc::channel(N_QUEUED_MESSAGES);
        let api = Self {
            socket: socket.to_owned(),
            messages,
        };
        (api, receiver)
    }

    /// Reports all running containers and follows what happens to them, over again after each loss of the daemon,
    /// until `stop` is done.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Ended {
        let mut stop = pin!(stop);
        let mut pause = FIRST_PAUSE;
        let mut is_failing = false;
        loop {
            let began = Instant::now();
            let mut is_answered = false;
            let failure = tokio::select! {
                () = &mut stop => return Ended::Stopped,
                Err(failure) = self.follow(&mut is_answered) => failure,
            };
            if matches!(failure, FollowError::NoReceiver) {
                return Ended::NoReceiver;
            }
            if is_answered || !is_failing {
                let socket = self.socket.display();
                tracing::info!(%socket, reason = chain(&failure), "no word from Docker");
                is_failing = true;
            }
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            tokio::select! {
                () = &mut stop => return Ended::Stopped,
                () = sleep(pause) => pause = LONGEST_PAUSE.min(pause * 2),
            }
        }
    }

    /// Connects, reports what there is, and follows. Sets `is_answered` once the daemon has answered.
    async fn follow(&self, is_answered: &mut bool) -> Result<Infallible, FollowError> {
        let socket = self.socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&socket, TIMEOUT.as_secs(), API_DEFAULT_VERSION)?
            .negotiate_version()
            .await?;
        tracing::info!(%socket, version = %docker.client_version(), "Docker answers");
        *is_answered = true;

        // Events from just before the list on: what happens meanwhile is reported twice rather than never.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let since = since.unwrap_or_default().as_secs().saturating_sub(1);
        let daemon = understood("/info", docker.info().await)?;
        if let Some(root) = daemon.and_then(|daemon| daemon.docker_root_dir) {
            self.send(DockerMessage::DataRoot(root.into())).await?;
        }
        let running = ListContainersOptionsBuilder::new().all(false).build();
        let running = docker.list_containers(Some(running)).await;
        let running = understood("/containers/json", running)?;
        for container in running.unwrap_or_default() {
            if let Some(message) = listed(container) {
                self.send(message).await?;
            }
        }
        let filters = HashMap::from([
            ("type", vec!["container"]),
            ("event", vec!["start", "rename", "oom", "die"]),
        ]);
        let options = EventsOptionsBuilder::new()
            .since(&since.to_string())
            .filters(&filters)
            .build();
        let mut events = pin!(docker.events(Some(options)));
        while let Some(event) = events.try_next().await? {
            if let Some(message) = happened(event) {
                self.send(message).await?;
            }
        }
        Err(FollowError::Closed)
    }

    async fn send(&self, message: DockerMessage) -> Result<(), FollowError> {
        let no_receiver = |_| FollowError::NoReceiver;
        self.messages.send(message).await.map_err(no_receiver)
    }
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("cannot ask Docker")]
    Docker(#[from] ApiError),
    #[error("Docker closed the stream of events")]
    Closed,
    #[error("nobody receives what Docker says")]
    NoReceiver,
}

/// What the daemon answered; `None` if it refused, or answered in a form that this client does not know. The stream
/// of events is worth having without it.
fn understood<T>(request: &str, answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(
            error @ (ApiError::DockerResponseServerError { .. } | ApiError::JsonDataError { .. }),
        ) => {
            tracing::warn!(
                request,
                error = &error as &dyn Error,
                "Docker's answer is of no use"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn listed(container: ContainerSummary) -> Option<DockerMessage> {
    let names = container.names.unwrap_or_default();
    // Legacy links add names of the form `/other/alias`.
    let name = names
        .iter()
        .find(|name| !name.trim_start_matches('/').contains('/'));
    let labels = container.labels.unwrap_or_default();
    Some(DockerMessage::Container {
        id: container.id?,
        info: bounded(info(
            name.map(String::as_str),
            container.image,
            labels.into_iter().collect(),
        )),
    })
}

fn happened(event: EventMessage) -> Option<DockerMessage> {
    let EventActor { id, attributes } = event.actor?;
    let id = id?;
    let mut attributes: BTreeMap<String, String> = attributes?.into_iter().collect();
    match event.action.as_deref()? {
        "oom" => Some(DockerMessage::OutOfMemory { id }),
        "die" => Some(DockerMessage::Ended {
            id,
            exit_code: attributes
                .get("exitCode")
                .and_then(|code| code.parse().ok()),
        }),
        "start" | "rename" => {
            // The daemon mixes facts of its own into the labels, under these keys.
            let name = attributes.remove("name");
            let image = attributes.remove("image");
            attributes.remove("oldName");
            Some(DockerMessage::Container {
                id,
                info: bounded(info(name.as_deref(), image, attributes)),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
