//! A real InfluxDB 1.x, on free ports and in a folder of its own, and what it says it has stored.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::Context as _;
use nix::unistd::Pid;
use serde_json::Value as Json;

use super::{http, process::Process, waiting::Waiting};

const PATIENCE: Duration = Duration::from_mins(1);

/// A server that ends with the value.
#[derive(Debug)]
pub(crate) struct InfluxDb {
    process: Process,
    address: SocketAddr,
}

/// What a server has taken in since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stored {
    /// Points stored.
    pub(crate) points: u64,
    /// Bytes of the bodies received, after decompression.
    pub(crate) bytes: u64,
}

impl InfluxDb {
    /// Starts one with its data in `folder`.
    pub(crate) fn start(folder: &Path, waiting: &Waiting) -> anyhow::Result<Self> {
        let [port, backup_port] = http::free_ports()?;
        let path = folder.display();
        let config = format!(
            "reporting-disabled = true\n\
             bind-address = \"127.0.0.1:{backup_port}\"\n\
             [meta]\ndir = \"{path}/meta\"\n\
             [data]\ndir = \"{path}/data\"\nwal-dir = \"{path}/wal\"\n\
             [http]\nbind-address = \"127.0.0.1:{port}\"\nlog-enabled = false\n\
             [monitor]\nstore-enabled = false\n"
        );
        let file = folder.join("influxdb.conf");
        fs::write(&file, config).context("cannot write InfluxDB's configuration")?;
        let mut command = Command::new("influxd");
        command.args(["run", "-config"]).arg(file);
        let mut server = Self {
            process: Process::start(&mut command, folder.join("influxdb.log"))?,
            address: ([127, 0, 0, 1], port).into(),
        };
        waiting.until("an answer of InfluxDB", PATIENCE, || {
            server.process.said().context("InfluxDB")?;
            Ok(http::get(server.address, "/ping").ok())
        })?;
        Ok(server)
    }

    /// What `--influx` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// What it has taken in so far.
    pub(crate) fn stored(&self) -> anyhow::Result<Stored> {
        let said = http::get(self.address, "/debug/vars").context("cannot ask InfluxDB")?;
        stored_in(&said).context("InfluxDB does not tell what it stored")
    }
}

/// Reads `/debug/vars`.
fn stored_in(said: &str) -> Option<Stored> {
    let said: Json = serde_json::from_str(said).ok()?;
    let mut stored = Stored::default();
    let mut told = false;
    for (_, part) in said.as_object()? {
        if part["name"] == "httpd" {
            told = true;
            stored.points += part["values"]["pointsWrittenOK"].as_u64()?;
            stored.bytes += part["values"]["writeReqBytes"].as_u64()?;
        }
    }
    told.then_some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// InfluxDB 1.6.7, shortened.
    const VARS: &str = r#"{"cmdline": ["influxd"],
        "runtime": {"name":"runtime","tags":{},"values":{"Alloc":1}},
        "httpd::127.0.0.1:8086": {"name":"httpd","tags":{"bind":"127.0.0.1:8086"},
            "values":{"pingReq":1,"pointsWrittenOK":120,"writeReq":3,"writeReqBytes":45678}}}"#;

    #[test]
    fn points_and_bytes_are_read_from_what_the_server_says() {
        let expected = Stored {
            points: 120,
            bytes: 45_678,
        };
        assert_eq!(stored_in(VARS), Some(expected));
        assert_eq!(stored_in(r#"{"cmdline": []}"#), None);
    }
}
