//! A real InfluxDB 2, set up and in a folder of its own.

use std::{
    error::Error,
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{PATIENCE, answer};
use crate::harness::{
    Line, eventually,
    http::{Request, free_addresses},
    program::Program,
    skip,
};

/// Where `cargo xtask test --full` has it compiled.
const COMPILED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../target/tools/influxd-2.7.12/bin/influxd"
);

/// A server that ends with the test, with the organisation `home` and a bucket that nobody uses.
pub(crate) struct InfluxServer2 {
    program: Program,
    address: SocketAddr,
    _folder: TempDir,
}

impl InfluxServer2 {
    /// What everything may be done with.
    pub(crate) const TOKEN: &str = "admins-own-token";

    /// `None` where it is not compiled.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(COMPILED).exists() {
            return skip(
                "InfluxDB 2.7.12 is missing (`cargo xtask test --full` has it compiled, in some 10 min)",
            );
        }
        let server = (0..5).find_map(|_| Self::launch());
        assert!(server.is_some(), "influxd does not start");
        let server = server?;
        let setup = json!({
            "username": "admin", "password": "admins-own", "org": "home", "bucket": "first",
            "token": Self::TOKEN,
        });
        server.call("POST", "/api/v2/setup", &setup).unwrap();
        Some(server)
    }

    fn launch() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let [address] = free_addresses();
        let below = |name: &str| folder.path().join(name).display().to_string();
        let arguments = [
            format!("--http-bind-address={address}"),
            format!("--bolt-path={}", below("bolt")),
            format!("--sqlite-path={}", below("sqlite")),
            format!("--engine-path={}", below("engine")),
            "--reporting-disabled".to_owned(),
        ];
        let arguments = arguments.map(Into::into).to_vec();
        let mut server = Self {
            program: Program::start(COMPILED.into(), arguments, folder.path().join("log")),
            address,
            _folder: folder,
        };
        server.is_ready().then_some(server)
    }

    /// What `url` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it where it was, with all it had.
    pub(crate) fn start_again(&mut self) {
        self.program.start_again();
        assert!(self.is_ready(), "influxd ended: {}", self.program.log());
    }

    /// Makes a bucket that keeps points for so long.
    #[track_caller]
    pub(crate) fn make_bucket(&self, name: &str, kept: Duration) {
        let organizations = self
            .call("GET", "/api/v2/orgs?org=home", &Json::Null)
            .unwrap();
        let bucket = json!({
            "orgID": organizations["orgs"][0]["id"], "name": name,
            "retentionRules": [{"type": "expire", "everySeconds": kept.as_secs()}],
        });
        self.call("POST", "/api/v2/buckets", &bucket).unwrap();
    }

    /// All points of a bucket.
    #[track_caller]
    pub(crate) fn points(&self, bucket: &str) -> Vec<Line> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("db", bucket)
            .append_pair("epoch", "ns")
            .append_pair("q", "SELECT * FROM /.*/ GROUP BY *")
            .finish();
        let answer = self
            .call("GET", &format!("/query?{query}"), &Json::Null)
            .unwrap();
        answer::all_lines(&answer["results"][0])
    }

    /// Asks its API, as who may do everything.
    pub(crate) fn call(
        &self,
        method: &str,
        target: &str,
        body: &Json,
    ) -> Result<Json, Box<dyn Error>> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let answer = Request {
            target: &format!("{method} {target}"),
            headers: format!(
                "Authorization: Token {}\r\nContent-Type: application/json\r\n",
                Self::TOKEN
            ),
            body: &body,
        }
        .ask(stream)?;
        Ok(serde_json::from_str(&answer).unwrap_or_default())
    }

    /// Returns once it answers, or has ended.
    fn is_ready(&mut self) -> bool {
        eventually(PATIENCE, "influxd answers", || {
            if self.program.has_ended() {
                return Ok(());
            }
            self.call("GET", "/health", &Json::Null).map(drop)
        });
        !self.program.has_ended()
    }
}
