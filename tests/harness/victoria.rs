//! A real VictoriaMetrics: a server that speaks InfluxDB's protocol and is none.

use std::{
    collections::BTreeMap,
    error::Error,
    net::{SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use nix::sys::signal::Signal;
use serde::Deserialize;
use tempfile::TempDir;

use super::{
    Line, eventually,
    http::{Request, free_addresses},
    program::Program,
    skip,
};

const VICTORIA_METRICS: &str = "/usr/bin/victoria-metrics";

/// How long a start may take on a busy machine, and an answer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that ends with the test.
///
/// What it answers 204 to lies in its memory for a second or more: unlike InfluxDB it may lose that when killed.
pub(crate) struct VictoriaMetrics {
    program: Program,
    address: SocketAddr,
    _folder: TempDir,
}

impl VictoriaMetrics {
    /// `None` where it is not installed. It keeps `months`, and of points with one time the last.
    #[track_caller]
    pub(crate) fn keeping(months: u32) -> Option<Self> {
        if !Path::new(VICTORIA_METRICS).exists() {
            return skip("victoria-metrics is missing (apt-get install victoria-metrics)");
        }
        let server = (0..5).find_map(|_| Self::launch(months));
        assert!(server.is_some(), "victoria-metrics does not start");
        server
    }

    fn launch(months: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let [address] = free_addresses();
        let arguments = [
            format!("-storageDataPath={}", folder.path().join("data").display()),
            format!("-httpListenAddr={address}"),
            format!("-retentionPeriod={months}"),
            // It keeps what was written twice twice, unless told so.
            "-dedup.minScrapeInterval=1ms".to_owned(),
            "-search.latencyOffset=0s".to_owned(),
        ];
        let mut server = Self {
            program: Program::start(
                VICTORIA_METRICS.into(),
                arguments.map(Into::into).to_vec(),
                folder.path().join("log"),
            ),
            address,
            _folder: folder,
        };
        server.is_ready().then_some(server)
    }

    /// What `--influx` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it as its owner would, so that it writes to its disk what it has taken.
    pub(crate) fn stop(&mut self) {
        self.program.signal(Signal::SIGTERM);
        eventually(PATIENCE, "victoria-metrics ends", || {
            self.program.has_ended().then_some(()).ok_or("it runs")
        });
    }

    /// Starts it where it was.
    pub(crate) fn start_again(&mut self) {
        self.program.start_again();
        assert!(self.is_ready(), "it ended: {}", self.program.log());
    }

    /// All points, as those InfluxDB would have: one field of one series each.
    #[track_caller]
    pub(crate) fn points(&self) -> Vec<Line> {
        // What came last can be asked for only once it is flushed.
        self.ask("GET /internal/force_flush").unwrap();
        let all = "GET /api/v1/export?match[]=%7B__name__!=%22%22%7D&start=1970-01-01T00:00:00Z";
        let exported = self.ask(all).unwrap();
        let series = exported.lines().map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        series.flat_map(Series::points).collect()
    }

    /// Writes lines as a client would.
    pub(crate) fn write(&self, lines: &str) -> Result<(), String> {
        let written = self.send("POST /write?db=d", lines).map(drop);
        written.map_err(|refusal| refusal.to_string())
    }

    fn is_ready(&mut self) -> bool {
        eventually(PATIENCE, "victoria-metrics answers", || {
            if self.program.has_ended() {
                return Ok(());
            }
            self.ask("GET /health").map(drop)
        });
        !self.program.has_ended()
    }

    fn ask(&self, target: &str) -> Result<String, Box<dyn Error>> {
        self.send(target, "")
    }

    fn send(&self, target: &str, body: &str) -> Result<String, Box<dyn Error>> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Request {
            target,
            headers: String::new(),
            body,
        }
        .ask(stream)
    }
}

/// A line of its export.
#[derive(Deserialize)]
struct Series {
    metric: BTreeMap<String, String>,
    values: Vec<serde_json::Number>,
    /// Milliseconds.
    timestamps: Vec<i64>,
}

impl Series {
    /// Its name is `MEASUREMENT_FIELD`, and only the part before the first `_` is known to be the measurement.
    fn points(self) -> Vec<Line> {
        let Self {
            metric: mut tags,
            values,
            timestamps,
        } = self;
        let name = tags.remove("__name__").unwrap_or_default();
        let (measurement, field) = name.split_once('_').unwrap_or((&name, "value"));
        let samples = values.into_iter().zip(timestamps);
        samples
            .map(|(value, at_ms)| Line {
                measurement: measurement.to_owned(),
                tags: tags.clone(),
                fields: [(field.to_owned(), value.to_string())].into(),
                wall_ns: at_ms * 1_000_000,
            })
            .collect()
    }
}
