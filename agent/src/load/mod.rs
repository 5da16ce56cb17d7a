//! `cgflux load`: requests for an HTTP server, at the pace that was asked for, and what became of them.
//!
//! ```text
//! Settings ─► Order ─► Engine: threads, each with its connections ─► Window, each second ─► progress, points
//!                      schedule: when requests are due                   │
//!                      response: replies, as they come                   └─► Outcome ─► report, summary, expectations
//! ```
//!
//! In an open loop a request is due by the clock, and its latency counts from then, however late it was sent: a target
//! that stalls does not slow down who measures it. What was due and not sent is told. All but `engine`, `target`,
//! `progress`, what `compare` reads and this file is pure.

mod amount;
mod compare;
mod engine;
mod expect;
mod hgrm;
mod numbers;
mod outcome;
mod points;
mod progress;
mod report;
mod request;
mod response;
mod run;
mod schedule;
mod search;
mod settings;
mod summary;
mod target;
mod window;
mod words;

use std::{fs, io, net::IpAddr, path::PathBuf};

pub use compare::compare;
pub use expect::Expectation;
pub use schedule::{MAX_RATE, Stage};
pub use settings::{MAX_LENGTH, Settings};
pub use target::{Target, TargetError};

pub(crate) use amount::amount as read_amount;
pub(crate) use request::field as read_field;
pub(crate) use schedule::stages as read_stages;

use crate::{
    clock,
    exit::Exit,
    telemetry::{Mark, Telemetry},
    terminal::print,
};
use engine::Pace;
use expect::Judgement;
use outcome::Outcome;
use progress::Progress;
use report::Run;
use run::Trial;
use schedule::Gaps;
use search::{Search, Step};
use summary::Summary;
use target::Endpoint;
use words::{percent, rate};

/// The share of a rate that must be answered for a trial to hold.
const KEPT_UP: f64 = 0.98;

