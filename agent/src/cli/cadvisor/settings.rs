//! What a command line of cAdvisor stands for: settings above all others for what it says, below all others for what
//! cAdvisor did unasked.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use super::{
    flags::Means,
    kinds,
    syntax::{Read, Said, duration},
};
use crate::{
    cli::web::every_address,
    config::{Given, Http, Key, Origin, Predecessor, Secret, Value},
    text::printable,
};

/// cAdvisor's own port.
const PORT: u16 = 8080;

/// Server of the driver, where none is named.
const SERVER: &str = "localhost:8086";

/// User and password that cAdvisor writes with, unless told otherwise.
const ROOT: &str = "root";

/// A command line and what cAdvisor did unasked, as settings.
#[derive(Clone, Debug, Default)]
pub struct Meant {
    /// What it says.
    pub flags: Vec<Given>,
    /// What it leaves to cAdvisor.
    pub predecessor: Predecessor,
}

pub(super) fn of(read: Read) -> Meant {
    let Read { said, warnings } = read;
    let mut meant = Meant::default();
    meant.predecessor.warnings = warnings;
    let said = Line(&said);
    meant.predecessor.reads_variables = Some(meant.driver(&said));
    meant.cadence(&said);
    meant.page(&said);
    meant.measured(&said);
    meant.labels(&said);
    meant.log(&said);
    for Said { flag, text } in said.0 {
        // A switch that is off asks for nothing.
        if let Means::Nothing(reason) = flag.means
            && text != "false"
        {
            meant.warn(format!("{} has no effect: {reason}", flag.shown));
        }
    }
    meant
}

/// The flags in their order: of one that stands twice the last one counts.
struct Line<'a>(&'a [Said]);

impl Line<'_> {
    fn last(&self, means: Means) -> Option<(&'static str, &str)> {
        let said = self.0.iter().rev().find(|it| it.flag.means == means);
        said.map(|it| (it.flag.shown, it.text.as_str()))
    }

    /// Of a switch that was named.
    fn switch(&self, means: Means) -> Option<(&'static str, bool)> {
        self.last(means).map(|(flag, text)| (flag, text == "true"))
    }

    /// The collection interval as far as it is told.
    fn interval(&self) -> Duration {
        let asked = self.last(Means::Housekeeping);
        let asked = asked.and_then(|(_, text)| duration(text));
        asked.map_or(Duration::from_secs(1), |asked| {
            asked.clamp(*INTERVALS.start(), *INTERVALS.end())
        })
    }
}

impl Meant {
    fn warn(&mut self, warning: String) {
        self.predecessor.warnings.push(warning);
    }

    fn set(&mut self, flag: &'static str, key: &str, text: impl Into<String>) {
        self.flags.push(Given::by_flag(flag, key, text));
    }

    fn suggest(&mut self, key: &str, value: Value) {
        self.predecessor.suggested.push(Given {
            key: Key::of(key),
            value,
            origin: Origin::Predecessor("cAdvisor"),
        });
    }

    /// Where points go. Whether that may be an `InfluxDB`: where the command line says nothing, variables may.
    fn driver(&mut self, said: &Line<'_>) -> bool {
        let (flag, drivers) = said.last(Means::Driver).unwrap_or(("--storage_driver", ""));
        let mut to_influxdb = false;
        for driver in drivers.split(',').map(str::trim) {
            match driver {
                "" | "memory" => {}
                "influxdb" => to_influxdb = true,
                "stdout" => {
                    self.set(flag, "sinks.stdout.type", "stdout");
                    self.suggest("sinks.stdout.schema", Value::Text("cadvisor".to_owned()));
                }
                "statsd" | "redis" | "kafka" | "elasticsearch" | "bigquery" => self.warn(format!(
                    "{flag}: there is no {driver} here; Telegraf or Prometheus brings points there from an InfluxDB \
                     sink or from /metrics"
                )),
                other => {
                    let other = printable(other);
                    self.warn(format!("{flag}: there is no storage driver {other:?}"));
                }
            }
        }
        let is_open = drivers.is_empty();
        if to_influxdb {
            self.set(flag, "sinks.influxdb.type", "influxdb");
        }
        if to_influxdb || is_open {
            self.suggest_influxdb();
        }
        if to_influxdb {
            self.influxdb(said);
        } else {
            self.unused(said);
        }
        to_influxdb || is_open
    }

