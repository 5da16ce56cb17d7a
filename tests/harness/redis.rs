//! A real Redis that a test starts, kills, freezes and starts again.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{eventually, http::free_addresses, program::Program, skip};

const REDIS_SERVER: &str = "/usr/bin/redis-server";

/// How long a start may take on a busy machine, and an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that ends with the test, and saves nothing: what it counted is gone when it is killed.
pub(crate) struct Redis {
    program: Program,
    address: SocketAddr,
    folder: TempDir,
}

impl Redis {
    /// `None` where it is not installed.
    #[track_caller]
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with further words on its command line.
    #[track_caller]
    pub(crate) fn start_with(words: &[&str]) -> Option<Self> {
        if !Path::new(REDIS_SERVER).exists() {
            return skip("redis-server is missing (apt-get install redis-server)");
        }
        let folder = tempfile::tempdir().unwrap();
        let [address] = free_addresses();
        let socket = folder.path().join("redis.sock");
        let port = address.port().to_string();
        let mut arguments: Vec<String> = ["--port", &port, "--bind", "127.0.0.1", "--save", ""]
            .map(str::to_owned)
            .to_vec();
        arguments.extend(["--appendonly", "no", "--unixsocket"].map(str::to_owned));
        arguments.push(socket.display().to_string());
        arguments.extend(words.iter().map(|word| (*word).to_owned()));
        let redis = Self {
            program: Program::start(
                REDIS_SERVER.into(),
                arguments.into_iter().map(Into::into).collect(),
                folder.path().join("log"),
            ),
            address,
            folder,
        };
        redis.answers();
        Some(redis)
    }

    #[track_caller]
    fn answers(&self) {
        eventually(PATIENCE, "redis answers", || {
            let pong = self.try_ask("PING").unwrap_or_default();
            let is_there = pong.starts_with('+') || pong.starts_with("-NOAUTH");
            is_there.then_some(()).ok_or_else(|| self.program.log())
        });
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// The first line of its answer to a command.
    #[track_caller]
    pub(crate) fn ask(&self, command: &str) -> String {
        self.try_ask(command).unwrap()
    }

    /// What it has counted under this key.
    #[track_caller]
    pub(crate) fn number(&self, key: &str) -> u64 {
        let answer = self.ask(&format!("INCRBY {key} 0"));
        answer.strip_prefix(':').unwrap().parse().unwrap()
    }

    fn try_ask(&self, command: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "{command}\r\n")?;
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n") && stream.read(&mut byte)? > 0 {
            answer.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.program.kill();
    }

    /// The same once more, empty; returns when it answers.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        self.program.start_again();
        self.answers();
    }

    /// It does nothing any more, and its connections stay.
    pub(crate) fn freeze(&self) {
        self.program.signal(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.program.signal(Signal::SIGCONT);
    }
}
