//! Where ticks come from: the running daemon, a collector of our own, or a recording. All of them say the same.

mod daemon;
mod here;
mod kept;
mod past;
mod player;
mod tape;

use std::{path::Path, time::Duration};

use tokio::{sync::mpsc, task::JoinSet};

pub(super) use here::HereError;
pub(super) use player::Command;
use player::Player;

use super::{
    TopError,
    status::{Place, Speed},
};
use crate::{
    client::{
        GetError, Server, Way,
        events::{EventStream, Listening},
        find,
    },
    config::Config,
    stream::{Event, Hello, Tick, Who},
    surroundings::read_secret,
};
use here::Here;

/// What may lie unread: of the past that a daemon tells at once, some. When it is full a feed waits.
const N_QUEUED_NEWS: usize = 16;

/// Something new.
#[derive(Debug)]
pub(super) enum News {
    /// What the live stream says, as it says it.
    Hello(String),
    Tick(String),
    Events(String),
    /// There is nothing new, and why; until the next tick.
    Trouble(String),
    /// What a recording has. Another place in it: who is there, and what led to it.
    Jump {
        hello: Hello,
        who: Vec<Who>,
        ticks: Vec<Tick>,
        events: Vec<Event>,
    },
    Played(Tick, Vec<Event>),
    Place(Place),
    /// To be said once.
    Message(String),
    /// There will be nothing more.
    Ended(TopError),
}

/// A source of news, which ends with it.
pub(super) struct Feed {
    news: mpsc::Receiver<News>,
    /// Where they come from, in words.
    pub(super) origin: String,
    kind: Kind,
}

enum Kind {
    Live {
        /// Dropped, and ended so, with the feed.
        _tasks: JoinSet<()>,
        _here: Option<Here>,
    },
    Replay(Player),
}

impl Feed {
    /// The daemon that `way` names, which must answer; if it names none the configured one if that answers, else a
    /// collector of our own.
    pub(super) async fn live(
        config: &Config,
        way: &Way,
        interval: Duration,
    ) -> Result<Self, TopError> {
        let server = find(config, way, read_secret).await?;
        let reason = match (server, &way.url) {
            (None, _) => "the configuration has the daemon's API switched off".to_owned(),
            (Some(server), Some(_)) => {
                return match daemon::open(&server, None).await? {
                    Listening::Events(stream) => Ok(Self::daemon(server, stream)),
                    Listening::Refused { status, body } => Err(TopError::Refused {
                        reason: daemon::refusal(status, &body),
                        server,
                    }),
                };
            }
            (Some(server), None) => match daemon::open(&server, None).await {
                Ok(Listening::Events(stream)) => return Ok(Self::daemon(server, stream)),
                Ok(Listening::Refused { status, body }) => {
                    format!("{server} refuses: {}", daemon::refusal(status, &body))
                }
                Err(GetError::Connect { .. }) => format!("no daemon at {server}"),
                Err(error) => error.to_string(),
            },
        };
        let (sender, news) = mpsc::channel(N_QUEUED_NEWS);
        let (here, ticks) = Here::start(config, interval)?;
        let how = if here.has_programs {
            "by kernel programs"
        } else {
            "from cgroup files"
        };
        let hello = here.hello.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(here::tell(ticks, hello, sender));
        Ok(Self {
            news,
            origin: format!("measured here {how}; {reason}"),
            kind: Kind::Live {
                _tasks: tasks,
                _here: Some(here),
            },
        })
    }

    /// What is in a file.
    pub(super) fn replay(path: &Path, at: Option<&str>, speed: Speed) -> Result<Self, TopError> {
        let (sender, news) = mpsc::channel(N_QUEUED_NEWS);
        let player = Player::start(path, at, speed, sender)?;
        Ok(Self {
            news,
            origin: format!("recorded in {}", path.display()),
            kind: Kind::Replay(player),
        })
    }

    fn daemon(server: Server, stream: EventStream) -> Self {
        let (sender, news) = mpsc::channel(N_QUEUED_NEWS);
        let origin = format!("live from {server}");
        let mut tasks = JoinSet::new();
        tasks.spawn(daemon::follow(server, stream, sender));
        Self {
            news,
            origin,
            kind: Kind::Live {
                _tasks: tasks,
                _here: None,
            },
        }
    }

    /// The next news; `None` when there will be none.
    pub(super) async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// The next news, if there are some already.
    pub(super) fn try_next(&mut self) -> Option<News> {
        self.news.try_recv().ok()
    }

    pub(super) fn is_replay(&self) -> bool {
        matches!(self.kind, Kind::Replay(_))
    }

    /// Has a recording played otherwise.
    pub(super) fn command(&self, command: Command) {
        if let Kind::Replay(player) = &self.kind {
            player.command(command);
        }
    }
}
