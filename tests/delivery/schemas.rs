//! The schemas of others: queries of public dashboards, asked of what the agent wrote into a real InfluxDB. Only their
//! variables and times are filled in.

use std::fs;

use serde_json::Value as Json;

use super::PATIENCE;
use crate::harness::{AgentProcess, Container, Docker, Home, InfluxServer, cgroup, eventually};

/// All the CPU it may have, which on a busy machine is less; something to the disk, and packets to an address that nobody has.
const LOAD: &str = "yes > /dev/null & while :; do nc -w 1 192.0.2.1 9; \
    dd if=/dev/zero of=/written bs=262144 count=1 conv=fsync 2> /dev/null; done";

/// The limit of the container's memory.
const LIMIT_BYTES: f64 = 67_108_864.0;

/// One container in each schema.
struct Written {
    server: InfluxServer,
    home: Home,
    name: String,
    _container: Container,
    _agent: AgentProcess,
}

#[test]
fn dashboards_made_for_telegraf_and_for_cadvisor_draw_what_the_agent_writes() {
    let (Some(docker), Some(server)) = (Docker::here(), InfluxServer::start()) else {
        return;
    };
    let written = Written::by(&docker, server);
    written.draws_in_telegrafs_words();
    written.draws_in_cadvisors_words();
    written.stands_in_the_rows_of_2014();
    written.has_the_host_where_it_was_asked_for();
}

impl Written {
    fn by(docker: &Docker, server: InfluxServer) -> Self {
        let url = server.url();
        let sink = |name: &str, more: &str| {
            format!("[sinks.{name}]\ninterval = \"1s\"\nschema = \"{name}\"\n{more}\n")
        };
        let to = |database: &str| {
            format!("type = \"influxdb\"\nurl = \"{url}\"\ndatabase = \"{database}\"")
        };
        let home = Home::new();
        let rows = home.path().join("rows");
        home.configure(
            &[
                "[collect]\nfile_interval = \"1s\"\n[host]\nname = \"node-1\"\n".to_owned(),
                sink("telegraf", &to("telegraf")),
                sink(
                    "cadvisor",
                    &format!("{}\nhost_database = \"nodes\"", to("cadvisor")),
                ),
                sink(
                    "influxdb08",
                    &format!("type = \"file\"\npath = \"{}\"", rows.display()),
                ),
            ]
            .concat(),
        );
        let agent = home.start::<&str>(&[]);
        let name = cgroup::unique("drawn");
        let options = ["--name", &name, "--cpus", "0.5", "--memory", "64m"];
        let container = docker.run(&options, LOAD);
        Self {
            server,
            home,
            name,
            _container: container,
            _agent: agent,
        }
    }

    /// Dashboards for Telegraf's Docker input.
    fn draws_in_telegrafs_words(&self) {
        let name = &self.name;
        let query = |query: &str| self.last("telegraf", query);
        let running =
            format!("(\"container_status\" = 'running' AND \"container_name\" =~ /{name}/)");
        let group = "GROUP BY time(1s), \"host\", \"container_name\"";
        let percent = query(&format!(
            "SELECT mean(\"usage_percent\") FROM \"docker_container_cpu\" WHERE cpu = 'cpu-total' and \
             \"container_name\" =~ /{name}/ and \"host\" =~ /node-1/ and time > now() - 5m {group}"
        ));
        assert!((5.0..60.0).contains(&percent), "{percent} %");
        let used = query(&format!(
            "SELECT last(\"usage\") FROM \"docker_container_mem\" WHERE {running} AND time > now() - 5m \
             GROUP BY \"container_name\""
        ));
        let of_limit = query(&format!(
            "SELECT last(\"usage_percent\") AS \"Memory %\" FROM \"docker_container_mem\" WHERE {running} \
             AND time > now() - 5m GROUP BY \"container_name\""
        ));
        assert!(used > 0.0 && used < LIMIT_BYTES, "{used} bytes");
        assert!(
            (of_limit / 100.0 - used / LIMIT_BYTES).abs() < 0.2,
            "{of_limit} % of {used}"
        );
        let limit = query(&format!(
            "SELECT mean(\"limit\") FROM \"docker_container_mem\" WHERE {running} AND time > now() - 5m {group}"
        ));
        assert!((limit - LIMIT_BYTES).abs() < 1.0, "{limit} bytes");
        for (measurement, field) in [
            ("docker_container_net", "tx_bytes"),
            ("docker_container_blkio", "io_service_bytes_recursive_total"),
        ] {
            let rate = query(&format!(
                "SELECT max(rate) FROM (SELECT non_negative_derivative(last(\"{field}\"), 1s)/1000 AS rate FROM \
                 \"{measurement}\" WHERE \"container_name\" =~ /{name}/ and time > now() - 5m GROUP BY time(1s))"
            ));
            assert!(rate > 0.0, "{field}: {rate} kB/s");
        }
        let running = query("SELECT last(\"n_containers_running\") FROM \"docker\"");
        assert!(running >= 1.0, "{running} containers");
    }

