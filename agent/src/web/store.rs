//! Who counts: a Redis by one connection, or a number of this process.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, Pipeline, RedisError, TlsCertificates, Value,
    aio::MultiplexedConnection, cmd, io::tcp::TcpSettings,
};
use tokio::time::timeout;

use super::{
    address::Address,
    refusal::{Said, SaidKind},
};
use crate::text::{chain, printable};

/// Longest wait for a connection that is ready to be used.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// What a batch of hits is made into.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Mode {
    /// One INCR in one write for each hit, one after the other: the heaviest on Redis.
    Single,
    /// One INCR for each hit, as many in one write as wait: Redis sees every hit.
    Pipeline,
    /// One INCRBY for all that wait, dealt out in their order: the lightest.
    Coalesce,
}

/// Where to find the counter and how to get in.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) address: Address,
    /// The counter's key.
    pub(crate) key: String,
    /// Certificates of who may have signed the server's, as PEM; absent: the system's.
    pub(crate) ca: Option<Vec<u8>>,
    /// The number that is kept in this process, where it is.
    pub(crate) memory: Arc<AtomicI64>,
}

/// A way to the counter that is open. All clones are one connection, and what they send is answered in its order.
#[derive(Clone)]
pub(crate) enum Store {
    Redis {
        connection: Box<MultiplexedConnection>,
        key: Arc<str>,
        /// For people.
        address: Arc<str>,
    },
    Memory(Arc<AtomicI64>),
}

/// What one hit came to.
pub(crate) type Outcome = Result<i64, Arc<Said>>;

impl Place {
    /// Connects, proves who we are, and asks whether it is there. The error is one line for people.
    pub(crate) async fn connect(&self) -> Result<Store, String> {
        let Address::Redis(info) = &self.address else {
            return Ok(Store::Memory(Arc::clone(&self.memory)));
        };
        let failed = |what: &str, error: &dyn std::fmt::Display| {
            let error = error.to_string();
            format!("{what} {}: {}", self.address, printable(&error))
        };
        // A batch is one write. Held back until what was sent before is acknowledged, it came a round trip late.
        let tcp = TcpSettings::default().set_nodelay(true);
        let info = info.as_ref().clone().set_tcp_settings(tcp);
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let client = match &self.ca {
            Some(ca) if is_tls => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(ca.clone()),
                };
                Client::build_with_tls(info, certificates)
            }
            _ => Client::open(info),
        };
        let client = client.map_err(|error| failed("cannot use", &error))?;
        // Deadlines are ours: of a whole batch, by its oldest hit.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let connected = async {
            let mut connection = client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            cmd("PING").query_async::<()>(&mut connection).await?;
            Ok(connection)
        };
        match timeout(CONNECT_TIMEOUT, connected).await {
            Ok(Ok(connection)) => Ok(Store::Redis {
                connection: Box::new(connection),
                key: self.key.as_str().into(),
                address: self.address.to_string().into(),
            }),
            Ok(Err(error)) => Err(failed("connect", &words(&error))),
            Err(_elapsed) => Err(failed("connect", &"no answer within 1s")),
        }
    }

    /// Makes the counter 0, whatever it was. The error is one line for people.
    pub(crate) async fn reset(&self) -> Result<(), String> {
        match self.connect().await? {
            Store::Memory(number) => number.store(0, Ordering::Relaxed),
            Store::Redis {
                mut connection,
                key,
                ..
            } => {
                let mut set = cmd("SET");
                set.arg(&*key).arg(0);
                let set = set.query_async::<()>(connection.as_mut());
                match timeout(CONNECT_TIMEOUT, set).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Err(words(&error)),
                    Err(_elapsed) => return Err("no answer within 1s".to_owned()),
                }
            }
        }
        Ok(())
    }
}

