//! Once a second: what was counted becomes what is told.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{
    Admin, Settings,
    report::{Cost, History, Latency},
    standing::{Redis, Standing},
    stats::Change,
};
use crate::{
    host::process,
    manager::is_told,
    notify::Manager,
    telemetry::{Mark, Telemetry},
    text::printable,
};

/// The measurement of its points.
const MEASUREMENT: &str = "web";

const SECOND: Duration = Duration::from_secs(1);

/// Tells of each second.
pub(super) struct Ticker<'a> {
    admin: Arc<Admin>,
    telemetry: &'a Telemetry,
    /// Wants to hear each second that this process is alive.
    watchdog: Option<&'a Manager>,
    address: String,
    lanes: u64,
    history: History,
    cost: Cost,
    interval: Interval,
}

impl<'a> Ticker<'a> {
    pub(super) fn new(
        admin: Arc<Admin>,
        settings: &Settings,
        telemetry: &'a Telemetry,
        watchdog: Option<&'a Manager>,
    ) -> Self {
        let mut interval = interval_at(Instant::now() + SECOND, SECOND);
        // A second that was missed is a part of the next one.
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut ticker = Self {
            admin,
            telemetry,
            watchdog,
            address: settings.place.address.to_string(),
            lanes: settings.lanes as u64,
            history: History::new(),
            cost: Cost::default(),
            interval,
        };
        let standing = ticker.standing();
        ticker.show(standing);
        ticker
    }

    /// Waits for the end of this second and tells of it.
    pub(super) async fn next(&mut self) {
        self.interval.tick().await;
        self.tick();
    }

    /// Tells of what happened since the last time.
    pub(super) fn tick(&mut self) {
        for change in self.admin.stats.changes() {
            self.tell(&change);
        }
        self.history.push(self.admin.stats.take());
        let standing = self.standing();
        self.telemetry.offer(MEASUREMENT, [], standing.fields());
        self.show(standing);
        if let Some(manager) = self.watchdog {
            is_told(manager.is_alive());
        }
    }

    fn show(&self, standing: Standing) {
        let shown = self.admin.standing.lock();
        *shown.unwrap_or_else(PoisonError::into_inner) = Arc::new(standing);
    }

    fn tell(&self, change: &Change) {
        let (event, title, text) = match change {
            Change::Up(away) => {
                let away = Duration::from_millis(away.as_millis().try_into().unwrap_or(0));
                let text = format!("after {}", humantime::format_duration(away));
                ("redis_up", "redis is back", text)
            }
            Change::Down(reason) => {
                tracing::warn!(
                    reason,
                    "redis is away: hits are answered 503 until it is back"
                );
                ("redis_down", "redis is away", reason.clone())
            }
        };
        self.telemetry.mark(&Mark {
            event,
            title,
            text: &text,
            run: None,
        });
    }

    fn standing(&mut self) -> Standing {
        let Admin { counter, stats, .. } = self.admin.as_ref();
        let cost = Cost {
            cpu_ns: process::cpu_ns().unwrap_or(self.cost.cpu_ns),
            rss_bytes: process::rss_bytes().unwrap_or(self.cost.rss_bytes),
            requests: stats.requests.get(),
        };
        let before = std::mem::replace(&mut self.cost, cost);
        let recent = self.history.recent();
        let all = self.history.all();
        let (connections, made) = stats.connections();
        let age = stats.answer_age().map(|it| it.as_millis());
        Standing {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: stats.uptime().as_secs(),
            hits: all.hits,
            requests: cost.requests,
            rps: self.history.rates(),
            waiting: counter.waiting() as u64,
            latency: Latency::of(&recent.latency_us),
            latency_since_start: Latency::of(&all.latency_us),
            batch_mean: recent.batch_mean(),
            batch_max: recent.batch_max,
            redis: Redis {
                address: printable(&self.address).into_owned(),
                up: connections > 0,
                connections: connections as u64,
                reconnects: made.saturating_sub(self.lanes),
                answered_ms_ago: age.and_then(|it| it.try_into().ok()),
                problem: counter.outage().map(|outage| outage.reason.clone()),
            },
            refused: stats.refusals().collect(),
            cpu_ns: cost.cpu_ns,
            cpu_us_per_request: cost.cpu_us_per_request(&before),
            rss_bytes: cost.rss_bytes,
        }
    }
}
