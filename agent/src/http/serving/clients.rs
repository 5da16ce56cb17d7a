//! Who has how many connections: an address, or with IPv6 the network of a household, may only have so many.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Bits of an IPv6 address that one client chooses at will (RFC 4291, section 2.5.1).
const INTERFACE_BITS: u32 = 64;

/// A client as far as it can be told from others.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Client(IpAddr);

impl Client {
    /// The one at this address.
    pub(crate) fn at(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = v6.to_bits() >> INTERFACE_BITS << INTERFACE_BITS;
                Ipv6Addr::from_bits(network).into()
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/{INTERFACE_BITS}"),
        }
    }
}

/// The connections of each.
#[derive(Debug)]
pub(super) struct Clients {
    /// Connections of one.
    most: usize,
    /// Never more than there are connections.
    open: Mutex<HashMap<Client, usize>>,
}

/// One of a client's connections; it counts until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    clients: Arc<Clients>,
    /// `None`: nobody in particular.
    client: Option<Client>,
}

impl Clients {
    /// Each may have `most`.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            open: Mutex::default(),
        })
    }

    /// A place for one more connection, unless the client has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, client: Option<Client>) -> Option<Place> {
        if let Some(client) = client {
            let mut open = self.open();
            let count = open.entry(client).or_default();
            if *count >= self.most {
                return None;
            }
            *count += 1;
        }
        Some(Place {
            clients: Arc::clone(self),
            client,
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Client, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut open = self.clients.open();
        match open.get_mut(&client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Client {
        Client::at(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_one_client_and_so_is_a_network_of_ipv6() {
        assert_eq!(at("192.0.2.1"), at("::ffff:192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!(at("2001:db8:0:1::1"), at("2001:db8:0:1:ffff::2"));
        assert_ne!(at("2001:db8:0:1::1"), at("2001:db8:0:2::1"));
        assert_eq!(at("2001:db8:0:1::1").to_string(), "2001:db8:0:1::/64");
    }

    #[test]
    fn each_has_its_places_and_gives_them_back() {
        let clients = Clients::new(2);
        let (one, other) = (Some(at("192.0.2.1")), Some(at("192.0.2.2")));
        let places = [clients.enter(one).unwrap(), clients.enter(one).unwrap()];
        assert!(clients.enter(one).is_none());
        assert!(clients.enter(other).is_some());
        let local: Vec<Option<Place>> = (0..9).map(|_| clients.enter(None)).collect();
        assert!(local.iter().all(Option::is_some));
        drop(places);
        assert!(clients.enter(one).is_some());
        assert!(clients.open().is_empty());
    }
}
