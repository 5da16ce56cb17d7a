//! Where nobody answers: standard output, files, Unix sockets and UDP. Stored is what the kernel has taken.

use std::{
    fs::File,
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{UdpSocket, UnixStream},
    task::spawn_blocking,
    time::timeout,
};

use super::outcome::{Fault, Outcome};
use crate::encode::Payload;

/// Writes a payload to standard output. A reader that does not read holds the worker, and nothing else.
pub(super) async fn write_stdout(payload: &Payload) -> Outcome {
    let lines = payload.lines().clone();
    let written = spawn_blocking(move || write_all(&mut io::stdout().lock(), &lines)).await;
    outcome("standard output", flatten(written))
}

/// Appends a payload to a file. The file is opened anew each time: one that was moved away by a log rotation is made
/// again.
pub(super) async fn write_file(path: &Path, payload: &Payload) -> Outcome {
    let lines = payload.lines().clone();
    let owned: PathBuf = path.to_owned();
    let written = flatten(spawn_blocking(move || append(&owned, &lines)).await);
    match written {
        // A named pipe, whose reader may come back, unlike that of standard output.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => passing(path, &error),
        written => outcome(&path.display().to_string(), written),
    }
}

/// A fault that passes by itself.
fn passing(path: &Path, error: &io::Error) -> Outcome {
    Outcome::Retry {
        after: None,
        reason: format!("{}: {error}", path.display()),
    }
}

/// How long a reader may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes a payload to whoever listens at a Unix socket, on a connection of its own: its end is the payload's.
pub(super) async fn write_unix(path: &Path, payload: &Payload) -> Outcome {
    let written = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(payload.lines()).await?;
        stream.shutdown().await
    };
    let written = timeout(PATIENCE, written).await;
    let written = written.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
    match written {
        // Whoever listened there comes back.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::NotFound
            ) =>
        {
            passing(path, &error)
        }
        written => outcome(&path.display().to_string(), written),
    }
}

/// Most bytes of lines in one datagram: what an Ethernet frame carries over IPv6. A longer line has one of its own.
const DATAGRAM_BYTES: usize = 1432;

/// Sends a payload in datagrams of whole lines.
pub(super) async fn write_udp(address: SocketAddr, payload: &Payload) -> Outcome {
    let sent = async {
        let ours: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(ours).await?;
        socket.connect(address).await?;
        for datagram in datagrams(payload) {
            match socket.send(datagram).await {
                // What an earlier datagram met; this one may fare better.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                sent => drop(sent?),
            }
        }
        Ok::<(), io::Error>(())
    };
    match sent.await {
        // A line longer than any datagram.
        Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => Outcome::TooLarge {
            reason: error.to_string(),
        },
        sent => outcome(&format!("udp {address}"), sent),
    }
}

/// The lines in pieces that fit into datagrams.
fn datagrams(payload: &Payload) -> Vec<&[u8]> {
    let lines = payload.lines();
    let mut datagrams = Vec::new();
    let (mut start, mut end) = (0, 0);
    for line in payload.each_line() {
        if end > start && end + line.len() - start > DATAGRAM_BYTES {
            datagrams.push(&lines[start..end]);
            start = end;
        }
        end += line.len();
    }
    if end > start {
        datagrams.push(&lines[start..end]);
    }
    datagrams
}

/// A payload that does not fit is taken back, so that no torn line stays.
fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let before = file.metadata()?;
    let written = write_all(&mut file, lines);
    if written.is_err() && before.is_file() {
        file.set_len(before.len())?;
    }
    written
}

fn write_all(out: &mut impl Write, lines: &[u8]) -> io::Result<()> {
    out.write_all(lines)?;
    out.flush()
}

fn outcome(name: &str, written: io::Result<()>) -> Outcome {
    let Err(error) = written else {
        return Outcome::Stored;
    };
    let reason = format!("{name}: {error}");
    match error.kind() {
        io::ErrorKind::BrokenPipe => Outcome::Closed,
        io::ErrorKind::PermissionDenied => Outcome::Pause {
            fault: Fault::Denied,
            reason,
        },
        io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => Outcome::Pause {
            fault: Fault::Misconfigured,
            reason,
        },
        _ => Outcome::Retry {
            after: None,
            reason,
        },
    }
}

fn flatten(written: Result<io::Result<()>, tokio::task::JoinError>) -> io::Result<()> {
    written.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::encode::Times;

    fn payload(text: &'static str) -> Payload {
        Payload::new(Bytes::from_static(text.as_bytes()), Times::at(0))
    }

    #[tokio::test]
    async fn a_file_is_appended_to_and_made_again_after_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.lp");
        let rotated = folder.path().join("points.lp.1");
        assert_eq!(
            write_file(&path, &payload("a v=1i 1\n")).await,
            Outcome::Stored
        );
        assert_eq!(
            write_file(&path, &payload("a v=2i 2\n")).await,
            Outcome::Stored
        );
        std::fs::rename(&path, &rotated).unwrap();
        assert_eq!(
            write_file(&path, &payload("a v=3i 3\n")).await,
            Outcome::Stored
        );
        assert_eq!(
            std::fs::read_to_string(rotated).unwrap(),
            "a v=1i 1\na v=2i 2\n"
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), "a v=3i 3\n");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_is_a_fault_somebody_must_mend() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing/points.lp");
        for path in [folder.path(), &missing] {
            let outcome = write_file(path, &payload("a v=1i 1\n")).await;
            assert!(matches!(outcome, Outcome::Pause { .. }), "{outcome:?}");
        }
    }

    #[tokio::test]
    async fn a_unix_socket_gets_all_lines_and_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.sock");
        let sent = write_unix(&path, &payload("a v=1i 1\n")).await;
        assert!(matches!(sent, Outcome::Retry { .. }), "{sent:?}");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let read = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut text)
                .await
                .unwrap();
            text
        };
        let lines = payload("a v=1i 1\nb v=2i 2\n");
        let (sent, text) = tokio::join!(write_unix(&path, &lines), read);
        assert_eq!(
            (sent, text.as_str()),
            (Outcome::Stored, "a v=1i 1\nb v=2i 2\n")
        );
    }

    #[tokio::test]
    async fn datagrams_hold_whole_lines() {
        let receiver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let lines: Vec<String> = (0..200).map(|line| format!("m v={line}i 1\n")).collect();
        let payload = Payload::new(Bytes::from(lines.concat()), Times::at(0));
        let sent = write_udp(receiver.local_addr().unwrap(), &payload).await;
        assert_eq!(sent, Outcome::Stored);
        let mut text = Vec::new();
        let mut datagram = [0; 2048];
        while text.len() < payload.lines().len() {
            let length = receiver.recv(&mut datagram).await.unwrap();
            assert!(length <= DATAGRAM_BYTES && datagram[length - 1] == b'\n');
            text.extend_from_slice(&datagram[..length]);
        }
        assert_eq!(text, *payload.lines());
    }

    #[test]
    fn a_full_disk_is_tried_again_and_a_gone_reader_ends_the_output() {
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let written = outcome("file", write_all(&mut full, b"a v=1i 1\n"));
        assert!(matches!(written, Outcome::Retry { .. }), "{written:?}");
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let written = outcome("pipe", write_all(&mut writer, b"a v=1i 1\n"));
        assert_eq!(written, Outcome::Closed);
    }
}
