//! How to reach a running daemon: at the address that somebody gives, else by what its configuration says.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{ClientConfig, RootCertStore, pki_types::pem};
use tokio::net::UnixStream;

use super::{Server, Target};
use crate::{
    config::{Config, Http, Listen, ReadSecret, Secret, ServerUrl},
    tls::{self, Believed},
};

/// What somebody says about it.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// The daemon's address; absent: that of the configuration.
    pub url: Option<ServerUrl>,
    /// A file that holds a token.
    pub token_file: Option<PathBuf>,
    /// A file of certificates to believe instead of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Way {
    /// That others can read the token on its way, in words; `None` where there is none, or no way to read it.
    pub fn warning(&self) -> Option<String> {
        let url = self.url.as_ref()?;
        let is_plain = matches!(url, ServerUrl::Tcp { tls: false, .. });
        (is_plain && self.token_file.is_some() && !url.is_local()).then(|| {
            format!(
                "the token goes to {} as plain text, and can be read on its way; https:// is safer",
                url.authority()
            )
        })
    }
}

/// Why a daemon cannot be asked as somebody wants.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// There is no token.
    #[error("no token: {0}")]
    Token(String),
    /// There are no certificates to believe.
    #[error("cannot read certificates from {path}")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The system has none.
    #[error(
        "this system has no certificates of authorities: install ca-certificates, or name a file with --ca-file"
    )]
    NoRoots,
    /// They cannot be used.
    #[error("the certificates cannot be used")]
    Rustls(#[from] rustls::Error),
}

/// The daemon that is to be asked; `None` where the configuration has the server switched off. Of a configured one a socket
/// that lets us in is taken first: there nobody is asked who they are.
pub async fn find(
    config: &Config,
    way: &Way,
    read: ReadSecret,
) -> Result<Option<Server>, WayError> {
    let token = way
        .token_file
        .as_deref()
        .map(|file| token(file, read))
        .transpose()?;
    if let Some(url) = &way.url {
        let is_tls = matches!(url, ServerUrl::Tcp { tls: true, .. });
        let believed = is_tls.then(|| roots(way.ca_file.as_deref())).transpose()?;
        let target = Target {
            tls: believed.map(client).transpose()?,
            token,
            ..Target::plain(url.clone())
        };
        return Ok(Some(target.into()));
    }
    let Some(http) = &config.http else {
        return Ok(None);
    };
    let mut open = None;
    for listen in &http.listen {
        if let Listen::Unix(socket) = listen
            && UnixStream::connect(socket).await.is_ok()
        {
            open = Some(listen);
            break;
        }
    }
    let address = http
        .listen
        .iter()
        .find(|it| matches!(it, Listen::Tcp { .. }));
    let Some(listen) = open.or(address).or(http.listen.first()) else {
        return Ok(None);
    };
    let target = Target {
        token,
        ..target(listen, http)?
    };
    Ok(Some(target.into()))
}

/// The server that listens there; one that listens everywhere is asked by loopback. Of its certificate its own
/// configuration tells, and no other is believed: the name in it need not be that of this way.
pub fn listening_at(listen: &Listen, http: &Http) -> Result<Server, rustls::Error> {
    target(listen, http).map(Server::from)
}

fn target(listen: &Listen, http: &Http) -> Result<Target, rustls::Error> {
    let (url, is_tls) = match listen {
        Listen::Unix(socket) => (ServerUrl::Unix(socket.clone()), false),
        Listen::Tcp { address, is_tls } => {
            let url = ServerUrl::Tcp {
                tls: *is_tls,
                host: reachable(*address),
                port: address.port(),
                prefix: http.prefix.clone(),
            };
            (url, *is_tls)
        }
    };
    let chain = http.identity.as_ref().filter(|_| is_tls);
    let chain = chain.and_then(|it| tls::certificates(&it.chain).ok());
    let pin = chain.and_then(|chain| chain.first().map(tls::fingerprint));
    Ok(Target {
        tls: pin.map(|pin| client(Believed::Pin(pin))).transpose()?,
        prefix: http.prefix.clone(),
        ..Target::plain(url)
    })
}

fn reachable(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => "127.0.0.1".to_owned(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => "::1".to_owned(),
        _ => address.ip().to_string(),
    }
}

fn token(file: &Path, read: ReadSecret) -> Result<Secret, WayError> {
    let file = std::path::absolute(file).map_err(|error| WayError::Token(error.to_string()))?;
    Secret::in_file(&file, None, &read).map_err(WayError::Token)
}

fn roots(file: Option<&Path>) -> Result<Believed, WayError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = file {
        let failed = |source| WayError::Certificates {
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(|error: io::Error| failed(error.into()))?;
        let certificates = tls::certificates(&text);
        for certificate in certificates.map_err(|error: pem::Error| failed(error.into()))? {
            roots.add(certificate)?;
        }
    } else {
        // Some of a system's certificates may be of a kind that rustls does not know; the others serve.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(WayError::NoRoots);
    }
    Ok(Believed::Roots(roots))
}

fn client(believed: Believed) -> Result<Arc<ClientConfig>, rustls::Error> {
    Ok(Arc::new(tls::client(believed)?.with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_leaves_this_machine_without_tls_is_warned_of() {
        let warning = |url: &str, token: Option<&str>| {
            let way = Way {
                url: Some(url.parse().expect("a URL")),
                token_file: token.map(PathBuf::from),
                ca_file: None,
            };
            way.warning()
        };
        let token = Some("/token");
        let told = warning("http://192.0.2.1:8190", token).expect("a warning");
        assert!(told.contains("192.0.2.1:8190"), "{told}");
        assert_eq!(warning("http://192.0.2.1:8190", None), None);
        for url in [
            "http://127.0.0.1:8190",
            "https://192.0.2.1:8190",
            "unix:///run/cgflux.sock",
        ] {
            assert_eq!(warning(url, token), None, "{url}");
        }
    }

    #[test]
    fn a_server_that_listens_everywhere_is_asked_by_loopback() {
        for (address, asked) in [
            ("0.0.0.0:1", "http://127.0.0.1:1/x"),
            ("[::]:1", "http://[::1]:1/x"),
            ("192.0.2.1:1", "http://192.0.2.1:1/x"),
        ] {
            let listen = Listen::Tcp {
                address: address.parse().expect("an address"),
                is_tls: false,
            };
            let http = Http {
                prefix: "/x".to_owned(),
                ..Http::default()
            };
            let server = listening_at(&listen, &http).expect("a way");
            assert_eq!(server.to_string(), asked);
        }
    }
}
