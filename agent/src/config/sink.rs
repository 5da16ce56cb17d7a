//! A sink as it is wanted: where points go, in whose words, and how what is not there yet is kept.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{Secret, ServerUrl};

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

impl Default for Delivery {
    fn default() -> Self {
        Self {
            spool: None,
            memory_bytes: 16 << 20,
            drain_lines: 5_000,
        }
    }
}

/// What is kept on disk for one sink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spool {
    /// Most bytes of all its files; at least [`Spool::MIN_BYTES`].
    pub bytes: u64,
    /// How long a batch may wait.
    pub age: Duration,
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

impl SinkKind {
    /// Whether somebody says that what was sent is stored, so that there is a reason to keep it until then.
    pub fn is_acknowledged(&self) -> bool {
        match self {
            Self::Influxdb(_) | Self::Unix { .. } => true,
            Self::Stdout | Self::File { .. } | Self::Udp { .. } => false,
        }
    }
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
