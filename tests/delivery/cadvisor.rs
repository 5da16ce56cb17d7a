//! In the place of cAdvisor: its command lines and variables, against a real InfluxDB that is then asked what it has.

use super::PATIENCE;
use crate::harness::{Home, InfluxServer, eventually};

/// Words that keep a test to itself: cAdvisor's port may be somebody's.
const ALONE: &str = "--listen_ip=127.0.0.1 --port=0 --storage_driver_buffer_duration=1s";

#[test]
fn the_database_written_is_the_one_that_cadvisors_flags_name() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let host = server.url().replace("http://127.0.0.1", "localhost");
    for name in ["name", "db"] {
        let home = Home::new();
        let database = format!("cadvisor_by_{name}");
        let agent = home.start_cadvisor(
            &[],
            &format!(
                "--storage_driver=influxdb --storage_driver_host={host} --storage_driver_{name}={database} \
                 --storage_driver_user=root --storage_driver_password=root --storage_driver_secure=False \
                 --log_dir=/ --nonsense {ALONE}"
            ),
        );
        let asked = "SELECT last(value) FROM cpu_usage_total WHERE container_name = '/'";
        let used_ns = eventually(PATIENCE, "the host's CPU time arrives", || {
            server.value(&database, asked).as_u64().ok_or("none")
        });
        println!("{database}: {used_ns} ns of the host");
        let log = agent.log();
        for part in ["--log_dir has no effect", "there is no flag --nonsense"] {
            assert!(log.contains(part), "{part}: {log}");
        }
    }
}

#[test]
fn the_variables_of_cadvisors_images_make_both_databases() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let home = Home::new();
    let url = server.url();
    let variables = [
        ("DB_HOST", url.trim_start_matches("http://")),
        ("DB_USER", "root"),
        ("DB_PASS", "root"),
        ("PRE_CREATE_DB", "cadvisor;nodemetrics"),
        ("CGFLUX_SINKS__INFLUXDB__INTERVAL", "1s"),
    ];
    let _agent = home.start_cadvisor(&variables, ALONE);
    for (database, asked) in [
        ("cadvisor", "SELECT last(value) FROM cpu_usage_total"),
        ("nodemetrics", "SELECT last(user_ns) FROM host_cpu"),
    ] {
        let value = eventually(PATIENCE, "a point of each database", || {
            server.value(database, asked).as_u64().ok_or("none")
        });
        println!("{database}: {value}");
    }
}

#[test]
fn the_memory_driver_writes_nothing_and_shows_all() {
    let home = Home::new();
    let agent = home.start_cadvisor(
        &[],
        &format!(
            "--storage_driver=memory --storage_driver_host=localhost:8086 --storage_driver_name=cadvisor \
             --storage_driver_user=root --storage_driver_password=root --storage_driver_secure=False {ALONE}"
        ),
    );
    assert!(
        agent
            .metrics()
            .contains("container_cpu_usage_seconds_total")
    );
    let log = agent.log();
    assert!(log.contains("without --storage_driver=influxdb"), "{log}");
    assert!(!log.contains("=root"), "{log}");
}
