//! One request of a test to a server, over any stream.

use std::{
    error::Error,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
};

/// A request; HTTP/1.0, so that the body comes unchunked and ends with the connection.
pub(crate) struct Request<'a> {
    /// Such as `GET /ping`.
    pub(crate) target: &'a str,
    /// Whole lines, each with its end.
    pub(crate) headers: String,
    pub(crate) body: &'a str,
}

impl Request<'_> {
    /// The body of an answer with a good status; else all of the answer.
    pub(crate) fn ask(&self, mut stream: impl Read + Write) -> Result<String, Box<dyn Error>> {
        let Self {
            target,
            headers,
            body,
        } = self;
        let length = body.len();
        write!(
            stream,
            "{target} HTTP/1.0\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let good = head
            .split(' ')
            .nth(1)
            .is_some_and(|status| status.starts_with('2'));
        good.then(|| body.to_owned())
            .ok_or_else(|| answer.clone().into())
    }
}

/// All of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Its `Content-Type`; empty without one.
    pub(crate) content_type: String,
    pub(crate) body: String,
}

impl Answer {
    /// To a GET, or where there is a body to a POST.
    pub(crate) fn to(address: SocketAddr, path: &str, body: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        let method = if body.is_some() { "POST" } else { "GET" };
        let body = body.unwrap_or_default();
        let length = body.len();
        // 1.0, so that the body comes unchunked and ends with the connection.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let content_type = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-type").then_some(value)
        });
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            content_type: content_type.unwrap_or_default().to_owned(),
            body: body.to_owned(),
        }
    }
}

/// Addresses that are free on this machine, until somebody else takes them.
pub(super) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}
