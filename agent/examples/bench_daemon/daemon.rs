//! The agent as users run it, and what it says of itself.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::unistd::Pid;

use super::{http, influxdb::InfluxDb, process::Process, waiting::Waiting};

/// On a busy machine the kernel takes seconds to check the programs, and 10,000 cgroups minutes to take in.
const PATIENCE: Duration = Duration::from_mins(10);

/// Slots that the agent has by default.
const USUAL_SLOTS: u32 = 4096;

/// An agent that runs. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    process: Process,
    address: SocketAddr,
    ready_after: Duration,
}

/// What it was told beyond its defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Seconds between two shipments.
    pub(crate) ship_every: u64,
    /// `collect.slots`.
    pub(crate) slots: u32,
    /// `sinks.influxdb.spool`.
    pub(crate) spool: bool,
}

/// What it counted of itself since its start.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told {
    /// Live containers.
    pub(crate) containers: u64,
    /// Slots in use.
    pub(crate) slots_in_use: u64,
    /// Bytes of kernel records mapped into it.
    pub(crate) mapped_bytes: u64,
    /// Bytes of the files that wait for its sinks on disk.
    pub(crate) spool_bytes: u64,
    /// What was lost, by reason: only what is not zero.
    pub(crate) losses: Vec<(String, u64)>,
}

impl Daemon {
    /// Starts one that keeps its files in `folder`, and waits until it is ready.
    pub(crate) fn start(
        program: &Path,
        folder: &Path,
        influxdb: &InfluxDb,
        settings: Settings,
        waiting: &Waiting,
    ) -> anyhow::Result<Self> {
        fs::create_dir_all(folder)?;
        let configuration = folder.join("cgflux.toml");
        let Settings {
            ship_every,
            slots,
            spool,
        } = settings;
        let text = format!(
            "[collect]\nslots = {slots}\n\
             [sinks.influxdb]\ninterval = \"{ship_every}s\"\nspool = {spool}\n"
        );
        fs::write(&configuration, text).context("cannot write the agent's configuration")?;
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CGFLUX_") {
                command.env_remove(name);
            }
        }
        command
            .args(["run", "--listen", "127.0.0.1:0", "--interval", "1s"])
            .args(["--influx", &influxdb.url(), "--config"])
            .arg(configuration)
            .arg("--state-dir")
            .arg(folder.join("state"));
        let since = Instant::now();
        let mut process = Process::start(&mut command, folder.join("cgflux.log"))?;
        let address = waiting.until("the agent's address", PATIENCE, || {
            Ok(address_in(&process.said().context("the agent")?))
        })?;
        let mut daemon = Self {
            process,
            address,
            ready_after: Duration::ZERO,
        };
        waiting.until("the agent's readiness", PATIENCE, || {
            daemon.process.said().context("the agent")?;
            Ok(http::get(address, "/readyz").ok())
        })?;
        daemon.ready_after = since.elapsed();
        Ok(daemon)
    }

    /// From its start until it had taken in all that was there.
    pub(crate) fn ready_after(&self) -> Duration {
        self.ready_after
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// What it says of itself. It costs the agent the rendering of all its metrics.
    pub(crate) fn told(&self) -> anyhow::Result<Told> {
        let metrics = http::get(self.address, "/metrics").context("cannot ask the agent")?;
        Ok(told_in(&metrics))
    }
}

/// How many slots to ask for: the default, or for more cgroups as many as leave a quarter free.
pub(crate) fn slots_for(cgroups: u32) -> u32 {
    let wanted = cgroups.saturating_add(cgroups / 4).next_power_of_two();
    wanted.clamp(USUAL_SLOTS, 65_536)
}

fn address_in(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("the live page is at http://")?;
    rest.split(['/', '\n']).next()?.parse().ok()
}

/// Reads the Prometheus text format.
fn told_in(metrics: &str) -> Told {
    let mut told = Told::default();
    for line in metrics.lines() {
        let Some((series, value)) = line.rsplit_once(' ') else {
            continue;
        };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let Some(value) = value.parse::<f64>().ok().filter(|value| *value >= 0.0) else {
            continue;
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count, and not negative"
        )]
        let count = value as u64;
        match name {
            "cgflux_entries" if labels.contains("kind=\"container\"") => told.containers = count,
            "cgflux_slots_in_use" => told.slots_in_use = count,
            "cgflux_mapped_record_bytes" => told.mapped_bytes = count,
            "cgflux_sink_spool_bytes" => told.spool_bytes += count,
            _ if count == 0 => {}
            "cgflux_losses_total" => {
                let reason = label(labels, "reason").unwrap_or("unknown");
                told.losses.push((reason.to_owned(), count));
            }
            "cgflux_ticks_skipped_total" => told.losses.push(("ticks".to_owned(), count)),
            "cgflux_sink_points_dropped_total" => told.losses.push(("points".to_owned(), count)),
            "cgflux_sink_write_errors_total" => {
                told.losses.push(("write errors".to_owned(), count));
            }
            _ => {}
        }
    }
    told
}

fn label<'t>(labels: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_lost_is_told_by_reason() {
        let metrics = "\
# HELP cgflux_losses_total What could not be recorded, by reason.
cgflux_losses_total{host=\"h\",reason=\"no_slot\"} 3
cgflux_losses_total{host=\"h\",reason=\"recursion\"} 0
cgflux_sink_points_dropped_total{host=\"h\",sink=\"influxdb\"} 0
cgflux_ticks_skipped_total{host=\"h\"} 1
cgflux_entries{host=\"h\",kind=\"unit\"} 4
cgflux_entries{host=\"h\",kind=\"container\"} 200
cgflux_mapped_record_bytes{host=\"h\"} 131072
cgflux_slots_in_use{host=\"h\"} 230
cgflux_sink_spool_bytes{host=\"h\",sink=\"influxdb\"} 40960
";
        let expected = Told {
            containers: 200,
            slots_in_use: 230,
            mapped_bytes: 131_072,
            spool_bytes: 40_960,
            losses: vec![("no_slot".to_owned(), 3), ("ticks".to_owned(), 1)],
        };
        assert_eq!(told_in(metrics), expected);
    }

    #[test]
    fn the_address_is_read_from_the_log() {
        let log = "INFO counting\nINFO the live page is at http://127.0.0.1:40123/\n";
        assert_eq!(address_in(log), Some(([127, 0, 0, 1], 40_123).into()));
        assert_eq!(address_in("INFO counting\n"), None);
    }

    #[test]
    fn a_quarter_of_the_slots_is_spare() {
        assert_eq!(slots_for(200), 4096);
        assert_eq!(slots_for(3_500), 8192);
        assert_eq!(slots_for(10_000), 16_384);
        assert_eq!(slots_for(60_000), 65_536);
    }
}
