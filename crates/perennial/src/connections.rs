//! How many connections there may be, in all and from one address: one sender must not take the places of all others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Most connections at a time.
const IN_ALL: usize = 2_048;
/// Most from one address: an office behind one router, with some to spare.
const FROM_ONE: usize = 128;

/// Whether connections from this machine are counted by address. They are not in earnest: a web server in front of
/// Perennial brings everybody's over loopback, and has limits of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loopback {
    /// As any other.
    Counts,
    /// Only in all.
    IsFree,
}

/// The connections that are open.
pub struct Connections {
    places: Arc<Semaphore>,
    from_one: usize,
    loopback: Loopback,
    open: Mutex<HashMap<IpAddr, usize>>,
    turned_away: AtomicU64,
    /// Bodies that were given up because they arrived too slowly.
    pub too_slow: Arc<AtomicU64>,
}

impl Default for Connections {
    fn default() -> Self {
        Connections::new(IN_ALL, FROM_ONE, Loopback::IsFree)
    }
}

/// A place that a connection has until this is dropped.
pub struct Place {
    connections: Arc<Connections>,
    address: Option<IpAddr>,
    _place: OwnedSemaphorePermit,
}

impl Connections {
    /// None yet, and so many at most.
    pub fn new(in_all: usize, from_one: usize, loopback: Loopback) -> Connections {
        Connections {
            places: Arc::new(Semaphore::new(in_all)),
            from_one,
            loopback,
            open: Mutex::default(),
            turned_away: AtomicU64::new(0),
            too_slow: Arc::default(),
        }
    }

    /// Waits until there is room for one more. None: the server is stopping.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    /// Gives a connection its place. None: too many are open from its address, and it is turned away.
    pub fn take(self: &Arc<Self>, from: IpAddr, room: OwnedSemaphorePermit) -> Option<Place> {
        let address = network(from);
        let address = (self.loopback == Loopback::Counts || !address.is_loopback()).then_some(address);
        if let Some(address) = address {
            let mut open = self.open();
            let count = open.entry(address).or_default();
            if *count >= self.from_one {
                if self.turned_away.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!("connections are turned away: more than {} from one address", self.from_one);
                }
                return None;
            }
            *count += 1;
        }
        Some(Place { connections: self.clone(), address, _place: room })
    }

    /// Connections turned away since the start.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// Bodies given up since the start because they arrived too slowly.
    pub fn too_slow(&self) -> u64 {
        self.too_slow.load(Ordering::Relaxed)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Counts that a panic left are still counts.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut open = self.connections.open();
        if let Some(count) = open.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&address);
            }
        }
    }
}

/// What counts as one address: of IPv6 the network, since everybody has a whole one of 64 bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(connections: &Arc<Connections>, address: &str) -> Option<Place> {
        let room = connections.places.clone().try_acquire_owned().unwrap();
        connections.take(address.parse().unwrap(), room)
    }

    #[test]
    fn one_address_has_so_many_places_and_gets_them_back() {
        let connections = Arc::new(Connections::new(10, 2, Loopback::IsFree));
        let first = take(&connections, "203.0.113.7").unwrap();
        let _second = take(&connections, "::ffff:203.0.113.7").unwrap();
        assert!(take(&connections, "203.0.113.7").is_none(), "the same address, however it is written");
        let _other = take(&connections, "203.0.113.8").unwrap();
        drop(first);
        let _third = take(&connections, "203.0.113.7").unwrap();
        assert_eq!(connections.turned_away(), 1);

        let _a = take(&connections, "2001:db8:1:1::1").unwrap();
        let _b = take(&connections, "2001:db8:1:1::2").unwrap();
        assert!(take(&connections, "2001:db8:1:1:ffff::3").is_none(), "a network of IPv6 is one sender");
        let _mine: Vec<Place> = (0..4).map(|_| take(&connections, "127.0.0.1").unwrap()).collect();
        assert_eq!(connections.open().len(), 3);
    }
}
