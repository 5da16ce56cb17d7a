//! The installed service: who it is, what it may, and what the service manager does for it.

use serde_json::Value as Json;

use super::{DATABASE, PATIENCE, Site};
use crate::harness::{Influxd, eventually};

/// `CAP_DAC_READ_SEARCH` and `CAP_SYS_PTRACE`, by their bits in `include/uapi/linux/capability.h`.
const READING: u64 = 1 << 2 | 1 << 19;

/// These, `CAP_BPF`, `CAP_PERFMON` and `CAP_NET_ADMIN`.
const CAPABILITIES: u64 = READING | 1 << 39 | 1 << 38 | 1 << 12;

/// As systemd rates the exposure of a unit: 0 is the least, 10 the most.
const MOST_EXPOSED: f64 = 2.7;

#[test]
fn it_runs_as_a_user_of_its_own_with_five_capabilities_and_tells_how_it_stands() {
    let Some(site) = Site::new() else { return };
    site.configure("");
    site.install();
    let status = |field| site.status("cgflux", field);
    let user = site.guest.run("id -u cgflux");
    let uid = status("Uid");
    assert_eq!(uid.split_whitespace().next(), Some(user.trim()));
    assert_ne!(user.trim(), "0");
    // What the network reaches has none; the collector may read, and can have the others back to load programs.
    let held = |status: &str, set: &str| {
        let held = status.lines().find_map(|line| line.strip_prefix(set));
        u64::from_str_radix(held.unwrap().trim_start_matches(':').trim(), 16).unwrap()
    };
    let pid = site.property("cgflux", "MainPID");
    let main = site.guest.run(&format!("cat /proc/{pid}/status"));
    assert_eq!(held(&main, "CapBnd"), CAPABILITIES);
    for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(held(&main, set), 0, "{set}");
    }
    let collector = site.guest.run(&format!(
        "cat $(grep -l '^Name:.*collector' /proc/{pid}/task/*/status)"
    ));
    assert_eq!(held(&collector, "CapEff"), READING);
    assert_eq!(held(&collector, "CapPrm"), CAPABILITIES);
    assert_eq!(status("NoNewPrivs"), "1");

    let exposure = |unit: &str| {
        let said = site.guest.run(&format!(
            "systemd-analyze security --no-pager {unit} | tail -n 1"
        ));
        println!("{}", said.trim());
        let rated = said.split(": ").nth(1).and_then(|it| it.split(' ').next());
        rated.unwrap().parse::<f64>().unwrap()
    };
    assert!(exposure("cgflux.service") <= MOST_EXPOSED);
    assert!(exposure("cgflux-web.service") <= MOST_EXPOSED);

    eventually(PATIENCE, "it tells how it stands", || {
        let told = site.property("cgflux", "StatusText");
        let is_whole = ["containers", "kernel programs", "influxdb: ok"]
            .iter()
            .all(|part| told.contains(part));
        is_whole.then(|| println!("{told}")).ok_or(told)
    });
    let journal = site
        .guest
        .run("journalctl --output=json --unit cgflux TARGET=cgflux::app");
    assert!(journal.contains("CGFLUX_CONTAINERS"), "{journal}");
    let checked = site.guest.run("cgflux check --json || true");
    let checked: Json = serde_json::from_str(&checked).unwrap();
    println!("cgflux check: {}", checked["verdict"]);
    let says = site
        .guest
        .run("man cgflux 2>/dev/null | head -n 4; cgflux --version");
    assert!(says.contains("cgflux 0."), "{says}");
}

#[test]
fn a_reload_is_told_and_a_configuration_that_does_not_hold_is_refused_and_starts_nothing() {
    let Some(site) = Site::new() else { return };
    site.configure("");
    site.install();
    let pid = site.property("cgflux", "MainPID");
    site.configure("[families.space]\nenabled = false\n");
    site.guest.run("systemctl reload cgflux");
    let journal = |words: &str| {
        eventually(PATIENCE, words, || {
            let journal = site.guest.run("journalctl --no-pager --unit cgflux");
            journal.contains(words).then_some(()).ok_or(journal)
        });
    };
    journal("the configuration is read again");
    site.configure("[families.space]\nenabled = \"perhaps\"\n");
    site.guest.run("systemctl reload cgflux");
    journal("the configuration does not hold; what was in force goes on");
    assert_eq!(site.property("cgflux", "MainPID"), pid);

    site.guest.run("! systemctl restart cgflux 2>/dev/null");
    assert_eq!(site.property("cgflux", "ExecMainStatus"), "78");
    assert_eq!(site.property("cgflux", "NRestarts"), "0");
    assert_eq!(site.property("cgflux", "ActiveState"), "failed");
    site.configure("");
    site.guest.run("systemctl start cgflux");
    site.is_active();
}

#[test]
fn one_that_hangs_or_dies_is_started_anew() {
    let Some(site) = Site::new() else { return };
    site.configure("");
    site.guest.write(
        "/etc/systemd/system/cgflux.service.d/test.conf",
        "[Service]\nWatchdogSec=3s\nRestartSec=100ms\n",
    );
    site.install();
    let mut pid = site.property("cgflux", "MainPID");
    for signal in ["STOP", "KILL"] {
        site.guest.run(&format!("kill -{signal} {pid}"));
        pid = eventually(PATIENCE, "it is started anew", || {
            let now = site.property("cgflux", "MainPID");
            let state = site.property("cgflux", "ActiveState");
            (now != pid && now != "0" && state == "active")
                .then_some(now.clone())
                .ok_or(format!("{state}, process {now}"))
        });
    }
    assert_eq!(site.property("cgflux", "NRestarts"), "2");
    let journal = site.guest.run("journalctl --no-pager --unit cgflux");
    assert!(
        journal.contains("Failed with result 'watchdog'"),
        "{journal}"
    );
}

#[test]
fn a_password_is_handed_over_as_a_credential() {
    let Some(site) = Site::with(Influxd::packaged().auth()) else {
        return;
    };
    site.influx.execute(&format!("CREATE DATABASE {DATABASE}"));
    site.influx
        .execute("CREATE USER writer WITH PASSWORD 'se cret'");
    site.influx
        .execute(&format!("GRANT ALL ON {DATABASE} TO writer"));
    site.configure(
        "username = \"writer\"\npassword_file = \"influx-password\"\ncreate_database = false\n",
    );
    site.guest.write("/etc/cgflux/influx-password", "se cret\n");
    site.guest.run("chmod 600 /etc/cgflux/influx-password");
    site.guest.run(
        "dpkg --install /packages/*.deb\n\
         install -D -m 644 /usr/share/doc/cgflux/examples/credential.conf \
         /etc/systemd/system/cgflux.service.d/credential.conf\n\
         systemctl daemon-reload; systemctl restart cgflux",
    );
    site.arrives("SELECT last(usage_ns) FROM container_cpu");
    let everything = site.guest.run(
        "journalctl --no-pager --unit cgflux; systemctl status --no-pager cgflux; \
         tr '\\0' ' ' </proc/$(systemctl show --property=MainPID --value cgflux)/cmdline; \
         busybox wget -qO- http://127.0.0.1:8190/api/v1/status",
    );
    assert!(!everything.contains("se cret"), "{everything}");
}