    /// What cAdvisor's driver has without being told.
    fn suggest_influxdb(&mut self) {
        for (name, text) in [
            ("url", format!("http://{SERVER}")),
            ("database", "cadvisor".to_owned()),
            ("schema", "cadvisor".to_owned()),
            ("username", ROOT.to_owned()),
        ] {
            self.suggest(&format!("sinks.influxdb.{name}"), Value::Text(text));
        }
        let password = Value::Secret(Secret::new(ROOT.to_owned()));
        self.suggest("sinks.influxdb.password", password);
    }

    fn influxdb(&mut self, said: &Line<'_>) {
        let host = said.last(Means::DriverHost);
        let secure = said.switch(Means::DriverSecure);
        if let Some((flag, _)) = host.or(secure.map(|(flag, _)| (flag, ""))) {
            let scheme = if secure.is_some_and(|(_, is)| is) {
                "https"
            } else {
                "http"
            };
            let host = host.map_or(SERVER, |(_, host)| host);
            self.set(flag, "sinks.influxdb.url", format!("{scheme}://{host}"));
        }
        for (means, name) in [
            (Means::DriverDatabase, "database"),
            (Means::DriverUser, "username"),
            (Means::RetentionPolicy, "retention_policy"),
        ] {
            // cAdvisor's own default for "none".
            if let Some((flag, text)) = said.last(means).filter(|(_, text)| !text.is_empty()) {
                self.set(flag, &format!("sinks.influxdb.{name}"), text);
            }
        }
        if let Some((flag, text)) = said.last(Means::DriverPassword) {
            self.flags.push(Given {
                key: Key::of("sinks.influxdb.password"),
                value: Value::Secret(Secret::new(text.to_owned())),
                origin: Origin::Flag(flag),
            });
            self.warn(format!(
                "{flag} can be read by whoever sees the processes of this host; a file is safer: \
                 sinks.influxdb.password_file, or variable CGFLUX_SINKS__INFLUXDB__PASSWORD_FILE"
            ));
        }
        if let Some((flag, text)) = said.last(Means::DriverBuffer) {
            // cAdvisor had a point of each interval in what it held back; here a shipment has one point, so that it may not
            // be rarer than points are asked for.
            let least = said.interval();
            let range = least..=least.max(Duration::from_secs(10));
            self.set_time(flag, text, "sinks.influxdb.interval", range);
        }
    }

    /// Tells of flags about a database that nothing is written to.
    fn unused(&mut self, said: &Line<'_>) {
        let about = [
            Means::DriverHost,
            Means::DriverDatabase,
            Means::DriverUser,
            Means::DriverPassword,
            Means::DriverSecure,
            Means::DriverBuffer,
            Means::RetentionPolicy,
        ];
        let unused: Vec<&str> = about
            .iter()
            .filter_map(|means| Some(said.last(*means)?.0))
            .collect();
        if !unused.is_empty() {
            let unused = unused.join(", ");
            self.warn(format!(
                "without --storage_driver=influxdb these have no effect: {unused}"
            ));
        }
    }

    fn cadence(&mut self, said: &Line<'_>) {
        if let Some((flag, text)) = said.last(Means::Housekeeping) {
            self.set_time(flag, text, "collect.interval", INTERVALS);
        }
        if let Some((flag, text)) = said.last(Means::History) {
            let interval = said.interval();
            let longest = interval * Http::MAX_HISTORY_TICKS;
            self.set_time(flag, text, "http.history", interval..=longest);
        }
    }

    /// A time that a flag names, or the next one that is allowed.
    fn set_time(
        &mut self,
        flag: &'static str,
        text: &str,
        key: &str,
        range: RangeInclusive<Duration>,
    ) {
        let Some(asked) = duration(text) else {
            let text = printable(text);
            self.warn(format!("{flag}: {text:?} is no time such as 10s or 1m30s"));
            return;
        };
        let taken = asked.clamp(*range.start(), *range.end());
        let taken_text = humantime::format_duration(taken).to_string();
        if taken != asked {
            let asked = humantime::format_duration(asked);
            self.warn(format!("{flag}: it is {taken_text} instead of {asked}"));
        }
        self.set(flag, key, taken_text);
    }

