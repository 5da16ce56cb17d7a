//! A connection to the target, whatever it is made of.

use std::io::{self, Read as _, Write as _};

use mio::{
    Interest, Registry, Token,
    event::Source as _,
    net::{TcpStream, UnixStream},
};

use super::super::target::Endpoint;

/// A stream that never blocks.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Begins to connect; `token` is told when that went well or not, and of all that can be read afterwards.
    pub(super) fn connect(to: &Endpoint, registry: &Registry, token: Token) -> io::Result<Self> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match to {
            Endpoint::Tcp(address) => {
                let mut stream = TcpStream::connect(*address)?;
                stream.register(registry, token, interest)?;
                Ok(Self::Tcp(stream))
            }
            Endpoint::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                stream.register(registry, token, interest)?;
                Ok(Self::Unix(stream))
            }
        }
    }

    /// Whether the connection is there; why there will be none.
    pub(super) fn is_connected(&self) -> io::Result<bool> {
        let Self::Tcp(stream) = self else {
            return Ok(true);
        };
        if let Some(error) = stream.take_error()? {
            return Err(error);
        }
        match stream.peer_addr() {
            // A port that nobody listens at may be given to the one who connects to it, who then speaks to itself.
            Ok(peer) if stream.local_addr()? == peer => {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Ok(_) => {
                stream.set_nodelay(true)?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }
}
