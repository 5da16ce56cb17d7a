//! Flags of `web` and `load` about the points that tell of themselves.

use std::{path::PathBuf, str::FromStr};

use clap::Args;

use super::Global;
use crate::config::{Given, ServerUrl, ServerUrlError};

/// Where this program's own points go.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Points that tell of this program")]
pub struct TelemetryArgs {
    /// Where its points go: `auto`, `none`, `unix:///PATH` of the agent's socket, or `http://HOST:PORT` of an InfluxDB
    ///
    /// auto: the sinks of --config FILE; without that the agent's socket, /run/cgflux/points.sock, if it is there.
    #[arg(
        long,
        value_name = "WHERE",
        env = "CGFLUX_POINTS",
        default_value = "auto"
    )]
    pub points: PointsTo,
    /// Database, where --points is an InfluxDB; created if the server lacks it [default: cgflux]
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Folder for points that an InfluxDB has not taken yet
    #[arg(long, value_name = "PATH")]
    pub state_dir: Option<PathBuf>,
    /// The tag `container` of its points [default: by this process's cgroup]
    #[arg(long, value_name = "NAME", env = "CGFLUX_CONTAINER")]
    pub container: Option<String>,
}

/// The meaning of `--points`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PointsTo {
    /// To the sinks of the configuration file that is named, else to an agent on this host, if there is one.
    Auto,
    /// Nowhere.
    Nowhere,
    /// To this server, which may be an agent's socket.
    Server(ServerUrl),
}

impl FromStr for PointsTo {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::Nowhere),
            url => url.parse().map(Self::Server),
        }
    }
}

impl TelemetryArgs {
    /// The settings among these flags, with points going to `server`, if any. Paths may be relative to the working
    /// directory, which must exist for that.
    pub fn settings(
        &self,
        global: &Global,
        server: Option<&ServerUrl>,
    ) -> std::io::Result<Vec<Given>> {
        let mut given = global.settings();
        let mut add = |flag, key, text: String| given.push(Given::by_flag(flag, key, text));
        if let Some(folder) = &self.state_dir {
            let folder = std::path::absolute(folder)?;
            add(
                "--state-dir",
                "state_dir",
                folder.to_string_lossy().into_owned(),
            );
        }
        if let Some(server) = server {
            add("--points", "sinks.influxdb.url", server.to_string());
            // An agent keeps what it is handed on a disk of its own.
            if let ServerUrl::Unix(_) = server {
                add("--points", "sinks.influxdb.spool", "false".to_owned());
            }
        }
        if let Some(database) = &self.database {
            add("--database", "sinks.influxdb.database", database.clone());
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_points_go_is_a_word_or_an_address() {
        assert_eq!("auto".parse(), Ok(PointsTo::Auto));
        assert_eq!("none".parse(), Ok(PointsTo::Nowhere));
        let socket = ServerUrl::Unix("/run/a.sock".into());
        assert_eq!("unix:///run/a.sock".parse(), Ok(PointsTo::Server(socket)));
        assert_eq!("influx".parse::<PointsTo>(), Err(ServerUrlError::Scheme));
    }
}
