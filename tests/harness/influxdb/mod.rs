//! A real InfluxDB, on a free port and in a folder of its own: 1.x here, 2.x in `v2`.

mod answer;
mod options;
mod v2;

use std::{error::Error, os::unix::net::UnixStream, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use nix::sys::signal::Signal;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::{
    Line, eventually,
    http::{Request, free_addresses},
    program::Program,
};
pub(crate) use options::Influxd;
pub(crate) use v2::InfluxServer2;

/// How long a start may take on a busy machine, and an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that ends with the test. It never had a database.
///
/// The test itself asks it by a unix socket, whatever the port speaks.
pub(crate) struct InfluxServer {
    program: Program,
    options: Influxd,
    /// Where it listens, and for backups, which nobody makes.
    ports: [u16; 2],
    folder: TempDir,
}

impl InfluxServer {
    /// Debian's InfluxDB with usual settings; `None` where it is not installed.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        Influxd::packaged().start()
    }

    fn launch(options: &Influxd) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let [address, backup_address] = free_addresses();
        let config = folder.path().join("influxdb.conf");
        let ports = [address.port(), backup_address.port()];
        options.write(folder.path(), ports);
        let arguments = vec!["run".into(), "-config".into(), config.into()];
        let log = folder.path().join("log");
        let mut server = Self {
            program: Program::start(options.program.clone(), arguments, log),
            options: options.clone(),
            ports,
            folder,
        };
        if !server.is_ready() {
            return None;
        }
        if let Some((name, password)) = options.admin {
            server.execute(&format!(
                "CREATE USER {name} WITH PASSWORD {} WITH ALL PRIVILEGES",
                quoted(password)
            ));
        }
        Some(server)
    }

    /// What `--influx` takes.
    pub(crate) fn url(&self) -> String {
        let scheme = self.options.pair.as_ref().map_or("http", |_| "https");
        format!("{scheme}://127.0.0.1:{}", self.port())
    }

    /// The port alone, for another name or scheme.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Its unix socket, which speaks plain HTTP.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Ends it as a crash would. What it has acknowledged stays.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it where it was, with all it had.
    pub(crate) fn start_again(&mut self) {
        self.program.start_again();
        assert!(self.is_ready(), "influxd ended: {}", self.program.log());
    }

    /// Starts it with other settings, where it was and with all it had.
    pub(crate) fn start_again_as(&mut self, options: Influxd) {
        self.options = options;
        self.options.write(self.folder.path(), self.ports);
        self.start_again();
    }

    /// Stops its threads: connections are made and nothing answers.
    pub(crate) fn freeze(&self) {
        self.program.signal(Signal::SIGSTOP);
    }

    /// Has it go on.
    pub(crate) fn thaw(&self) {
        self.program.signal(Signal::SIGCONT);
    }

    /// Whether a kill came within a write of its log. Then it loses what it acknowledges from the next start to the next
    /// kill: it goes on writing behind the torn entry, where no later start looks. Seen with 1.6.7 and 1.8.10, in one of a
    /// dozen runs of fifty kills; no client can know.
    pub(crate) fn has_torn_log(&self) -> bool {
        self.program.log().contains("File corrupt")
    }

    /// Returns once it answers, or has ended.
    fn is_ready(&mut self) -> bool {
        eventually(PATIENCE, "influxd answers", || {
            if self.program.has_ended() {
                return Ok(());
            }
            self.ask("GET /ping", "").map(drop)
        });
        !self.program.has_ended()
    }

    /// Writes lines as a client would: `target` is such as `/write?db=d`. What it says where it refuses them.
    pub(crate) fn write(&self, target: &str, lines: &str) -> Result<(), String> {
        let written = self.ask(&format!("POST {target}"), lines).map(drop);
        written.map_err(|refusal| refusal.to_string())
    }

    /// The series a query gives, each with its tags, columns and rows; times are nanoseconds.
    #[track_caller]
    pub(crate) fn query(&self, database: &str, query: &str) -> Vec<Json> {
        let answer = self.answer(database, query);
        assert_eq!(answer["error"], Json::Null, "query={query}");
        answer["series"].as_array().cloned().unwrap_or_default()
    }

    /// Does what a statement says, such as `CREATE DATABASE "d"`.
    #[track_caller]
    pub(crate) fn execute(&self, statement: &str) {
        self.query("", statement);
    }

    /// All points of a database; none before there is one, which the agent makes when it first writes.
    #[track_caller]
    pub(crate) fn points(&self, database: &str) -> Vec<Line> {
        let answer = self.answer(database, "SELECT * FROM /.*/ GROUP BY *");
        let error = answer["error"].as_str().unwrap_or_default();
        let is_missing = error.starts_with("database not found");
        assert!(error.is_empty() || is_missing, "{error}");
        answer::all_lines(&answer)
    }

    /// The one value a query gives; null without one, or without the database.
    #[track_caller]
    pub(crate) fn value(&self, database: &str, query: &str) -> Json {
        self.answer(database, query)["series"][0]["values"][0][1].clone()
    }

    #[track_caller]
    fn answer(&self, database: &str, query: &str) -> Json {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("db", database)
            .append_pair("epoch", "ns")
            .append_pair("q", query)
            .finish();
        let body = self.ask("POST /query", &form).unwrap();
        let mut answer: Json = serde_json::from_str(&body).unwrap();
        answer["results"][0].take()
    }

    fn ask(&self, target: &str, form: &str) -> Result<String, Box<dyn Error>> {
        let mut headers = "Content-Type: application/x-www-form-urlencoded\r\n".to_owned();
        if let Some((name, password)) = self.options.admin {
            let both = BASE64.encode(format!("{name}:{password}"));
            headers += "Authorization: Basic ";
            headers += &both;
            headers += "\r\n";
        }
        let stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Request {
            target,
            headers,
            body: form,
        }
        .ask(stream)
    }
}

/// A string of InfluxQL.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}
