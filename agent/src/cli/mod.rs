//! What was asked: the command line, as typed. What it means together with files and variables is left to `config`.

mod auth;
mod between;
mod cadvisor;
mod dashboards;
mod influx;
mod load;
mod settings;
mod spelling;
mod telemetry;
mod top;
mod web;

use std::{path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::client::Way;
pub use auth::{AuthAddArgs, AuthCommand};
use between::between;
pub use cadvisor::{Asked, CadvisorArgs, Meant};
pub use dashboards::{DashboardsCheckArgs, DashboardsCommand};
pub use influx::InfluxArgs;
pub use load::{LoadArgs, LoadVerb};
pub use settings::RunArgs;
pub use spelling::in_our_words;
pub use telemetry::{PointsTo, TelemetryArgs};
pub use top::TopArgs;
pub use web::{RedisAddress, WebArgs};

const EXAMPLES: &str = "\
Examples:
  cgflux run
      Measure, and show it live at http://127.0.0.1:8190.
  cgflux run --influx http://127.0.0.1:8086 --database stats
      And ship to InfluxDB, which gets the database if it lacks it.
  cgflux check
      What this kernel and these privileges allow, and how to get the rest.
  cgflux stat web --once
      The numbers of the container `web`, now.
  cgflux top
      All containers, live on this terminal.
  cgflux query cpu web --since 6h --watch
      A chart of the CPU that `web` used, from InfluxDB, drawn again and again.
  cgflux config check --containers 200
      Is the configuration right, and what will it write?

Exit status:
  0 done, 1 failed, 2 bad usage, 3 (check) something is missing,
  69 the kernel lacks a feature, 77 privileges are missing,
  78 the configuration does not hold";

const QUERY_EXAMPLES: &str = "\
Examples:
  cgflux query --list
      The queries with a name.
  cgflux query cpu
      CPUs of each container over the last hour: a chart on a terminal, else a table.
  cgflux query network web --since 6h --every 5m --format csv
      Bytes from and to the peers of `web`, a row for each five minutes.
  cgflux query top --since 10m --watch
      Who used most CPU within ten minutes, every two seconds until Ctrl-C.
  cgflux query 'SELECT last(limit_bytes) FROM container_mem GROUP BY container'
      Whatever InfluxQL can ask.
  cgflux query 'SHOW DATABASES' --influx http://127.0.0.1:8086
      Without a configuration.";

/// What every container on this host does, exactly and for almost nothing.
///
/// cgflux counts CPU time and waiting, block I/O and network traffic of each container in the kernel, reads memory,
/// pressure, tasks and limits beside it, and the host as a whole; shows them live on a page, and ships them to InfluxDB.
#[derive(Clone, Debug, Parser)]
#[command(name = "cgflux", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Read this configuration file, and no other [default: /etc/cgflux/cgflux.toml, then /etc/cgflux/conf.d/*.toml]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log more: -v for debug, -vv for trace
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Log less: -q for warnings and errors, -qq for errors
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub quiet: u8,
    /// How log lines look; auto leaves timestamps to the journal
    #[arg(long, global = true, value_name = "FORMAT", value_parser = ["auto", "text", "json"])]
    pub log_format: Option<String>,
    /// When to use colours; auto: on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// In any case.
    Always,
    /// Not at all.
    Never,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Measure, show it live, and ship it: the daemon
    ///
    /// Runs in the foreground until SIGTERM or Ctrl-C. Without a sink it only shows; without the privileges for
    /// kernel programs it reads cgroup files, and says so.
    Run(Box<RunArgs>),
    /// Run in the place of cAdvisor: the daemon, by cAdvisor's command line
    ///
    /// Reads the flags of cAdvisor and runs as they mean, in cAdvisor's schema and at its port. What has no meaning here is
    /// warned of and does not end it.
    #[command(after_help = cadvisor::EXAMPLES, override_usage = "cgflux cadvisor [FLAGS]\n       cadvisor [FLAGS]")]
    Cadvisor(CadvisorArgs),
    /// Look at the configuration: does it hold, and where does each setting come from?
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say what this kernel, these cgroups and these privileges allow, and how to get the rest
    ///
    /// Tries what `run` would need: attaches each kernel program for a moment, looks at folders and addresses, and
    /// asks runtimes and databases. Changes nothing, and is in no running daemon's way.
    ///
    /// Ends with 0 if everything works, 3 if `run` works but lacks something, else as `run` would.
    Check(CheckArgs),
    /// Print the current numbers: those of the running daemon, else measured here
    ///
    /// In the table CPU%, USER% and SYS% are of one CPU, WAIT% is of one task that waits for a CPU all the time,
    /// SWITCHES/s are the context switches of all its tasks, TOTAL (of CPU time) and THROTTLED are since the beginning of
    /// each container (of the host: of measuring). MEM is what it has in use, in bytes, without page cache that was not
    /// used lately. READ/s and WRITE/s are bytes from and to all disks, RX/s and TX/s bytes of its sockets from and to
    /// all peers. - is what is not given here. Columns that find no room are left out.
    Stat(StatArgs),
    /// Watch all containers on the terminal: tree, filter, detail with charts; record it, and look at it later
    ///
    /// Shows what the running daemon tells, else measures here, which takes root or the rights that `check` tells of. Names
    /// are made safe, and the terminal is left as it was found. Needs 60 columns and 12 lines; 80 by 24 have all numbers, wider
    /// ones more.
    #[command(after_help = top::EXAMPLES)]
    Top(TopArgs),
    /// Test sinks, and make what they are written to
    #[command(subcommand)]
    Sink(SinkCommand),
    /// Who may ask the page, the API and /metrics: make the file that `http.auth_file` names
    #[command(subcommand)]
    Auth(AuthCommand),
    /// Ask the InfluxDB of a sink: in InfluxQL, or by the name of a query; as table or chart
    ///
    /// With the address, password and certificates of the sink: what its user may do, InfluxQL can do, DROP too. 1.x is
    /// asked in its own way; of 2.x each bucket is a database of its name (where it is not, `influx v1 dbrp create` makes it
    /// one), and the token must be allowed to read; 3.x knows a part of InfluxQL.
    #[command(after_help = QUERY_EXAMPLES)]
    Query(QueryArgs),
    /// Grafana's dashboards and alert rules: write them to a folder, or try every query of theirs
    #[command(subcommand)]
    Dashboards(DashboardsCommand),
    /// Count hits in a Redis over HTTP: something to load, and to see in the charts
    ///
    /// GET / counts one more and answers with the number. Hits that come together share a write to Redis; each has a
    /// number of its own all the same, in order. While Redis is away it answers 503 with the reason, within --deadline,
    /// and connects again by itself. Needs no privilege. /healthz, /readyz, /metrics and /stats are at --admin.
    #[command(after_help = web::EXAMPLES)]
    Web(Box<WebArgs>),
    /// Load an HTTP server, honestly: at a rate that does not wait for it, with latencies from when requests were due
    ///
    /// Without --rate or --stages each connection sends its next request when it has a reply, so that a slow server is asked
    /// less: a closed loop. Only this host is loaded unless --allow-remote. Needs no privilege. Ctrl-C ends it with the
    /// summary. It says so where it was itself the bottleneck.
    #[command(after_help = load::EXAMPLES)]
    Load(Box<LoadArgs>),
    /// Print what a shell needs to complete this program's command line
    ///
    /// bash: cgflux completions bash > /usr/share/bash-completion/completions/cgflux
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print version and architecture
    Version {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// Commands about the configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say whether the configuration holds, where each setting comes from, and what it will write
    ///
    /// Takes the flags of `run`, and judges what `run` would do with them. Each container and the host has one line
    /// per measurement in each shipment, and the host as a whole and the agent have some of their own: lines/s =
    /// ((containers + 1) × measurements + own) ÷ interval of the sink.
    Check {
        /// Containers to reckon with
        #[arg(long, default_value_t = 50, value_name = "COUNT")]
        containers: u32,
        /// The flags of `run`.
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Print the built-in configuration with every setting explained; a start for your own file
    Default,
    /// Print the settings that hold, as a configuration file, each with its origin
    Show {
        /// The flags of `run`.
        #[command(flatten)]
        run: Box<RunArgs>,
    },
}

/// Commands about where points go.
#[derive(Clone, Debug, Subcommand)]
pub enum SinkCommand {
    /// Write a point to each sink, read it back, and say what is wrong, with the fix
    ///
    /// Connects as `run` would, with the same address, password and certificates. The point is one of the measurement
    /// `cgflux_sink_test`, and is taken away again where the server lets us. Says also if another machine writes under this
    /// host's name.
    ///
    /// Ends with 0 if every sink takes points, 3 if it does but something is to be said, 1 if one does not.
    Test {
        /// Only this sink
        name: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// The flags of `run`.
        #[command(flatten)]
        run: Box<RunArgs>,
    },
    /// Make the databases or buckets of InfluxDB sinks, with how long they keep points, and roll-ups
    ///
    /// Shows what it is to make first, and asks; with --yes it does not ask. Nothing that is there is changed: what is not
    /// as asked for is told. The sink's user or token must have the right to make these things.
    #[command(after_help = "\
Examples:
  cgflux sink init --retention 30d
  cgflux sink init influxdb --retention 14d --rollup --yes

1.x gets databases, retention policies and continuous queries; 2.x buckets and tasks; 3.x databases, and no roll-ups.")]
    Init {
        /// Only this sink
        name: Option<String>,
        /// How long points are kept; 1h or more [default: as the server has it, mostly for ever]
        #[arg(long, value_name = "DURATION", value_parser = retention)]
        retention: Option<Duration>,
        /// Keep totals, means and peaks of five minutes for a year, by continuous queries or tasks
        #[arg(long)]
        rollup: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// The flags of `run`.
        #[command(flatten)]
        run: Box<RunArgs>,
    },
}

/// InfluxDB 1.x takes no shorter one.
fn retention(text: &str) -> Result<Duration, String> {
    let kept = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if kept < Duration::from_hours(1) {
        return Err("is less than 1h, the least that InfluxDB takes".to_owned());
    }
    Ok(kept)
}

/// What `check` takes.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

/// What `stat` takes.
#[derive(Args, Clone, Debug)]
pub struct StatArgs {
    /// Only containers of this name, or whose id starts like this
    pub name: Option<String>,
    /// Print once and end
    #[arg(long)]
    pub once: bool,
    /// How to print
    #[arg(long, default_value = "table")]
    pub format: StatFormat,
    /// Time between two prints, and what rates are taken over
    #[arg(long, default_value = "1s", value_name = "DURATION", value_parser = stat_interval)]
    pub interval: Duration,
    /// Who is asked.
    #[command(flatten)]
    pub daemon: DaemonArgs,
}

/// How to reach a running daemon.
#[derive(Args, Clone, Debug, Default)]
pub struct DaemonArgs {
    /// Ask the daemon at this address: `http://host:port`, `https://host:port` or `unix:///path` [default: the one of this
    /// configuration, by its socket if it has one; without one, measure here]
    #[arg(long, value_name = "URL")]
    pub url: Option<crate::config::ServerUrl>,
    /// Send the token in this file (mode 0600) to a daemon that asks who we are
    #[arg(long, value_name = "FILE", env = "CGFLUX_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// Believe the certificates in this file instead of the system's, where --url is https
    #[arg(long, value_name = "FILE", env = "CGFLUX_CA_FILE")]
    pub ca_file: Option<PathBuf>,
}

impl DaemonArgs {
    /// The same in the words of those who ask.
    pub fn way(&self) -> Way {
        Way {
            url: self.url.clone(),
            token_file: self.token_file.clone(),
            ca_file: self.ca_file.clone(),
        }
    }
}

/// What `query` takes.
#[derive(Args, Clone, Debug)]
pub struct QueryArgs {
    /// InfluxQL in quotes, or the name of a query
    #[arg(value_name = "QUERY", required_unless_present = "list")]
    pub query: Option<String>,
    /// Container that a named query is about; the same as --container
    #[arg(value_name = "CONTAINER", conflicts_with = "container")]
    pub argument: Option<String>,
    /// List the queries with a name
    #[arg(long, conflicts_with = "query")]
    pub list: bool,
    /// How to print [default: on a terminal a chart of what is over time, else a table]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<QueryFormat>,
    /// The same as --format chart
    #[arg(long, conflicts_with = "format")]
    pub chart: bool,
    /// Charts below one another at most; those of the highest numbers
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    pub series: usize,
    /// Ask and print again and again, every two seconds or as often as this says, until Ctrl-C
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "2s", value_parser = query_time)]
    pub watch: Option<Duration>,
    /// Named query: how far back [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = query_time)]
    pub since: Option<Duration>,
    /// Named query: time between two points [default: what a chart has room for]
    #[arg(long, value_name = "DURATION", value_parser = query_time)]
    pub every: Option<Duration>,
    /// Named query: only this container
    #[arg(long, value_name = "NAME")]
    pub container: Option<String>,
    /// Named query: only what this host sent
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Who is asked.
    #[command(flatten)]
    pub server: InfluxArgs,
}

