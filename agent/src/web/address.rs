//! Where the counter is kept: `--redis-address`.

use std::{fmt, str::FromStr};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};

/// The port of Redis.
const DEFAULT_PORT: u16 = 6379;

/// Where the counter is kept.
#[derive(Clone, Debug)]
pub enum Address {
    /// In this process: it begins with nothing, and ends with it.
    Memory,
    /// In a Redis.
    Redis(Box<ConnectionInfo>),
}

/// Why a text is no such address. The text itself is left out: it may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AddressError {
    /// Not an address at all.
    #[error(
        "is no address of a Redis; write HOST:PORT, redis://HOST:PORT/DB, rediss://HOST:PORT for TLS, unix:///PATH, or memory"
    )]
    Malformed,
    /// A password on the command line is everybody's to read.
    #[error(
        "holds a password; put it into a file of mode 0600 and name that with --redis-password-file"
    )]
    Password,
    /// TLS that trusts anybody.
    #[error("switches the check of the certificate off; name a CA with --redis-ca instead")]
    Insecure,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        let url = if text.contains("://") || text.starts_with("unix:") {
            text.to_owned()
        } else {
            format!("redis://{}", with_port(text)?)
        };
        let info = url.as_str().into_connection_info();
        let info = info.map_err(|_unnamed| AddressError::Malformed)?;
        if info.redis_settings().password().is_some() {
            return Err(AddressError::Password);
        }
        match info.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }
                if host.is_empty() =>
            {
                Err(AddressError::Malformed)
            }
            ConnectionAddr::TcpTls { insecure: true, .. } => Err(AddressError::Insecure),
            ConnectionAddr::Unix(path) if !path.is_absolute() => Err(AddressError::Malformed),
            _ => Ok(Self::Redis(Box::new(info))),
        }
    }
}

/// `HOST`, `HOST:PORT`, `[IPV6]:PORT`: as the command line of the first counter had it.
fn with_port(text: &str) -> Result<String, AddressError> {
    if text.is_empty() || text.contains(['/', '@', ' ', '?', '#']) {
        return Err(AddressError::Malformed);
    }
    let named = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            // An IPv6 address without brackets has no port that could be told from it.
            let is_plain = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
            let port: Option<u16> = port.parse().ok().filter(|port| *port != 0);
            (is_plain && port.is_some()).then(|| text.to_owned())
        }
        _ => Some(format!("{text}:{DEFAULT_PORT}")),
    };
    named.ok_or(AddressError::Malformed)
}

/// Without user and password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redis(info) => match info.addr() {
                ConnectionAddr::TcpTls { .. } => write!(f, "rediss://{}", info.addr()),
                ConnectionAddr::Unix(path) => write!(f, "unix://{}", path.display()),
                address => write!(f, "{address}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_without_secrets() {
        for (text, told) in [
            ("memory", "memory"),
            ("redis:6379", "redis:6379"),
            ("redis", "redis:6379"),
            ("127.0.0.1:7000", "127.0.0.1:7000"),
            ("redis://h:1/3", "h:1"),
            ("rediss://h:1", "rediss://h:1"),
            ("unix:///run/redis.sock", "unix:///run/redis.sock"),
            ("unix:/run/redis.sock", "unix:///run/redis.sock"),
        ] {
            let address: Address = text
                .parse()
                .unwrap_or_else(|error| panic!("{text} {error}"));
            assert_eq!(address.to_string(), told, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, error) in [
            ("", AddressError::Malformed),
            (":6379", AddressError::Malformed),
            ("redis:0", AddressError::Malformed),
            ("redis:x", AddressError::Malformed),
            ("redis:99999", AddressError::Malformed),
            ("::1:6379", AddressError::Malformed),
            ("http://h:1", AddressError::Malformed),
            ("a/b", AddressError::Malformed),
            ("unix:redis.sock", AddressError::Malformed),
            ("redis://:secret@h:1", AddressError::Password),
            ("redis://user:secret@h:1", AddressError::Password),
            ("rediss://h:1/#insecure", AddressError::Insecure),
        ] {
            let refused = text.parse::<Address>().map(|it| it.to_string());
            assert_eq!(refused, Err(error), "{text}");
        }
    }
}
