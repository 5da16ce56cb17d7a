//! Who may look, and that nobody keeps another from it: tokens and roles, TLS, sockets, a proxy, slow and idle crowds. While
//! each is tried another client scrapes `/metrics`, and every answer it gets is a good one.

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::{Command, Output, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{Resource, getrlimit, setrlimit},
    signal::Signal,
};
use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
};

use super::PATIENCE;
use crate::harness::{AgentProcess, Home, Request, eventually, skip, tls::Authority};

/// Numbers from files: the programs have no part in this, and the start is a matter of a second.
const FILES: [&str; 2] = ["--source", "files"];

/// How often the other client scrapes.
const PACE: Duration = Duration::from_millis(50);

/// Another client, which scrapes by a connection of its own each time.
struct Scraper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Scraped>,
}

/// What it saw.
#[derive(Debug, Default)]
struct Scraped {
    answers: u32,
    slowest: Duration,
    /// Why the first that went wrong did.
    wrong: Option<String>,
}

impl Scraper {
    /// Begins; `dial` makes a connection.
    fn start<S: Read + Write>(
        dial: impl Fn() -> io::Result<S> + Send + 'static,
        headers: &str,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let headers = headers.to_owned();
        let thread = thread::spawn(move || {
            let mut scraped = Scraped::default();
            while !until.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let request = Request {
                    target: "GET /metrics",
                    headers: format!(
                        "{headers}Accept: application/openmetrics-text;version=1.0.0\r\n"
                    ),
                    body: "",
                };
                let answer = dial()
                    .map_err(|error| error.to_string())
                    .and_then(|stream| request.ask(stream).map_err(|error| error.to_string()));
                let wrong = match answer {
                    Ok(metrics) if metrics.ends_with("# EOF\n") => None,
                    Ok(other) => Some(other),
                    Err(error) => Some(error),
                };
                scraped.answers += 1;
                scraped.slowest = scraped.slowest.max(begin.elapsed());
                scraped.wrong = scraped.wrong.or(wrong);
                crate::harness::pause(PACE);
            }
            scraped
        });
        Self { stop, thread }
    }

    /// By plain TCP.
    fn of(address: SocketAddr, headers: &str) -> Self {
        Self::start(
            move || dial(address),
            &format!("Host: localhost\r\n{headers}"),
        )
    }

    /// Every answer was a good one.
    #[track_caller]
    fn all_good(self, meanwhile: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let scraped = self.thread.join().unwrap();
        println!(
            "meanwhile {meanwhile}: {} scrapes, the slowest took {:?}",
            scraped.answers, scraped.slowest
        );
        assert_eq!(scraped.wrong, None, "{scraped:?}");
        assert!(scraped.answers > 0);
    }
}

fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// From an address of the loopback network, so that it counts as a client of its own.
fn dial_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_all().build().unwrap());
    let stream = RUNTIME.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn status(stream: impl Read + Write, path: &str, headers: &str) -> u16 {
    let answer = answer(stream, path, headers);
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The whole answer.
fn answer(mut stream: impl Read + Write, path: &str, headers: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    // Whoever is cut meanwhile sees errors; what came before counts.
    drop(stream.write_all(request.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// `cgflux auth add`: a new line in the file, and the token.
#[track_caller]
fn add(home: &Home, name: &str, role: &str) -> String {
    let file = home.path().join("auth");
    let mut command = home.command("auth add");
    command.args([name, "--role", role, "--file"]).arg(file);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// What `/metrics` says of `series`, zero where it says nothing.
#[track_caller]
fn counted(agent: &AgentProcess, series: &str) -> f64 {
    let metrics = agent.metrics();
    let line = metrics.lines().find(|line| line.starts_with(series));
    let value = line.and_then(|line| line.rsplit(' ').next());
    value.map_or(0.0, |value| value.parse().unwrap())
}

/// Sends SIGHUP and waits for what the log then says.
#[track_caller]
fn reload(agent: &AgentProcess, said: &str) {
    let before = agent.log().matches(said).count();
    agent.signal(Signal::SIGHUP);
    eventually(PATIENCE, "the configuration is read again", || {
        let log = agent.log();
        (log.matches(said).count() > before)
            .then_some(())
            .ok_or(log)
    });
}

const RELOADED: &str = "the configuration is read again";

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
    let headers = bearer(&viewer);
    assert_eq!(
        status(
            new.client().dial(address, "node.example").unwrap(),
            "/",
            &headers
        ),
        200
    );
    let renounced = old.client().dial(address, "node.example");
    assert!(renounced.is_err(), "the old authority is believed");
    // A key that is another's changes nothing.
    fs::write(&key, old.serves(&["node.example"]).key).unwrap();
    reload(&agent, "the configuration does not hold");
    assert_eq!(
        status(
            new.client().dial(address, "node.example").unwrap(),
            "/",
            &headers
        ),
        200
    );
    drop(silent);
}

/// So many addresses of the loopback network.
fn sources(count: u8) -> impl Iterator<Item = Ipv4Addr> {
    (0..count).map(|number| Ipv4Addr::new(127, 1, 0, number + 1))
}

#[test]
fn a_crowd_that_asks_slowly_is_cut_and_headers_without_end_are_refused() {
    let home = Home::with("[http]\nconnections = 64\nconnections_per_client = 8\n");
    let agent = home.start(&FILES);
    let address = agent.address();
    let meanwhile = Scraper::of(address, "");
    // Four times as many as there is room for, each of which says a little more now and then.
    let mut slow: Vec<TcpStream> = sources(32)
        .flat_map(|source| (0..8).map(move |_| dial_from(source, address)))
        .collect();
    for stream in &mut slow {
        drop(stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Slow: "));
    }
    eventually(PATIENCE, "all of them are cut", || {
        // Once a connection has ended, the second thing said to it fails.
        slow.retain_mut(|stream| stream.write_all(b"x").is_ok());
        crate::harness::pause(Duration::from_millis(100));
        slow.is_empty().then_some(()).ok_or(slow.len())
    });
    let endless = format!("X: {}\r\n", "x".repeat(20_000));
    let many = "X: x\r\n".repeat(100);
    for (number, headers) in [endless, many].iter().cycle().take(40).enumerate() {
        let stream = dial_from(sources(40).nth(number).unwrap(), address);
        assert_eq!(status(stream, "/metrics", headers), 431);
    }
    let more: Vec<u16> = {
        let held: Vec<TcpStream> = (0..8)
            .map(|_| dial_from(Ipv4Addr::new(127, 2, 0, 1), address))
            .collect();
        let more = (0..3).map(|_| {
            status(
                dial_from(Ipv4Addr::new(127, 2, 0, 1), address),
                "/healthz",
                "",
            )
        });
        let more = more.collect();
        drop(held);
        more
    };
    assert_eq!(more, [429; 3]);
    for reason in ["room", "slow", "malformed", "client"] {
        let series = format!("cgflux_http_connections_cut_total{{reason=\"{reason}\"}}");
        let count = eventually(PATIENCE, "it is counted", || {
            let count = counted(&agent, &series);
            (count > 0.0).then_some(count).ok_or(series.clone())
        });
        println!("cut for {reason}: {count}");
    }
    meanwhile.all_good("256 clients asked slowly and 40 with oversized headers");
}

#[test]
fn ten_thousand_idle_connections_are_bounded_and_keep_no_scrape_out() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let raised = setrlimit(Resource::RLIMIT_NOFILE, hard.max(20_000), hard.max(20_000));
    if raised.is_err() {
        return skip("this process may not open 20,000 files").unwrap_or_default();
    }
    let home = Home::new();
    let agent = home.start(&FILES);
    let address = agent.address();
    let before = resident_kib(&agent);
    let meanwhile = Scraper::of(address, "");
    let idle: Vec<TcpStream> = (0..10_000_u32)
        .map(|number| {
            let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 3, 0, 1).to_bits() + number / 50);
            dial_from(source, address)
        })
        .collect();
    let open = eventually(PATIENCE, "they are counted", || {
        let open = counted(&agent, "cgflux_http_connections ");
        let cut = counted(&agent, "cgflux_http_connections_cut_total{reason=\"room\"}");
        (open + cut >= 10_000.0)
            .then_some(open)
            .ok_or(format!("{open} open, {cut} cut"))
    });
    let after = resident_kib(&agent);
    println!(
        "{} idle connections were made, {open} are open; the agent had {before} KiB and has {after}",
        idle.len()
    );
    assert!(open <= 256.0, "{open}");
    meanwhile.all_good("10,000 idle connections were made");
}

fn resident_kib(agent: &AgentProcess) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

#[test]
fn behind_a_proxy_the_page_is_below_its_prefix() {
    let found = Command::new("nginx").arg("-v").output();
    if !found.is_ok_and(|it| it.status.success()) {
        return skip("nginx is missing (apt-get install nginx-light)").unwrap_or_default();
    }
    let home = Home::with("[http]\nprefix = \"/cgflux\"\nhosts = [\"stats.example\"]\n");
    let mut command = home.command("run");
    command.args(FILES);
    let agent = home.launch_below("/cgflux", command);
    let proxy = Proxy::start(home.path(), agent.address());
    let meanwhile = Scraper::start(
        {
            let proxy = proxy.address;
            move || Ok(Below(dial(proxy)?))
        },
        "Host: stats.example\r\n",
    );
    let get = |path: &str| answer(dial(proxy.address).unwrap(), path, "");
    let page = get("/cgflux/");
    assert!(page.contains("<title>cgflux</title>"), "{page}");
    // Whatever the page asks for is there, where a browser looks for it.
    for part in page.split('"').filter(|it| it.starts_with("assets/")) {
        assert!(
            get(&format!("/cgflux/{part}")).starts_with("HTTP/1.1 200"),
            "{part}"
        );
    }
    assert!(!page.contains("\"/assets"), "{page}");
    let moved = get("/cgflux");
    assert!(moved.starts_with("HTTP/1.1 308"), "{moved}");
    assert!(get("/metrics").starts_with("HTTP/1.1 404"));
    // The live stream comes as it is made.
    let mut stream = dial(proxy.address).unwrap();
    write!(
        stream,
        "GET /cgflux/api/v1/live HTTP/1.1\r\nHost: stats.example\r\n\r\n"
    )
    .unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("event: tick") {
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&bytes[..read]);
    }
    meanwhile.all_good("the page was asked for through nginx");
}

/// Asks for everything below the prefix.
struct Below(TcpStream);

impl Read for Below {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for Below {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).replace("GET /metrics", "GET /cgflux/metrics");
        self.0.write_all(text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// nginx before the agent; ended when dropped.
struct Proxy {
    address: SocketAddr,
    process: std::process::Child,
}

impl Proxy {
    #[track_caller]
    fn start(folder: &Path, agent: SocketAddr) -> Self {
        let address = std::net::TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0))
            .and_then(|it| it.local_addr())
            .unwrap();
        let place = folder.display();
        let config = folder.join("nginx.conf");
        let text = format!(
            "daemon off;\nworker_processes 1;\nerror_log stderr warn;\npid {place}/nginx.pid;\n\
             events {{}}\nhttp {{\n access_log off;\n client_body_temp_path {place}/body;\n \
             proxy_temp_path {place}/proxy;\n fastcgi_temp_path {place}/fastcgi;\n uwsgi_temp_path {place}/uwsgi;\n \
             scgi_temp_path {place}/scgi;\n server {{\n listen {address};\n location /cgflux {{\n \
             proxy_pass http://{agent};\n proxy_http_version 1.1;\n proxy_set_header Host $host;\n \
             proxy_buffering off;\n }}\n }}\n}}\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&config).arg("-e").arg("stderr");
        let mut process = command.stdin(Stdio::null()).spawn().unwrap();
        eventually(PATIENCE, "nginx listens", || {
            assert!(process.try_wait().unwrap().is_none(), "nginx ended");
            TcpStream::connect(address)
        });
        Self { address, process }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let pid = i32::try_from(self.process.id()).unwrap();
        let pid = nix::unistd::Pid::from_raw(pid);
        nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap_or_default();
        drop(self.process.wait());
    }
}
