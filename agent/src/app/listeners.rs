//! Who listens: the page with its API, and the socket for other processes' points.

use std::{io, net::SocketAddr, sync::Arc, thread};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
};

use super::{BuildError, DRAIN, Points, around::ThisMachine};
use crate::{
    accounts::Accounts,
    clock,
    config::{Config, Http, Listen, Socket},
    encode::{Tagging, intake::Intake},
    handover,
    host::process,
    http::{
        self, Certificate, Door, Server, SettingNames, SocketFile, Wanted,
        cadvisor::{Recorder, around::Around},
        points,
    },
    live::{Limits, Live},
    recent::Recent,
    self_stats::SelfStats,
    sink::Sink,
    tls,
};

/// The page's server, and where it listens.
pub(super) struct Page {
    pub(super) doors: Vec<Door>,
    pub(super) server: Server,
    /// Keeps what cAdvisor's clients ask for.
    pub(super) recorder: Recorder,
    pub(super) keys: Keys,
    /// What all its paths begin with.
    pub(super) prefix: String,
}

/// What the page's server knows people by, and is known by: read again while it runs.
pub(super) struct Keys {
    certificate: Option<Certificate>,
    allowed: watch::Sender<Option<Arc<Accounts>>>,
}

impl Keys {
    /// Takes the certificate as its files have it now, for those who come from now on.
    pub(super) fn renew_certificate(&self, http: &Http) {
        let (Some(certificate), Some(identity)) = (&self.certificate, &http.identity) else {
            return;
        };
        match tls::server(&identity.chain, identity.key.expose()) {
            Ok(config) => certificate.replace(config),
            // The configuration has found it to hold.
            Err(error) => tracing::error!(%error, "the certificate in use stays"),
        }
    }

    /// Takes the accounts as their file has them now, for every request from now on; whoever watches has to ask again.
    pub(super) fn renew_accounts(&self, http: &Http) {
        self.allowed.send_if_modified(|allowed| {
            let is_new = http.accounts.is_some() && *allowed != http.accounts;
            if is_new {
                allowed.clone_from(&http.accounts);
            }
            is_new
        });
    }
}

/// Descriptors for everything but the page's connections: programs, maps, files of cgroups, sinks.
const SPARE_DESCRIPTORS: u64 = 512;

/// Connections that the kernel holds until they are accepted, of a crowd that comes at once; it allows no more than
/// `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// How much history is kept: what the page may ask for, and next to nothing where there is none.
pub(super) fn limits(config: &Config) -> Limits {
    match &config.http {
        Some(http) => Limits {
            ticks: http.history_ticks(config.collect.interval),
            ..Limits::default()
        },
        None => Limits {
            ticks: 1,
            ended: 0,
            events: 0,
            detail_bytes: 0,
        },
    }
}

/// Takes the page's addresses and sockets.
pub(super) fn page(
    http: &Http,
    config: &Config,
    live: &Arc<Live>,
    stats: &Arc<SelfStats>,
) -> Result<Page, BuildError> {
    let certificate = match &http.identity {
        Some(identity) => Some(Certificate::new(tls::server(
            &identity.chain,
            identity.key.expose(),
        )?)),
        None => None,
    };
    let mut doors = Vec::new();
    for listen in &http.listen {
        doors.push(door(listen, http, certificate.as_ref())?);
    }
    let defaults = http::Settings::default();
    let settings = http::Settings {
        host: config.host.clone(),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        interval: config.collect.interval,
        hosts: http.hosts.clone(),
        prefix: http.prefix.clone(),
        labels: config.labels.allow.clone(),
        metrics: http.metrics,
        watchers: http.watchers,
        limits: http::Limits {
            connections: connections(http),
            per_client: http.connections_per_client,
            drain: DRAIN,
            ..defaults.limits
        },
        ..defaults
    };
    let (allow, allowed) = watch::channel(http.accounts.clone());
    let server = Server::new(
        settings,
        allowed,
        Arc::clone(live),
        Arc::clone(stats),
        Arc::new(clock::boot_ns),
    );
    let recent = Arc::new(Recent::new(config.stands_in));
    let around: Arc<dyn Around> = Arc::new(ThisMachine::new());
    let recorder = Recorder::new(
        Arc::clone(live),
        Arc::clone(&recent),
        Arc::clone(&around),
        Arc::new(clock::boot_ns),
    );
    Ok(Page {
        doors,
        server: server.with_cadvisor(recent, around),
        recorder,
        keys: Keys {
            certificate,
            allowed: allow,
        },
        prefix: http.prefix.clone(),
    })
}

/// As many as are wanted and there are descriptors for.
fn connections(http: &Http) -> usize {
    let most = process::most_descriptors().saturating_sub(SPARE_DESCRIPTORS);
    let most = usize::try_from(most).unwrap_or(usize::MAX).max(8);
    if most < http.connections {
        tracing::warn!(
            connections = most,
            "http.connections is more than this process may open files; LimitNOFILE= of the unit allows more"
        );
    }
    http.connections.min(most)
}

fn door(
    listen: &Listen,
    http: &Http,
    certificate: Option<&Certificate>,
) -> Result<Door, BuildError> {
    match listen {
        Listen::Tcp { address, is_tls } => {
            let listener = bind(*address).map_err(|source| BuildError::Listen {
                address: *address,
                source,
            });
            Ok(Door::Tcp {
                listener: listener?,
                certificate: certificate.filter(|_| *is_tls).cloned(),
            })
        }
        Listen::Unix(path) => {
            let (file, listener) = SocketFile::bind(Wanted {
                path,
                mode: http.socket_mode.0,
                group: http.socket_group.as_deref(),
                settings: SettingNames {
                    path: "http.listen",
                    group: "http.socket_group",
                },
            })?;
            Ok(Door::Unix { listener, file })
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A port that was just given up can be taken at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Makes the socket.
pub(super) fn points(
    socket: &Socket,
    tagging: &Tagging,
    takers: Vec<Sink>,
    stats: &SelfStats,
) -> Result<Points, BuildError> {
    let (file, listener) = SocketFile::bind(Wanted {
        path: &socket.path,
        mode: socket.mode.0,
        group: socket.group.as_deref(),
        settings: SettingNames {
            path: "socket.path",
            group: "socket.group",
        },
    })?;
    let server = points::Server::new(
        points::Settings::default(),
        Intake::new(tagging.clone(), socket.series),
        handover::to(takers),
        stats.socket(),
        Arc::new(clock::now),
    );
    Ok(Points {
        file,
        listener,
        server,
    })
}
