//! TLS that cannot be trusted is refused, plain text is never the answer to that, and a repair needs no restart.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::{delivery::Place, sink};
use crate::harness::{
    InfluxServer, Influxd, Ledger, eventually,
    scripted::{Reply, ScriptedServer},
    tls::{Authority, Pair},
};

/// A paused sink tries again within so long after the repair; and some for a busy machine.
const RESUMES: Duration = Duration::from_secs(75);

const HERE: [&str; 2] = ["127.0.0.1", "localhost"];

#[test]
fn certificates_that_prove_nothing_are_refused_until_they_are_replaced() {
    let (ours, others) = (Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let [ours_file, replaced] = ["ours.pem", "replaced.pem"].map(|name| folder.path().join(name));
    ours.write(&ours_file);
    others.write(&replaced);
    let good = ours.serves(&HERE);
    let Some(mut servers) = Servers::start(&[
        ("expired", ours.served(&HERE)),
        ("elsewhere", ours.serves(&["elsewhere.example"])),
        ("unknown", others.serves(&HERE)),
        ("replaced", good.clone()),
        ("well", good.clone()),
    ]) else {
        return;
    };
    let pinned = sha256(&good);
    let mut settings = String::new();
    for (name, server) in &servers.0 {
        let file = if *name == "replaced" {
            &replaced
        } else {
            &ours_file
        };
        let trust = format!("ca_file = {:?}", file.display().to_string());
        settings += &sink(name, &server.url(), &trust);
    }
    // The same server once more, by the certificate alone; and one that shows another certificate.
    let by_pin = |name: &str, to: &str, database: &str| {
        let port = servers.get(to).port();
        let more = format!("pin_sha256 = \"{pinned}\"");
        sink(name, &format!("https://127.0.0.1:{port}"), &more).replace("\"d\"", database)
    };
    settings += &by_pin("pinned", "well", "\"pinned\"");
    settings += &by_pin("mispinned", "unknown", "\"mispinned\"");

    let place = Place::with(&settings);
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(1000));
    let works = |name: &str| ["well", "pinned"].contains(&name);
    delivery.until("each trusts or refuses", |sinks| {
        let mut all = sinks.iter();
        all.all(|(name, sink)| {
            (sink.waiting == 0) == works(name) && sink.failing.is_some() != works(name)
        })
    });
    for (name, sink) in delivery.sinks() {
        println!("{name}: {:?}", sink.failing);
        assert_eq!(
            (sink.sent > 0, sink.all_lost()),
            (works(&name), 0),
            "{name}"
        );
    }

    ours.write(&replaced);
    for name in ["expired", "elsewhere", "unknown"] {
        servers.replace(name, &good);
    }
    eventually(RESUMES, "all have it", || {
        let sinks = delivery.sinks();
        let done = sinks.values().all(|sink| sink.waiting == 0);
        done.then_some(()).ok_or(format!("{sinks:?}"))
    });
    for (name, server) in &servers.0 {
        println!("{name}");
        ledger.compare(&server.points("d")).assert_whole();
    }
    ledger
        .compare(&servers.get("well").points("pinned"))
        .assert_whole();
    ledger
        .compare(&servers.get("unknown").points("mispinned"))
        .assert_whole();
}

#[test]
fn neither_side_of_a_mistaken_scheme_is_answered_in_plain_text() {
    let authority = Authority::new();
    let Some(mut server) = Influxd::packaged().tls(&authority.serves(&HERE)).start() else {
        return;
    };
    let plain = ScriptedServer::answering(|_| Reply::stored());
    let [plain_url, tls_url] = [
        plain.url().replace("http:", "https:"),
        server.url().replace("https:", "http:"),
    ];
    let [one, other] = [
        sink("to_plain", &plain_url, ""),
        sink("to_tls", &tls_url, ""),
    ];
    let place = Place::with(&format!("{one}{other}"));
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(1000));
    delivery.until("both fail", |sinks| {
        sinks.values().all(|sink| sink.failing.is_some())
    });
    for (name, sink) in delivery.sinks() {
        println!("{name}: {:?}", sink.failing);
        assert_eq!((sink.sent, sink.waiting), (0, 1000), "{name}");
    }
    assert!(plain.requests().is_empty());
    // Its owner takes the certificate away, not the sink.
    server.kill();
    server.start_again_as(Influxd::packaged());
    eventually(RESUMES, "the other has it", || {
        let told = delivery.sinks()["to_tls"].clone();
        (told.waiting == 0).then_some(()).ok_or(format!("{told:?}"))
    });
    ledger.compare(&server.points("d")).assert_whole();
}

struct Servers(Vec<(&'static str, InfluxServer)>);

impl Servers {
    fn start(pairs: &[(&'static str, Pair)]) -> Option<Self> {
        let servers = pairs.iter().map(|(name, pair)| {
            let server = Influxd::packaged().tls(pair).start()?;
            Some((*name, server))
        });
        Some(Self(servers.collect::<Option<_>>()?))
    }

    fn get(&self, name: &str) -> &InfluxServer {
        &self.0.iter().find(|(it, _)| *it == name).unwrap().1
    }

    fn replace(&mut self, name: &str, pair: &Pair) {
        let (_, server) = self.0.iter_mut().find(|(it, _)| *it == name).unwrap();
        server.kill();
        server.start_again_as(Influxd::packaged().tls(pair));
    }
}

/// What `pin_sha256` takes, by a program of somebody else's.
fn sha256(pair: &Pair) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.pem");
    std::fs::write(&file, &pair.certificate).unwrap();
    fingerprint(&file)
}

fn fingerprint(certificate: &Path) -> String {
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
    let said = openssl
        .arg(certificate)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let (_, bytes) = said.trim().split_once('=').unwrap();
    bytes.replace(':', "").to_lowercase()
}
