//! What the service manager sees of the agent: when it is ready, how it stands, and that it ticks.

use std::{os::unix::net::UnixDatagram, time::Duration};

use super::PATIENCE;
use crate::harness::{Home, InfluxServer, eventually};

#[test]
fn the_service_manager_is_told_when_the_agent_is_ready_that_it_ticks_and_when_a_sink_fails() {
    let Some(mut server) = InfluxServer::start() else {
        return;
    };
    let home = Home::with("[sinks.influxdb]\ninterval = \"1s\"\n");
    let url = server.url();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let socket = path.to_str().unwrap();
    let variables = [("NOTIFY_SOCKET", socket), ("WATCHDOG_USEC", "3000000")];
    let mut agent = home.start_with(&variables, &["--influx", &url]);
    let hears = |what: &str, fits: &dyn Fn(&str) -> bool| {
        eventually(PATIENCE, what, || {
            let mut datagram = [0; 4096];
            let length = manager.recv(&mut datagram).map_err(|it| it.to_string())?;
            let told = String::from_utf8_lossy(&datagram[..length]).into_owned();
            println!("{told}");
            if fits(&told) { Ok(told) } else { Err(told) }
        })
    };

    let ready = hears("it is ready", &|it| it.starts_with("READY=1\nSTATUS="));
    assert!(ready.contains(" containers; "), "{ready}");
    assert!(ready.contains(" kernel programs; "), "{ready}");
    assert!(ready.ends_with("; influxdb: ok"), "{ready}");
    server.kill();
    let failing = hears("the sink fails", &|it| {
        it.starts_with("STATUS=") && it.contains("; influxdb: failing since ")
    });
    assert!(failing.ends_with(" points wait"), "{failing}");
    hears("it ticks", &|it| it == "WATCHDOG=1");
    hears("it ticks on", &|it| it == "WATCHDOG=1");
    server.start_again();
    agent.stop();
    hears("it ends", &|it| it.starts_with("STOPPING=1\n"));
}
