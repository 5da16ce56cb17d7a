//! A place that the HTTP server listens at, as it is written and as it is meant.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

/// A place as it is written: `127.0.0.1:8190`, `http://…` or `https://…` before it, or `unix:/path`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Address {
    /// An address.
    Tcp {
        /// Which.
        address: SocketAddr,
        /// Whether it is to have TLS; absent where nothing is said.
        tls: Option<bool>,
    },
    /// A socket; absolute.
    Unix(PathBuf),
}

/// A place as it is meant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// An address.
    Tcp {
        /// Which.
        address: SocketAddr,
        /// Whether it has TLS.
        is_tls: bool,
    },
    /// A socket; absolute.
    Unix(PathBuf),
}

/// The text is no such place.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "is no place to listen at; write an IP address and a port, as in \"127.0.0.1:8190\", with http:// or https:// before \
     it where it matters, or a socket's whole path, as in \"unix:/run/cgflux/http.sock\""
)]
pub struct NoAddress;

impl Address {
    /// What it means where there is a certificate, or none.
    pub fn meant(&self, has_certificate: bool) -> Listen {
        match self {
            Self::Tcp { address, tls } => Listen::Tcp {
                address: *address,
                is_tls: tls.unwrap_or(has_certificate),
            },
            Self::Unix(path) => Listen::Unix(path.clone()),
        }
    }
}

impl Listen {
    /// Whether other machines can reach it.
    pub fn is_remote(&self) -> bool {
        match self {
            Self::Tcp { address, .. } => !address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

/// The page's own port, on this machine alone.
impl Default for Address {
    fn default() -> Self {
        Self::Tcp {
            address: SocketAddr::from(([127, 0, 0, 1], 8190)),
            tls: None,
        }
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            let is_path = Path::new(path).is_absolute() && !path.contains('\0');
            return is_path.then(|| Self::Unix(path.into())).ok_or(NoAddress);
        }
        let (address, tls) = if let Some(address) = text.strip_prefix("https://") {
            (address, Some(true))
        } else if let Some(address) = text.strip_prefix("http://") {
            (address, Some(false))
        } else {
            (text, None)
        };
        let address = address
            .strip_suffix('/')
            .filter(|_| tls.is_some())
            .unwrap_or(address);
        let address = address.parse().map_err(|_unreadable| NoAddress)?;
        Ok(Self::Tcp { address, tls })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { address, tls: None } => address.fmt(f),
            Self::Tcp {
                address,
                tls: Some(false),
            } => write!(f, "http://{address}"),
            Self::Tcp {
                address,
                tls: Some(true),
            } => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// As a URL, for people.
impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp {
                address,
                is_tls: false,
            } => write!(f, "http://{address}"),
            Self::Tcp {
                address,
                is_tls: true,
            } => write!(f, "https://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_it_was_read() {
        for text in [
            "127.0.0.1:8190",
            "[::1]:8190",
            "http://0.0.0.0:80",
            "https://[2001:db8::1]:443",
            "unix:/run/cgflux/http.sock",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let slashes: Address = "unix:///run/x".parse().unwrap();
        assert_eq!(slashes, Address::Unix("/run/x".into()));
    }

    #[test]
    fn names_ports_alone_and_paths_are_none() {
        for text in [
            "",
            "localhost",
            "localhost:80",
            ":8190",
            "8190",
            "127.0.0.1",
            "127.0.0.1:8190/",
            "http://127.0.0.1:8190/x",
            "unix:",
            "unix:run/x",
            "/run/x",
            "ftp://127.0.0.1:1",
        ] {
            assert_eq!(text.parse::<Address>(), Err(NoAddress), "{text}");
        }
    }

    #[test]
    fn a_certificate_is_for_every_address_that_does_not_say_otherwise() {
        for (text, without, with) in [
            ("127.0.0.1:1", "http://127.0.0.1:1", "https://127.0.0.1:1"),
            (
                "http://127.0.0.1:1",
                "http://127.0.0.1:1",
                "http://127.0.0.1:1",
            ),
            (
                "https://127.0.0.1:1",
                "https://127.0.0.1:1",
                "https://127.0.0.1:1",
            ),
            ("unix:/x", "unix:/x", "unix:/x"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.meant(false).to_string(), without);
            assert_eq!(address.meant(true).to_string(), with);
        }
    }

    #[test]
    fn only_loopback_and_sockets_stay_on_this_machine() {
        for (text, is_remote) in [
            ("127.9.9.9:1", false),
            ("[::1]:1", false),
            ("[::ffff:127.0.0.1]:1", false),
            ("unix:/x", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("192.0.2.1:1", true),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.meant(false).is_remote(), is_remote, "{text}");
        }
    }
}
