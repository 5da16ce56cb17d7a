//! `cgflux query`: asks the InfluxDB of a sink, in InfluxQL or by the name of a query.
//!
//! - `named`: the queries with a name, and what the user gave → InfluxQL.
//! - `answer`: what the server says → series; `table`, `chart`, `number`: series → text.
//! - `printer`: text → standard output, once or again and again in place.

pub(crate) mod answer;
mod chart;
mod named;
mod number;
mod printer;
mod table;

use std::io;

use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use crate::{
    cli::QueryArgs,
    config::{Config, Influxdb, InfluxdbVersion, Schema, SinkKind},
    sink::influxdb::{Client, ClientError},
    surroundings::read_secret,
};
use answer::Answer;
use named::{Asked, NAMED, Named, Rows};
use printer::Printer;

/// Rows of a query for the highest.
const HIGHEST: usize = 10;

/// Why there is nothing to print.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The command line asks for what does not exist.
    #[error("{0}")]
    Usage(String),
    /// The configuration has no InfluxDB to ask.
    #[error("no sink of the configuration is an InfluxDB; give one there, or by --influx URL")]
    NoServer,
    /// The sink's settings are of no use.
    #[error("cannot ask sink {sink:?}")]
    Client {
        /// The sink.
        sink: String,
        /// Why.
        source: ClientError,
    },
    /// The server is away, or refuses; in its words.
    #[error("{server}: {reason}")]
    Server {
        /// Its address.
        server: String,
        /// What it says.
        reason: String,
    },
    /// Standard output is of no use.
    #[error("cannot print")]
    Print(#[source] io::Error),
    /// The process lacks something basic.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
}

/// Prints the answer once, or again and again until a signal comes or nobody reads any more.
pub async fn run(config: &Config, arguments: &QueryArgs) -> Result<(), QueryError> {
    let mut question = Question::of(config, arguments)?;
    let mut printer = Printer::new(arguments);
    // Caught before the screen is another, so that it is always given back.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(QueryError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(QueryError::Signals)?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
        ended = print(&mut question, &mut printer, arguments) => ended,
    }
}

async fn print(
    question: &mut Question,
    printer: &mut Printer,
    arguments: &QueryArgs,
) -> Result<(), QueryError> {
    let mut has_answered = false;
    loop {
        let goes_on = match question.ask().await {
            Ok(answer) => {
                has_answered = true;
                printer.print(&answer)
            }
            // A server that is started again is no reason to look no more.
            Err(error) if has_answered => printer.complain(&error.to_string()),
            Err(error) => return Err(error),
        };
        let goes_on = goes_on.map_err(QueryError::Print)?;
        match arguments.watch {
            Some(interval) if goes_on => sleep(interval).await,
            _ => return Ok(()),
        }
    }
}

/// The queries with a name, for people.
pub fn list() -> String {
    let widest = NAMED.iter().map(|named| named.name.len()).max();
    let width = widest.unwrap_or(0);
    let lines = NAMED
        .iter()
        .map(|named| format!("{:width$}  {}\n", named.name, named.shows));
    lines.collect()
}

/// What is asked, and who.
struct Question {
    client: Client,
    server: String,
    version: InfluxdbVersion,
    database: String,
    statement: String,
    rows: Rows,
}

impl Question {
    fn of(config: &Config, arguments: &QueryArgs) -> Result<Self, QueryError> {
        let is_given = arguments.server.influx.is_some();
        let (sink, schema, influxdb) = chosen(config, arguments.server.sink.as_deref(), is_given)?;
        let text = arguments.query.as_deref().unwrap_or_default();
        let named = named(text, arguments)?;
        if schema == Schema::Influxdb08 {
            let usage = format!("sink {sink:?} is an InfluxDB 0.8, which knows no InfluxQL");
            return Err(QueryError::Usage(usage));
        }
        if named.is_some() && schema != Schema::Native {
            let usage = format!(
                "sink {sink:?} is not of the native schema, which queries with a name are of; \
                 write InfluxQL, or choose another by --sink"
            );
            return Err(QueryError::Usage(usage));
        }
        let (statement, rows) = match named {
            Some(named) => (statement(named, arguments)?, named.rows),
            None => (text.to_owned(), Rows::Plain),
        };
        let hosts = influxdb.host_database.as_ref();
        let hosts = hosts.filter(|_| named.is_some_and(Named::is_of_host));
        let client = Client::new(influxdb, read_secret).map_err(|source| QueryError::Client {
            sink: sink.to_owned(),
            source,
        })?;
        Ok(Self {
            client,
            server: influxdb.url.to_string(),
            version: influxdb.version,
            database: hosts.unwrap_or(&influxdb.database).clone(),
            statement,
            rows,
        })
    }

