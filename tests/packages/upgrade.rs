//! An upgrade over an edited configuration, and totals that go on.

use super::{DATABASE, Site};
use crate::harness::pause;
use std::time::Duration;

#[test]
fn an_upgrade_keeps_the_edited_configuration_and_no_total_goes_backwards() {
    let Some(site) = Site::new() else { return };
    site.configure("");
    site.install();
    site.container("busy", "while :; do :; done");
    site.arrives("SELECT last(usage_ns) FROM container_cpu WHERE container = 'busy'");
    let pid = site.property("cgflux", "MainPID");
    site.guest.run("echo '# mine' >>/etc/cgflux/cgflux.toml");
    // The same package of a later version, whose configuration differs, too.
    site.guest.run(
        "mkdir /tmp/next; dpkg-deb --raw-extract /packages/*.deb /tmp/next/root\n\
         sed -i 's/^Version: .*/Version: 99.0-1/' /tmp/next/root/DEBIAN/control\n\
         echo '# of the next version' >>/tmp/next/root/etc/cgflux/cgflux.toml\n\
         dpkg-deb --build /tmp/next/root /tmp/next/cgflux.deb >/dev/null\n\
         dpkg --force-confdef --force-confold --install /tmp/next/cgflux.deb",
    );
    site.is_active();
    assert_ne!(site.property("cgflux", "MainPID"), pid);
    let (configuration, beside) = (
        site.guest.run("tail -n 1 /etc/cgflux/cgflux.toml"),
        site.guest
            .run("tail -n 1 /etc/cgflux/cgflux.toml.dpkg-dist"),
    );
    assert_eq!(configuration, "# mine\n");
    assert_eq!(beside, "# of the next version\n");

    pause(Duration::from_secs(3));
    site.guest.run("systemctl restart cgflux");
    pause(Duration::from_secs(3));
    let series = site
        .influx
        .query(DATABASE, "SELECT usage_ns FROM container_cpu GROUP BY *");
    let mut totals = 0;
    for series in &series {
        let rows = series["values"].as_array().unwrap();
        let mut last = 0;
        for row in rows {
            let total = row[1].as_i64().unwrap();
            assert!(total >= last, "{} from {last} to {total}", series["tags"]);
            last = total;
            totals += 1;
        }
    }
    println!(
        "{totals} totals of {} series over an upgrade and a restart: none went backwards",
        series.len()
    );
    assert!(totals > 20);
    let gaps = site.influx.query(
        DATABASE,
        "SELECT from_ns, to_ns FROM agent_gap WHERE reason = 'restart'",
    );
    let gaps = gaps[0]["values"].as_array().unwrap();
    assert_eq!(gaps.len(), 2, "{gaps:?}");
    for gap in gaps {
        let seconds = (gap[2].as_i64().unwrap() - gap[1].as_i64().unwrap()) as f64 / 1e9;
        println!("a gap of {seconds:.1} s is told");
    }
    site.guest.run("docker rm --force busy");
}
