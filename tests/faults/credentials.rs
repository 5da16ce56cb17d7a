//! Refusals that stay until somebody acts: nothing is dropped, and it goes on within a minute of the repair.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    delivery::{Delivery, Place},
    sink,
};
use crate::harness::{InfluxServer, Influxd, Ledger, eventually, quoted};

/// A paused sink tries again within so long after the repair; and some for a busy machine.
const RESUMES: Duration = Duration::from_secs(75);

const OLD: &str = "old-Secret-1";
const NEW: &str = "new-Secret-2";

/// Sinks that work at first.
const WORKING: [&str; 4] = ["revoked", "dropped", "rotated", "token"];
/// Sinks for which something is missing from the start.
const LACKING: [&str; 2] = ["policy", "database"];

#[test]
fn rights_users_tokens_and_policies_that_go_and_come_back_cost_no_point_and_tell_no_secret() {
    let (Some(v1), Some(v2)) = (
        Influxd::packaged().auth().start(),
        Influxd::with_v2().auth().start(),
    ) else {
        return;
    };
    let secrets = tempfile::tempdir().unwrap();
    let secret_of = |name: &str| secrets.path().join(name);
    let mut settings = String::new();
    for name in ["revoked", "dropped", "rotated", "policy", "database"] {
        create_user(&v1, name);
        write(&secret_of(name), OLD);
        write!(
            settings,
            "[sinks.{name}]\ntype = \"influxdb\"\nurl = \"{}\"\ndatabase = \"{name}\"\nusername = \"{name}\"\n\
             password_file = \"{}\"\n",
            v1.url(),
            secret_of(name).display()
        )
        .unwrap();
        // Whoever may not create a database is refused that too.
        if name != "database" {
            create_database(&v1, name);
        }
        if name == "policy" {
            settings += "retention_policy = \"later\"\n";
        }
    }
    create_user(&v2, "token");
    create_database(&v2, "token");
    write(&secret_of("token"), &format!("token:{OLD}"));
    write!(
        settings,
        "[sinks.token]\ntype = \"influxdb\"\nversion = \"2\"\nurl = \"{}\"\norg = \"o\"\nbucket = \"token/autogen\"\n\
         token_file = \"{}\"\n",
        v2.url(),
        secret_of("token").display()
    )
    .unwrap();

    let place = Place::with(&settings);
    let mut delivery = place.start();
    let mut ledger = Ledger::new();
    delivery.offer(&ledger.lines(500));
    delivery.until("those that work have it", |sinks| {
        WORKING.iter().all(|name| sinks[*name].waiting == 0)
    });
    v1.execute("REVOKE ALL ON \"revoked\" FROM \"revoked\"");
    v1.execute("DROP USER \"dropped\"");
    for (server, name) in [(&v1, "rotated"), (&v2, "token")] {
        server.execute(&format!("SET PASSWORD FOR \"{name}\" = {}", quoted(NEW)));
    }
    for _ in 0..5 {
        delivery.offer(&ledger.lines(500));
    }
    delivery.until("all are refused", |sinks| {
        sinks.values().all(|sink| sink.failing.is_some())
    });
    for (name, sink) in delivery.sinks() {
        println!("{name}: {sink:?}");
        let waiting = if LACKING.contains(&name.as_str()) {
            3000
        } else {
            2500
        };
        assert_eq!((sink.waiting, sink.all_lost()), (waiting, 0), "{name}");
    }

    v1.execute("GRANT WRITE ON \"revoked\" TO \"revoked\"");
    create_user(&v1, "dropped");
    v1.execute("GRANT WRITE ON \"dropped\" TO \"dropped\"");
    write(&secret_of("rotated"), NEW);
    write(&secret_of("token"), &format!("token:{NEW}"));
    v1.execute("CREATE RETENTION POLICY later ON \"policy\" DURATION INF REPLICATION 1");
    create_database(&v1, "database");
    eventually(RESUMES, "all have it", || {
        let sinks = delivery.sinks();
        let done = sinks.values().all(|sink| sink.waiting == 0);
        done.then_some(()).ok_or(format!("{sinks:?}"))
    });
    assert!(delivery.sinks().values().all(|sink| sink.all_lost() == 0));
    for name in ["revoked", "dropped", "rotated", "database"] {
        ledger.compare(&v1.points(name)).assert_whole();
    }
    let kept_later = v1.query("policy", "SELECT * FROM later.ledger GROUP BY *");
    assert_eq!(kept_later.len(), 7, "series of the other policy");
    ledger.compare(&v2.points("token")).assert_whole();
    tells_no_secret(&delivery, &place);
}

/// With the right to make it, which a server without users gives to all. What was in a database that is dropped is gone.
#[test]
fn a_database_that_is_missing_or_dropped_is_made() {
    let Some(server) = InfluxServer::start() else {
        return;
    };
    let name = r#"a "test" db"#;
    let settings = sink("influxdb", &server.url(), "").replace("\"d\"", &format!("'{name}'"));
    let place = Place::with(&settings);
    let mut delivery = place.start();
    let mut before = Ledger::new();
    delivery.offer(&before.lines(100));
    delivery.settle();
    before.compare(&server.points(name)).assert_whole();
    server.execute(&format!("DROP DATABASE \"{}\"", name.replace('"', "\\\"")));
    let mut after = Ledger::new();
    delivery.offer(&after.lines(50));
    let told = delivery.settle();
    assert_eq!((told.sent, told.all_lost()), (150, 0), "{told:?}");
    after.compare(&server.points(name)).assert_whole();
}

fn create_user(server: &InfluxServer, name: &str) {
    server.execute(&format!(
        "CREATE USER \"{name}\" WITH PASSWORD {}",
        quoted(OLD)
    ));
}

/// With the right of the user of the same name to write to it.
fn create_database(server: &InfluxServer, name: &str) {
    server.execute(&format!("CREATE DATABASE \"{name}\""));
    server.execute(&format!("GRANT WRITE ON \"{name}\" TO \"{name}\""));
}

/// Writes a file that only its owner may read.
fn write(file: &Path, secret: &str) {
    use std::io::Write as _;
    let mut options = fs::File::options();
    let file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file);
    file.unwrap().write_all(secret.as_bytes()).unwrap();
}

/// Neither what it has written nor what others see of the process holds a secret.
fn tells_no_secret(delivery: &Delivery, place: &Place) {
    let process = PathBuf::from(format!("/proc/{}", delivery.pid()));
    let mut places = vec![process.join("cmdline"), process.join("environ")];
    let mut folders = vec![place.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                places.push(entry.path());
            }
        }
    }
    for place in places {
        let content = fs::read(&place).unwrap_or_default();
        for secret in [OLD, NEW] {
            let tells = content
                .windows(secret.len())
                .any(|it| it == secret.as_bytes());
            assert!(!tells, "{}", place.display());
        }
    }
}