    fn page(&mut self, said: &Line<'_>) {
        let password = said.last(Means::Password);
        if let Some((flag, _)) = password {
            self.warn(format!(
                "{flag} has no effect: the passwords of its file are not taken, so the page is at this host's own address \
                 alone unless --listen_ip says otherwise. Tokens are, for the API and /metrics too, which cAdvisor left \
                 open: `cgflux auth add`, and http.auth_file, or variable CGFLUX_HTTP__AUTH_FILE"
            ));
        }
        let port = said.last(Means::Port).and_then(|(flag, text)| {
            let port = text.parse().ok();
            if port.is_none() {
                let text = printable(text);
                self.warn(format!("{flag}: {text:?} is no port"));
            }
            port.map(|port| (flag, port))
        });
        let address = said
            .last(Means::ListenIp)
            .filter(|(_, text)| !text.is_empty())
            .map(|(flag, text)| {
                let address = text.parse::<IpAddr>().unwrap_or_else(|_unreadable| {
                    let text = printable(text);
                    self.warn(format!(
                        "{flag}: {text:?} is no IP address; 127.0.0.1 serves"
                    ));
                    Ipv4Addr::LOCALHOST.into()
                });
                (flag, address)
            });
        let is_open = password.is_none();
        let number = port.map_or(PORT, |(_, port)| port);
        let listen: SocketAddr = match address {
            Some((_, address)) => (address, number).into(),
            None if is_open => every_address(number),
            None => (Ipv4Addr::LOCALHOST, number).into(),
        };
        match address.map(|(flag, _)| flag).or(port.map(|(flag, _)| flag)) {
            Some(flag) => self.set(flag, "http.listen", listen.to_string()),
            None => self.suggest("http.listen", Value::Text(listen.to_string())),
        }
        // Whoever scraped cAdvisor from elsewhere goes on to. Said aloud where it is so.
        self.suggest("http.allow_unauthenticated", Value::Boolean(true));
        // As it is called in most compose files, and so in the scrapers' configurations.
        let names = vec![Value::Text("cadvisor".to_owned())];
        self.suggest("http.hosts", Value::List(names));
        if let Some((flag, prefix)) = said.last(Means::Prefix) {
            let prefix = prefix.trim_matches('/');
            let slash = if prefix.is_empty() { "" } else { "/" };
            self.set(flag, "http.prefix", format!("{slash}{prefix}"));
        }
        if let Some((flag, path)) = said.last(Means::MetricsPath)
            && !matches!(path, "" | "/metrics")
        {
            self.warn(format!("{flag} has no effect: metrics are at /metrics"));
        }
    }

    /// What is measured, and of whom.
    fn measured(&mut self, said: &Line<'_>) {
        if let Some((flag, only)) = said.switch(Means::DockerOnly) {
            for key in ["ship.units", "ship.cgroups"] {
                self.set(flag, key, (!only).to_string());
            }
        }
        if let Some((flag, true)) = said.switch(Means::NoRoot) {
            self.set(flag, "families.host.enabled", "false");
        }
        // As in cAdvisor, the second wins.
        let enabled = said
            .last(Means::EnableMetrics)
            .filter(|(_, list)| !list.is_empty());
        let disabled = said.last(Means::DisableMetrics);
        let asked = enabled
            .map(|it| (it, true))
            .or(disabled.map(|it| (it, false)));
        if let Some(((flag, list), enables)) = asked {
            let (given, warnings) = kinds::settings(flag, list, enables);
            self.flags.extend(given);
            self.predecessor.warnings.extend(warnings);
        }
    }

    fn labels(&mut self, said: &Line<'_>) {
        if let Some((flag, labels)) = said.last(Means::Labels) {
            self.set(flag, "labels.allow", labels);
        } else if let Some((flag, true)) = said.switch(Means::StoreLabels) {
            self.warn(format!(
                "{flag} has no effect: labels are told where they are named, by --whitelisted_container_labels"
            ));
        }
    }

    fn log(&mut self, said: &Line<'_>) {
        let Some((flag, text)) = said.last(Means::Verbosity) else {
            return;
        };
        match text.parse::<u32>() {
            Ok(0..=3) => {}
            Ok(4..=7) => self.set(flag, "log.level", "debug"),
            Ok(_) => self.set(flag, "log.level", "trace"),
            Err(_) => {
                let text = printable(text);
                self.warn(format!("{flag}: {text:?} is no number"));
            }
        }
    }
}

/// As [`crate::config`] has them for `collect.interval`.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(1);
