//! The archive with the static program, on the oldest systemd that is named: that of Debian 11, whose glibc is too old for the
//! packages.

use super::PATIENCE;
use crate::harness::{Guest, Namespace, disk_folder, eventually, guest};

#[test]
fn the_archive_runs_as_a_service_on_debian_11() {
    let Some(network) = Namespace::new("oldest") else {
        return;
    };
    let Some(packages) = guest::packages() else {
        return;
    };
    let disk = disk_folder();
    if guest::unpack_oldest(disk.path()).is_none() {
        return;
    }
    let guest = Guest::boot_from(disk.path(), &packages, &network);
    // As README says.
    guest.run(
        "tar -xzf /packages/cgflux-*-static.tar.gz --strip-components=1 --no-overwrite-dir -C /\n\
         systemd-sysusers cgflux.conf; systemd-tmpfiles --create cgflux.conf",
    );
    guest.write(
        "/etc/cgflux/conf.d/10-site.toml",
        "[host]\nname = \"node-3\"\n",
    );
    guest.run("systemctl daemon-reload; systemctl enable --now cgflux");
    eventually(PATIENCE, "it counts by kernel programs", || {
        let told = guest.attempt("systemctl show --property=StatusText cgflux")?;
        told.contains("kernel programs").then_some(()).ok_or(told)
    });
    let journal = guest.run("journalctl --no-pager --boot");
    let unknown: Vec<_> = journal
        .lines()
        .filter(|line| line.contains("cgflux") && line.contains("Unknown"))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    println!(
        "{}{}",
        guest.run("systemctl --version | head -n 1; ldd --version | head -n 1"),
        guest.run("systemctl show --property=StatusText cgflux")
    );
}
