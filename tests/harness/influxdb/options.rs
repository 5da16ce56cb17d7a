//! Which InfluxDB a test wants.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use super::InfluxServer;
use crate::harness::{skip, tls::Pair};

/// Debian's, of version 1.6.7.
const PACKAGED: &str = "/usr/bin/influxd";

/// 1.8.10, where `cargo xtask test` has it compiled.
const COMPILED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/influxd-1.8.10/bin/influxd"
);

/// The settings of one server.
#[derive(Clone)]
pub(crate) struct Influxd {
    pub(super) program: PathBuf,
    missing: &'static str,
    /// Name and password of the user who may do everything, where users are told apart.
    pub(super) admin: Option<(&'static str, &'static str)>,
    pub(super) pair: Option<Pair>,
    /// Where its data lies; a folder of its own without.
    data: Option<PathBuf>,
    http: String,
    engine: String,
    coordinator: String,
}

impl Influxd {
    /// InfluxDB 1.6.7.
    pub(crate) fn packaged() -> Self {
        Self {
            program: PACKAGED.into(),
            missing: "/usr/bin/influxd is missing (apt-get install influxdb)",
            admin: None,
            pair: None,
            data: None,
            http: String::new(),
            engine: String::new(),
            coordinator: String::new(),
        }
    }

    /// InfluxDB 1.8.10, which has `/api/v2/write`, and Flux on `/api/v2/query`.
    pub(crate) fn with_v2() -> Self {
        Self {
            program: COMPILED.into(),
            missing: "InfluxDB 1.8.10 is missing (`cargo xtask test` has it compiled, by a Go)",
            ..Self::packaged()
        }
        .http("flux-enabled = true")
    }

    /// Users have passwords and rights; `admin` has all of them.
    pub(crate) fn auth(mut self) -> Self {
        self.admin = Some(("admin", "admins-own"));
        self.http("auth-enabled = true")
    }

    /// Speaks TLS, and nothing else, on its port.
    pub(crate) fn tls(mut self, pair: &Pair) -> Self {
        self.pair = Some(pair.clone());
        self
    }

    /// A line of its section `[http]`, such as `max-body-size = 1000`.
    pub(crate) fn http(mut self, line: &str) -> Self {
        writeln!(self.http, "{line}").unwrap();
        self
    }

    /// A line of `[data]`, such as `max-values-per-tag = 3`.
    pub(crate) fn engine(mut self, line: &str) -> Self {
        writeln!(self.engine, "{line}").unwrap();
        self
    }

    /// A line of `[coordinator]`, such as `write-timeout = "1ms"`.
    pub(crate) fn coordinator(mut self, line: &str) -> Self {
        writeln!(self.coordinator, "{line}").unwrap();
        self
    }

    /// Has its data in this folder, such as a disk that is small.
    pub(crate) fn data_in(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Starts it. `None` where this InfluxDB is not installed.
    #[track_caller]
    pub(crate) fn start(self) -> Option<InfluxServer> {
        if !self.program.exists() {
            return skip(self.missing);
        }
        // A port that was free a moment ago may be taken by now.
        let server = (0..5).find_map(|_| InfluxServer::launch(&self));
        assert!(server.is_some(), "influxd does not start");
        server
    }

    /// Writes its configuration, with `own` as the folder for all but data.
    pub(super) fn write(&self, own: &Path, [port, backup_port]: [u16; 2]) {
        let data = self.data.as_deref().unwrap_or(own).display();
        let path = own.display();
        let tls = match &self.pair {
            Some(_) => {
                format!("https-enabled = true\nhttps-certificate = \"{path}/server.pem\"\n")
            }
            None => String::new(),
        };
        let Self {
            http,
            engine,
            coordinator,
            ..
        } = self;
        let text = format!(
            "reporting-disabled = true\n\
             bind-address = \"127.0.0.1:{backup_port}\"\n\
             [meta]\ndir = \"{data}/meta\"\n\
             [data]\ndir = \"{data}/data\"\nwal-dir = \"{data}/wal\"\n{engine}\
             [coordinator]\n{coordinator}\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n\
             unix-socket-enabled = true\nbind-socket = \"{path}/socket\"\n{tls}{http}\
             [monitor]\nstore-enabled = false\n"
        );
        fs::write(own.join("influxdb.conf"), text).unwrap();
        if let Some(Pair { certificate, key }) = &self.pair {
            fs::write(own.join("server.pem"), format!("{certificate}{key}")).unwrap();
        }
    }
}
