//! Settings: typed, complete, nothing left to interpret.
//!
//! A setting comes from the highest of five layers that names it: built in < the main file < `conf.d/*.toml` <
//! `CGFLUX_SECTION__KEY` variables < flags. Every layer is text turned into [`Given`] values that remember where they
//! stood; [`resolve`] makes one [`Config`] of them or says everything that is wrong at once.
//!
//! Nothing here reads a file or a variable: [`Surroundings`] brings their text along.

mod layers;

mod environment;
mod file;

mod given;

mod typed;

mod endpoint;
mod secret;

mod reader;

mod check;
mod sinks;

mod complaint;
mod show;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

pub use check::resolve;
pub use complaint::{Complaint, Complaints};
pub use endpoint::{Endpoint, EndpointError};
pub use file::File;
pub use given::{Given, Key, Origin, Value};
pub use layers::{SecretFile, Surroundings};
pub use secret::Secret;
pub use show::{EXAMPLE, listing};

use crate::{
    container::{Rule, Selection},
    metrics::catalog::Families,
};

/// A configuration that holds, and how it came to be.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The settings.
    pub config: Config,
    /// Each setting with its origin, in the order of the sections.
    pub settings: Vec<Setting>,
    /// What is allowed and yet better done another way.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// A complaint about a setting that proves useless only later, as when the encoder looks at the tags.
    pub fn complaint(&self, key: &Key, problem: String) -> Complaints {
        let setting = self.settings.iter().find(|it| it.key == *key);
        let origin = setting.map(|it| it.origin.clone());
        Complaints(vec![Complaint {
            key: Some(key.clone()),
            origin: origin.filter(|origin| *origin != Origin::Default),
            problem,
        }])
    }
}

/// One setting as it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Which.
    pub key: Key,
    /// Its value; absent where the setting may be and is. Never a secret.
    pub value: Option<Value>,
    /// Which layer said so.
    pub origin: Origin,
}

/// All settings of the daemon. An edge is built from its own section and nothing else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// What is measured, how often, and from where.
    pub collect: Collect,
    /// What that may cost.
    pub budget: Budget,
    /// The host's name: the `host` tag of every point. Never empty, never a container's.
    pub host: String,
    /// Static tags of every point, as they were given: whether a point can carry them is left to the encoder.
    pub tags: BTreeMap<String, String>,
    /// Which container labels become tags.
    pub labels: Labels,
    /// Which entries are published one by one.
    pub select: Select,
    /// Which entries are shipped besides containers and the host.
    pub ship: Ship,
    /// The HTTP server; absent when switched off.
    pub http: Option<Http>,
    /// Where points go, by name; may be empty.
    pub sinks: Vec<Sink>,
    /// How the agent logs.
    pub log: Log,
    /// Folder for what must survive a restart; absolute.
    pub state_dir: PathBuf,
}

/// What is measured, how often, and from where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Collect {
    /// Time between two ticks; 100 ms to 60 s.
    pub interval: Duration,
    /// Cadence of the metrics that are read from files; never shorter than `interval`.
    pub file_interval: Duration,
    /// Cells in the kernel maps, one per live cgroup; 64 to 65,536.
    pub slots: u32,
    /// Where numbers come from.
    pub source: SourceChoice,
    /// Whether run time is taken at `sched_stat_runtime`, exactly, or at switches only.
    pub exact: bool,
    /// Kernel programs that are not to be loaded, by name; what they count comes from the next source.
    pub skip_programs: Vec<String>,
    /// What is measured.
    pub families: Families,
}

/// What the daemon and its kernel programs may cost. Beyond it families are shed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// CPU time they may take together, of one core; nothing is shed if zero.
    pub cpu: Percent,
    /// Over what time that is an average; at least five times the collection interval.
    pub window: Duration,
}

/// What is to be measured at what cost; may change while the daemon runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order {
    /// Families that are to be measured.
    pub families: Families,
    /// What that may cost.
    pub budget: Budget,
}

/// A share in thousandths of a percent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Percent(pub u32);

/// Where numbers come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SourceChoice {
    /// The kernel programs where they load, cgroup files for the rest.
    Auto,
    /// The kernel programs; the start fails without them.
    Kernel,
    /// Cgroup files only.
    Files,
}

/// Which container labels become tags.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Labels {
    /// Label names, without duplicates.
    pub allow: Vec<String>,
}

/// Which entries are published one by one; the rest is added up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Select {
    /// If there is any rule: what one of them fits, and nothing else.
    pub include: Vec<Rule>,
    /// What one of these fits is left out.
    pub exclude: Vec<Rule>,
}

/// Which entries are shipped besides containers and the host, where no rule includes anything.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ship {
    /// systemd services and scopes.
    pub units: bool,
    /// Any other cgroup.
    pub cgroups: bool,
}

/// The HTTP server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http {
    /// Where it listens; loopback unless the configuration says `allow_remote`.
    pub listen: SocketAddr,
    /// `Host` header names accepted besides those of `listen`; lower case, without port.
    pub hosts: Vec<String>,
    /// Live watchers at one time; one more is refused.
    pub watchers: usize,
    /// How far the history of each entry reaches back; at most [`Http::MAX_HISTORY_TICKS`] collection intervals.
    pub history: Duration,
}

