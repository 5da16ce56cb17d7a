//! The address of an HTTP server as a setting: `http://host:port`, nothing more.

use std::{fmt, net::Ipv6Addr, str::FromStr};

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
    /// Not a URL at all.
    #[error("is no URL; write it as http://host:8086")]
    Malformed,
    /// Another scheme, or none.
    #[error("is no http:// URL; write it as http://host:8086")]
    Scheme,
    /// TLS.
    #[error(
        "asks for https, which comes with a later release; use http:// within a trusted network"
    )]
    Tls,
    /// User and password in the URL end up in logs and process lists.
    #[error("holds a user name or password; use `username` and `password_file`")]
    Credentials,
    /// No port.
    #[error("names no port; write it as http://host:8086")]
    Port,
    /// A path or a query.
    #[error("goes on after the port; only http://host:port is known, without path or query")]
    Path,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let url = hyper::Uri::from_str(text).map_err(|_malformed| EndpointError::Malformed)?;
        match url.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(EndpointError::Tls),
            Some(_) | None => return Err(EndpointError::Scheme),
        }
        let authority = url.authority().ok_or(EndpointError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(EndpointError::Credentials);
        }
        if url.path() != "/" || url.query().is_some() {
            return Err(EndpointError::Path);
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if host.is_empty() {
            return Err(EndpointError::Malformed);
        }
        match authority.port_u16() {
            Some(port) if port != 0 => Ok(Self {
                host: host.to_owned(),
                port,
            }),
            Some(_) | None => Err(EndpointError::Port),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.parse::<Ipv6Addr>().is_ok() {
            write!(f, "http://[{host}]:{port}")
        } else {
            write!(f, "http://{host}:{port}")
        }
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
            ("", EndpointError::Malformed),
            ("http://", EndpointError::Malformed),
            ("http://a b:1", EndpointError::Malformed),
            ("127.0.0.1:8086", EndpointError::Scheme),
            ("influx", EndpointError::Scheme),
            ("ftp://host:21", EndpointError::Scheme),
            ("https://host:8086", EndpointError::Tls),
            ("http://user:secret@host:8086", EndpointError::Credentials),
            ("http://user@host:8086", EndpointError::Credentials),
            ("http://host", EndpointError::Port),
            ("http://host:0", EndpointError::Port),
            ("http://host:8086/write?db=x", EndpointError::Path),
            ("http://host:8086/?db=x", EndpointError::Path),
        ] {
            assert_eq!(Endpoint::from_str(text), Err(error), "{text}");
        }
    }
}
