//! What is loaded: its address, taken apart and looked up.

use std::{
    fmt,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use hyper::Uri;

use super::LoadError;

/// `http://HOST:PORT/PATH`, or `unix:///SOCKET:/PATH`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    place: Place,
    /// The path, with its query.
    path: String,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Place {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// Where to connect to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// It is HTTPS.
    #[error("only http:// can be loaded; let TLS end in front of the target")]
    Https,
    /// It has a password, which would show in every list of processes.
    #[error("has a user; give it with --header 'Authorization: …'")]
    User,
    /// Anything else.
    #[error("is no target; write it as http://127.0.0.1:8080/path or unix:///run/web.sock:/path")]
    Form,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        if let Some(rest) = text.strip_prefix("unix://") {
            return unix(rest);
        }
        if text.starts_with("https://") {
            return Err(TargetError::Https);
        }
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: Uri = whole.parse().map_err(|_unnamed| TargetError::Form)?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.ok_or(TargetError::Form)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::User);
        }
        let host = authority.host();
        // What is behind the host is a port, or not what it says it is.
        let port = match authority
            .as_str()
            .strip_prefix(host)
            .and_then(|it| it.strip_prefix(':'))
        {
            Some(port) => port.parse().map_err(|_unnamed| TargetError::Form)?,
            None => 80,
        };
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        if host.is_empty() || port == 0 {
            return Err(TargetError::Form);
        }
        Ok(Self {
            place: Place::Tcp {
                host: host.to_owned(),
                port,
            },
            path: uri
                .path_and_query()
                .map_or("/", |it| it.as_str())
                .to_owned(),
        })
    }
}

fn unix(rest: &str) -> Result<Target, TargetError> {
    let (socket, path) = rest.split_once(':').unwrap_or((rest, "/"));
    let path: Uri = path.parse().map_err(|_unnamed| TargetError::Form)?;
    if !socket.starts_with('/') || socket.len() < 2 || path.authority().is_some() {
        return Err(TargetError::Form);
    }
    Ok(Target {
        place: Place::Unix(socket.into()),
        path: path
            .path_and_query()
            .map_or("/", |it| it.as_str())
            .to_owned(),
    })
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { .. } => write!(formatter, "http://{}{}", self.host(), self.path),
            Place::Unix(socket) => write!(formatter, "unix://{}:{}", socket.display(), self.path),
        }
    }
}

impl Target {
    /// The path, with its query.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// What goes into the field `Host`.
    pub(super) fn host(&self) -> String {
        match &self.place {
            Place::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Place::Tcp { host, port: 80 } => host.clone(),
            Place::Tcp { host, port } => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Looks it up and connects once: the first of its addresses that answers. Every address must be of this host, unless
    /// `allow_remote`.
    pub(super) fn reach(
        &self,
        allow_remote: bool,
        patience: Duration,
    ) -> Result<Endpoint, LoadError> {
        let unreachable = |source| LoadError::Unreachable {
            target: self.to_string(),
            source,
        };
        let (host, port) = match &self.place {
            Place::Unix(path) => {
                drop(UnixStream::connect(path).map_err(unreachable)?);
                return Ok(Endpoint::Unix(path.clone()));
            }
            Place::Tcp { host, port } => (host, *port),
        };
        let addresses = (host.as_str(), port)
            .to_socket_addrs()
            .map_err(unreachable)?;
        let addresses: Vec<SocketAddr> = addresses.collect();
        let remote = addresses
            .iter()
            .find(|it| !it.ip().to_canonical().is_loopback());
        if let (Some(remote), false) = (remote, allow_remote) {
            return Err(LoadError::Remote {
                target: self.to_string(),
                address: remote.ip(),
            });
        }
        let mut last = std::io::Error::other("the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, patience) {
                // Nobody listens, and the port was given to the one who connects, who then speaks to itself.
                Ok(stream) if stream.local_addr().is_ok_and(|local| local == address) => {
                    last = std::io::ErrorKind::ConnectionRefused.into();
                }
                Ok(_) => return Ok(Endpoint::Tcp(address)),
                Err(error) => last = error,
            }
        }
        Err(unreachable(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_written_in_these_ways() {
        for (text, shown, host, path) in [
            (
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080/",
                "127.0.0.1:8080",
                "/",
            ),
            (
                "localhost:80/a?b=c",
                "http://localhost/a?b=c",
                "localhost",
                "/a?b=c",
            ),
            (
                "http://[::1]:58080/x#y",
                "http://[::1]:58080/x",
                "[::1]:58080",
                "/x",
            ),
            (
                "unix:///run/web.sock",
                "unix:///run/web.sock:/",
                "localhost",
                "/",
            ),
            (
                "unix:///run/web.sock:/x?y",
                "unix:///run/web.sock:/x?y",
                "localhost",
                "/x?y",
            ),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(
                (target.to_string().as_str(), target.path()),
                (shown, path),
                "{text}"
            );
            assert_eq!(target.host(), host, "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for (text, error) in [
            ("https://127.0.0.1/", TargetError::Https),
            ("http://me:pw@127.0.0.1/", TargetError::User),
            ("ftp://127.0.0.1/", TargetError::Form),
            ("http://127.0.0.1:99999/", TargetError::Form),
            ("http:///x", TargetError::Form),
            ("http://a b/", TargetError::Form),
            ("", TargetError::Form),
            ("unix://run/web.sock", TargetError::Form),
            ("unix:///", TargetError::Form),
        ] {
            assert_eq!(text.parse::<Target>(), Err(error), "{text}");
        }
    }

    #[test]
    fn what_is_not_this_host_is_refused_unless_allowed() {
        // RFC 5737: an address for documentation, which nobody has.
        let target: Target = "http://192.0.2.1:9/".parse().unwrap();
        let refused = target.reach(false, Duration::from_millis(1));
        assert!(
            matches!(refused, Err(LoadError::Remote { .. })),
            "{refused:?}"
        );
        let tried = target.reach(true, Duration::from_millis(1));
        assert!(
            matches!(tried, Err(LoadError::Unreachable { .. })),
            "{tried:?}"
        );
        let mapped: Target = "http://[::ffff:127.0.0.1]:1/".parse().unwrap();
        let closed = mapped.reach(false, Duration::from_secs(1));
        assert!(
            matches!(closed, Err(LoadError::Unreachable { .. })),
            "{closed:?}"
        );
    }
}
