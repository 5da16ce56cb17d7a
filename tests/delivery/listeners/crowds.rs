//! Many at once: slow ones, ones without end, idle ones.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::{
    super::PATIENCE,
    FILES, counted,
    dialling::{dial_from, status},
    scraper::Scraper,
};
use crate::harness::{AgentProcess, Home, eventually, pause, skip};

/// So many addresses of the loopback network.
fn sources(count: u8) -> impl Iterator<Item = Ipv4Addr> {
    (0..count).map(|number| Ipv4Addr::new(127, 1, 0, number + 1))
}

#[test]
fn a_crowd_that_asks_slowly_is_cut_and_headers_without_end_are_refused() {
    let home = Home::with("[http]\nconnections = 64\nconnections_per_client = 8\n");
    let agent = home.start(&FILES);
    let address = agent.address();
    let meanwhile = Scraper::of(address, "");
    // Four times as many as there is room for, each of which says a little more now and then.
    let mut slow: Vec<TcpStream> = sources(32)
        .flat_map(|source| (0..8).map(move |_| dial_from(source, address)))
        .collect();
    for stream in &mut slow {
        drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "));
    }
    eventually(PATIENCE, "all of them are cut", || {
        // Once a connection has ended, the second thing said to it fails.
        slow.retain_mut(|stream| stream.write_all(b"x").is_ok());
        pause(Duration::from_millis(100));
        slow.is_empty().then_some(()).ok_or(slow.len())
    });
    let endless = format!("X: {}\r\n", "x".repeat(20_000));
    let many = "X: x\r\n".repeat(100);
    for (number, headers) in [endless, many].iter().cycle().take(40).enumerate() {
        let stream = dial_from(sources(40).nth(number).unwrap(), address);
        assert_eq!(status(stream, "/metrics", headers), 431);
    }
    let more: Vec<u16> = {
        let held: Vec<TcpStream> = (0..8)
            .map(|_| dial_from(Ipv4Addr::new(127, 2, 0, 1), address))
            .collect();
        let more = (0..3).map(|_| {
            status(
                dial_from(Ipv4Addr::new(127, 2, 0, 1), address),
                "/healthz",
                "",
            )
        });
        let more = more.collect();
        drop(held);
        more
    };
    assert_eq!(more, [429; 3]);
    for reason in ["room", "slow", "malformed", "client"] {
        let series = format!("cgflux_http_connections_cut_total{{reason=\"{reason}\"}}");
        let count = eventually(PATIENCE, "it is counted", || {
            let count = counted(&agent, &series);
            (count > 0.0).then_some(count).ok_or(series.clone())
        });
        println!("cut for {reason}: {count}");
    }
    meanwhile.all_good("256 clients asked slowly and 40 with oversized headers");
}

#[test]
fn ten_thousand_idle_connections_are_bounded_and_keep_no_scrape_out() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard.max(20_000), hard.max(20_000));
    if raised.is_err() {
        return skip("this process may not open 20,000 files").unwrap_or_default();
    }
    let home = Home::new();
    let agent = home.start(&FILES);
    let address = agent.address();
    let before = resident_kib(&agent);
    let meanwhile = Scraper::of(address, "");
    let idle: Vec<TcpStream> = (0..10_000_u32)
        .map(|number| {
            let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 3, 0, 1).to_bits() + number / 50);
            dial_from(source, address)
        })
        .collect();
    let open = eventually(PATIENCE, "they are counted", || {
        let open = counted(&agent, "cgflux_http_connections ");
        let cut = counted(&agent, "cgflux_http_connections_cut_total{reason=\"room\"}");
        (open + cut >= 10_000.0)
            .then_some(open)
            .ok_or(format!("{open} open, {cut} cut"))
    });
    let after = resident_kib(&agent);
    println!(
        "{} idle connections were made, {open} are open; the agent had {before} KiB and has {after}",
        idle.len()
    );
    assert!(open <= 256.0, "{open}");
    meanwhile.all_good("10,000 idle connections were made");
}

fn resident_kib(agent: &AgentProcess) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}
