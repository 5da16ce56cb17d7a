//! Below a prefix, behind nginx.

use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use nix::sys::signal::Signal;

use super::{
    super::PATIENCE,
    FILES,
    dialling::{answer, dial},
    scraper::Scraper,
};
use crate::harness::{Home, eventually, skip};

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
