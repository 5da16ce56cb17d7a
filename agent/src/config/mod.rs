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

mod byte_size;
mod endpoint;
mod secret;
mod server_url;

mod reader;

mod check;
mod sinks;
mod socket;

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
pub use secret::{ReadSecret, Secret};
pub use server_url::{ServerUrl, ServerUrlError};
pub use show::{EXAMPLE, listing};

use crate::{
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
    /// Where it listens; loopback unless the configuration says `allow_remote`.
    pub listen: SocketAddr,
    /// `Host` header names accepted besides those of `listen`; lower case, without port.
    pub hosts: Vec<String>,
    /// Live watchers at one time; one more is refused.
    pub watchers: usize,
    /// How far the history of each entry reaches back; at most [`Http::MAX_HISTORY_TICKS`] collection intervals.
    pub history: Duration,
    /// What `/metrics` shows to a scrape that does not say.
    pub metrics: Choice,
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

/// One place where points go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sink {
    /// Its name in the configuration: `[sinks.NAME]`.
    pub name: String,
    /// Time between two shipments; never shorter than the collection interval.
    pub interval: Duration,
    /// In whose words it is written.
    pub schema: Schema,
    /// How what is not yet acknowledged is kept.
    pub delivery: Delivery,
    /// What it is.
    pub kind: SinkKind,
}

/// In whose words a sink is written: how series, tags and fields are called and parted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Schema {
    /// This program's own; the only one in which all that is measured has a place.
    #[default]
    Native,
    /// Those of Telegraf's input `docker`.
    Telegraf,
    /// Those of cAdvisor's InfluxDB driver, from its release 0.20.2 on.
    Cadvisor,
    /// Those of cAdvisor in 2014, as JSON for InfluxDB 0.8.
    Influxdb08,
}

/// How a sink keeps what it has not delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// On disk; absent: in memory alone, and lost with the process.
    pub spool: Option<Spool>,
    /// Most bytes that wait in memory: for the disk, or without one.
    pub memory_bytes: u64,
    /// Most lines a second of what has waited, so that what is new is not held up; nothing is held back if zero.
    pub drain_lines: u32,
}

/// What is kept on disk for one sink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spool {
    /// Most bytes of all its files; at least [`Spool::MIN_BYTES`].
    pub bytes: u64,
    /// How long a batch may wait.
    pub age: Duration,
}

/// What a sink is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each sink")]
pub enum SinkKind {
    /// An InfluxDB, or what takes points as one does.
    Influxdb(Influxdb),
    /// Line protocol on standard output.
    Stdout,
    /// Line protocol appended to a file.
    File {
        /// The file; absolute.
        path: PathBuf,
    },
    /// Line protocol to whoever listens at a Unix socket, as Telegraf's `socket_listener`.
    Unix {
        /// The socket; absolute.
        path: PathBuf,
    },
    /// Line protocol in UDP datagrams. Nobody acknowledges them.
    Udp {
        /// Who is sent them.
        address: SocketAddr,
    },
}

/// A database of an InfluxDB.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Influxdb {
    /// Its server.
    pub url: ServerUrl,
    /// Which API of it is used.
    pub version: InfluxdbVersion,
    /// Database written to, of 2.x the bucket: a name that InfluxDB takes.
    pub database: String,
    /// Organisation of the bucket; 2.x alone.
    pub organization: Option<String>,
    /// Retention policy of 1.x, a name like that; the database's default if absent.
    pub retention_policy: Option<String>,
    /// Database or bucket for what the host as a whole uses and has, in its default retention policy; the same as for
    /// the rest if absent. Never the name of `database`.
    pub host_database: Option<String>,
    /// Who writes; absent for a server without authentication.
    pub credentials: Option<Credentials>,
    /// Whether to create the database when the server does not know it; 1.x alone.
    pub create_database: bool,
    /// Whom to believe where the address is https.
    pub tls: Tls,
    /// Deadline of one request.
    pub timeout: Duration,
}

/// An API to write by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InfluxdbVersion {
    /// `/db/NAME/series`, which takes JSON: what [`Schema::Influxdb08`] is written for.
    V08,
    /// `/write`.
    V1,
    /// `/api/v2/write`; 1.8 has it too.
    V2,
    /// `/api/v3/write_lp`.
    V3,
}

/// Who writes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credentials {
    /// A user of 1.x.
    Password {
        /// User name; without a colon, which ends it in HTTP basic authentication.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A token of 2.x or 3.x; 1.8 takes `user:password` as one.
    Token(Secret),
}

/// Whom a sink believes, and by what it proves itself. Files, since they may be replaced while the agent runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tls {
    /// Certificates to believe instead of the system's, PEM; absolute.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the server's certificate, which alone is believed then, whoever signed it.
    pub pin: Option<[u8; 32]>,
    /// A certificate of our own.
    pub client: Option<ClientCertificate>,
}

/// What a server knows a client by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// Its chain, PEM; absolute.
    pub certificate_file: PathBuf,
    /// Its key, PEM; absolute.
    pub key_file: PathBuf,
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
            families: Families::ALL,
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
            listen: SocketAddr::from(([127, 0, 0, 1], 8190)),
            hosts: Vec::new(),
            watchers: 16,
            history: Duration::from_mins(10),
            metrics: Choice::default(),
        }
    }
}

impl Sink {
    /// What the second half of a sink is called that writes the host as a whole to a database of its own. No sink in the
    /// configuration can have a name with a dot.
    pub fn host_name(&self) -> String {
        format!("{}.host", self.name)
    }

    /// A sink with the default cadence and delivery.
    pub fn new(name: &str, kind: SinkKind) -> Self {
        Self {
            name: name.to_owned(),
            interval: Duration::from_secs(10),
            schema: Schema::default(),
            delivery: Delivery {
                spool: kind.is_acknowledged().then(Spool::default),
                ..Delivery::default()
            },
            kind,
        }
    }
}

impl SinkKind {
    /// Whether somebody says that what was sent is stored, so that there is a reason to keep it until then.
    pub fn is_acknowledged(&self) -> bool {
        match self {
            Self::Influxdb(_) | Self::Unix { .. } => true,
            Self::Stdout | Self::File { .. } | Self::Udp { .. } => false,
        }
    }
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            spool: None,
            memory_bytes: 16 << 20,
            drain_lines: 5_000,
        }
    }
}

impl Spool {
    /// What the files of a spool need at the least.
    pub const MIN_BYTES: u64 = 4 << 20;
}

impl Default for Spool {
    /// 200 containers for a day and more: 9 kB a second, compressed.
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            age: Duration::from_hours(7 * 24),
        }
    }
}

impl Influxdb {
    /// Longest name of a database or a retention policy that InfluxDB 1.x takes (seen with 1.6.7).
    pub const MAX_NAME_BYTES: usize = 255;

    /// A server of 1.x that asks for no password, with the default database.
    pub fn at(url: ServerUrl) -> Self {
        Self {
            url,
            version: InfluxdbVersion::V1,
            database: "cgflux".to_owned(),
            organization: None,
            retention_policy: None,
            host_database: None,
            credentials: None,
            create_database: true,
            tls: Tls::default(),
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
