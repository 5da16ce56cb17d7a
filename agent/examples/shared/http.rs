//! One question to a server of this machine.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::Context as _;

const PATIENCE: Duration = Duration::from_mins(1);

/// The body of a good answer.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // 1.0, so that the body comes unchunked and ends with the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    anyhow::ensure!(status.starts_with('2'), "{path} was answered with {status}");
    Ok(body.to_owned())
}

/// Tries before no port counts as free.
const TRIES: usize = 100;

/// Ports of the loopback that were free a moment ago, below those that the kernel gives to clients: one of these would
/// otherwise be given the port of a server that is about to start, and find itself there.
pub(crate) fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = (0..TRIES)
            .find_map(|_| TcpListener::bind(("127.0.0.1", fastrand::u16(10_000..32_768))).ok())
            .context("no port is free")?;
        *port = listener.local_addr()?.port();
        // Held until all are taken, so that they differ.
        listeners.push(listener);
    }
    Ok(ports)
}