/// One place where points go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sink {
    /// Its name in the configuration: `[sinks.NAME]`.
    pub name: String,
    /// Time between two shipments; never shorter than the collection interval.
    pub interval: Duration,
    /// Batches that wait for it; when one more comes, the oldest is dropped and counted.
    pub queue: usize,
    /// What it is.
    pub kind: SinkKind,
}

/// What a sink is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SinkKind {
    /// InfluxDB 1.x `/write`.
    Influxdb(Influxdb),
    /// Line protocol on standard output.
    Stdout,
    /// Line protocol appended to a file.
    File {
        /// The file; absolute.
        path: PathBuf,
    },
}

/// An InfluxDB 1.x database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Influxdb {
    /// Its server.
    pub url: Endpoint,
    /// Database written to: a name that InfluxDB takes.
    pub database: String,
    /// Retention policy, a name like that; the database's default if absent.
    pub retention_policy: Option<String>,
    /// Database for what the host as a whole uses and has, in its default retention policy; the same as for the rest if
    /// absent. Never the name of `database`.
    pub host_database: Option<String>,
    /// Who writes; absent for a server without authentication.
    pub credentials: Option<Credentials>,
    /// Whether to create the database when the server does not know it.
    pub create_database: bool,
    /// Deadline of one request.
    pub timeout: Duration,
}

/// Who writes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    /// User name; without a colon, which ends it in HTTP basic authentication.
    pub username: String,
    /// Password.
    pub password: Secret,
}

/// How the agent logs, always to standard error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// The least important level written.
    pub level: tracing::Level,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// Text; without timestamps where standard error is the journal, which has its own.
    Auto,
    /// Text with timestamps.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// What is to be measured, and what that may cost.
    pub fn order(&self) -> Order {
        Order {
            families: self.collect.families,
            budget: self.budget,
        }
    }

    /// Under which series each entry is published.
    pub fn selection(&self) -> Selection {
        Selection {
            units: self.ship.units,
            cgroups: self.ship.cgroups,
            include: self.select.include.clone(),
            exclude: self.select.exclude.clone(),
        }
    }
}

impl Default for Collect {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            file_interval: Duration::from_secs(10),
            slots: 4096,
            source: SourceChoice::Auto,
            exact: true,
            skip_programs: Vec::new(),
            families: Families::ALL,
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            cpu: Percent::of(3),
            window: Duration::from_mins(5),
        }
    }
}

impl Budget {
    /// The shortest window, in collection intervals: what the programs cost is measured for one in five at most.
    pub const TICKS_PER_WINDOW: u32 = 5;
}

impl Percent {
    /// So many whole percent.
    pub const fn of(percent: u32) -> Self {
        Self(percent * 1_000)
    }

    /// As a number of percent.
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 1_000.0
    }

    /// As a ratio; 1.0 is all.
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / 100_000.0
    }
}

impl Http {
    /// Bounds the memory of one entry's history, whatever the two durations are.
    pub const MAX_HISTORY_TICKS: u32 = 3600;

    /// How many ticks of `interval` the history holds, at least one.
    pub fn history_ticks(&self, interval: Duration) -> usize {
        let ticks = self.history.as_nanos().div_ceil(interval.as_nanos().max(1));
        let most = Self::MAX_HISTORY_TICKS as usize;
        usize::try_from(ticks).map_or(most, |ticks| ticks.clamp(1, most))
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8190)),
            hosts: Vec::new(),
            watchers: 16,
            history: Duration::from_mins(10),
        }
    }
}

impl Sink {
    /// What the second half of a sink is called that writes the host as a whole to a database of its own. No sink in the
    /// configuration can have a name with a dot.
    pub fn host_name(&self) -> String {
        format!("{}.host", self.name)
    }

    /// A sink with the default cadence and queue.
    pub fn new(name: &str, kind: SinkKind) -> Self {
        Self {
            name: name.to_owned(),
            interval: Duration::from_secs(10),
            queue: 64,
            kind,
        }
    }
}

impl Influxdb {
    /// Longest name of a database or a retention policy that InfluxDB 1.x takes (seen with 1.6.7).
    pub const MAX_NAME_BYTES: usize = 255;

    /// A server that asks for no password, with the default database.
    pub fn at(url: Endpoint) -> Self {
        Self {
            url,
            database: "cgflux".to_owned(),
            retention_policy: None,
            host_database: None,
            credentials: None,
            create_database: true,
            timeout: Duration::from_secs(30),
        }
    }

    /// The settings by which the host as a whole is written to a database of its own, where it has one.
    pub fn of_host(&self) -> Option<Self> {
        let database = self.host_database.clone()?;
        Some(Self {
            database,
            retention_policy: None,
            host_database: None,
            ..self.clone()
        })
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Auto,
            level: tracing::Level::INFO,
        }
    }
}
