//! Wrong tokens by client: how many are answered as such before the answer is to stay away for a while, and that the
//! log tells of them without being filled by them. The right token is always taken, whoever else guesses at the same
//! address, as behind a proxy.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::serving::Client;

/// Wrong tokens of a client within [`WINDOW`] that are answered as such.
const FREE: u32 = 10;
/// How long a client's wrong tokens are remembered, from the first of them on.
pub(super) const WINDOW: Duration = Duration::from_mins(1);
/// Clients that are remembered; of more, the one is forgotten whose first attempt is the longest ago.
const CLIENTS: usize = 256;

/// The wrong tokens of late.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    clients: HashMap<Client, Series>,
    /// When the log was told last.
    told: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Series {
    begin: Instant,
    count: u32,
}

/// What a wrong token comes to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Attempt {
    /// Whether the client has had as many as it may.
    pub(super) is_too_many: bool,
    /// Whether the log is to tell of it: once a window at the most.
    pub(super) is_told: bool,
}

impl Attempts {
    /// A client brought a wrong token.
    pub(super) fn wrong(&self, client: Client, now: Instant) -> Attempt {
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |since: Instant| now.duration_since(since) >= WINDOW;
        let clients = &mut remembered.clients;
        if !clients.contains_key(&client) && clients.len() >= CLIENTS {
            clients.retain(|_, series| !is_old(series.begin));
            let first = clients.iter().min_by_key(|(_, series)| series.begin);
            if let Some(first) = first.map(|(client, _)| *client)
                && clients.len() >= CLIENTS
            {
                clients.remove(&first);
            }
        }
        let new = Series {
            begin: now,
            count: 0,
        };
        let series = clients.entry(client).or_insert(new);
        if is_old(series.begin) {
            *series = new;
        }
        series.count = series.count.saturating_add(1);
        let is_too_many = series.count > FREE;
        let is_told = remembered.told.is_none_or(is_old);
        if is_told {
            remembered.told = Some(now);
        }
        Attempt {
            is_too_many,
            is_told,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(number: u32) -> Client {
        Client::at(Ipv4Addr::from_bits(number).into())
    }

    #[test]
    fn a_client_has_ten_a_minute_and_the_log_one_line() {
        let attempts = Attempts::default();
        let now = Instant::now();
        let told: Vec<Attempt> = (0..11).map(|_| attempts.wrong(client(1), now)).collect();
        assert!(told[..10].iter().all(|it| !it.is_too_many));
        assert!(told[10].is_too_many);
        assert_eq!(told.iter().filter(|it| it.is_told).count(), 1);
        assert!(!attempts.wrong(client(2), now).is_too_many);
        let later = attempts.wrong(client(1), now + WINDOW);
        assert_eq!(
            later,
            Attempt {
                is_too_many: false,
                is_told: true
            }
        );
    }

    #[test]
    fn a_crowd_of_clients_is_bounded() {
        let attempts = Attempts::default();
        let now = Instant::now();
        for number in 0..10_000 {
            attempts.wrong(client(number), now);
        }
        let remembered = attempts.0.lock().unwrap();
        assert_eq!(remembered.clients.len(), CLIENTS);
    }
}
