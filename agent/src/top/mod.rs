//! `cgflux top`: all containers on a terminal, as they are now or as a recording has them.
//!
//! - `feed`: the running daemon, a collector of our own, or a recording → what the live stream says.
//! - `model`, `ring`, `own`: that → the latest values and a bounded past of every entry, and what is told of host and agent.
//! - `rows`, `filter`, `measure`: the model → the rows of a table.
//! - `look`, `input`: keys → what a person looks at.
//! - `view`: model and look → a frame; `once`: → plain text.
//! - [`screen`]: the terminal, and how it was before; `recorder`: what the feed says → a file.
//!
//! All but `feed`, `screen`, `signals`, `recorder` and `local_time` are pure.

mod error;
mod feed;
mod filter;
#[cfg(test)]
mod fixture;
mod input;
mod local_time;
mod look;
mod measure;
mod model;
mod once;
mod own;
mod recorder;
mod ring;
mod rows;
pub mod screen;
mod signals;
mod status;
mod view;

use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    time::Duration,
};

use crossterm::event::{Event as Input, EventStream};
use futures_util::StreamExt as _;
use tokio::time::{Instant, interval_at, timeout};

use crate::{cli::TopArgs, config::Config, stream, terminal};
pub use error::TopError;
use feed::{Command, Feed, News};
use filter::Filter;
use look::{Effect, Look};
use model::Model;
use recorder::Recorder;
use rows::{Kinds, Layout};
use screen::Screen;
use signals::{Caught, Signals};
use status::{Speed, Status};
use view::Manner;

/// How long a first tick with all numbers may take.
const FIRST_TICK: Duration = Duration::from_secs(15);

/// Between two words of a recorder that nobody watches.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Shows what there is until a person or a signal ends it; once where standard output is no terminal. `colours` are used on
/// the terminal if they may be.
pub async fn run(config: &Config, arguments: &TopArgs, colours: bool) -> Result<(), TopError> {
    // Caught before anything is changed, so that it is always changed back.
    let mut signals = Signals::catch()?;
    let speed = arguments.speed.parse().map_err(|problem| TopError::Usage {
        flag: "speed",
        problem,
    })?;
    let feed = open(config, arguments, speed).await?;
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    let recorder = match &arguments.record {
        Some(path) => Some(Recorder::create(path).map_err(|source| TopError::Record {
            path: path.clone(),
            source,
        })?),
        None => None,
    };
    let mut top = Top {
        look: look(arguments),
        model: Model::default(),
        status: Status {
            origin: feed.origin.clone(),
            ..Status::default()
        },
        feed,
        recorder,
        record_path: arguments.record.clone().unwrap_or_default(),
    };
    let ended = if is_terminal && !arguments.once {
        let manner = Manner {
            has_colours: colours,
            time: local_time::time_of_day,
        };
        top.show(manner, &mut signals).await
    } else if top.recorder.is_some() {
        top.only_record(&mut signals).await
    } else {
        top.print_once(&mut signals).await
    };
    let finished = top.finish();
    ended.and(finished)
}

async fn open(config: &Config, arguments: &TopArgs, speed: Speed) -> Result<Feed, TopError> {
    match &arguments.replay {
        Some(path) => Feed::replay(path, arguments.at.as_deref(), speed),
        None => Feed::live(config, &arguments.daemon.way(), arguments.interval).await,
    }
}

/// What the command line asks to be seen first.
fn look(arguments: &TopArgs) -> Look {
    let mut look = Look::default();
    look.wanted.filter = Filter::new(&arguments.filter);
    if arguments.tree {
        look.wanted.layout = Layout::Tree;
    }
    if arguments.units {
        look.wanted.kinds = Kinds::Units;
    }
    look
}

/// What is shown, where it comes from, and where it is written to.
struct Top {
    look: Look,
    model: Model,
    status: Status,
    feed: Feed,
    recorder: Option<Recorder>,
    record_path: PathBuf,
}

impl Top {
    /// Shows it until a person or a signal ends it.
    async fn show(&mut self, manner: Manner, signals: &mut Signals) -> Result<(), TopError> {
        let mut screen = Screen::take().map_err(TopError::Terminal)?;
        let mut keys = EventStream::new();
        loop {
            screen
                .draw(|frame| {
                    view::draw(frame, &mut self.look, &self.model, &self.status, manner);
                })
                .map_err(TopError::Terminal)?;
            tokio::select! {
                biased;
                caught = signals.next() => match caught {
                    Caught::End => return Ok(()),
                    Caught::Stop => screen.stop().map_err(TopError::Terminal)?,
                    Caught::Continue => screen.resume().map_err(TopError::Terminal)?,
                },
                input = keys.next() => match input {
                    Some(Ok(input)) => {
                        if !self.react(&input, &mut screen)? {
                            return Ok(());
                        }
                    }
                    // The terminal is gone.
                    Some(Err(_)) | None => return Ok(()),
                },
                news = self.feed.next() => {
                    self.take(news.unwrap_or(News::Ended(TopError::Collector)))?;
                    // What has piled up is drawn at once.
                    while let Some(news) = self.feed.try_next() {
                        self.take(news)?;
                    }
                }
            }
        }
    }