/// Why there is no load.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The command line does not hold.
    #[error("{0}")]
    Usage(String),
    /// The target is not this host, and nobody said that it may be another.
    #[error(
        "{target} is at {address}, which is not this host; load only what is yours, with --allow-remote"
    )]
    Remote {
        /// The target.
        target: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// Nobody answers there.
    #[error("cannot connect to {target}")]
    Unreachable {
        /// The target.
        target: String,
        /// Why.
        source: io::Error,
    },
    /// The threads cannot do their work.
    #[error("cannot make the load")]
    Engine(#[source] io::Error),
    /// Somebody wants it to end at once.
    #[error("told twice to stop: no summary")]
    Interrupted,
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The report cannot be printed.
    #[error("cannot print")]
    Print(#[source] io::Error),
}

/// Makes the load and reports. `query` is the command that asks for the points of the run, up to the query itself.
pub async fn run(
    settings: Settings,
    telemetry: &Telemetry,
    query: &str,
) -> Result<Exit, LoadError> {
    let endpoint = settings
        .target
        .reach(settings.allow_remote, settings.timeout)?;
    let load = Load {
        run: Run {
            name: settings.run.clone().unwrap_or_else(name),
            target: settings.target.to_string(),
            pace: pace(&settings),
            connections: settings.connections,
            threads: settings.threads,
        },
        progress: Progress::new(settings.is_quiet),
        settings,
        endpoint,
    };
    let title = load.run.title();
    load.progress.say(&title);
    let mark = |event, title: &str, text: &str| {
        let run = Some(load.run.name.as_str());
        telemetry.mark(&Mark {
            event,
            title,
            text,
            run,
        });
    };
    mark("load_start", "load starts", &title);
    let began_ns = clock::now().wall_ns;
    let ended = match &load.settings.find_max {
        Some((expectation, first)) => load.search(expectation, *first, telemetry).await,
        None => load.once(telemetry).await,
    };
    let text = match &ended {
        Ok((_, text)) => text.clone(),
        Err(error) => error.to_string(),
    };
    mark("load_stop", "load stops", &text);
    let (exit, _) = ended?;
    if telemetry.is_on() {
        let run = load.run.name.replace('\\', "\\\\").replace('\'', "\\'");
        let now_ns = clock::now().wall_ns;
        let asked = format!(
            "SELECT rate, p99_us, errors FROM load WHERE run = '{run}' AND time >= {began_ns} AND time <= {now_ns}"
        );
        load.progress
            .say(&format!("its points: {query} \"{asked}\""));
    }
    Ok(exit)
}

/// A load that is reached.
struct Load {
    settings: Settings,
    endpoint: Endpoint,
    run: Run,
    progress: Progress,
}

impl Load {
    /// One run: how it is to exit, and in some words how it went.
    async fn once(&self, telemetry: &Telemetry) -> Result<(Exit, String), LoadError> {
        let order = self.settings.order(self.endpoint.clone());
        let outcome = self.trial(telemetry, order).await?;
        let judgements = judge(&self.settings.expectations, &outcome);
        let text = if self.settings.json {
            json(&Summary::of(&self.run, &outcome, &judgements))
        } else {
            report::text(&self.run, &outcome, &judgements)
        };
        print(&text).map_err(LoadError::Print)?;
        if let Some(path) = &self.settings.hgrm {
            let written = fs::write(path, hgrm::text(&outcome.total.latency));
            written.map_err(|source| LoadError::File {
                path: path.clone(),
                source,
            })?;
        }
        Ok((exit(&outcome, &judgements), brief(&outcome)))
    }

    /// Runs until the highest rate is found at which `expectation` holds.
    async fn search(
        &self,
        expectation: &Expectation,
        first: f64,
        telemetry: &Telemetry,
    ) -> Result<(Exit, String), LoadError> {
        let mut search = Search::new(first);
        let mut trials = Vec::new();
        while let Step::Try(target) = search.step() {
            let mut order = self.settings.order(self.endpoint.clone());
            order.pace = self.settings.trial(target);
            let outcome = self.trial(telemetry, order).await?;
            if outcome.is_stopped {
                break;
            }
            let judgements = judge(std::slice::from_ref(expectation), &outcome);
            let holds = judgements.iter().all(|it| it.holds) && outcome.rate() >= KEPT_UP * target;
            search.tell(holds);
            if self.settings.json {
                let summary = serde_json::to_value(Summary::of(&self.run, &outcome, &judgements));
                trials.push(summary.unwrap_or_default());
            } else {
                print(&trial_line(target, holds, &outcome, &judgements))
                    .map_err(LoadError::Print)?;
            }
        }
        let (held, broke) = search.so_far();
        let found = match (held, broke) {
            (Some(held), Some(broke)) => format!(
                "{expectation} holds up to {}; at {} it does not",
                rate(held),
                rate(broke)
            ),
            (Some(held), None) => format!(
                "{expectation} holds up to {}, the highest that was tried",
                rate(held)
            ),
            (None, _) => format!("{expectation} held at no rate that was tried"),
        };
        let text = if self.settings.json {
            json(&serde_json::json!({
                "schema": "cgflux-load-search/1",
                "expectation": expectation.to_string(),
                "holds_up_to": held,
                "breaks_at": broke,
                "trials": trials,
            }))
        } else {
            format!("  {found}\n")
        };
        print(&text).map_err(LoadError::Print)?;
        let exit = if held.is_some() {
            Exit::Ok
        } else {
            Exit::Unmet
        };
        Ok((exit, found))
    }

    async fn trial(
        &self,
        telemetry: &Telemetry,
        order: engine::Order,
    ) -> Result<Outcome, LoadError> {
        let trial = Trial {
            telemetry,
            run: &self.run.name,
            progress: &self.progress,
        };
        trial.run(order).await
    }
}

fn judge(expectations: &[Expectation], outcome: &Outcome) -> Vec<Judgement> {
    expectations.iter().map(|it| it.judge(outcome)).collect()
}

/// How a run is to exit.
fn exit(outcome: &Outcome, judgements: &[Judgement]) -> Exit {
    let total = &outcome.total;
    if total.replies() == 0 && !outcome.is_stopped {
        let is_never_connected = total.faults.keys().all(|it| *it == window::Fault::Connect);
        return if is_never_connected && !total.faults.is_empty() {
            Exit::Unreachable
        } else {
            Exit::Failure
        };
    }
    let counts = outcome.counter.as_ref().is_none_or(|it| it.holds);
    let is_as_expected = counts && judgements.iter().all(|it| it.holds);
    if is_as_expected {
        Exit::Ok
    } else {
        Exit::Unmet
    }
}

fn brief(outcome: &Outcome) -> String {
    let total = &outcome.total;
    let p99 = words::latency(total.latency.at(0.99) as f64);
    format!(
        "{} ok, {} errors, {}, p99 {p99}",
        total.ok,
        total.errors(),
        rate(outcome.rate())
    )
}

fn trial_line(target: f64, holds: bool, outcome: &Outcome, judgements: &[Judgement]) -> String {
    let word = if holds { "holds" } else { "breaks" };
    let seen: Vec<&str> = judgements.iter().map(|it| it.seen.as_str()).collect();
    let bound = if outcome.client_bound().is_empty() {
        ""
    } else {
        ", client-bound"
    };
    format!(
        "  {:>12}  {word:<6}  {}, {} of the rate, {} errors{bound}\n",
        rate(target),
        seen.join(", "),
        percent(outcome.rate() / target),
        outcome.total.errors()
    )
}

/// The types that are written have strings as keys and no I/O; that does not fail.
fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    crate::text::printable_json(&text) + "\n"
}

/// A name by the time.
fn name() -> String {
    let now = std::time::UNIX_EPOCH
        + std::time::Duration::from_nanos(clock::now().wall_ns.try_into().unwrap_or(0));
    let text = humantime::format_rfc3339_seconds(now).to_string();
    text.replace([':', '-'], "")
}

/// The pace in words.
fn pace(settings: &Settings) -> String {
    if let Some((expectation, _)) = &settings.find_max {
        return format!("open loop, the highest rate with {expectation}");
    }
    match &settings.pace {
        Pace::Replies => "closed loop".to_owned(),
        Pace::Times { stages, gaps } => {
            let gaps = match gaps {
                Gaps::Even => String::new(),
                Gaps::Bursts(size) => format!(" in bursts of {size}"),
                Gaps::Random(seed) => format!(" at random times (seed {seed})"),
            };
            let rates: Vec<String> = stages.iter().map(|it| rate(it.rate)).collect();
            format!("open loop, {}{gaps}", rates.join(", then "))
        }
    }
}
