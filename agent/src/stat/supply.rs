//! Where numbers come from: the running daemon, or a source of our own beside it.

use std::time::Duration;

use humantime::format_duration;
use tokio::time::{Instant, sleep, sleep_until};

use super::answer::{self, AnswerError};
use crate::{
    client::{
        GetError, Server, Way, WayError,
        daemon::{Reply, ask},
        find,
    },
    clock::Clock,
    config::{Config, SourceChoice},
    metrics::Batch,
    snapshot::{Interval, Snapshot},
    source::{Beside, BesideError},
    surroundings::read_secret,
};

/// How long a daemon may take to collect for the first time, or again.
const NEXT_TICK: Duration = Duration::from_secs(5);

/// How often it is asked meanwhile.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How often births and ends of cgroups are taken in: what tells a container's name is soon gone.
const TAKE_EVENTS: Duration = Duration::from_millis(100);

/// Why there are no numbers.
#[derive(Debug, thiserror::Error)]
pub enum SupplyError {
    /// The daemon cannot be asked.
    #[error("no daemon can be asked")]
    Unreachable(#[from] GetError),
    /// It cannot be asked in this way.
    #[error(transparent)]
    Way(#[from] WayError),
    /// It does not want to be.
    #[error("the daemon at {server} refuses: {reason}")]
    Refused {
        /// Who was asked.
        server: Server,
        /// What it said.
        reason: String,
    },
    /// It is none.
    #[error("what answers at {server} is no cgflux: {who}")]
    Foreign {
        /// Who was asked.
        server: Server,
        /// Who it says it is.
        who: String,
    },
    /// It is of another version.
    #[error("the daemon at {server} is not understood")]
    Answer {
        /// Who was asked.
        server: Server,
        /// Why.
        source: AnswerError,
    },
    /// It does not tick.
    #[error(
        "the daemon at {server} has collected nothing for {}",
        format_duration(NEXT_TICK)
    )]
    NoTick {
        /// Who was asked.
        server: Server,
    },
    /// Nothing can be measured here either.
    #[error(transparent)]
    Source(#[from] BesideError),
}

/// Where numbers come from.
pub(super) enum Supply {
    /// The daemon at an address, and when its last batch was taken.
    Daemon(Server, Option<i64>),
    /// A source of our own.
    Here(Box<Here>),
}

/// One batch.
pub(super) struct Reading {
    /// The batch.
    pub(super) batch: Batch,
    /// The daemon's own words; `None` if it was measured here.
    pub(super) answer: Option<String>,
}

/// A source of our own.
pub(super) struct Here {
    beside: Beside,
    clock: Clock,
    before: Option<Snapshot>,
    /// Why no daemon was asked.
    reason: String,
}

impl Supply {
    /// The daemon that `way` names, which must answer; if it names none the configured one if that answers, else a source
    /// of our own.
    pub(super) async fn open(config: &Config, way: &Way) -> Result<Self, SupplyError> {
        let Some(server) = find(config, way, read_secret).await? else {
            return Here::start(
                config,
                "the configuration has the daemon's API switched off",
            );
        };
        if way.url.is_some() {
            return match ask(&server).await? {
                Reply::Numbers(_) | Reply::Starting => Ok(Self::Daemon(server, None)),
                Reply::Refused(reason) => Err(SupplyError::Refused { server, reason }),
                Reply::Foreign(who) => Err(SupplyError::Foreign { server, who }),
            };
        }
        let reason = match ask(&server).await {
            Ok(Reply::Numbers(_) | Reply::Starting) => return Ok(Self::Daemon(server, None)),
            Ok(Reply::Refused(reason)) => format!("the daemon at {server} refuses: {reason}"),
            Ok(Reply::Foreign(who)) => {
                format!("what answers at {server} is no cgflux: {who}")
            }
            Err(GetError::Connect { .. }) => format!("no daemon answers at {server}"),
            Err(error) => error.to_string(),
        };
        Here::start(config, &reason)
    }

    /// One line for people: whose numbers these are.
    pub(super) fn origin(&self, interval: Duration, is_table: bool) -> String {
        let every = format_duration(interval);
        match self {
            // What is not a table has the daemon's rates.
            Self::Daemon(server, _) if !is_table => format!("from the daemon at {server}"),
            Self::Daemon(server, _) => format!("from the daemon at {server}, rates over {every}"),
            Self::Here(here) if here.beside.source.programs().is_empty() => format!(
                "measured here over {every} from cgroup files, without run-queue wait and switches (`cgflux check` \
                 says why); {}",
                here.reason
            ),
            Self::Here(here) => format!(
                "measured here over {every} by kernel programs; {}",
                here.reason
            ),
        }
    }

    /// Whether a first reading has no rates.
    pub(super) fn takes_two(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    /// The numbers now; of a daemon the next that were not read before.
    pub(super) async fn read(&mut self) -> Result<Reading, SupplyError> {
        let (server, taken) = match self {
            Self::Here(here) => return Ok(here.read()),
            Self::Daemon(server, taken) => (server, taken),
        };
        let deadline = Instant::now() + NEXT_TICK;
        while Instant::now() < deadline {
            match ask(server).await? {
                Reply::Numbers(text) => {
                    let batch = answer::batch(&text).map_err(|source| SupplyError::Answer {
                        server: server.clone(),
                        source,
                    })?;
                    if taken.replace(batch.taken.wall_ns) != Some(batch.taken.wall_ns) {
                        return Ok(Reading {
                            batch,
                            answer: Some(text),
                        });
                    }
                }
                Reply::Starting => {}
                Reply::Refused(reason) => {
                    let server = server.clone();
                    return Err(SupplyError::Refused { server, reason });
                }
                Reply::Foreign(who) => {
                    let server = server.clone();
                    return Err(SupplyError::Foreign { server, who });
                }
            }
            sleep(ASK_AGAIN).await;
        }
        let server = server.clone();
        Err(SupplyError::NoTick { server })
    }

    /// Waits, and acts on what happens to cgroups meanwhile.
    pub(super) async fn wait_until(&mut self, due: Instant) {
        if let Self::Here(here) = self {
            while Instant::now() + TAKE_EVENTS < due {
                sleep(TAKE_EVENTS).await;
                here.beside.source.take_events();
            }
        }
        sleep_until(due).await;
    }
}

impl Here {
    fn start(config: &Config, reason: &str) -> Result<Supply, SupplyError> {
        let beside = Beside::start(config, "stat")?;
        let reason = match config.collect.source {
            SourceChoice::Files => format!("{reason}; collect.source = \"files\""),
            SourceChoice::Auto | SourceChoice::Kernel => reason.to_owned(),
        };
        Ok(Supply::Here(Box::new(Self {
            beside,
            clock: Clock::default(),
            before: None,
            reason,
        })))
    }

    fn read(&mut self) -> Reading {
        let source = &mut self.beside.source;
        let snapshot = source.snapshot(self.clock.now());
        let interval = Interval::between(self.before.as_ref(), &snapshot);
        let (batch, _nameless) = Batch::assemble(interval, |id| source.entry(id));
        source.forget_finished();
        self.before = Some(snapshot);
        Reading {
            batch,
            answer: None,
        }
    }
}
