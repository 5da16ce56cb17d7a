//! Settings as flags: they stand above files and variables.

use std::{io, path::PathBuf};

use clap::Args;

use super::Global;
use crate::config::Given;

/// Settings as flags of `run`; they stand above files and variables.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Settings, above files and variables")]
pub struct RunArgs {
    /// Ship to the InfluxDB 1.x server at this address: `http://host:port`, `https://host:port` or `unix:///path`
    #[arg(long, value_name = "URL")]
    pub influx: Option<String>,
    /// Database for --influx; created if the server lacks it [default: cgflux]
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Database for the host as a whole, beside --database; created if the server lacks it
    #[arg(long, value_name = "NAME")]
    pub host_database: Option<String>,
    /// Write line protocol to standard output
    #[arg(long)]
    pub stdout: bool,
    /// Append line protocol to this file
    #[arg(long, value_name = "PATH")]
    pub file: Option<PathBuf>,
    /// Serve page, API and metrics at this address, or at `unix:/path`; may stand several times [default: 127.0.0.1:8190]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<String>,
    /// Read the counters this often; 100ms to 1m [default: 1s]
    #[arg(long, value_name = "DURATION")]
    pub interval: Option<String>,
    /// Name of this host, the `host` tag of every point [default: the host's own name]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Folder for what must survive a restart
    #[arg(long, value_name = "PATH")]
    pub state_dir: Option<PathBuf>,
    /// Where numbers come from: kernel programs where they load, these or nothing, or cgroup files only
    #[arg(long, value_name = "SOURCE", value_parser = ["auto", "kernel", "files"])]
    pub source: Option<String>,
    /// How many cgroups can be told apart at one time; 64 to 65536 [default: 4096]
    #[arg(long, value_name = "COUNT")]
    pub slots: Option<String>,
}

impl Global {
    /// The settings among these flags.
    pub fn settings(&self) -> Vec<Given> {
        let level = match (self.verbose, self.quiet) {
            (0, 0) => None,
            (1, _) => Some(("--verbose", "debug")),
            (2.., _) => Some(("--verbose", "trace")),
            (0, 1) => Some(("--quiet", "warn")),
            (0, 2..) => Some(("--quiet", "error")),
        };
        let level = level.map(|(flag, level)| Given::by_flag(flag, "log.level", level));
        let format = self.log_format.as_deref();
        let format = format.map(|format| Given::by_flag("--log-format", "log.format", format));
        level.into_iter().chain(format).collect()
    }
}

impl RunArgs {
    /// The settings among these flags. Paths may be relative to the working directory, which must exist for that.
    pub fn settings(&self) -> io::Result<Vec<Given>> {
        let absolute = |path: &Option<PathBuf>| -> io::Result<Option<String>> {
            let path = path.as_deref().map(std::path::absolute).transpose()?;
            Ok(path.map(|path| path.to_string_lossy().into_owned()))
        };
        let given = [
            ("--influx", "sinks.influxdb.url", self.influx.clone()),
            (
                "--database",
                "sinks.influxdb.database",
                self.database.clone(),
            ),
            (
                "--host-database",
                "sinks.influxdb.host_database",
                self.host_database.clone(),
            ),
            (
                "--stdout",
                "sinks.stdout.type",
                self.stdout.then(|| "stdout".to_owned()),
            ),
            ("--file", "sinks.file.path", absolute(&self.file)?),
            (
                "--listen",
                "http.listen",
                (!self.listen.is_empty()).then(|| self.listen.join(",")),
            ),
            ("--interval", "collect.interval", self.interval.clone()),
            ("--host", "host.name", self.host.clone()),
            ("--state-dir", "state_dir", absolute(&self.state_dir)?),
            ("--source", "collect.source", self.source.clone()),
            ("--slots", "collect.slots", self.slots.clone()),
        ];
        let given = given.into_iter();
        Ok(given
            .filter_map(|(flag, key, text)| Some(Given::by_flag(flag, key, text?)))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command, ConfigCommand};

    fn parse(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"))
    }

    fn settings(line: &str) -> Vec<String> {
        let cli = parse(line);
        let Command::Config(ConfigCommand::Show { run }) = cli.command else {
            panic!("{line}");
        };
        let mut given = cli.global.settings();
        given.extend(run.settings().expect("a working directory"));
        given
            .iter()
            .map(|it| format!("{} = {} # {}", it.key, it.value, it.origin))
            .collect()
    }

    #[test]
    fn flags_become_settings() {
        assert_eq!(settings("cgflux config show"), [""; 0]);
        assert_eq!(
            settings("cgflux -vv config show --influx http://a:1 --database d --stdout --slots 99"),
            [
                "log.level = \"trace\" # flag --verbose",
                "sinks.influxdb.url = \"http://a:1\" # flag --influx",
                "sinks.influxdb.database = \"d\" # flag --database",
                "sinks.stdout.type = \"stdout\" # flag --stdout",
                "collect.slots = \"99\" # flag --slots",
            ]
        );
        assert_eq!(
            settings("cgflux config show -q --log-format json --file /a/b"),
            [
                "log.level = \"warn\" # flag --quiet",
                "log.format = \"json\" # flag --log-format",
                "sinks.file.path = \"/a/b\" # flag --file",
            ]
        );
    }

    #[test]
    fn a_relative_path_starts_from_the_working_directory() {
        let here = std::env::current_dir().expect("a working directory");
        let expected = format!(
            "sinks.file.path = \"{}/x.lp\" # flag --file",
            here.display()
        );
        assert_eq!(settings("cgflux config show --file x.lp"), [expected]);
    }
}