    /// Does what a key says; returns whether to go on.
    fn react(&mut self, input: &Input, screen: &mut Screen) -> Result<bool, TopError> {
        let Input::Key(key) = input else {
            // Another size: drawn anew by the caller.
            return Ok(true);
        };
        let is_typing = self.look.prompt.is_some();
        let Some(action) = input::action(key, is_typing) else {
            return Ok(true);
        };
        self.status.message = None;
        let is_replay = self.feed.is_replay();
        match self.look.act(action, &self.model, is_replay) {
            Effect::Nothing => {}
            Effect::Quit => return Ok(false),
            Effect::Suspend => Screen::ask_to_stop()
                .map_err(io::Error::from)
                .map_err(TopError::Terminal)?,
            Effect::Redraw => screen.clear().map_err(TopError::Terminal)?,
            Effect::PlayOrStop => self.feed.command(Command::PlayOrStop),
            Effect::Seek(by_ms) => self.feed.command(Command::Seek(by_ms)),
            Effect::GoTo(text) => self.feed.command(Command::GoTo(text)),
            Effect::Speed { is_faster } => self.feed.command(Command::Speed { is_faster }),
        }
        Ok(true)
    }

    /// Writes what is told, and says so now and then, until a signal ends it.
    async fn only_record(&mut self, signals: &mut Signals) -> Result<(), TopError> {
        terminal::tell(&format!(
            "{}; recording until a signal ends it",
            self.status.origin
        ));
        let mut due = interval_at(Instant::now() + TOLD_EVERY, TOLD_EVERY);
        loop {
            let trouble = self.status.trouble.clone();
            tokio::select! {
                biased;
                caught = signals.next() => match caught {
                    Caught::End => return Ok(()),
                    Caught::Stop | Caught::Continue => {}
                },
                news = self.feed.next() => {
                    self.take(news.unwrap_or(News::Ended(TopError::Collector)))?;
                }
                _ = due.tick() => {
                    if let Some(recorder) = &self.recorder {
                        terminal::tell(&recorder.told());
                    }
                }
            }
            match (&trouble, &self.status.trouble) {
                (None, Some(trouble)) => terminal::tell(trouble),
                (Some(_), None) => terminal::tell("the daemon tells us again"),
                _ => {}
            }
        }
    }

    /// Prints a table of the first tick that has all numbers.
    async fn print_once(&mut self, signals: &mut Signals) -> Result<(), TopError> {
        let first = async {
            while !self.has_rates() {
                let news = self.feed.next().await;
                self.take(news.unwrap_or(News::Ended(TopError::NoTick)))?;
            }
            Ok::<(), TopError>(())
        };
        let waited = tokio::select! {
            waited = timeout(FIRST_TICK, first) => waited,
            _ = signals.next() => return Ok(()),
        };
        waited.map_err(|_elapsed| TopError::NoTick)??;
        terminal::tell(&self.status.origin);
        let text = once::table(&self.model, &self.look.wanted);
        terminal::print(&text).map_err(TopError::Terminal)?;
        Ok(())
    }

    /// Whether the newest tick tells rates: a first one has none. The newest of a daemon is the one that tells of the host.
    fn has_rates(&self) -> bool {
        let cpu = self.model.whole[measure::Measure::Cpu.at()].last();
        let is_newest = self.feed.is_replay() || self.model.machine.memory_bytes.is_some();
        cpu.is_some() && is_newest
    }

    /// Takes in news, and writes down what is to be kept.
    fn take(&mut self, news: News) -> Result<(), TopError> {
        self.record(&news)?;
        match news {
            News::Hello(text) => self.model.greet(stream::hello(&text)?),
            News::Tick(text) => {
                self.model.tick(&stream::tick(&text)?);
                self.status.trouble = None;
            }
            News::Events(text) => self.model.happened(stream::events(&text)?),
            News::Trouble(trouble) => self.status.trouble = Some(trouble),
            News::Jump {
                hello,
                who,
                ticks,
                events,
            } => {
                self.model.start_anew();
                self.model.greet(hello);
                for who in &who {
                    self.model.introduce(who);
                }
                for tick in &ticks {
                    self.model.tick(tick);
                }
                self.model.happened(events);
            }
            News::Played(tick, events) => {
                self.model.tick(&tick);
                self.model.happened(events);
            }
            News::Place(place) => self.status.place = Some(place),
            News::Message(message) => self.status.message = Some(message),
            News::Ended(error) => return Err(error),
        }
        Ok(())
    }

    fn record(&mut self, news: &News) -> Result<(), TopError> {
        let Some(recorder) = &mut self.recorder else {
            return Ok(());
        };
        let written = match news {
            News::Hello(text) => recorder.hello(text),
            News::Tick(text) => recorder.tick(text),
            News::Events(text) => recorder.events(text),
            _ => Ok(()),
        };
        self.status.recording = Some(format!("recording {}", recorder.told()));
        written.map_err(|source| TopError::Record {
            path: self.record_path.clone(),
            source,
        })
    }

    /// Ends the recording, and says what it is.
    fn finish(&mut self) -> Result<(), TopError> {
        let Some(mut recorder) = self.recorder.take() else {
            return Ok(());
        };
        recorder.finish().map_err(|source| TopError::Record {
            path: self.record_path.clone(),
            source,
        })?;
        terminal::tell(&format!("recorded {}", recorder.told()));
        Ok(())
    }
}
