//! Where points go, and what becomes of those that cannot go there.

use std::path::PathBuf;

use super::*;

fn global() -> Global {
    Global {
        config: None,
        verbose: 0,
        quiet: 0,
        log_format: None,
        color: crate::cli::Color::Never,
    }
}

fn arguments(points: &str, state_dir: PathBuf) -> TelemetryArgs {
    TelemetryArgs {
        points: points.parse().unwrap(),
        database: None,
        state_dir: Some(state_dir),
        container: None,
    }
}

#[test]
fn points_go_where_they_are_told_to() {
    let folder = tempfile::tempdir().unwrap();
    for (points, place, spool) in [
        ("none", "nowhere", None),
        ("unix:///run/x.sock", "unix:///run/x.sock", Some(false)),
        ("http://127.0.0.1:1", "http://127.0.0.1:1", Some(true)),
    ] {
        let arguments = arguments(points, folder.path().to_owned());
        let (resolved, told) = resolve(&global(), &arguments).unwrap();
        let sinks = &resolved.config.sinks;
        assert_eq!(told, place);
        assert_eq!(sinks.first().map(|it| it.delivery.spool.is_some()), spool);
    }
}

#[test]
fn what_cannot_be_written_waits_in_a_spool_of_its_own_or_is_told_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments("http://127.0.0.1:1", folder.path().to_owned());
    let (resolved, _) = resolve(&global(), &arguments).unwrap();
    let first = Telemetry::open("web", &resolved, Some("c")).unwrap();
    let second = Telemetry::open("web", &resolved, None).unwrap();
    for telemetry in [&first, &second] {
        telemetry.mark(&Mark {
            event: "web_start",
            title: "t",
            text: "t",
            run: None,
        });
    }
    assert_eq!(first.close(), Left { lost: 0, kept: 1 });
    assert_eq!(second.close(), Left { lost: 1, kept: 0 });
    let spool = folder.path().join("web/spool/influxdb.db");
    assert!(fs::exists(spool).unwrap());
}
