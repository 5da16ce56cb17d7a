//! The address of a server that takes points: `http://host:port`, `https://host`, either with a path before the
//! server's own ones, or `unix:///path`.

use std::{fmt, net::Ipv6Addr, path::PathBuf, str::FromStr};

/// The port of https where none is named.
const HTTPS_PORT: u16 = 443;

/// A server reached by HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerUrl {
    /// By TCP.
    Tcp {
        /// Whether by TLS; there is no way from it to plain text.
        tls: bool,
        /// Name or address, an IPv6 address without brackets; never empty.
        host: String,
        /// TCP port; never zero.
        port: u16,
        /// What stands before the server's own paths, as behind a proxy or on a cluster of VictoriaMetrics; empty, or
        /// begins with a slash and ends with none.
        prefix: String,
    },
    /// By a Unix socket.
    Unix(PathBuf),
}

/// Why a text is no such address. The text itself is left out: it may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ServerUrlError {
    /// Not a URL at all.
    #[error("is no URL; write it as http://host:8086")]
    Malformed,
    /// Another scheme, or none.
    #[error("is no http://, https:// or unix:// URL; write it as http://host:8086")]
    Scheme,
    /// User and password in the URL end up in logs and process lists.
    #[error("holds a user name or password; use `username` and `password_file`, or `token_file`")]
    Credentials,
    /// No port.
    #[error("names no port; write it as http://host:8086")]
    Port,
    /// A query.
    #[error("goes on with a query; write it without what follows the question mark")]
    Query,
    /// A socket without a whole path.
    #[error("names no socket; write the whole path, as in unix:///run/influxdb/influxdb.sock")]
    Socket,
}

impl ServerUrl {
    /// What stands between scheme and path in a request's target and in its `Host` header.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port, .. } if host.parse::<Ipv6Addr>().is_ok() => {
                format!("[{host}]:{port}")
            }
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// What stands before the server's own paths.
    pub fn prefix(&self) -> &str {
        match self {
            Self::Tcp { prefix, .. } => prefix,
            Self::Unix(_) => "",
        }
    }

    /// Whether what is sent stays on this machine, where nothing is gained by making it smaller.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                let address = host.parse::<std::net::IpAddr>();
                host == "localhost" || address.is_ok_and(|address| address.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        if let Some(path) = text.strip_prefix("unix://") {
            let is_whole = path.starts_with('/') && path.len() > 1 && !path.contains('\0');
            let socket = is_whole.then(|| Self::Unix(path.into()));
            return socket.ok_or(ServerUrlError::Socket);
        }
        let url = hyper::Uri::from_str(text).map_err(|_malformed| ServerUrlError::Malformed)?;
        let tls = match url.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(ServerUrlError::Scheme),
        };
        let authority = url.authority().ok_or(ServerUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(ServerUrlError::Credentials);
        }
        if url.query().is_some() {
            return Err(ServerUrlError::Query);
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(ServerUrlError::Malformed);
        }
        let named = authority.as_str().rsplit_once(':');
        let names_port = named.is_some_and(|(_, port)| !port.contains(']'));
        let port = match authority.port_u16() {
            Some(port) if port != 0 => port,
            None if tls && !names_port => HTTPS_PORT,
            Some(_) | None => return Err(ServerUrlError::Port),
        };
        Ok(Self::Tcp {
            tls,
            host: host.to_owned(),
            port,
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// As it is configured; never with a password.
impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { tls, prefix, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{}{prefix}", self.authority())
            }
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_written_as_it_was_read() {
        for text in [
            "http://127.0.0.1:8086",
            "http://influx:80",
            "http://[::1]:8086",
            "https://influx:8086",
            "http://vminsert:8480/insert/0/influx",
            "unix:///run/influxdb.sock",
        ] {
            let url = ServerUrl::from_str(text).expect(text);
            assert_eq!(url.to_string(), text);
        }
        let cloud = ServerUrl::from_str("https://influx.example/").expect("valid");
        assert_eq!(cloud.to_string(), "https://influx.example:443");
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, error) in [
            ("", ServerUrlError::Malformed),
            ("http://", ServerUrlError::Malformed),
            ("http://a b:1", ServerUrlError::Malformed),
            ("127.0.0.1:8086", ServerUrlError::Scheme),
            ("influx", ServerUrlError::Scheme),
            ("ftp://host:21", ServerUrlError::Scheme),
            ("http://user:secret@host:8086", ServerUrlError::Credentials),
            ("https://user@host:8086", ServerUrlError::Credentials),
            ("http://host", ServerUrlError::Port),
            ("http://host:0", ServerUrlError::Port),
            ("https://host:0", ServerUrlError::Port),
            ("https://host:99999", ServerUrlError::Port),
            ("http://host:8086/write?db=x", ServerUrlError::Query),
            ("unix://influx.sock", ServerUrlError::Socket),
            ("unix:///", ServerUrlError::Socket),
        ] {
            assert_eq!(ServerUrl::from_str(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_stays_on_this_machine_is_known() {
        for (text, local) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost:1", true),
            ("unix:///a", true),
            ("http://10.0.0.1:1", false),
            ("http://influx:1", false),
        ] {
            let url = ServerUrl::from_str(text).expect(text);
            assert_eq!(url.is_local(), local, "{text}");
        }
    }
}
