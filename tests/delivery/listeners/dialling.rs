//! Connections, and what is asked by them.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::LazyLock,
};

use tokio::{
    net::TcpSocket,
    runtime::{Builder, Runtime},
};

use super::super::PATIENCE;

pub(super) fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// From an address of the loopback network, so that it counts as a client of its own.
pub(super) fn dial_from(source: Ipv4Addr, address: SocketAddr) -> TcpStream {
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

pub(super) fn status(stream: impl Read + Write, path: &str, headers: &str) -> u16 {
    let answer = answer(stream, path, headers);
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

/// The whole answer.
pub(super) fn answer(mut stream: impl Read + Write, path: &str, headers: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    // Whoever is cut meanwhile sees errors; what came before counts.
    drop(stream.write_all(request.as_bytes()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}
