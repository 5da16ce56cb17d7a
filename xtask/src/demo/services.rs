//! The table of what the demo consists of. Pure data; who starts it is the supervisor.

use std::path::Path;

use super::places::POINTS;

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    /// What must be healthy before it starts.
    pub(super) after: &'static [&'static str],
    pub(super) program: Program,
    /// `{data}` is its own folder, `{points}` the collector's socket.
    arguments: &'static [&'static str],
    /// Arguments of its first start alone: a counter that died and comes back counts on.
    first: &'static [&'static str],
    /// Its files, made before it starts: name and text, in which `{group}` is the group of whoever is no root.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Where it listens on 127.0.0.1; the first is shown.
    pub(super) ports: &'static [u16],
    pub(super) probe: Probe,
    pub(super) is_root: bool,
}

/// What is run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Program {
    /// The `cgflux` that was built.
    Agent,
    /// A program of the machine.
    Installed(&'static str),
}

/// How to find out whether it serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Probe {
    /// `GET` of this path gives 200.
    Http(u16, &'static str),
    /// `PING` gives `PONG`.
    Redis(u16),
}

/// The page, API and metrics of the collector.
pub(super) const PAGE: &str = "http://127.0.0.1:8190/";
/// The counter.
pub(super) const COUNTER: &str = "http://127.0.0.1:48080/";
/// The database.
pub(super) const INFLUX: &str = "http://127.0.0.1:18086";

/// The cgroup, among those of the services, that load is made from.
pub(super) const LOAD: &str = "load";

/// All of them, each below what it needs.
pub(super) const SERVICES: [Service; 4] = [
    Service {
        name: "redis",
        after: &[],
        program: Program::Installed("redis-server"),
        arguments: &[
            "--bind",
            "127.0.0.1",
            "--port",
            "16379",
            "--save",
            "",
            "--appendonly",
            "no",
        ],
        first: &[],
        files: &[],
        ports: &[16379],
        probe: Probe::Redis(16379),
        is_root: false,
    },
    Service {
        name: "influxdb",
        after: &[],
        program: Program::Installed("influxd"),
        // Relative, since whoever runs it may not be allowed into the folders above its own.
        arguments: &["run", "-config", "influxdb.conf"],
        first: &[],
        files: &[("influxdb.conf", INFLUXDB_CONF)],
        ports: &[18086, 18088],
        // What it is there for; its `/ping` answers 204.
        probe: Probe::Http(18086, "/query?q=SHOW+DATABASES"),
        is_root: false,
    },
    Service {
        name: "collector",
        after: &["influxdb"],
        program: Program::Agent,
        arguments: &[
            "run",
            "--config",
            "{data}/cgflux.toml",
            "--state-dir",
            "{data}",
        ],
        first: &[],
        files: &[("cgflux.toml", CGFLUX_TOML)],
        ports: &[8190],
        probe: Probe::Http(8190, "/readyz"),
        is_root: true,
    },
    Service {
        name: "web",
        after: &["redis", "collector"],
        program: Program::Agent,
        arguments: &[
            "web",
            "--listen",
            "127.0.0.1:48080",
            "--admin",
            "127.0.0.1:18081",
            "--redis-address",
            "127.0.0.1:16379",
            "--points",
            "unix://{points}",
            "--state-dir",
            "{data}",
        ],
        first: &["--reset"],
        files: &[],
        ports: &[48080, 18081],
        probe: Probe::Http(18081, "/readyz"),
        is_root: false,
    },
];

const INFLUXDB_CONF: &str = r#"reporting-disabled = true
bind-address = "127.0.0.1:18088"
[meta]
dir = "meta"
[data]
dir = "data"
wal-dir = "wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:18086"
log-enabled = false
[monitor]
store-enabled = false
[logging]
level = "warn"
"#;

const CGFLUX_TOML: &str = r#"[socket]
enabled = true
path = "/run/cgflux-demo/points.sock"
group = "{group}"

[select]
include = ["path:/cgflux-demo/*"]

[sinks.influxdb]
url = "http://127.0.0.1:18086"
interval = "1s"
"#;

impl Service {
    /// Its arguments, with `data` as its own folder.
    pub(super) fn arguments(&self, data: &Path, is_first: bool) -> Vec<String> {
        let first = if is_first { self.first } else { &[] };
        let data = data.to_string_lossy();
        let filled = |argument: &&str| {
            argument
                .replace("{data}", &data)
                .replace("{points}", POINTS)
        };
        self.arguments.iter().chain(first).map(filled).collect()
    }

    /// The program's name without its folder.
    pub(super) fn program_name(&self) -> &'static str {
        match self.program {
            Program::Agent => "cgflux",
            Program::Installed(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::places::CGROUP, *};

    fn named(name: &str) -> &'static Service {
        SERVICES.iter().find(|it| it.name == name).unwrap()
    }

    #[test]
    fn each_service_stands_below_what_it_needs() {
        let mut above = BTreeSet::new();
        for service in &SERVICES {
            for needed in service.after {
                assert!(above.contains(needed), "{} before {needed}", service.name);
            }
            above.insert(service.name);
        }
    }

    #[test]
    fn no_two_services_share_a_port_and_each_probe_asks_one_of_its_own() {
        let mut ports = BTreeSet::new();
        for service in &SERVICES {
            for port in service.ports {
                assert!(ports.insert(port), "{port} twice");
            }
            let (Probe::Http(asked, _) | Probe::Redis(asked)) = service.probe;
            assert!(service.ports.contains(&asked), "{}", service.name);
        }
    }

    #[test]
    fn the_counter_is_reset_by_its_first_start_alone() {
        let web = named("web");
        let resets = |is_first| {
            let arguments = web.arguments(Path::new("/d"), is_first);
            arguments.contains(&"--reset".to_owned())
        };
        assert!(resets(true));
        assert!(!resets(false));
    }

    #[test]
    fn the_collector_takes_points_where_the_counter_hands_them_in() {
        assert!(CGFLUX_TOML.contains(&format!("path = \"{POINTS}\"")));
        assert!(CGFLUX_TOML.contains(&format!("path:/{CGROUP}/*")));
        let collector = named("collector");
        let arguments = collector.arguments(Path::new("/a b"), true);
        assert_eq!(arguments[2], "/a b/cgflux.toml");
    }
}
