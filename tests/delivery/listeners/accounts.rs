//! Tokens, roles and sockets.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::Output,
};

use super::{
    super::PATIENCE,
    RELOADED, add, bearer, counted,
    dialling::{dial, status},
    reload,
    scraper::Scraper,
};
use crate::harness::{Home, eventually};

#[test]
fn a_token_opens_what_its_role_may_and_a_new_file_counts_at_once() {
    let mut home = Home::new();
    let (auth, socket) = (home.path().join("auth"), home.path().join("http.sock"));
    let [scraper, viewer] =
        [("prometheus", "scrape"), ("alice", "view")].map(|(name, role)| add(&home, name, role));
    let mode = fs::metadata(&auth).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    home.configure(&format!("[http]\nauth_file = {auth:?}\n"));
    home.bring(&scraper);
    let place = format!("unix:{}", socket.display());
    let agent = home.start(&["--source", "files", "--listen", &place]);
    let address = agent.address();
    let meanwhile = Scraper::of(address, &bearer(&scraper));

    let ask = |path: &str, headers: &str| status(dial(address).unwrap(), path, headers);
    let wrong = bearer(&"x".repeat(50));
    for (path, expected) in [
        ("/healthz", [200, 200, 200, 200]),
        ("/metrics", [401, 401, 200, 200]),
        ("/readyz", [401, 401, 200, 200]),
        ("/", [401, 401, 403, 200]),
        ("/api/v1/containers", [401, 401, 403, 200]),
    ] {
        let headers = ["", &wrong, &bearer(&scraper), &bearer(&viewer)];
        assert_eq!(headers.map(|it| ask(path, it)), expected, "{path}");
    }
    // Beyond ten wrong ones in a minute it is another answer; the right one is taken all the same.
    let guesses: Vec<u16> = (0..20).map(|_| ask("/metrics", &wrong)).collect();
    assert_eq!(guesses.last(), Some(&429), "{guesses:?}");
    assert_eq!(ask("/metrics", &bearer(&scraper)), 200);

    // By the socket nobody is asked; who may connect is what its file says.
    let stream = UnixStream::connect(&socket).unwrap();
    assert_eq!(status(stream, "/api/v1/containers", ""), 200);
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let by_socket = home
        .command("stat")
        .arg("--once")
        .args(["--url", &format!("unix://{}", socket.display())])
        .output();
    assert!(by_socket.unwrap().status.success());

    // The command line, from elsewhere.
    let url = format!("http://{address}");
    let stat = |file: Option<&Path>| {
        let mut command = home.command("stat");
        command.args(["--once", "--url", &url]);
        if let Some(file) = file {
            command.env("CGFLUX_TOKEN_FILE", file);
        }
        command.output().unwrap()
    };
    let refused = stat(None);
    assert!(!refused.status.success());
    assert!(said(&refused).contains("--token-file"), "{refused:?}");
    let token = home.path().join("token");
    fs::write(&token, &viewer).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let open = stat(Some(&token));
    assert!(said(&open).contains("chmod 600"), "{open:?}");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let stat = stat(Some(&token));
    assert!(stat.status.success(), "{stat:?}");

    // Another token for alice, the old one taken out.
    let lines = fs::read_to_string(&auth).unwrap();
    let kept = lines
        .lines()
        .find(|it| it.starts_with("prometheus"))
        .unwrap();
    fs::write(&auth, kept).unwrap();
    let newer = add(&home, "alice", "view");
    reload(&agent, RELOADED);
    let both = [&viewer, &newer].map(|token| ask("/api/v1/events", &bearer(token)));
    assert_eq!(both[1], 200);
    assert!(matches!(both[0], 401 | 429), "{both:?}");
    // A file that does not hold changes nothing.
    fs::write(&auth, "alice view hunter2\n").unwrap();
    reload(&agent, "the configuration does not hold");
    assert_eq!(ask("/api/v1/events", &bearer(&newer)), 200);
    fs::write(&auth, kept).unwrap();

    let log = agent.log();
    assert!(log.contains("line 1") && !log.contains("hunter2"), "{log}");
    assert_eq!(log.matches("brings a wrong token").count(), 1, "{log}");
    for secret in [&scraper, &viewer, &newer, &wrong] {
        assert!(!log.contains(secret.trim()), "{log}");
    }
    for reason in ["no_token", "wrong_token", "attempts", "role"] {
        let series = format!("cgflux_http_requests_denied_total{{reason=\"{reason}\"}}");
        eventually(PATIENCE, "it is counted", || {
            (counted(&agent, &series) > 0.0)
                .then_some(())
                .ok_or(series.clone())
        });
    }
    meanwhile.all_good("tokens were tried");
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
