//! The server in this process, asked over real connections; the tests stand in the files of this folder.

mod access;
mod answers;
#[path = "../../../../tests/harness/browser.rs"]
mod browser;
mod cadvisor;
mod limits;
mod page;
mod watching;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value as Json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::timeout,
};

use super::{Allowed, Door, Server, Settings};
use crate::{
    encode::fixture::{container, rates, subject_of, tick_of},
    live::{Limits, Live},
    metrics::Subject,
    self_stats::SelfStats,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// A server on a port of its own.
struct Running {
    address: SocketAddr,
    live: Arc<Live>,
    stats: Arc<SelfStats>,
    /// What its clock says, in nanoseconds.
    now_ns: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    server: JoinSet<usize>,
}

impl Running {
    async fn start(settings: Settings) -> Self {
        let (_, everybody) = watch::channel(None);
        Self::for_whom(settings, everybody).await
    }

    /// A server for those who are allowed.
    async fn for_whom(settings: Settings, allowed: Allowed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::Tcp {
            listener,
            certificate: None,
        };
        Self {
            address,
            ..Self::behind(vec![door], settings, allowed)
        }
    }

    /// A server that is reached by these doors.
    fn behind(doors: Vec<Door>, settings: Settings, allowed: Allowed) -> Self {
        let live = Arc::new(Live::new(Limits::default()));
        let now_ns = Arc::new(AtomicU64::new(0));
        let clock = Arc::clone(&now_ns);
        let stats = Arc::new(SelfStats::default());
        let server = Server::new(
            settings,
            allowed,
            Arc::clone(&live),
            Arc::clone(&stats),
            Arc::new(move || clock.load(Ordering::Relaxed)),
        );
        let (stop, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        running.spawn(server.run(doors, stopped));
        Self {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            live,
            stats,
            now_ns,
            stop,
            server: running,
        }
    }

    /// A server that has seen `ticks` ticks of the entries 7 (`web`) and 8 (`db`).
    async fn with_ticks(settings: Settings, ticks: u32) -> Self {
        let running = Self::start(settings).await;
        for second in 1..=ticks {
            running.live.publish(tick_of(second, two()));
        }
        running
    }

    async fn connect(&self) -> Client {
        Client::to(TcpStream::connect(self.address).await.unwrap())
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n"))
            .await
    }

    /// Sends a request whose headers still lack the empty line, and reads all of the answer.
    async fn send(&self, head: &str) -> Answer {
        let mut client = self.connect().await;
        client
            .write(&format!("{head}Connection: close\r\n\r\n"))
            .await;
        Answer::parse(&client.rest().await)
    }

    /// Stops it and tells how many connections were cut.
    async fn stop(mut self) -> usize {
        self.stop.send_replace(true);
        timeout(DEADLINE, self.server.join_next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }
}

struct Client<S = TcpStream> {
    stream: S,
    read: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    fn to(stream: S) -> Self {
        Self {
            stream,
            read: Vec::new(),
        }
    }

    async fn write(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads up to and with the next `end`.
    async fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(at) = text.find(end) {
                let found = text[..at + end.len()].to_owned();
                self.read.drain(..found.len());
                return found;
            }
            let read = self.stream.read_buf(&mut self.read);
            let read = timeout(DEADLINE, read).await.unwrap().unwrap();
            assert!(read > 0, "ended without {end:?}: {text}");
        }
    }

    /// Reads to the end of the connection; one that is cut ends, too.
    async fn rest(mut self) -> String {
        let reading =
            async { while matches!(self.stream.read_buf(&mut self.read).await, Ok(1..)) {} };
        timeout(DEADLINE, reading).await.unwrap();
        String::from_utf8_lossy(&self.read).into_owned()
    }

    /// The data of the next `tick`.
    async fn tick(&mut self) -> Json {
        self.until("event: tick\n").await;
        let data = self.until("\n").await;
        serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or_else(|| panic!("no answer: {text:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let prefix = format!("{name}: ");
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(&prefix))
    }
}

fn two() -> Vec<Subject> {
    vec![
        subject_of(container(7, "web"), rates(0.5, 0.25)),
        subject_of(container(8, "db"), rates(1.5, 0.0)),
    ]
}
