//! A kept HTTP/1.1 connection to one server: one request at a time, one answer.
//!
//! No redirects, no proxy, no pool. Names are resolved anew for each connection, and nothing is asked of a server that
//! was not asked for. Nothing runs while no request is under way: that a server has closed the connection meanwhile
//! shows with the next one, which then gets a new connection.

mod connect;
mod tls;

use std::{
    error::Error,
    fmt,
    pin::{Pin, pin},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    HeaderMap, Method, Request, Response,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{
        CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT,
    },
};
use tokio::{select, task::spawn_blocking, time::timeout};

use super::retry::retry_after;
use crate::{
    config::{ServerUrl, Tls},
    text::chain,
};
use connect::{ConnectError, Connector};
pub use tls::TlsError;

/// Most bytes of an answer to a write that are read: a 1.x error may quote a whole batch.
pub(super) const WRITE_ANSWER_BYTES: usize = 1 << 20;

/// Most bytes of an answer's head.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query, behind the prefix of the server's address.
    pub(super) target: String,
    pub(super) content_type: &'static str,
    pub(super) body: Bytes,
    /// Whether the body is gzip.
    pub(super) is_gzip: bool,
    /// Bytes of the answer after which no more of it is read.
    pub(super) answer_bytes: usize,
}

/// What a server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// The wait it asks for.
    pub(super) retry_after: Option<Duration>,
    /// The version of InfluxDB that it says it is.
    pub(super) version: Option<String>,
    /// Its body, possibly cut.
    pub(super) body: String,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum LinkError {
    /// The server is not who it should be, or does not believe us: nothing is sent until somebody acts.
    Untrusted(String),
    /// The connection ended before the answer was complete; what was sent may have been too much.
    Cut(String),
    /// What may go better next time.
    Failed(String),
}

/// A connection to one server, made when it is needed.
pub(super) struct Link {
    url: ServerUrl,
    host: Option<HeaderValue>,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    connector: Connector,
    open: Option<Open>,
}

/// A connection that is open, as far as is known.
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// What moves the bytes; polled while a request is under way, and gone when it ends: the sender waits for it as long
    /// as it is there.
    connection: Option<Connection>,
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

type BoxError = Box<dyn Error + Send + Sync>;

impl Link {
    /// A link to `url`; connects only when there is something to ask.
    pub(super) fn new(url: &ServerUrl, tls: &Tls, timeout: Duration) -> Result<Self, TlsError> {
        Ok(Self {
            host: HeaderValue::try_from(url.authority()).ok(),
            authorization: None,
            timeout,
            connector: Connector::new(url, tls)?,
            open: None,
            url: url.clone(),
        })
    }

    /// Proves who we are by this from now on.
    pub(super) fn authorize(&mut self, authorization: Option<HeaderValue>) {
        self.authorization = authorization;
    }

    /// Believes what these files say now, from the next connection on; there will be a new one.
    pub(super) async fn trust(&mut self, tls: &Tls) -> Result<(), String> {
        let (url, tls) = (self.url.clone(), tls.clone());
        let made = spawn_blocking(move || Connector::new(&url, &tls)).await;
        let made = made.map_err(|error| error.to_string())?;
        self.connector = made.map_err(|error| chain(&error))?;
        self.open = None;
        Ok(())
    }

    /// Asks, and reads the whole answer, all within the deadline.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<Answer, LinkError> {
        let deadline = self.timeout;
        let asked = async {
            let was_open = self.open.is_some();
            match self.exchange(ask).await {
                // The server closed a kept connection as it was used again. Writing twice does no harm.
                Err(Fault::Cut(_)) if was_open => self.exchange(ask).await,
                first => first,
            }
        };
        let answer = match timeout(deadline, asked).await {
            Ok(answer) => answer.map_err(LinkError::from),
            Err(_elapsed) => {
                let waited = humantime::format_duration(deadline);
                Err(LinkError::Failed(format!("no answer within {waited}")))
            }
        };
        if answer.is_err() {
            // What is left of an exchange must not be taken for the next answer.
            self.open = None;
        }
        answer
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<Answer, Fault> {
        let request = self.request(ask)?;
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::to(self.connector.connect().await.map_err(Fault::Connect)?).await?,
        };
        let (answer, is_kept) = open.exchange(request, ask.answer_bytes).await?;
        self.open = is_kept.then_some(open);
        Ok(answer)
    }

    fn request(&self, ask: &Ask) -> Result<Request<Full<Bytes>>, Fault> {
        let target = format!("{}{}", self.url.prefix(), ask.target);
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(target)
            .header(USER_AGENT, concat!("cgflux/", env!("CARGO_PKG_VERSION")));
        if !ask.content_type.is_empty() {
            request = request.header(CONTENT_TYPE, ask.content_type);
        }
        if ask.is_gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        if let Some(host) = &self.host {
            request = request.header(HOST, host.clone());
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(hyper::header::AUTHORIZATION, authorization.clone());
        }
        let request = request.body(Full::new(ask.body.clone()));
        request.map_err(|error| Fault::Other(error.into()))
    }
}

