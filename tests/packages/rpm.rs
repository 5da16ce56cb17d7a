//! The rpm package, in a tree of its own: its scripts run, its service starts, and it goes.

use std::{fs, path::Path, process::Command};

use crate::harness::{Guest, Namespace, eventually, guest};

/// rpm, on a tree.
#[track_caller]
fn rpm(root: &Path, arguments: &[&str]) -> String {
    let mut rpm = Command::new("rpm");
    rpm.arg("--root").arg(root).args(arguments);
    let output = rpm.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "rpm {arguments:?}: {said}{complained}"
    );
    said
}

#[test]
fn the_rpm_package_installs_starts_and_goes() {
    let Some(network) = Namespace::new("rpm") else {
        return;
    };
    let Some(packages) = guest::packages() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    if guest::unpack(root).is_none() {
        return;
    }
    let package = fs::read_dir(&packages)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|it| it == "rpm"))
        .expect("an rpm package");
    let package = package.to_str().unwrap();
    rpm(root, &["--initdb"]);
    // The tree is Debian's: what the package depends on is there, and rpm knows nothing of it.
    rpm(root, &["--install", "--nodeps", package]);
    let has_user = |name: &str| {
        let users = fs::read_to_string(root.join("etc/passwd")).unwrap();
        users
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")))
    };
    assert!(has_user("cgflux") && has_user("cgflux-web"));
    let changed = rpm(root, &["--verify", "--nodeps", "cgflux"]);
    assert_eq!(changed, "", "files are not as they were packaged");

    fs::write(
        root.join("etc/cgflux/conf.d/10-site.toml"),
        "[host]\nname = \"node-2\"\n",
    )
    .unwrap();
    let running = Guest::boot_from(root, &packages, &network);
    running.run("systemctl start cgflux");
    eventually(super::PATIENCE, "it measures", || {
        let told = running.attempt("busybox wget -qO- http://127.0.0.1:8190/api/v1/containers")?;
        told.contains("cgflux.service").then_some(()).ok_or(told)
    });
    drop(running);

    rpm(root, &["--erase", "--nodeps", "cgflux"]);
    for path in ["usr/bin/cgflux", "usr/lib/systemd/system/cgflux.service"] {
        assert!(!root.join(path).exists(), "{path}");
    }
}
