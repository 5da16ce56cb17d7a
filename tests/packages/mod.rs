//! The packages: installed in a Debian with a systemd of its own, started, measured with, upgraded, removed.
//!
//! The database is outside, in a network namespace that the guest shares.

mod counter;
mod debian;
mod oldest;
mod rpm;
mod service;
mod sight;
mod upgrade;

use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{Guest, InfluxServer, Influxd, Namespace, disk_folder, eventually, guest};

/// What is waited for comes in seconds, and later where others keep the machine busy.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the database in the tests' configuration is written to.
const DATABASE: &str = "cgflux";

/// A guest, and an InfluxDB outside that it reaches at its own loopback address.
struct Site {
    guest: Guest,
    influx: InfluxServer,
    _network: Namespace,
    /// The guest's disk, where it has one of its own.
    _disk: Option<TempDir>,
}

impl Site {
    /// One with Debian's InfluxDB.
    #[track_caller]
    fn new() -> Option<Self> {
        Self::with(Influxd::packaged())
    }

    #[track_caller]
    fn with(influxd: Influxd) -> Option<Self> {
        let network = Namespace::new("guest")?;
        let influx = network.inside(|| influxd.start())?;
        let guest = Guest::boot(&network)?;
        Some(Self {
            guest,
            influx,
            _network: network,
            _disk: None,
        })
    }

    /// One whose files are on a disk, as those of a machine are.
    #[track_caller]
    fn on_a_disk() -> Option<Self> {
        let network = Namespace::new("guest")?;
        let influx = network.inside(InfluxServer::start)?;
        let packages = guest::packages()?;
        let disk = disk_folder();
        guest::unpack(disk.path())?;
        let guest = Guest::boot_from(disk.path(), &packages, &network);
        Some(Self {
            guest,
            influx,
            _network: network,
            _disk: Some(disk),
        })
    }

    /// Puts down what an administrator would: the host's name, since a guest may not tell it, and a sink.
    #[track_caller]
    fn configure(&self, more: &str) {
        let url = self.influx.url();
        self.guest.write(
            "/etc/cgflux/conf.d/10-site.toml",
            &format!(
                "[host]\nname = \"node-1\"\n[sinks.influxdb]\nurl = \"{url}\"\ndatabase = \"{DATABASE}\"\n\
                 interval = \"1s\"\n{more}"
            ),
        );
    }

    /// Installs the Debian package, which starts the service.
    #[track_caller]
    fn install(&self) {
        self.guest.run("dpkg --install /packages/*.deb");
        self.is_active();
    }

    #[track_caller]
    fn is_active(&self) {
        eventually(PATIENCE, "the service is up", || {
            let state = self.guest.attempt("systemctl is-active cgflux")?;
            (state.trim() == "active").then_some(()).ok_or(state)
        });
    }

    /// A property of a unit.
    #[track_caller]
    fn property(&self, unit: &str, property: &str) -> String {
        let said = self.guest.run(&format!(
            "systemctl show --property={property} --value {unit}"
        ));
        said.trim().to_owned()
    }

    /// A line of `/proc/PID/status` of a unit's main process.
    #[track_caller]
    fn status(&self, unit: &str, field: &str) -> String {
        let pid = self.property(unit, "MainPID");
        let status = self.guest.run(&format!("cat /proc/{pid}/status"));
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let line = line.and_then(|line| line.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("no {field} in {status}"))
            .trim()
            .to_owned()
    }

    /// Waits until a query has a value, and gives it.
    #[track_caller]
    fn arrives(&self, query: &str) -> serde_json::Value {
        eventually(PATIENCE, query, || {
            let value = self.influx.value(DATABASE, query);
            (!value.is_null()).then_some(value).ok_or("nothing")
        })
    }

    /// Starts a container of Docker's in the guest, which runs this script.
    #[track_caller]
    fn container(&self, name: &str, script: &str) {
        self.guest.run(&format!(
            "docker image inspect busy >/dev/null 2>&1 || {IMAGE} | docker import - busy\n\
             docker run --detach --name {name} --network none busy sh -c '{script}'"
        ));
    }
}

/// Prints an image of busybox as an archive.
const IMAGE: &str = "(mkdir -p /tmp/image/bin; cd /tmp/image; cp /bin/busybox bin; \
                     for it in sh sleep; do ln -sf busybox bin/$it; done; tar -c .)";