impl Open {
    async fn to(stream: connect::Stream) -> Result<Self, Fault> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(stream)
            .await
            .map_err(|error| Fault::Cut(error.into()))?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection)),
        })
    }

    /// The answer, and whether the connection can be used again.
    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        answer_bytes: usize,
    ) -> Result<(Answer, bool), Fault> {
        let Self { sender, connection } = self;
        let exchange = async {
            sender.ready().await?;
            let response = sender.send_request(request).await?;
            read(response, answer_bytes).await
        };
        let mut ended = None;
        let answer = {
            let mut exchange = pin!(exchange);
            loop {
                select! {
                    biased;
                    answer = &mut exchange => break answer,
                    // A server that answers and closes: the answer is still to be taken in.
                    done = until_end(connection), if ended.is_none() => {
                        *connection = None;
                        ended = Some(done);
                    }
                }
            }
        };
        match (answer, ended) {
            (Ok(answer), ended) => {
                // What has gone unread of a long answer would come before the next one.
                let is_whole = answer.body.len() < answer_bytes;
                let is_kept = is_whole && ended.is_none() && !self.sender.is_closed();
                Ok((answer, is_kept))
            }
            // Why the connection ended says more than that it did.
            (Err(_), Some(Err(error))) | (Err(error), _) => Err(Fault::Cut(error.into())),
        }
    }
}

/// How a connection ends.
async fn until_end(connection: &mut Option<Connection>) -> hyper::Result<()> {
    match connection {
        Some(connection) => connection.await,
        None => Ok(()),
    }
}

async fn read(response: Response<Incoming>, most_bytes: usize) -> hyper::Result<Answer> {
    let status = response.status().as_u16();
    let header = |headers: &HeaderMap, name: HeaderName| {
        let value = headers.get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let headers = response.headers();
    let retry_after =
        header(headers, RETRY_AFTER).and_then(|it| retry_after(&it, SystemTime::now()));
    let version = header(headers, HeaderName::from_static("x-influxdb-version"));
    let mut body = response.into_body();
    let mut text = Vec::new();
    while text.len() < most_bytes
        && let Some(frame) = body.frame().await
    {
        if let Some(data) = frame?.data_ref() {
            text.extend_from_slice(data);
        }
    }
    Ok(Answer {
        status,
        retry_after,
        version,
        body: String::from_utf8_lossy(&text).into_owned(),
    })
}

/// Why an exchange failed.
enum Fault {
    /// There is no connection.
    Connect(ConnectError),
    /// The connection ended before the answer was complete.
    Cut(BoxError),
    /// Something else.
    Other(BoxError),
}

impl From<Fault> for LinkError {
    fn from(fault: Fault) -> Self {
        // None of the causes names the request's headers.
        match fault {
            Fault::Connect(error) if error.is_untrusted() => Self::Untrusted(chain(&error)),
            Fault::Connect(error) => Self::Failed(chain(&error)),
            Fault::Cut(error) if tls::is_untrusted(error.as_ref()) => {
                Self::Untrusted(chain(error.as_ref()))
            }
            Fault::Cut(error) => Self::Cut(chain(error.as_ref())),
            Fault::Other(error) => Self::Failed(chain(error.as_ref())),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Untrusted(reason) | Self::Cut(reason) | Self::Failed(reason)) = self;
        f.write_str(reason)
    }
}

/// Without the authorization.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
