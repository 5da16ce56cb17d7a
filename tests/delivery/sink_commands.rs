//! `cgflux sink test` and `cgflux sink init` against a real InfluxDB with users.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Output};

use crate::harness::{Home, Influxd};

#[test]
fn what_is_missing_is_named_made_and_then_tested() {
    let Some(server) = Influxd::packaged().auth().start() else {
        return;
    };
    let home = Home::new();
    let password = home.path().join("password");
    let write = |text: &str| {
        fs::write(&password, text).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    };
    home.configure(&format!(
        "[sinks.influxdb]\nurl = \"{}\"\nusername = \"{}\"\npassword_file = \"{}\"\ncreate_database = false\n",
        server.url(),
        "admin",
        password.display(),
    ));
    let run = |command: &str| {
        let output = home.command(command).output().unwrap();
        (output.status.code(), text(&output))
    };

    write("wrong");
    let (code, said) = run("sink test");
    assert!(
        code == Some(1) && said.contains("right to write"),
        "{code:?} {said}"
    );
    assert!(!said.contains("wrong"), "{said}");

    write("admins-own");
    let (code, said) = run("sink test");
    assert!(
        code == Some(1) && said.contains("sink init influxdb"),
        "{code:?} {said}"
    );
    let (code, said) = run("sink init");
    assert!(
        code == Some(2) && said.contains("CREATE DATABASE"),
        "{code:?} {said}"
    );
    for _ in 0..2 {
        let (code, said) = run("sink init --retention 30d --rollup --yes");
        assert!(
            code == Some(0) && !said.contains("FAILED"),
            "{code:?} {said}"
        );
    }
    let (code, said) = run("sink test");
    assert!(
        code == Some(0) && said.contains("taken away again"),
        "{code:?} {said}"
    );
    let (code, said) = run("sink test --json");
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["verdict"]), (Some(0), &"ready".into()));
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]]
        .map(String::from_utf8_lossy)
        .concat()
}
