//! Asks local services one question over HTTP. They answer in one piece or not at all.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// A service of this machine that takes longer is not answering.
const PATIENCE: Duration = Duration::from_secs(2);

/// No answer that is asked for here comes near this.
const LONGEST_ANSWER_BYTES: u64 = 4 << 20;

/// The body at `path`, from a service that listens on TCP.
pub(crate) fn tcp(address: SocketAddr, path: &str) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    get(stream, &address.to_string(), path)
}

/// The body at `path`, from a service that listens on a unix socket.
pub(crate) fn unix(socket: &Path, path: &str) -> io::Result<String> {
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    get(stream, "localhost", path)
}

/// HTTP/1.0, so that the answer is never in chunks and ends with the connection.
fn get(mut stream: impl Read + Write, host: &str, path: &str) -> io::Result<String> {
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
    let mut answer = String::new();
    stream
        .take(LONGEST_ANSWER_BYTES)
        .read_to_string(&mut answer)?;
    body(&answer)
        .map(str::to_owned)
        .ok_or_else(|| io::Error::other("no answer with status 200"))
}

fn body(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.lines().next()?.split(' ').nth(1)?;
    (status == "200").then_some(body)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader},
        net::TcpListener,
        thread,
    };

    use super::*;

    #[test]
    fn an_answer_without_success_is_none() {
        assert_eq!(body("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}"), Some("{}"));
        assert_eq!(body("HTTP/1.0 503 Service Unavailable\r\n\r\n{}"), None);
        assert_eq!(body("HTTP/1.0 200 OK\r\n"), None);
    }

    #[test]
    fn the_body_comes_over_tcp() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request: Vec<_> = lines
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").unwrap();
            request
        });
        assert_eq!(tcp(address, "/api").unwrap(), "hello");
        assert_eq!(server.join().unwrap()[0], "GET /api HTTP/1.0");
    }
}