    async fn ask(&mut self) -> Result<Answer, QueryError> {
        let answered = self.client.query(&self.statement, &self.database).await;
        let answer = answered.and_then(|results| {
            Answer::of(&results).map_err(|error| format!("no answer of an InfluxDB: {error}"))
        });
        let mut answer = answer.map_err(|reason| QueryError::Server {
            server: self.server.clone(),
            reason: self.explained(reason),
        })?;
        match self.rows {
            Rows::Plain => {}
            Rows::Totals => answer.forget_times(),
            Rows::Highest => {
                answer.keep_highest(HIGHEST);
                answer.forget_times();
            }
        }
        Ok(answer)
    }

    /// What a version of the server wants before it can be asked so.
    fn explained(&self, reason: String) -> String {
        match self.version {
            InfluxdbVersion::V08 | InfluxdbVersion::V1 => reason,
            InfluxdbVersion::V2 => format!(
                "{reason}; 2.x answers InfluxQL for buckets with a mapping (influx v1 dbrp create) and a token that \
                 may read"
            ),
            InfluxdbVersion::V3 => format!("{reason}; 3.x knows a part of InfluxQL only"),
        }
    }
}

/// The sink asked for, else what `--influx` has given, else the first that is an InfluxDB.
pub(crate) fn chosen<'a>(
    config: &'a Config,
    sink: Option<&str>,
    is_given: bool,
) -> Result<(&'a str, Schema, &'a Influxdb), QueryError> {
    let mut servers = config.sinks.iter().filter_map(|sink| match &sink.kind {
        SinkKind::Influxdb(influxdb) => Some((sink.name.as_str(), sink.schema, influxdb)),
        _ => None,
    });
    // What --influx gives is the sink of that name.
    let name = sink.or(is_given.then_some("influxdb"));
    let Some(name) = name else {
        return servers.next().ok_or(QueryError::NoServer);
    };
    let names: Vec<&str> = servers.clone().map(|(name, ..)| name).collect();
    servers.find(|(it, ..)| *it == name).ok_or_else(|| {
        QueryError::Usage(format!(
            "no InfluxDB is configured as sink {name:?}; there are: {}",
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            }
        ))
    })
}

/// The query of this name; `None` for InfluxQL, which no single word is.
fn named(text: &str, arguments: &QueryArgs) -> Result<Option<&'static Named>, QueryError> {
    if text.trim().contains([' ', '\n', '\t']) {
        let for_names = arguments.container().is_some()
            || arguments.host.is_some()
            || arguments.since.is_some()
            || arguments.every.is_some();
        if for_names {
            let usage = "--since, --every, --container and --host are for queries with a name; write \
                         them into the InfluxQL";
            return Err(QueryError::Usage(usage.to_owned()));
        }
        return Ok(None);
    }
    let unknown = || {
        let names: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
        QueryError::Usage(format!(
            "no query is called {text:?}, and InfluxQL has several words; there are: {}",
            names.join(", ")
        ))
    };
    Named::of(text.trim()).ok_or_else(unknown).map(Some)
}

fn statement(named: &Named, arguments: &QueryArgs) -> Result<String, QueryError> {
    let container = arguments.container();
    if container.is_some() && !named.is_of_containers() {
        let usage = format!("`{}` is not of containers", named.name);
        return Err(QueryError::Usage(usage));
    }
    Ok(named.statement(&Asked {
        since: arguments.since.unwrap_or(QueryArgs::SINCE),
        every: arguments.every,
        container,
        host: arguments.host.as_deref(),
    }))
}
