//! The address of a Prometheus as an argument: `http://host:port`, nothing more.

use std::{fmt, str::FromStr};

use super::{ServerUrl, ServerUrlError};

/// A server reached by plain HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// Name or address, an IPv6 address without brackets; never empty.
    pub host: String,
    /// TCP port; never zero.
    pub port: u16,
}

/// Why a text is no endpoint. The text itself is left out: it may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EndpointError {
    /// No address at all.
    #[error(transparent)]
    Url(#[from] ServerUrlError),
    /// TLS or a socket.
    #[error("is no http:// URL; write it as http://host:9090")]
    Scheme,
    /// A path.
    #[error("goes on after the port; only http://host:port is known, without a path")]
    Path,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        match text.parse()? {
            ServerUrl::Tcp {
                tls: false,
                host,
                port,
                prefix,
            } => {
                let endpoint = prefix.is_empty().then_some(Self { host, port });
                endpoint.ok_or(EndpointError::Path)
            }
            ServerUrl::Tcp { tls: true, .. } | ServerUrl::Unix(_) => Err(EndpointError::Scheme),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = ServerUrl::Tcp {
            tls: false,
            host: self.host.clone(),
            port: self.port,
            prefix: String::new(),
        };
        url.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_written_as_it_was_read() {
        for text in [
            "http://127.0.0.1:8086",
            "http://influx:80",
            "http://[::1]:8086",
        ] {
            let endpoint = Endpoint::from_str(text).expect(text);
            assert_eq!(endpoint.to_string(), text);
            assert_eq!(Endpoint::from_str(&format!("{text}/")), Ok(endpoint));
        }
    }

    #[test]
    fn what_is_not_plain_http_with_a_port_is_refused_with_its_reason() {
        for (text, error) in [
            ("http://host", EndpointError::Url(ServerUrlError::Port)),
            ("https://host:8086", EndpointError::Scheme),
            ("unix:///run/a.sock", EndpointError::Scheme),
            ("http://host:8086/write", EndpointError::Path),
            (
                "http://host:8086/?db=x",
                EndpointError::Url(ServerUrlError::Query),
            ),
        ] {
            assert_eq!(Endpoint::from_str(text), Err(error), "{text}");
        }
    }
}
