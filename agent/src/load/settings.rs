//! What was asked for, checked: a run, or a search of several.

use std::{path::PathBuf, time::Duration};

use super::{
    LoadError,
    engine::{Order, Pace},
    expect::Expectation,
    request::Request,
    schedule::{Gaps, Stage},
    target::Target,
};
use crate::{cli::LoadArgs, host::process, text::printable};

/// The longest run.
pub const MAX_LENGTH: Duration = Duration::from_hours(1);

/// How long a run is, if nobody says.
const LENGTH: Duration = Duration::from_secs(10);

/// How long a trial of a search is, if nobody says.
const TRIAL: Duration = Duration::from_secs(3);

/// Where a search begins, if nobody says: requests a second.
const FIRST_RATE: f64 = 1_000.0;

/// Most threads, if nobody says.
const MAX_THREADS: usize = 4;

/// Descriptors for everything but connections.
const SPARE_DESCRIPTORS: u64 = 64;

/// What is to be done.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Settings {
    pub(super) target: Target,
    pub(super) allow_remote: bool,
    pub(super) request: Request,
    pub(super) pace: Pace,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) warmup: Duration,
    pub(super) length: Duration,
    pub(super) most: Option<u64>,
    pub(super) timeout: Duration,
    pub(super) verify_counter: bool,
    pub(super) expectations: Vec<Expectation>,
    /// A search: what is to hold, and the rate it begins with.
    pub(super) find_max: Option<(Expectation, f64)>,
    pub(super) json: bool,
    pub(super) hgrm: Option<PathBuf>,
    /// The name of the run, if it was given one.
    pub(super) run: Option<String>,
    pub(super) is_quiet: bool,
}

impl Settings {
    /// Checks the command line.
    pub fn of(arguments: &LoadArgs, is_quiet: bool) -> Result<Self, LoadError> {
        let usage = |text: String| Err(LoadError::Usage(text));
        let Some(target) = &arguments.target else {
            return usage("there is no URL to load".to_owned());
        };
        let find_max = arguments.find_max.clone();
        let rate = arguments.rate;
        let length = match (&arguments.stages, arguments.duration, arguments.requests) {
            (Some(stages), ..) => stages.0.iter().map(|it| it.length).sum(),
            (None, Some(length), _) => length,
            (None, None, Some(_)) => MAX_LENGTH.saturating_sub(arguments.warmup),
            (None, None, None) if find_max.is_some() => TRIAL,
            (None, None, None) => LENGTH,
        };
        if length + arguments.warmup > MAX_LENGTH {
            return usage("a run is at most 1h, with its warm-up".to_owned());
        }
        let stages = arguments
            .stages
            .clone()
            .map(|it| it.0)
            .or_else(|| rate.map(|rate| vec![Stage { length, rate }]));
        let is_open = stages.is_some() || find_max.is_some();
        let timed = [
            ("--poisson", arguments.poisson),
            ("--burst", arguments.burst.is_some()),
        ];
        if let (Some((flag, _)), false) = (timed.iter().find(|(_, is_given)| *is_given), is_open) {
            return usage(format!(
                "{flag} says when requests are due: it needs --rate or --stages"
            ));
        }
        let relative = arguments
            .expect
            .iter()
            .chain(&find_max)
            .find(|it| it.needs_target_rate());
        if let (Some(relative), false) = (relative, is_open) {
            return usage(format!(
                "--expect '{relative}' needs a --rate or --stages to compare with"
            ));
        }
        let gaps = gaps(arguments);
        let pace = match stages {
            Some(mut stages) if find_max.is_none() => {
                warm_up(&mut stages, arguments.warmup);
                Pace::Times { stages, gaps }
            }
            // Each trial of a search has a rate of its own.
            None if find_max.is_none() => Pace::Replies,
            _ => Pace::Times {
                stages: Vec::new(),
                gaps,
            },
        };
        let body = arguments.body.clone().unwrap_or_default().into_bytes();
        let connections = usize::from(arguments.connections);
        enough_descriptors(connections)?;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = arguments.threads.map_or(cpus.min(MAX_THREADS), usize::from);
        Ok(Self {
            target: target.clone(),
            allow_remote: arguments.allow_remote,
            request: Request {
                method: arguments.method.clone(),
                fields: arguments.header.clone(),
                body,
                keep_alive: !arguments.no_keep_alive,
            },
            pace,
            connections,
            threads: threads.min(connections),
            warmup: arguments.warmup,
            length,
            most: arguments.requests,
            timeout: arguments.timeout,
            verify_counter: arguments.verify_counter,
            expectations: arguments.expect.clone(),
            find_max: find_max.map(|it| (it, rate.unwrap_or(FIRST_RATE))),
            json: arguments.json,
            hgrm: arguments.hgrm.clone(),
            run: arguments
                .run
                .as_deref()
                .map(|it| printable(it).into_owned()),
            is_quiet,
        })
    }

    /// The orders for one run, at `endpoint`.
    pub(super) fn order(&self, endpoint: super::target::Endpoint) -> Order {
        Order {
            endpoint,
            request: self.request.bytes(&self.target),
            is_head: self.request.method == hyper::Method::HEAD,
            pace: self.pace.clone(),
            connections: self.connections,
            threads: self.threads,
            warmup: self.warmup,
            length: self.length,
            most: self.most,
            timeout: self.timeout,
            keep_alive: self.request.keep_alive,
            wants_numbers: self.verify_counter,
        }
    }

    /// The pace of one trial of a search.
    pub(super) fn trial(&self, rate: f64) -> Pace {
        let gaps = match self.pace {
            Pace::Times { gaps, .. } => gaps,
            Pace::Replies => Gaps::Even,
        };
        let mut stages = vec![Stage {
            length: self.length,
            rate,
        }];
        warm_up(&mut stages, self.warmup);
        Pace::Times { stages, gaps }
    }
}

fn gaps(arguments: &LoadArgs) -> Gaps {
    match arguments.burst {
        Some(size) => Gaps::Bursts(size),
        None if arguments.poisson => {
            Gaps::Random(arguments.seed.unwrap_or_else(|| fastrand::u64(..)))
        }
        None => Gaps::Even,
    }
}

/// Puts a warm-up at the first stage's rate in front.
fn warm_up(stages: &mut Vec<Stage>, warmup: Duration) {
    let first = stages.first().copied();
    if let (Some(first), false) = (first, warmup.is_zero()) {
        stages.insert(
            0,
            Stage {
                length: warmup,
                ..first
            },
        );
    }
}

fn enough_descriptors(connections: usize) -> Result<(), LoadError> {
    if let Err(error) = process::raise_open_files() {
        tracing::debug!(%error, "the number of open files stays as it is");
    }
    let most = process::most_descriptors();
    if connections as u64 + SPARE_DESCRIPTORS > most {
        return Err(LoadError::Usage(format!(
            "--connections {connections} needs {} open files and this process may have {most}; raise that with ulimit -n, \
             or LimitNOFILE= of its unit",
            connections as u64 + SPARE_DESCRIPTORS
        )));
    }
    Ok(())
}
