//! A real Prometheus that scrapes agents and counters, on a free port and in a folder of its own.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value as Json;
use tempfile::TempDir;

use super::{eventually, skip};

const PROMETHEUS: &str = "/usr/bin/prometheus";

/// How long a start may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server that ends with the test.
pub(crate) struct Prometheus {
    folder: TempDir,
    process: Child,
    port: u16,
}

impl Prometheus {
    /// One that scrapes `agent` each second. `None` where no Prometheus is installed.
    #[track_caller]
    pub(crate) fn scraping(agent: SocketAddr) -> Option<Self> {
        Self::watching(&[agent], None)
    }

    /// The same of several, with these rules evaluated each second.
    #[track_caller]
    pub(crate) fn watching(targets: &[SocketAddr], rules: Option<&Path>) -> Option<Self> {
        if !Path::new(PROMETHEUS).exists() {
            return skip("/usr/bin/prometheus is missing (apt-get install prometheus)");
        }
        // A port that was free a moment ago may be taken by now.
        let server = (0..5).find_map(|_| Self::start(targets, rules));
        assert!(server.is_some(), "prometheus does not start");
        server
    }

    fn start(targets: &[SocketAddr], rules: Option<&Path>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let targets: Vec<String> = targets.iter().map(|it| format!("'{it}'")).collect();
        let rules = rules.map(|file| format!("'{}'", file.display()));
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [ {} ]\n\
             scrape_configs:\n\
             - job_name: cgflux\n\
             \x20 static_configs: [ targets: [ {} ] ]\n",
            rules.unwrap_or_default(),
            targets.join(", ")
        );
        let config_file = folder.path().join("prometheus.yml");
        fs::write(&config_file, config).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(PROMETHEUS)
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Self {
            folder,
            process,
            port,
        };
        server.is_ready().then_some(server)
    }

    /// Returns once it answers, or has ended.
    fn is_ready(&mut self) -> bool {
        eventually(PATIENCE, "prometheus answers", || {
            match self.process.try_wait().unwrap() {
                Some(_) => Ok(()),
                None => self.get("/-/ready").map(drop),
            }
        });
        self.process.try_wait().unwrap().is_none()
    }

    /// What `--prometheus` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The series that a query gives now: each with its labels and its value.
    #[track_caller]
    pub(crate) fn query(&self, query: &str) -> Vec<(Json, f64)> {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", query)
            .finish();
        let answer = self.json(&format!("/api/v1/query?{form}"));
        let series = answer["data"]["result"].as_array().cloned();
        let series = series.unwrap_or_else(|| panic!("{query}: {answer}"));
        let value = |it: &Json| it["value"][1].as_str()?.parse().ok();
        series
            .iter()
            .map(|it| (it["metric"].clone(), value(it).expect("a number")))
            .collect()
    }

    /// What an address of its API answers.
    #[track_caller]
    pub(crate) fn json(&self, path: &str) -> Json {
        let body = self.get(path).unwrap();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// All it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The body of a good answer, or the whole of another one.
    fn get(&self, path: &str) -> Result<String, String> {
        let ask = || {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        let answer = ask().map_err(|error: std::io::Error| error.to_string())?;
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
            _ => Err(answer),
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("log of prometheus:\n{}", self.log());
        }
        let ended = self.process.kill().and_then(|()| self.process.wait());
        drop(ended);
    }
}