impl Store {
    /// Counts `hits` and says what each came to, in their order. An error ends the connection, and nobody knows which of
    /// them were counted.
    pub(crate) async fn count(&mut self, hits: usize, mode: Mode) -> Result<Vec<Outcome>, String> {
        match self {
            Self::Memory(number) => {
                let by = i64::try_from(hits).unwrap_or(i64::MAX);
                let before = number.fetch_add(by, Ordering::Relaxed);
                Ok((before + 1..=before + by).map(Ok).collect())
            }
            Self::Redis {
                connection,
                key,
                address,
            } => {
                let dealt = mode == Mode::Coalesce && hits > 1;
                let mut pipeline = Pipeline::with_capacity(if dealt { 1 } else { hits });
                if dealt {
                    pipeline.cmd("INCRBY").arg(&**key).arg(hits);
                } else {
                    for _ in 0..hits {
                        pipeline.cmd("INCR").arg(&**key);
                    }
                }
                let asked = pipeline.len();
                let values = connection.send_packed_commands(&pipeline, 0, asked).await;
                let values = values.map_err(|error| lost(address, &error))?;
                let outcomes: Option<Vec<Outcome>> = values.into_iter().map(outcome).collect();
                let outcomes = outcomes.filter(|outcomes| outcomes.len() == asked);
                let outcomes = outcomes.ok_or("it answered with something else than numbers")?;
                Ok(if dealt {
                    deal(&outcomes, hits)
                } else {
                    outcomes
                })
            }
        }
    }

    /// Asks whether it is there still.
    pub(crate) async fn ping(&mut self) -> Result<(), String> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Redis {
                connection,
                address,
                ..
            } => {
                let pong = cmd("PING").query_async::<()>(connection.as_mut()).await;
                pong.map_err(|error| lost(address, &error))
            }
        }
    }
}

/// What one reply to an increment says; `None` if it is none.
fn outcome(value: Value) -> Option<Outcome> {
    match value {
        Value::Int(number) => Some(Ok(number)),
        Value::ServerError(error) => {
            let details = error.details().unwrap_or_default();
            let words = format!("{} {details}", error.code());
            Some(Err(Arc::new(Said {
                kind: SaidKind::of(error.code(), details),
                words: printable(words.trim_end()).into_owned(),
            })))
        }
        _ => None,
    }
}

/// The last of `hits` consecutive numbers → each of them, in order; an error → for each.
fn deal(outcomes: &[Outcome], hits: usize) -> Vec<Outcome> {
    let hits = i64::try_from(hits).unwrap_or(i64::MAX);
    match outcomes.first() {
        Some(Ok(last)) => (last - hits + 1..=*last).map(Ok).collect(),
        Some(Err(said)) => (0..hits).map(|_| Err(Arc::clone(said))).collect(),
        None => Vec::new(),
    }
}

fn lost(address: &str, error: &RedisError) -> String {
    format!("the connection to {address} is lost: {}", words(error))
}

/// An error in one line, without what the library says of its own kinds where the system has said enough.
fn words(error: &RedisError) -> String {
    let source = std::error::Error::source(error).and_then(|it| it.downcast_ref::<io::Error>());
    let words = source.map_or_else(|| chain(error), io::Error::to_string);
    printable(&words).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dealt_out_in_order_and_an_error_is_for_all() {
        let dealt: Vec<_> = deal(&[Ok(12)], 3).into_iter().map(Result::unwrap).collect();
        assert_eq!(dealt, [10, 11, 12]);
        let said = Arc::new(Said {
            kind: SaidKind::Oom,
            words: "OOM".to_owned(),
        });
        assert!(deal(&[Err(said)], 2).iter().all(Result::is_err));
    }

    #[tokio::test]
    async fn a_number_of_this_process_counts_up_from_one() {
        let place = Place {
            address: Address::Memory,
            key: String::new(),
            ca: None,
            memory: Arc::default(),
        };
        let mut store = place.connect().await.unwrap();
        for (hits, numbers) in [(1, vec![1]), (3, vec![2, 3, 4])] {
            let counted = store.count(hits, Mode::Pipeline).await.unwrap();
            let counted: Vec<_> = counted.into_iter().map(Result::unwrap).collect();
            assert_eq!(counted, numbers);
        }
        place.reset().await.unwrap();
        assert_eq!(store.count(1, Mode::Single).await.unwrap()[0], Ok(1));
    }
}
