//! A real InfluxDB 1.x, on a free port and in a folder of its own.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::{Line, eventually, skip};

const INFLUXD: &str = "/usr/bin/influxd";

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that ends with the test. It never had a database.
pub(crate) struct InfluxServer {
    folder: TempDir,
    process: Child,
    port: u16,
}

impl InfluxServer {
    /// `None` where no InfluxDB is installed.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(INFLUXD).exists() {
            return skip("/usr/bin/influxd is missing (apt-get install influxdb)");
        }
        // A port that was free a moment ago may be taken by now.
        let server = (0..5).find_map(|_| Self::start_on(free_ports()));
        assert!(server.is_some(), "influxd does not start");
        server
    }

    fn start_on([port, backup_port]: [u16; 2]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let config = format!(
            "reporting-disabled = true\n\
             bind-address = \"127.0.0.1:{backup_port}\"\n\
             [meta]\ndir = \"{path}/meta\"\n\
             [data]\ndir = \"{path}/data\"\nwal-dir = \"{path}/wal\"\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n\
             [monitor]\nstore-enabled = false\n"
        );
        fs::write(folder.path().join("influxdb.conf"), config).unwrap();
        let process = spawn(folder.path());
        let mut server = Self {
            folder,
            process,
            port,
        };
        server.is_ready().then_some(server)
    }

    /// What `--influx` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash would. What it has acknowledged stays.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it where it was, with all it had.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(self.folder.path());
        assert!(self.is_ready(), "influxd ended");
    }

    /// Returns once it answers, or has ended.
    fn is_ready(&mut self) -> bool {
        eventually(PATIENCE, "influxd answers", || {
            match self.process.try_wait().unwrap() {
                Some(_) => Ok(()),
                None => self.get("/ping").map(drop),
            }
        });
        self.process.try_wait().unwrap().is_none()
    }

    /// The series a query gives, each with its tags, columns and rows; times are nanoseconds.
    #[track_caller]
    pub(crate) fn query(&self, database: &str, query: &str) -> Vec<Json> {
        let answer = self.answer(database, query);
        assert_eq!(answer["error"], Json::Null, "query={query}");
        answer["series"].as_array().cloned().unwrap_or_default()
    }

    /// All points of a database.
    #[track_caller]
    pub(crate) fn points(&self, database: &str) -> Vec<Line> {
        let series = self.query(database, "SELECT * FROM /.*/ GROUP BY *");
        series.iter().flat_map(lines).collect()
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
        let body = self.get(&format!("/query?{form}")).unwrap();
        let mut answer: Json = serde_json::from_str(&body).unwrap();
        answer["results"][0].take()
    }

    /// The body of an answer with a good status.
    fn get(&self, path: &str) -> Result<String, Box<dyn Error>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let good = head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'));
        good.then(|| body.to_owned()).ok_or_else(|| head.into())
    }
}

impl Drop for InfluxServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The points of one series of an answer.
fn lines(series: &Json) -> Vec<Line> {
    let tags = series["tags"].as_object().into_iter().flatten();
    // Grouped by all tags there are, a series has empty ones for those it lacks.
    let tags = tags.filter(|(_, value)| **value != "");
    let tags: BTreeMap<_, _> = tags
        .map(|(key, value)| (key.clone(), plain(value)))
        .collect();
    let columns: Vec<&str> = series["columns"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    let line = |row: &Json| {
        let cells = row.as_array().into_iter().flatten();
        let fields = columns.iter().zip(cells).skip(1);
        Line {
            measurement: plain(&series["name"]),
            tags: tags.clone(),
            fields: fields
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| ((*key).to_owned(), plain(value)))
                .collect(),
            wall_ns: row[0].as_i64().expect("each row begins with its time"),
        }
    };
    let rows = series["values"].as_array().into_iter().flatten();
    rows.map(line).collect()
}

/// A value as text, in the form that [`Line`] has.
fn plain(value: &Json) -> String {
    match (value.as_str(), value.as_i64(), value.as_f64()) {
        (Some(text), _, _) => text.to_owned(),
        (_, None, Some(float)) => float.to_string(),
        _ => value.to_string(),
    }
}

fn spawn(folder: &Path) -> Child {
    let log = fs::File::options()
        .append(true)
        .create(true)
        .open(folder.join("log"))
        .unwrap();
    Command::new(INFLUXD)
        .arg("run")
        .arg("-config")
        .arg(folder.join("influxdb.conf"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}
