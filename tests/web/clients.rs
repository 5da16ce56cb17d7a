//! Many clients at a time, each with a connection that it keeps; and what must hold of all their answers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::harness::web::Client;

/// Clients that ask again and again until they are told to stop.
pub(super) struct Clients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Answer>>>,
}

/// What one request came to, and when.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) at: Instant,
    pub(super) took: Duration,
    pub(super) status: u16,
    /// Of a 200.
    pub(super) number: u64,
}

/// All answers, client by client.
pub(super) struct Answers(Vec<Vec<Answer>>);

impl Clients {
    /// So many clients of the counter at `address`.
    pub(super) fn start(count: usize, address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || ask(address, || !stop.load(Ordering::Relaxed)))
        };
        Self {
            threads: (0..count).map(client).collect(),
            stop,
        }
    }

    pub(super) fn stop(self) -> Answers {
        self.stop.store(true, Ordering::Relaxed);
        let answers = self.threads.into_iter().map(JoinHandle::join);
        Answers(answers.map(Result::unwrap).collect())
    }
}

impl Answers {
    /// Of so many clients that ask so often each.
    pub(super) fn of(clients: usize, each: usize, address: SocketAddr) -> Self {
        let client = |_| {
            let mut left = each;
            thread::spawn(move || {
                ask(address, || {
                    let is_more = left > 0;
                    left = left.saturating_sub(1);
                    is_more
                })
            })
        };
        let clients: Vec<_> = (0..clients).map(client).collect();
        let answers = clients.into_iter().map(JoinHandle::join);
        Self(answers.map(Result::unwrap).collect())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Answer> {
        self.0.iter().flatten()
    }

    /// The numbers, of which none may stand twice, in order; those of one client must grow.
    #[track_caller]
    pub(super) fn numbers(&self) -> Vec<u64> {
        for client in &self.0 {
            let given = client.iter().filter(|it| it.status == 200);
            assert!(given.is_sorted_by(|one, next| one.number < next.number));
        }
        let given = self.all().filter(|it| it.status == 200);
        let mut numbers: Vec<u64> = given.map(|it| it.number).collect();
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a number was given twice");
        numbers
    }

    /// How often each status was answered.
    pub(super) fn statuses(&self) -> BTreeMap<u16, usize> {
        let mut statuses = BTreeMap::new();
        for answer in self.all() {
            *statuses.entry(answer.status).or_default() += 1;
        }
        statuses
    }

    pub(super) fn longest(&self) -> Duration {
        self.all().map(|it| it.took).max().unwrap_or_default()
    }
}

fn ask(address: SocketAddr, mut is_more: impl FnMut() -> bool) -> Vec<Answer> {
    let mut client = Client::to(address);
    let mut answers = Vec::new();
    while is_more() {
        let at = Instant::now();
        let reply = client.ask("GET /", "").unwrap();
        answers.push(Answer {
            at,
            took: at.elapsed(),
            status: reply.status,
            number: match reply.status {
                200 => reply.body.parse().unwrap(),
                _ => 0,
            },
        });
        if reply.status != 200 {
            // As clients that are told to come again do, sooner than they are told to.
            thread::park_timeout(Duration::from_millis(5));
        }
    }
    answers
}
