//! The stack as it is started by its one command, but for Grafana, whose image cannot be made here.

use std::{collections::BTreeSet, fs, time::Duration};

use serde_json::Value as Json;

use crate::harness::{Container, Docker, Stack, eventually};

const PATIENCE: Duration = Duration::from_mins(2);

/// `CAP_DAC_READ_SEARCH`, `CAP_NET_ADMIN`, `CAP_SYS_PTRACE` and, for BPF and PERFMON here, `CAP_SYS_ADMIN`, by the
/// numbers of `include/uapi/linux/capability.h`.
const CAPABILITIES: u64 = 1 << 2 | 1 << 12 | 1 << 19 | 1 << 21;

#[test]
fn the_stack_counts_itself_under_the_hosts_name_and_its_own() {
    let Some(docker) = Docker::here() else { return };
    let Some(stack) = Stack::prepare(&docker) else {
        return;
    };
    let services = ["redis", "influxdb", "cgflux", "web"];
    if stack.up(&services).is_none() {
        return;
    }

    let counted: Vec<String> = (0..10)
        .map(|_| stack.get("http://127.0.0.1:58080/").unwrap())
        .collect();
    let expected: Vec<String> = (1..=10).map(|number| number.to_string()).collect();
    assert_eq!(counted, expected);

    stack.compose(&["--profile", "load", "up", "-d", "load"]);
    let web = stack.container("web");
    for service in services.iter().chain(&["load"]) {
        let container = stack.container(service);
        stack.has(
            "cadvisor",
            &format!("SELECT last(usage_ns) FROM container_cpu WHERE container = '{container}'"),
        );
    }
    stack.has(
        "cadvisor",
        &format!("SELECT last(hits) FROM web WHERE container = '{web}' AND hits > 10"),
    );
    stack.has("cadvisor", "SELECT last(ok) FROM load WHERE ok > 100");
    stack.has("nodemetrics", "SELECT last(user_ns) FROM host_cpu");

    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    for (database, measurement) in [
        ("cadvisor", "container_cpu"),
        ("cadvisor", "web"),
        ("nodemetrics", "host_cpu"),
    ] {
        let named = stack.values(database, measurement, "host");
        println!("{measurement}: host is {named:?}");
        assert_eq!(named, BTreeSet::from([host.clone()]), "{measurement}");
    }

    stack.runs_by_cadvisors_command_line(&docker, &host);

    let pid = docker.command(&[
        "inspect",
        "--format",
        "{{.State.Pid}}",
        &stack.container("cgflux"),
    ]);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |key: &str| {
        let mut lines = status.lines();
        lines
            .find_map(|line| line.strip_prefix(key))
            .unwrap()
            .trim()
    };
    let granted = u64::from_str_radix(line("CapBnd:"), 16).unwrap();
    println!("capabilities: {granted:#x}");
    assert_eq!((granted, line("NoNewPrivs:")), (CAPABILITIES, "1"));
    // Kernel programs, not files, tell the CPU time.
    let report = stack.compose(&[
        "exec",
        "-T",
        "cgflux",
        "cgflux",
        "stat",
        "--once",
        "--url",
        "http://127.0.0.1:8190",
    ]);
    assert!(report.contains(&web), "{report}");
    let metrics = stack
        .get("http://127.0.0.1:8190/metrics?names=cgflux")
        .unwrap();
    let source = "source=\"sched_stat_runtime\"";
    assert!(
        metrics.lines().any(|line| line.contains(source)),
        "no {source}"
    );
}

impl Stack {
    /// One more of the same image, under the name of cAdvisor, by the line of the first compose file, word for word, and
    /// with the mounts that cAdvisor's containers have.
    #[track_caller]
    fn runs_by_cadvisors_command_line(&self, docker: &Docker, host: &str) {
        let network = format!("{}_default", self.project);
        let address = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
        let influxdb = self.container("influxdb");
        let influxdb = docker.command(&["inspect", "--format", &address, &influxdb]);
        let known = format!("figtest_influxdb_1:{influxdb}");
        let data = format!("{}:/var/lib/docker:ro", self.root);
        let options = [
            "run --detach --cap-add SYS_ADMIN --cap-add SYS_PTRACE --cap-add NET_ADMIN",
            &format!("--network {network} --add-host {known}"),
            &format!("--volume /:/rootfs:ro --volume /sys:/sys:ro --volume {data}"),
            &format!("--entrypoint /usr/bin/cadvisor {}", self.image("cgflux")),
            "--storage_driver=influxdb --log_dir=/ --storage_driver_host=figtest_influxdb_1:8086",
        ]
        .join(" ");
        let words: Vec<&str> = options.split(' ').collect();
        let _cadvisor = Container {
            id: docker.command(&words),
        };
        let web = self.container("web");
        let query = "SELECT last(value) FROM cpu_usage_total WHERE container_name";
        self.has("cadvisor", &format!("{query} = '{web}'"));
        let machines = self.values("cadvisor", "cpu_usage_total", "machine");
        assert_eq!(machines, BTreeSet::from([host.to_owned()]));
    }

    /// Waits until a query gives something, and prints it.
    #[track_caller]
    fn has(&self, database: &str, query: &str) {
        let value = eventually(PATIENCE, query, || {
            let answer = self.query(database, query)?;
            let value = answer["results"][0]["series"][0]["values"][0][1].clone();
            if value.is_null() {
                Err(answer.to_string())
            } else {
                Ok(value)
            }
        });
        println!("{query}: {value}");
    }

    /// All values of a tag.
    #[track_caller]
    fn values(&self, database: &str, measurement: &str, tag: &str) -> BTreeSet<String> {
        let query = format!("SHOW TAG VALUES FROM {measurement} WITH KEY = {tag}");
        let answer = self.query(database, &query).unwrap();
        let values = answer["results"][0]["series"][0]["values"].as_array();
        let values = values.into_iter().flatten();
        values
            .filter_map(|row| Some(row[1].as_str()?.to_owned()))
            .collect()
    }

    fn query(&self, database: &str, query: &str) -> Result<Json, String> {
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("db", database)
            .append_pair("q", query)
            .finish();
        let answer = self.get(&format!("http://127.0.0.1:8086/query?{query}"))?;
        serde_json::from_str(&answer).map_err(|error| format!("{error}: {answer}"))
    }
}