    /// Grafana's dashboard 4637, and what is asked for in others like it.
    fn draws_in_cadvisors_words(&self) {
        let name = &self.name;
        let query = |query: &str| self.last("cadvisor", query);
        let cpus = query(&format!(
            "SELECT mean(cpus) FROM (SELECT derivative(\"value\", 1s)/1000000000 AS cpus FROM \"cpu_usage_total\" WHERE \
             (\"container_name\" = '{name}') AND time > now() - 5m)"
        ));
        assert!((0.05..0.6).contains(&cpus), "{cpus} CPUs");
        for measurement in ["memory_usage", "memory_working_set"] {
            let bytes = query(&format!(
                "SELECT \"value\" FROM \"{measurement}\" WHERE \"container_name\" =~ /^{name}$/ AND \
                 \"machine\" =~ /^node-1$/ AND time > now() - 5m ORDER BY time DESC LIMIT 1"
            ));
            assert!(bytes > 0.0 && bytes < LIMIT_BYTES, "{measurement}: {bytes}");
        }
        let failures = self.server.query(
            "cadvisor",
            &format!("SELECT last(value) FROM memory_failure WHERE container_name = '{name}' GROUP BY failure_type, scope"),
        );
        assert_eq!(failures.len(), 4, "{failures:#?}");
        let host_cpus = query(
            "SELECT mean(cpus) FROM (SELECT derivative(\"value\", 1s)/1000000000 AS cpus FROM \"cpu_usage_total\" WHERE \
             \"container_name\" = '/' AND time > now() - 5m)",
        );
        assert!(host_cpus > cpus * 0.8, "{host_cpus} of the host, {cpus}");
        let filesystems = self.server.query(
            "cadvisor",
            "SELECT last(value) FROM fs_usage WHERE container_name != '/' GROUP BY *",
        );
        assert!(filesystems.is_empty(), "{filesystems:#?}");
        assert!(query("SELECT last(value) FROM fs_limit WHERE container_name = '/'") > 0.0);
    }

    /// Without a server of that time, which nobody has: what would be sent to it.
    fn stands_in_the_rows_of_2014(&self) {
        let rows = |name: &str| -> Vec<Json> {
            let text = fs::read_to_string(self.home.path().join("rows")).unwrap_or_default();
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            let series = whole
                .lines()
                .map(|line| serde_json::from_str::<Json>(line).unwrap());
            let row = |series: Json| -> Json {
                let columns = series["columns"].as_array().unwrap();
                let cells = series["points"][0].as_array().unwrap();
                let named = columns.iter().zip(cells);
                let named =
                    named.map(|(column, cell)| (column.as_str().unwrap().to_owned(), cell.clone()));
                named.collect::<serde_json::Map<_, _>>().into()
            };
            series
                .map(row)
                .filter(|row| row["container_name"] == name)
                .collect()
        };
        let [first, .., last] = &rows(&self.name)[..] else {
            panic!("no rows of {}", self.name);
        };
        let us = |row: &Json| row["time"].as_f64().unwrap();
        let used_ns = |row: &Json| row["cpu_cumulative_usage"].as_f64().unwrap();
        let cpus = (used_ns(last) - used_ns(first)) / 1e3 / (us(last) - us(first));
        assert!((0.05..0.6).contains(&cpus), "{cpus} CPUs");
        assert_eq!(last["machine"], "node-1");
        assert!(rows("/").iter().any(|row| row["fs_limit"].is_i64()));
    }

    fn has_the_host_where_it_was_asked_for(&self) {
        let cpus = self.last(
            "nodes",
            "SELECT last(cpus) FROM host_cpu WHERE host = 'node-1'",
        );
        assert!(cpus >= 1.0, "{cpus} CPUs");
        for database in ["telegraf", "cadvisor"] {
            let native = self
                .server
                .query(database, "SHOW FIELD KEYS FROM /^(host|container|agent)_/");
            assert!(native.is_empty(), "{database}: {native:#?}");
        }
    }

    /// The last value that a query gives, once it gives some.
    fn last(&self, database: &str, query: &str) -> f64 {
        let value = eventually(PATIENCE, query, || {
            let known = self.server.query("", "SHOW DATABASES");
            if !known[0]["values"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|it| it[0] == database)
            {
                return Err("no such database yet".to_owned());
            }
            let series = self.server.query(database, query);
            let rows = series.first().and_then(|it| it["values"].as_array());
            let rows = rows.ok_or_else(|| "no series yet".to_owned())?;
            // A derivative needs some.
            let values: Vec<f64> = rows.iter().filter_map(|row| row[1].as_f64()).collect();
            values.last().copied().ok_or_else(|| format!("{rows:?}"))
        });
        println!("{database}: {query}: {value}");
        value
    }
}
