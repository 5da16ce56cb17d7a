//! The counter's service: started, hit, and seen in the database outside.

use super::{DATABASE, PATIENCE, Site};
use crate::harness::eventually;

#[test]
fn the_counters_service_counts_in_redis_without_a_privilege_and_is_seen() {
    let Some(site) = Site::new() else { return };
    site.configure("[socket]\nenabled = true\n");
    site.install();
    assert_eq!(site.property("cgflux-web", "UnitFileState"), "disabled");
    assert_eq!(site.property("cgflux-web", "ActiveState"), "inactive");
    // A guest may not tell the host's name.
    site.guest.run(
        "echo CGFLUX_HOST=node-1 >>/etc/cgflux/web.env; systemctl start redis-server cgflux-web",
    );
    let answers = site.guest.run(
        "for i in $(seq 100); do busybox wget -qO- http://127.0.0.1:58080/; echo; done | tail -n 1",
    );
    assert_eq!(answers.trim(), "100");
    let counted = site.guest.run("redis-cli get hits");
    assert_eq!(counted.trim(), "100");

    let uid = site.status("cgflux-web", "Uid");
    let user = site.guest.run("id -u cgflux-web");
    assert_eq!(uid.split_whitespace().next(), Some(user.trim()));
    for set in ["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"] {
        assert_eq!(site.status("cgflux-web", set), "0000000000000000", "{set}");
    }
    eventually(PATIENCE, "the hits are in the database", || {
        let hits = site
            .influx
            .value(DATABASE, "SELECT last(hits) FROM web WHERE host = 'node-1'");
        (hits.as_i64() == Some(100))
            .then(|| println!("hits in the database: {hits}"))
            .ok_or(hits)
    });
    // Another address stands in the file for that.
    site.guest.run(
        "sed -i 's/^REDIS_ADDRESS=.*/REDIS_ADDRESS=memory/' /etc/cgflux/web.env; systemctl restart cgflux-web",
    );
    let first = site.guest.run("busybox wget -qO- http://127.0.0.1:58080/");
    assert_eq!(first.trim(), "1");
}
