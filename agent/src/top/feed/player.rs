//! Plays a recording, on a thread of its own: winding takes as long as reading does.

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use super::{
    super::{
        TopError, local_time,
        status::{Place, Speed},
    },
    News,
    tape::{Contents, KEPT_BYTES, Tape},
};

/// Commands that may lie unread; one that finds no room is a key pressed in vain.
const N_QUEUED_COMMANDS: usize = 16;

/// The longest that is waited for a tick: a recording may have holes of hours.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// Waited for a command where nothing is played.
const IDLE: Duration = Duration::from_hours(1);

/// What to do with a recording.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in super::super) enum Command {
    PlayOrStop,
    /// So many milliseconds on, or back.
    Seek(i64),
    /// To a time, as a person writes it.
    GoTo(String),
    Speed {
        is_faster: bool,
    },
}

/// A recording that is played until this goes.
pub(super) struct Player {
    commands: SyncSender<Command>,
}

impl Player {
    /// Reads the recording once, and begins at `at`.
    pub(super) fn start(
        path: &Path,
        at: Option<&str>,
        speed: Speed,
        news: mpsc::Sender<News>,
    ) -> Result<Self, TopError> {
        let failed = |source| TopError::Recording {
            path: path.to_owned(),
            source,
        };
        let contents = Contents::of(path).map_err(failed)?;
        let Some(contents) = contents else {
            return Err(TopError::NoTicks(path.to_owned()));
        };
        let begin_ms = match at {
            Some(at) => meant(at, &contents).map_err(TopError::Time)?,
            None => contents.from_ms,
        };
        let (commands, orders) = sync_channel(N_QUEUED_COMMANDS);
        let playing = Playing {
            tape: Tape::open(path, KEPT_BYTES).map_err(failed)?,
            place: Place {
                from_ms: contents.from_ms,
                to_ms: contents.to_ms,
                is_playing: true,
                speed,
            },
            contents,
            at_ms: begin_ms,
            shown: Instant::now(),
            news,
        };
        thread::Builder::new()
            .name("player".to_owned())
            .spawn(move || playing.run(begin_ms, &orders))
            .map_err(TopError::Thread)?;
        Ok(Self { commands })
    }

    pub(super) fn command(&self, command: Command) {
        // Its thread winds, and the next key comes.
        self.commands.try_send(command).unwrap_or_default();
    }
}

/// The time that a person means, if the recording has it.
fn meant(text: &str, contents: &Contents) -> Result<i64, String> {
    let wall_ms = local_time::meant(text, contents.from_ms)?;
    if wall_ms > contents.to_ms || wall_ms < contents.from_ms.saturating_sub(1000) {
        let [from, to] = [contents.from_ms, contents.to_ms].map(local_time::date_and_time);
        return Err(format!(
            "the recording is from {from} to {to}, and does not have {text}"
        ));
    }
    Ok(wall_ms)
}

struct Playing {
    tape: Tape,
    contents: Contents,
    place: Place,
    /// The time of the tick that is shown, and since when it is.
    at_ms: i64,
    shown: Instant,
    news: mpsc::Sender<News>,
}

/// Nobody listens any more.
struct Unheard;

impl Playing {
    fn run(mut self, begin_ms: i64, orders: &Receiver<Command>) {
        // The end of whoever listens is our end.
        drop(self.play(begin_ms, orders));
    }

    fn play(&mut self, begin_ms: i64, orders: &Receiver<Command>) -> Result<(), Unheard> {
        self.jump(begin_ms)?;
        if let Some(flaw) = self.contents.flaw.clone() {
            self.say(News::Message(flaw))?;
        }
        loop {
            match orders.recv_timeout(self.wait()) {
                Ok(command) => self.obey(command)?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) if self.place.is_playing => self.step()?,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Until the next tick is due.
    fn wait(&mut self) -> Duration {
        if !self.place.is_playing {
            return IDLE;
        }
        let Some(next_ms) = self.tape.next_ms() else {
            return Duration::ZERO;
        };
        let gap_ms = u64::try_from(next_ms.saturating_sub(self.at_ms)).unwrap_or(0);
        let gap = Duration::from_millis(gap_ms).div_f64(self.place.speed.factor());
        gap.min(LONGEST_WAIT).saturating_sub(self.shown.elapsed())
    }

    fn step(&mut self) -> Result<(), Unheard> {
        let Some((tick, events)) = self.tape.play() else {
            self.place.is_playing = false;
            self.say(News::Place(self.place))?;
            let message = "This is the end of the recording.";
            return self.say(News::Message(message.to_owned()));
        };
        self.at_ms = tick.wall_ms;
        self.shown = Instant::now();
        self.say(News::Played(tick, events))
    }

    fn obey(&mut self, command: Command) -> Result<(), Unheard> {
        match command {
            Command::PlayOrStop => {
                self.place.is_playing = !self.place.is_playing;
                // From the end it begins anew.
                if self.place.is_playing && self.tape.next_ms().is_none() {
                    return self.jump(self.place.from_ms);
                }
            }
            Command::Speed { is_faster } => self.place.speed = self.place.speed.step(is_faster),
            Command::Seek(by_ms) => {
                let (from_ms, to_ms) = (self.place.from_ms, self.place.to_ms);
                let wanted_ms = self.at_ms.saturating_add(by_ms);
                return self.jump(wanted_ms.clamp(from_ms, to_ms));
            }
            Command::GoTo(text) => {
                return match meant(&text, &self.contents) {
                    Ok(wall_ms) => self.jump(wall_ms),
                    Err(problem) => self.say(News::Message(problem)),
                };
            }
        }
        self.say(News::Place(self.place))
    }

    fn jump(&mut self, to_ms: i64) -> Result<(), Unheard> {
        let reached = match self.tape.seek(to_ms) {
            Ok(reached) => reached,
            Err(error) => return self.say(News::Message(error.to_string())),
        };
        if let Some(last) = reached.ticks.last() {
            self.at_ms = last.wall_ms;
        }
        self.shown = Instant::now();
        self.say(News::Place(self.place))?;
        self.say(News::Jump {
            hello: self.contents.hello.clone(),
            who: reached.who,
            ticks: reached.ticks,
            events: reached.events,
        })
    }

    fn say(&self, news: News) -> Result<(), Unheard> {
        self.news.blocking_send(news).map_err(|_closed| Unheard)
    }
}
