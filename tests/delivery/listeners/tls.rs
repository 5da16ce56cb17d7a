//! The certificate of a file, and clients that agree on nothing.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
};

use super::{
    super::PATIENCE,
    RELOADED, add, bearer, counted,
    dialling::{answer, dial, status},
    reload,
    scraper::Scraper,
};
use crate::harness::{Home, eventually, tls::Authority};

#[test]
fn tls_is_spoken_with_the_certificate_as_its_file_has_it_and_a_silent_client_holds_up_nobody() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut home = Home::new();
    let [certificate, key, ca] = ["tls.crt", "tls.key", "ca.pem"].map(|it| home.path().join(it));
    let install = |authority: &Authority| {
        let pair = authority.serves(&["node.example", "127.0.0.2"]);
        fs::write(&certificate, pair.certificate).unwrap();
        fs::write(&key, pair.key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        authority.write(&ca);
    };
    install(&old);
    let viewer = add(&home, "alice", "view");
    home.bring(&viewer);
    home.configure(&format!(
        "[http]\ntls_certificate = {certificate:?}\ntls_key = {key:?}\nauth_file = {:?}\n",
        home.path().join("auth")
    ));
    let agent = home.start(&["--source", "files", "--listen", "127.0.0.2:0"]);
    let log = agent.log();
    let (_, rest) = log
        .split_once("the live page is at https://")
        .expect("by TLS");
    let address: SocketAddr = rest.split('/').next().unwrap().parse().unwrap();

    // Who agrees on nothing, and who speaks no TLS.
    let silent: Vec<TcpStream> = (0..20).map(|_| dial(address).unwrap()).collect();
    let trusted = old.client();
    let meanwhile = Scraper::start(
        move || trusted.dial(address, "node.example"),
        &format!("Host: 127.0.0.2\r\n{}", bearer(&viewer)),
    );
    let plain = answer(dial(address).unwrap(), "/healthz", "");
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");
    let series = "cgflux_http_connections_cut_total{reason=\"tls\"}";
    eventually(PATIENCE, "it is counted", || {
        (counted(&agent, series) >= 1.0).then_some(()).ok_or(series)
    });

    let url = format!("https://{address}");
    let token = home.path().join("token");
    fs::write(&token, &viewer).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let stat = |more: &[&str]| {
        let mut command = home.command("stat");
        command
            .args(["--once", "--url", &url])
            .arg("--token-file")
            .arg(&token);
        command.args(more).output().unwrap()
    };
    let believed = stat(&["--ca-file", ca.to_str().unwrap()]);
    assert!(believed.status.success(), "{believed:?}");
    let unbelieved = stat(&["--ca-file", "/dev/null"]);
    assert!(!unbelieved.status.success(), "{unbelieved:?}");

    // Others are kept waiting for nothing while the certificate is replaced.
    meanwhile.all_good("twenty clients agreed on nothing");
    install(&new);
    reload(&agent, RELOADED);
    let asked_by_the_new = || {
        let stream = new.client().dial(address, "node.example").unwrap();
        status(stream, "/", &bearer(&viewer))
    };
    assert_eq!(asked_by_the_new(), 200);
    let renounced = old.client().dial(address, "node.example");
    assert!(renounced.is_err(), "the old authority is believed");
    // A key that is another's changes nothing.
    fs::write(&key, old.serves(&["node.example"]).key).unwrap();
    reload(&agent, "the configuration does not hold");
    assert_eq!(asked_by_the_new(), 200);
    drop(silent);
}
