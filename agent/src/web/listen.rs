//! The ports, and why one cannot be had.

use std::{fs, io, net::SocketAddr};

use listenfd::ListenFd;
use tokio::net::{TcpListener, TcpSocket};

use super::WebError;

/// Connections that the kernel holds until they are accepted; it allows no more than `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Sockets that the service manager has opened for this process (`sd_listen_fds(3)`), in the order of its unit: that of the
/// counter, then that of the probes.
pub struct Handed(ListenFd);

/// Which of the sockets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Counter = 0,
    Probes = 1,
}

impl Handed {
    /// Those of this process. Takes them out of the environment, so it is to be asked before there are threads.
    pub fn to_this_process() -> Self {
        Self(ListenFd::from_env())
    }

    /// The one that was handed over for this; `None` where none was.
    pub(super) fn take(&mut self, part: Part) -> Result<Option<TcpListener>, WebError> {
        let taken = self.0.take_tcp_listener(part as usize);
        let listener = taken.and_then(|listener| {
            let Some(listener) = listener else {
                return Ok(None);
            };
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener).map(Some)
        });
        listener.map_err(|source| WebError::Handed {
            number: part as usize + 1,
            source,
        })
    }
}

/// Listens at `address`, which `flag` gives.
pub(super) fn at(
    address: SocketAddr,
    flag: &str,
    reuse_port: bool,
) -> Result<TcpListener, WebError> {
    let listener = || -> io::Result<TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        if reuse_port {
            socket.set_reuseport(true)?;
        }
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listener().map_err(|source| WebError::Listen {
        address,
        fix: match source.kind() {
            io::ErrorKind::AddrInUse => format!(
                "something listens there already, or a client holds the port: choose another with {flag}, or see \
                 `ss -tanp 'sport = {}'`",
                address.port()
            ),
            io::ErrorKind::PermissionDenied => {
                format!("ports below 1024 are for root: choose another with {flag}")
            }
            _ => format!("choose another address with {flag}"),
        },
        source,
    })
}

/// Says so where the kernel gives the port to clients too: one of them may hold it at the next start.
pub(super) fn tell_of_clients(address: SocketAddr) {
    let read = |file: &str| fs::read_to_string(format!("/proc/sys/net/ipv4/{file}"));
    let range = read("ip_local_port_range").unwrap_or_default();
    let reserved = read("ip_local_reserved_ports").unwrap_or_default();
    let port = address.port();
    if is_for_clients(&range, &reserved, port) {
        tracing::info!(
            port,
            "a client on this host may be given this port and hold it at the next start; `sysctl \
             net.ipv4.ip_local_reserved_ports={port}` keeps it free"
        );
    }
}

/// By the two files of the kernel (Documentation/networking/ip-sysctl.rst): `first last` of the range, and what is kept
/// out of it, `8080,9148-9160`.
fn is_for_clients(range: &str, reserved: &str, port: u16) -> bool {
    let number = |text: &str| text.trim().parse::<u16>().ok();
    let is_between = |first: &str, last: &str| {
        let bounds = number(first).zip(number(last));
        bounds.is_some_and(|(first, last)| (first..=last).contains(&port))
    };
    let mut ends = range.split_whitespace();
    let (first, last) = (ends.next().unwrap_or(""), ends.next().unwrap_or(""));
    let is_reserved = reserved.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        is_between(first, last)
    });
    is_between(first, last) && !is_reserved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_for_clients_unless_it_is_reserved() {
        let range = "32768\t60999\n";
        for (reserved, port, expected) in [
            ("\n", 58080, true),
            ("\n", 8080, false),
            ("58080\n", 58080, false),
            ("1-3,58000-58100\n", 58080, false),
            ("1-3,57000\n", 58080, true),
        ] {
            assert_eq!(
                is_for_clients(range, reserved, port),
                expected,
                "{reserved}"
            );
        }
        assert!(!is_for_clients("", "", 58080));
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_told_with_what_to_do() {
        let first = at(([127, 0, 0, 1], 0).into(), "--listen", false).unwrap();
        let address = first.local_addr().unwrap();
        let refusal = at(address, "--listen", false).unwrap_err().to_string();
        assert!(
            refusal.contains("something listens there already"),
            "{refusal}"
        );
        let shared = at(([127, 0, 0, 1], 0).into(), "--listen", true).unwrap();
        at(shared.local_addr().unwrap(), "--listen", true).unwrap();
    }
}
