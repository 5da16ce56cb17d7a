//! Settings: typed, complete, nothing left to interpret.
//!
//! A setting comes from the highest of the layers that names it: built in < what the surroundings suggest, or a program
//! in whose place this one was started < the main file < `conf.d/*.toml` < `CGFLUX_SECTION__KEY` variables < flags. Every layer is text turned into [`Given`] values that remember where they
//! stood; [`resolve`] makes one [`Config`] of them or says everything that is wrong at once.
//!
//! Nothing here reads a file or a variable: [`Surroundings`] brings their text along.

mod layers;

mod environment;
mod file;
mod predecessor;

mod given;

mod typed;

mod byte_size;
mod endpoint;
mod listen;
mod secret;
mod server_url;

mod reader;
mod rules;

mod check;
mod http;
mod sink;
mod sinks;
mod socket;

mod complaint;
mod show;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

pub use check::resolve;
pub use complaint::{Complaint, Complaints};
pub use endpoint::{Endpoint, EndpointError};
pub use file::File;
pub use given::{Given, Key, Origin, Value};
pub use layers::{SecretFile, Surroundings};
pub use listen::{Address, Listen};
pub use predecessor::Predecessor;
pub use secret::{ReadSecret, Secret};
pub use server_url::{ServerUrl, ServerUrlError};
pub use show::{EXAMPLE, listing};
pub use sink::{
    ClientCertificate, Credentials, Delivery, Influxdb, InfluxdbVersion, Schema, Sink, SinkKind,
    Spool, Tls,
};

use crate::{
    accounts::Accounts,
    container::{Rule, Selection},
    metrics::{catalog::Families, choice::Choice},
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
    /// Where other processes hand in points; absent unless switched on.
    pub socket: Option<Socket>,
    /// Where points go, by name; may be empty.
    pub sinks: Vec<Sink>,
    /// How the agent logs.
    pub log: Log,
    /// Folder for what must survive a restart; absolute.
    pub state_dir: PathBuf,
    /// Whether it runs by cAdvisor's command line, and will be asked for what cAdvisor keeps.
    pub stands_in: bool,
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

/// Which entries are shipped besides containers and the host, where no rule includes anything, and how many.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ship {
    /// systemd services and scopes.
    pub units: bool,
    /// Any other cgroup.
    pub cgroups: bool,
    /// New names an hour that are published one by one; 1 to 1,000,000.
    pub max_names: u32,
}

/// The HTTP server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http {
    /// Where it listens, each place once; never empty. What other machines can reach has accounts, unless the
    /// configuration says `allow_unauthenticated`.
    pub listen: Vec<Listen>,
    /// Who may connect to its sockets.
    pub socket_mode: Mode,
    /// The group of their files, by name or number; that of the agent if absent.
    pub socket_group: Option<String>,
    /// What it proves itself by; present where anything in `listen` is TLS.
    pub identity: Option<Identity>,
    /// Who may ask; absent: everybody who reaches it.
    pub accounts: Option<Arc<Accounts>>,
    /// What all its paths begin with: empty, or `/name` without a slash at its end.
    pub prefix: String,
    /// `Host` header names accepted besides those of `listen` where nobody is asked who they are; lower case, without port.
    pub hosts: Vec<String>,
    /// Connections at a time.
    pub connections: usize,
    /// Connections of one client at a time.
    pub connections_per_client: usize,
    /// Live watchers at one time; one more is refused.
    pub watchers: usize,
    /// How far the history of each entry reaches back; at most [`Http::MAX_HISTORY_TICKS`] collection intervals.
    pub history: Duration,
    /// What `/metrics` shows to a scrape that does not say.
    pub metrics: Choice,
}

/// A server's certificate and key, which belong together: [`crate::tls::server`] takes them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The certificates of its chain as PEM, its own first.
    pub chain: String,
    /// The key of that one as PEM.
    pub key: Secret,
}

/// The socket where other processes hand in points.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Socket {
    /// Its file; absolute.
    pub path: PathBuf,
    /// Who may connect.
    pub mode: Mode,
    /// The group of the file, by name or number; that of the agent if absent.
    pub group: Option<String>,
    /// Different series that are taken within an hour.
    pub series: usize,
}

/// Permission bits of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mode(pub u32);

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
            max_names: self.ship.max_names,
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
            families: Families::DEFAULT,
        }
    }
}

impl Default for Ship {
    fn default() -> Self {
        let Selection {
            units,
            cgroups,
            max_names,
            ..
        } = Selection::default();
        Self {
            units,
            cgroups,
            max_names,
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
            listen: vec![Address::default().meant(false)],
            socket_mode: Mode(0o660),
            socket_group: None,
            identity: None,
            accounts: None,
            prefix: String::new(),
            hosts: Vec::new(),
            connections: 256,
            connections_per_client: 64,
            watchers: 16,
            history: Duration::from_mins(10),
            metrics: Choice::default(),
        }
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
