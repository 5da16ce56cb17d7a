//! `cgflux stat`: the current numbers, from the running daemon where there is one, else measured here.
//!
//! - `supply`: where numbers come from; `answer`: what a daemon says → a batch.
//! - `choice`: the name that was asked for → entries.
//! - `rates`, `table`: two batches → rows → text.
//! - `printer`: readings → standard output, in any of the formats.

mod answer;
mod choice;
mod printer;
mod rates;
mod supply;
mod table;

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};

pub use answer::AnswerError;
pub use supply::SupplyError;

use crate::{
    cli::{StatArgs, StatFormat},
    config::Config,
    encode::Tagging,
    metrics::Batch,
};
use choice::{choose, near};
use printer::Printer;
use supply::Supply;

/// Why numbers cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum StatError {
    /// There are none.
    #[error(transparent)]
    Supply(#[from] SupplyError),
    /// Nothing is called that; what is called nearly so.
    #[error("{}", unknown(.name, .near))]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that look like it, best first.
        near: Vec<String>,
    },
    /// Standard output is of no use.
    #[error("cannot print")]
    Print(#[source] io::Error),
    /// The process lacks something basic.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// Prints once, or each interval until a signal comes or nobody reads any more. Line protocol has the tags of `tagging`.
pub async fn run(config: &Config, tagging: Tagging, arguments: &StatArgs) -> Result<(), StatError> {
    // Caught before anything starts, so that programs and folders are always taken away again.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StatError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(StatError::Signals)?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        ended = print(config, tagging, arguments) => ended,
    }
}

async fn print(config: &Config, tagging: Tagging, arguments: &StatArgs) -> Result<(), StatError> {
    let mut supply = Supply::open(config, &arguments.daemon.way()).await?;
    let is_table = arguments.format == StatFormat::Table;
    let origin = supply.origin(arguments.interval, is_table);
    let mut printer = Printer::new(&config.host, tagging, arguments, origin);
    // A table's rates are those between two readings of ours, wherever these come from.
    let takes_two = is_table || supply.takes_two();
    let mut before: Option<Batch> = None;
    let mut due = Instant::now();
    loop {
        let reading = supply.read().await?;
        // Later on the bearer of a name may come and go.
        if let (None, Some(name)) = (&before, &arguments.name) {
            expect_known(&reading.batch, name)?;
        }
        if before.is_some() || !takes_two {
            let goes_on = printer.print(before.as_ref(), &reading);
            if !goes_on.map_err(StatError::Print)? || arguments.once {
                return Ok(());
            }
        }
        before = Some(reading.batch);
        due = (due + arguments.interval).max(Instant::now());
        supply.wait_until(due).await;
    }
}

fn expect_known(batch: &Batch, name: &str) -> Result<(), StatError> {
    if choose(batch, Some(name)).next().is_some() {
        return Ok(());
    }
    Err(StatError::Unknown {
        name: name.to_owned(),
        near: near(batch, name),
    })
}

fn unknown(name: &str, near: &[String]) -> String {
    let hint = match near {
        [] => "`cgflux stat --once` lists all there are".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    format!("nothing is called {name:?}, and no id starts so; {hint}")
}
