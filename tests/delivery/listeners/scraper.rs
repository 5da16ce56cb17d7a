//! Another client, which scrapes meanwhile.

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{super::PATIENCE, dialling::dial};
use crate::harness::{Request, eventually, pause};

/// How often the other client scrapes.
const PACE: Duration = Duration::from_millis(50);

/// So many answers say something.
const ENOUGH: u32 = 10;

/// Another client, which scrapes by a connection of its own each time.
pub(super) struct Scraper {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU32>,
    thread: JoinHandle<Scraped>,
}

/// What it saw.
#[derive(Debug, Default)]
struct Scraped {
    slowest: Duration,
    /// Why the first that went wrong did.
    wrong: Option<String>,
}

impl Scraper {
    /// Begins; `dial` makes a connection.
    pub(super) fn start<S: Read + Write>(
        dial: impl Fn() -> io::Result<S> + Send + 'static,
        headers: &str,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&stop);
        let answers = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&answers);
        let headers = headers.to_owned();
        let thread = thread::spawn(move || {
            let mut scraped = Scraped::default();
            while !until.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let request = Request {
                    target: "GET /metrics",
                    headers: format!(
                        "{headers}Accept: application/openmetrics-text;version=1.0.0\r\n"
                    ),
                    body: "",
                };
                let answer = dial()
                    .map_err(|error| error.to_string())
                    .and_then(|stream| request.ask(stream).map_err(|error| error.to_string()));
                let wrong = match answer {
                    Ok(metrics) if metrics.ends_with("# EOF\n") => None,
                    Ok(other) => Some(other),
                    Err(error) => Some(error),
                };
                told.fetch_add(1, Ordering::Relaxed);
                scraped.slowest = scraped.slowest.max(begin.elapsed());
                scraped.wrong = scraped.wrong.or(wrong);
                pause(PACE);
            }
            scraped
        });
        Self {
            stop,
            answers,
            thread,
        }
    }

    /// By plain TCP.
    pub(super) fn of(address: SocketAddr, headers: &str) -> Self {
        Self::start(
            move || dial(address),
            &format!("Host: localhost\r\n{headers}"),
        )
    }

    /// Every answer was a good one, and there were some.
    #[track_caller]
    pub(super) fn all_good(self, meanwhile: &str) {
        let answers = eventually(PATIENCE, "it has scraped some times", || {
            let answers = self.answers.load(Ordering::Relaxed);
            (answers >= ENOUGH).then_some(answers).ok_or(answers)
        });
        self.stop.store(true, Ordering::Relaxed);
        let scraped = self.thread.join().unwrap();
        println!(
            "meanwhile {meanwhile}: {answers} scrapes, the slowest took {:?}",
            scraped.slowest
        );
        assert_eq!(scraped.wrong, None, "{scraped:?}");
    }
}
