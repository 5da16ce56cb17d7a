//! Which requests are answered at all: those addressed to a name that is ours.
//!
//! A page of another site can make a browser on this machine ask any address under that site's own name (DNS
//! rebinding) and read the answer; the `Host` header then carries the foreign name. Ports are not looked at: behind an
//! SSH tunnel they differ, and rebinding cannot change a name.
//!
//! Every name will do for a socket, which no browser asks by, and where it is asked who asks: no browser sends a token to
//! another name than the one it was given for.

use std::net::IpAddr;

use hyper::{Request, Response, StatusCode, body::Incoming, header, http::uri::Authority};

use super::reply::{self, Body};

/// The names that are ours.
pub(super) struct Guard {
    /// In lower case, without port.
    hosts: Vec<String>,
}

impl Guard {
    pub(super) fn new(hosts: &[String]) -> Self {
        let hosts = hosts.iter().map(|host| bare(host)).collect();
        Self { hosts }
    }

    /// Lets a request pass or says why not; `local` is the address its connection came in on, absent where every name
    /// will do.
    #[expect(
        clippy::result_large_err,
        reason = "the refusal is the answer and moves on as it is"
    )]
    pub(super) fn check(
        &self,
        request: &Request<Incoming>,
        local: Option<IpAddr>,
    ) -> Result<(), Response<Body>> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let host = match (host, hosts.next(), request.uri().authority()) {
            (Some(host), None, None) => host,
            // A request line with a whole address counts more than the header (RFC 9112, section 3.2.2).
            (Some(_), None, Some(authority)) => authority.as_str(),
            _ => {
                let reason = "the request needs exactly one Host header";
                return Err(reply::refusal(StatusCode::BAD_REQUEST, reason));
            }
        };
        if !local.is_none_or(|local| self.knows(host, local)) {
            let reason = format!(
                "{host:?} is not a name of this server: use localhost or the address it listens on, or add the name \
                 to http.hosts in the configuration"
            );
            return Err(reply::refusal(StatusCode::FORBIDDEN, &reason));
        }
        Ok(())
    }

    fn knows(&self, host: &str, local: IpAddr) -> bool {
        let host = bare(host);
        match host.parse::<IpAddr>() {
            Ok(address) => {
                let address = address.to_canonical();
                address.is_loopback() || address == local || self.hosts.contains(&host)
            }
            Err(_) => host == "localhost" || self.hosts.contains(&host),
        }
    }
}

/// A host without its port, brackets and final dot, in lower case; what is no host stays as it is and matches nothing.
fn bare(host: &str) -> String {
    if host.parse::<IpAddr>().is_ok() {
        return host.to_ascii_lowercase();
    }
    let Ok(authority) = host.parse::<Authority>() else {
        return host.to_owned();
    };
    if authority.as_str().contains('@') {
        return host.to_owned();
    }
    let name = authority.host();
    let name = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knows(host: &str) -> bool {
        let guard = Guard::new(&[
            "Metrics.Example:8080".to_owned(),
            "[2001:db8::1]".to_owned(),
        ]);
        guard.knows(host, IpAddr::from([192, 0, 2, 7]))
    }

    #[test]
    fn its_own_names_are_known_with_and_without_a_port() {
        for host in [
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:9090",
            "[::1]",
            "[::1]:9090",
            "192.0.2.7:80",
            "metrics.example",
            "metrics.example:99",
            "[2001:db8::1]:1",
        ] {
            assert!(knows(host), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "",
            ":80",
            "evil.example",
            "localhost.evil.example",
            "evil@localhost",
            "localhost@evil.example",
            "metrics.example.evil",
            "192.0.2.8",
            "[::2]",
            "local host",
            "127.0.0.1.evil.example",
        ] {
            assert!(!knows(host), "{host}");
        }
    }
}