/// How `query` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum QueryFormat {
    /// A table for people.
    Table,
    /// Lines over time, one below the other.
    Chart,
    /// Series as InfluxDB has them; times in ns.
    Json,
    /// Comma-separated values; times in ns.
    Csv,
}

impl QueryArgs {
    /// How far back named queries look.
    pub const SINCE: Duration = Duration::from_hours(1);

    /// The container that is asked about.
    pub fn container(&self) -> Option<&str> {
        self.container.as_deref().or(self.argument.as_deref())
    }

    /// The form asked for.
    pub fn format(&self) -> Option<QueryFormat> {
        self.format.or(self.chart.then_some(QueryFormat::Chart))
    }
}

/// InfluxDB's own clock goes no further than 1677 and 2262.
fn query_time(text: &str) -> Result<Duration, String> {
    /// As humantime has them.
    const YEAR: Duration = Duration::from_hours(8_766);
    between(text, Duration::from_millis(100)..=10 * YEAR)
}

/// Shorter intervals measure little but the measuring.
fn stat_interval(text: &str) -> Result<Duration, String> {
    between(text, Duration::from_millis(100)..=Duration::from_hours(1))
}

/// How `stat` prints.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum StatFormat {
    /// A table for people.
    Table,
    /// One JSON document a print.
    Json,
    /// Line protocol.
    Line,
}

impl Color {
    /// Whether colours are asked for or forbidden; `None` leaves it to the terminal.
    pub fn choice(self) -> Option<bool> {
        match self {
            Self::Auto => None,
            Self::Always => Some(true),
            Self::Never => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
