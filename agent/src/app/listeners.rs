//! Who listens: the page with its API, and the socket for other processes' points.

use std::{sync::Arc, thread};

use tokio::net::TcpListener;

use super::{BuildError, DRAIN, Points};
use crate::{
    clock,
    config::{Config, Http, Socket},
    encode::{Tagging, intake::Intake},
    handover,
    http::{
        self, Server,
        points::{self, SocketFile},
    },
    live::{Limits, Live},
    self_stats::SelfStats,
    sink::Sink,
};

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

/// Takes the page's port.
pub(super) async fn server(
    http: &Http,
    config: &Config,
    live: &Arc<Live>,
    stats: &Arc<SelfStats>,
) -> Result<(TcpListener, Server), BuildError> {
    let failed = |source| BuildError::Listen {
        address: http.listen,
        source,
    };
    let listener = TcpListener::bind(http.listen).await.map_err(failed)?;
    let defaults = http::Settings::default();
    let settings = http::Settings {
        host: config.host.clone(),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        interval: config.collect.interval,
        hosts: http.hosts.clone(),
        labels: config.labels.allow.clone(),
        metrics: http.metrics,
        watchers: http.watchers,
        limits: http::Limits {
            drain: DRAIN,
            ..defaults.limits
        },
        ..defaults
    };
    Ok((
        listener,
        Server::new(
            settings,
            Arc::clone(live),
            Arc::clone(stats),
            Arc::new(clock::boot_ns),
        ),
    ))
}

/// Makes the socket.
pub(super) fn points(
    socket: &Socket,
    tagging: &Tagging,
    takers: Vec<Sink>,
    stats: &SelfStats,
) -> Result<Points, BuildError> {
    let (file, listener) = SocketFile::bind(&socket.path, socket.mode.0, socket.group.as_deref())?;
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
