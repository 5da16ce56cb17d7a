//! The Debian package, from its installation to its purge.

use std::{fs, time::Instant};

use super::{DATABASE, PATIENCE, Site};
use crate::harness::{eventually, guest};

#[test]
fn a_fresh_installation_ships_its_first_point_and_measures_a_container_as_the_kernel_does() {
    let Some(site) = Site::new() else { return };
    site.configure("");
    let begun = Instant::now();
    site.install();
    let installed = begun.elapsed();
    eventually(PATIENCE, "a point", || {
        let points = site.influx.points(DATABASE);
        (!points.is_empty()).then_some(()).ok_or("none")
    });
    println!(
        "from `dpkg --install` to its end and the service's start: {installed:.1?}; to the first point in the database: \
         {:.1?}",
        begun.elapsed()
    );

    site.container("busy", "while :; do :; done");
    site.arrives("SELECT last(usage_ns) FROM container_cpu WHERE container = 'busy'");
    let image =
        "SELECT last(usage_ns) FROM container_cpu WHERE container = 'busy' AND image = 'busy'";
    site.arrives(image);
    // The kernel's own counter when the container ends, and the final point.
    let usage_us = site.guest.run(
        "pid=$(docker inspect --format '{{.State.Pid}}' busy)\n\
         folder=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$pid/cgroup)\n\
         docker pause busy >/dev/null 2>&1 || kill -STOP $pid\n\
         sed -n 's/^usage_usec //p' $folder/cpu.stat",
    );
    let kernels: i64 = usage_us.trim().parse().unwrap();
    eventually(PATIENCE, "what was used arrives", || {
        let ours = site.influx.value(
            DATABASE,
            "SELECT last(usage_ns) FROM container_cpu WHERE container = 'busy'",
        );
        let ours = ours.as_i64().unwrap_or_default() / 1_000;
        (ours == kernels)
            .then(|| println!("busy: kernel {kernels} µs, in the database {ours} µs"))
            .ok_or(format!("kernel {kernels} µs, in the database {ours} µs"))
    });
    site.guest.run("docker rm --force busy");
}

#[test]
fn a_removal_keeps_configuration_and_a_purge_leaves_nothing() {
    let Some(site) = Site::new() else { return };
    let before = files(&site);
    // As README says: a file is put down where there is a folder for it, and the service started again.
    site.guest.run(
        "dpkg --install /packages/*.deb\n\
         printf '[host]\\nname = \"node-1\"\\n' >/etc/cgflux/conf.d/10-site.toml; systemctl restart cgflux",
    );
    site.is_active();
    let pid = site.property("cgflux", "MainPID");
    site.guest.run("dpkg --remove cgflux");
    site.guest.run(&format!("! test -e /proc/{pid}"));
    site.guest.run(
        "test -e /etc/cgflux/cgflux.toml; test -e /var/lib/cgflux; ! test -e /usr/bin/cgflux; \
         ! systemctl is-active --quiet cgflux",
    );
    site.guest.run("dpkg --purge cgflux");
    let state = site
        .guest
        .run("dpkg-query --show --showformat='${Status}' cgflux 2>&1 || true");
    assert!(state.contains("no packages found"), "{state}");
    let after = files(&site);
    let left: Vec<_> = after.iter().filter(|it| !before.contains(it)).collect();
    // What an administrator put there is theirs.
    assert_eq!(
        left,
        [
            "/etc/cgflux",
            "/etc/cgflux/conf.d",
            "/etc/cgflux/conf.d/10-site.toml"
        ]
    );
    println!("left by a purge: {left:?}, which the test itself has put there");
}

#[test]
fn packages_of_one_commit_are_the_same_byte_for_byte() {
    let Some(packages) = guest::packages() else {
        return;
    };
    let mut compared = 0;
    for entry in fs::read_dir(packages.join("again")).unwrap() {
        let again = entry.unwrap().path();
        let first = packages.join(again.file_name().unwrap());
        let [first, bytes] = [&first, &again].map(|path| fs::read(path).unwrap());
        assert!(first == bytes, "{} differs", again.display());
        println!("{}: {} bytes, twice", again.display(), bytes.len());
        compared += 1;
    }
    assert_eq!(compared, 3, "a .deb, an .rpm and an archive");
}

/// All that lies where packages and services put things.
fn files(site: &Site) -> Vec<String> {
    let found = site.guest.run(
        "find /etc /usr /var/lib /run /lib -xdev -name '*cgflux*' -o -path '*/cgflux/*' | sort -u",
    );
    found.lines().map(str::to_owned).collect()
}
