//! A `cgflux web` that a test starts and asks.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{Cgroup, eventually, http::free_addresses};

/// How long a start may take on a busy machine, and an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is killed with the test.
pub(crate) struct Web {
    process: Child,
    address: SocketAddr,
    admin: SocketAddr,
    folder: TempDir,
}

/// What one request was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Its line and headers, in small letters.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A connection that is kept.
pub(crate) struct Client(BufReader<TcpStream>);

impl Web {
    /// Starts one at free ports, and waits until it says that it listens.
    #[track_caller]
    pub(crate) fn start<A: AsRef<OsStr>>(arguments: &[A]) -> Self {
        Self::launch(command(), "127.0.0.1:0", arguments)
    }

    /// The same, counting at this address.
    #[track_caller]
    pub(crate) fn start_at<A: AsRef<OsStr>>(address: SocketAddr, arguments: &[A]) -> Self {
        Self::launch(command(), &address.to_string(), arguments)
    }

    /// The same in a cgroup from its beginning: a socket is for ever of the cgroup that it was made in.
    #[track_caller]
    pub(crate) fn start_in<A: AsRef<OsStr>>(cgroup: &Cgroup, arguments: &[A]) -> Self {
        let mut command = prepared("echo 0 >\"$PLACE\";");
        command.env("PLACE", cgroup.processes());
        Self::launch(command, "127.0.0.1:0", arguments)
    }

    /// The same by this command, counting at this address.
    #[track_caller]
    pub(crate) fn launch<A: AsRef<OsStr>>(
        mut command: Command,
        listen: &str,
        arguments: &[A],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        command
            .args(["--listen", listen, "--admin", "127.0.0.1:0"])
            .arg("--state-dir")
            .arg(folder.path().join("state"))
            .args(arguments)
            .stderr(File::create(folder.path().join("log")).unwrap());
        let unknown = ([127, 0, 0, 1], 0).into();
        let mut web = Self {
            process: command.spawn().unwrap(),
            address: unknown,
            admin: unknown,
            folder,
        };
        (web.address, web.admin) = eventually(PATIENCE, "web listens", || {
            let log = web.log();
            assert!(!web.has_ended(), "web ended: {log}");
            let address = |key: &str| {
                let (_, rest) = log.split_once(&format!(" {key}="))?;
                rest.split([' ', '\n']).next()?.parse().ok()
            };
            let addresses = address("address").zip(address("admin"));
            addresses.ok_or(log.clone())
        });
        web
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its second port is.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// What it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A new connection to the counter.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// One request to the counter on a connection of its own, such as `GET /`.
    #[track_caller]
    pub(crate) fn ask(&self, target: &str) -> Reply {
        self.client().ask(target, "").unwrap()
    }

    /// One request to the second port.
    #[track_caller]
    pub(crate) fn admin(&self, target: &str) -> Reply {
        Client::to(self.admin).ask(target, "").unwrap()
    }

    /// `/stats`.
    #[track_caller]
    pub(crate) fn stats(&self) -> Value {
        serde_json::from_str(&self.admin("GET /stats").body).unwrap()
    }

    /// Waits until Redis answers it.
    #[track_caller]
    pub(crate) fn is_ready(&self) {
        eventually(PATIENCE, "it is ready", || {
            let reply = self.admin("GET /readyz");
            (reply.status == 200).then_some(()).ok_or(reply.body)
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.process.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually(PATIENCE, "web ends", || {
            self.process.try_wait().unwrap().ok_or_else(|| self.log())
        })
    }

    fn has_ended(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- log of web ---\n{}---", self.log());
        }
        // It may have ended.
        drop(self.process.kill());
        self.process.wait().unwrap();
    }
}

/// `cgflux web`, and nothing of the environment that would configure it.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cgflux"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CGFLUX_") || name == "REDIS_ADDRESS" {
            command.env_remove(name);
        }
    }
    command.arg("web").stdin(Stdio::null());
    command
}

/// The same by a shell, which does this before it becomes `cgflux web`.
pub(crate) fn prepared(preparation: &str) -> Command {
    let web = command();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{preparation} exec \"$@\""), "sh"]);
    shell.arg(web.get_program()).args(web.get_args());
    for (name, _) in web.get_envs() {
        shell.env_remove(name);
    }
    shell.stdin(Stdio::null());
    shell
}

/// Ports that are free on this machine, until somebody else takes them.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    free_addresses().map(|address| address.port())
}

impl Client {
    #[track_caller]
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    /// One request with these further headers, each a whole line, and its answer.
    pub(crate) fn ask(&mut self, target: &str, headers: &str) -> io::Result<Reply> {
        let request = format!("{target} HTTP/1.1\r\nHost: counter\r\n{headers}\r\n");
        self.0.get_mut().write_all(request.as_bytes())?;
        self.reply(target.starts_with("HEAD"))
    }

    fn reply(&mut self, is_head: bool) -> io::Result<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_lowercase();
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let length = head.split_once("content-length: ");
        let length = length.and_then(|(_, rest)| rest.split('\r').next()?.parse().ok());
        let mut body = vec![0; if is_head { 0 } else { length.unwrap_or(0) }];
        self.0.read_exact(&mut body)?;
        Ok(Reply {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
        })
    }
}
