//! A server that does what a script says, for what no real one does at will.
//!
//! A thread a connection; each request is read whole and recorded before the script is asked, unless it is to be cut.

mod reply;
mod store;

use std::{
    io::{self, BufReader, Read as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use flate2::read::MultiGzDecoder;
use tokio::net::TcpSocket;

use reply::Ending;
pub(crate) use reply::Reply;
pub(crate) use store::PointStore;

/// A server that ends with the test.
pub(crate) struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// How many came before it.
    pub(crate) number: usize,
    pub(crate) at: Instant,
    /// Such as `POST /write?db=d HTTP/1.1`.
    pub(crate) line: String,
    /// Names in small letters.
    pub(crate) headers: Vec<(String, String)>,
    /// Unzipped.
    pub(crate) body: String,
}

impl Received {
    /// A header's value; empty without it.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(it, _)| it == name);
        found.map_or("", |(_, value)| value)
    }

    /// How many lines its body has.
    pub(crate) fn lines(&self) -> usize {
        self.body.lines().count()
    }
}

/// By the number of a request: after how many bytes of its body the connection is reset, if it is to be.
type Cut = Box<dyn Fn(usize) -> Option<usize> + Send + Sync>;

type Script = Box<dyn Fn(&Received) -> Reply + Send + Sync>;

struct Shared {
    cut: Cut,
    script: Script,
    requests: Mutex<Vec<Received>>,
    begun: AtomicUsize,
    /// Requests being answered, and the most there ever were.
    open: AtomicUsize,
    most_open: AtomicUsize,
    /// A handle of each, while it lasts.
    connections: Mutex<Vec<Option<TcpStream>>>,
    ended: AtomicBool,
}

impl ScriptedServer {
    /// Answers each request as the script says.
    pub(crate) fn answering(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::cutting(|_| None, script)
    }

    /// Resets connections within the bodies of some requests, by their number; those are not recorded.
    pub(crate) fn cutting(
        cut: impl Fn(usize) -> Option<usize> + Send + Sync + 'static,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            cut: Box::new(cut),
            script: Box::new(script),
            requests: Mutex::default(),
            begun: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accept(&listener, &accepting));
        Self { address, shared }
    }

    /// What `--influx` takes.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far that came whole.
    pub(crate) fn requests(&self) -> Vec<Received> {
        lock(&self.shared.requests).clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        lock(&self.shared.connections).len()
    }

    /// The most requests that were open at one time.
    pub(crate) fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for connection in lock(&self.shared.connections).iter().flatten() {
            // The other side may have ended it.
            drop(connection.shutdown(Shutdown::Both));
        }
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let connection = {
            let mut connections = lock(&shared.connections);
            connections.push(Some(stream.try_clone().unwrap()));
            connections.len() - 1
        };
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            // An error is the other side's end, or this server's own.
            let ending = serve(&stream, &shared).unwrap_or(Ending::Close);
            let other_handle = lock(&shared.connections)[connection].take();
            if ending == Ending::Reset {
                // With nothing to linger, the last handle's end sends a reset.
                drop(other_handle);
                drop(TcpSocket::from_std_stream(stream).set_zero_linger());
            }
        });
    }
}

/// Returns how the connection is to end.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<Ending> {
    let mut input = BufReader::new(stream.try_clone()?);
    loop {
        let Some((line, headers)) = head(&mut input)? else {
            return Ok(Ending::Close);
        };
        let number = shared.begun.fetch_add(1, Ordering::SeqCst);
        let at = Instant::now();
        let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_open.fetch_max(open, Ordering::SeqCst);
        let _closes = Closes(&shared.open);
        let header = |name: &str| {
            let found = headers.iter().find(|(it, _)| it == name);
            found.map_or("", |(_, value)| value)
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        if let Some(after) = (shared.cut)(number) {
            let after = after.min(body.len());
            input.read_exact(&mut body[..after])?;
            return Ok(Ending::Reset);
        }
        input.read_exact(&mut body)?;
        if header("content-encoding") == "gzip" {
            let mut unzipped = Vec::new();
            MultiGzDecoder::new(&body[..]).read_to_end(&mut unzipped)?;
            body = unzipped;
        }
        let request = Received {
            number,
            at,
            line,
            headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        lock(&shared.requests).push(request.clone());
        let reply = (shared.script)(&request);
        match reply.send(stream, || shared.ended.load(Ordering::SeqCst))? {
            Ending::Keep => {}
            Ending::HalfClose => {
                stream.shutdown(Shutdown::Write)?;
                // Until the other side closes its half too.
                io::copy(&mut input, &mut io::sink())?;
                return Ok(Ending::Close);
            }
            ending => return Ok(ending),
        }
    }
}

/// A request's first line, and its headers.
type Head = (String, Vec<(String, String)>);

/// One request less is open.
struct Closes<'a>(&'a AtomicUsize);

impl Drop for Closes<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The request's first line and its headers; `None` where the connection ended between requests.
fn head(input: &mut impl io::BufRead) -> io::Result<Option<Head>> {
    let mut first = String::new();
    if input.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else {
            return Ok(Some((first.trim().to_owned(), headers)));
        };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
