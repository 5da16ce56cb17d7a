//! The ways to a Redis: a Unix socket, a password, TLS; and without one.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::PATIENCE;
use crate::harness::{Redis, Web, eventually, tls::Authority, web::command};

fn counts(arguments: &[&str]) {
    let web = Web::start(&[arguments, &["--points", "none"]].concat());
    web.is_ready();
    for number in ["1", "2"] {
        assert_eq!(web.ask("GET /").body, number, "{arguments:?}");
    }
}

#[test]
fn a_number_of_the_process_needs_no_redis() {
    counts(&["--redis", "memory"]);
    counts(&["--redis", "memory", "--redis-mode", "coalesce", "--reset"]);
}

#[test]
fn a_unix_socket_is_one_way() {
    let Some(redis) = Redis::start() else {
        return;
    };
    let socket = format!("unix://{}", redis.socket().display());
    counts(&["--redis-address", &socket]);
}

#[test]
fn a_password_stands_in_a_file_that_only_its_owner_reads() {
    let Some(redis) = Redis::start_with(&["--requirepass", "s3cret"]) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "s3cret\n").unwrap();
    let address = redis.address().to_string();
    let file_name = file.to_str().unwrap();
    let arguments = [
        "--redis-address",
        &address,
        "--redis-password-file",
        file_name,
    ];
    let allow = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o644);
    let refused = command().args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("chmod 600"),
        "{said}"
    );
    allow(0o600);
    counts(&arguments);
}

#[test]
fn tls_believes_the_authority_that_is_named_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [ours, others] = [Authority::new(), Authority::new()];
    let pair = ours.serves(&["127.0.0.1"]);
    fs::write(path("certificate"), &pair.certificate).unwrap();
    fs::write(path("key"), &pair.key).unwrap();
    ours.write(Path::new(&path("ours")));
    others.write(Path::new(&path("others")));
    let [port] = crate::harness::web::free_ports();
    let started = Redis::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("certificate"),
        "--tls-key-file",
        &path("key"),
        "--tls-auth-clients",
        "no",
    ]);
    let Some(_redis) = started else {
        return;
    };
    let address = format!("rediss://127.0.0.1:{port}");
    counts(&["--redis-address", &address, "--redis-ca", &path("ours")]);
    let arguments = ["--redis-address", &address, "--points", "none"];
    for ca in [Some(path("others")), None] {
        let ca: Vec<&str> = ca.iter().flat_map(|ca| ["--redis-ca", ca]).collect();
        let web = Web::start(&[&arguments[..], &ca].concat());
        eventually(PATIENCE, "it says why", || {
            let reply = web.ask("GET /");
            let is_told = reply.status == 503 && reply.body.contains("certificate");
            is_told.then_some(()).ok_or(reply.body)
        });
    }
}
