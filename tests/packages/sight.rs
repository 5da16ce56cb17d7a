//! What the installed service sees, behind its sandbox: all that root sees.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{PATIENCE, Site};
use crate::harness::eventually;

/// What an agent at this port tells: containers with names and images, and the host's filesystems.
fn seen(site: &Site, port: u16) -> Result<(BTreeSet<String>, BTreeSet<String>), String> {
    let url = format!("http://127.0.0.1:{port}/api/v1/containers");
    let batch = site.guest.attempt(&format!("busybox wget -qO- {url}"))?;
    let batch: Json = serde_json::from_str(&batch).map_err(|error| error.to_string())?;
    let containers = batch["containers"].as_array().into_iter().flatten();
    let containers = containers
        .filter(|it| it["kind"] == "container")
        .map(|it| format!("{} {} {}", it["runtime"], it["name"], it["image"]));
    let filesystems = batch["machine"]["fs"]["size_bytes"].as_array();
    let filesystems = filesystems.into_iter().flatten();
    let filesystems =
        filesystems.map(|it| format!("{} {}", it["labels"]["device"], it["labels"]["mount"]));
    Ok((containers.collect(), filesystems.collect()))
}

#[test]
fn the_service_lists_the_containers_names_and_filesystems_that_root_does() {
    let Some(site) = Site::on_a_disk() else {
        return;
    };
    // A data root where PrivateTmp= would hide it, and containers in a home, which ProtectHome= would.
    site.guest.run(
        "mkdir -p /var/tmp/docker\n\
         printf '{\"data-root\": \"/var/tmp/docker\", \"storage-driver\": \"vfs\"}' >/etc/docker/daemon.json\n\
         systemctl restart docker\n\
         useradd --create-home joe; loginctl enable-linger joe",
    );
    eventually(PATIENCE, "joe's own systemd is up", || {
        site.guest.attempt("systemctl is-active user@$(id -u joe)")
    });
    site.container("moved", "while :; do sleep 1; done");
    site.guest.run(&format!(
        "{}>/tmp/image.tar; chmod 644 /tmp/image.tar; su joe -c 'cd\n\
         export XDG_RUNTIME_DIR=/run/user/$(id -u) DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/$(id -u)/bus\n\
         podman import /tmp/image.tar busy\n\
         podman run --detach --name rootless --pids-limit -1 --network none busy sh -c \"while :; do sleep 1; done\"'",
        super::IMAGE
    ));
    site.configure("");
    site.install();
    // Root's own agent, beside it and without a sandbox.
    site.guest.run(
        "systemd-run --quiet --unit roots --property=Environment=CGFLUX_HOST=node-1 /usr/bin/cgflux run \
         --config /dev/null --listen 127.0.0.1:8191 --state-dir /run/roots",
    );
    let (containers, filesystems) = eventually(PATIENCE, "both see the same", || {
        let (service, root) = (seen(&site, 8190)?, seen(&site, 8191)?);
        let names = |names: &[&str]| {
            names
                .iter()
                .all(|name| root.0.iter().any(|it| it.contains(name)))
        };
        (names(&["\"moved\"", "\"rootless\""]) && !root.1.is_empty() && service == root)
            .then_some(root.clone())
            .ok_or(format!("the service {service:?}, root {root:?}"))
    });
    println!("containers: {containers:?}; filesystems: {filesystems:?}");
    site.guest
        .run("docker rm --force moved; systemctl stop roots");
}
