//! Addresses for programs that want to be told theirs before they listen.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the ports that Linux gives out by itself (`net.ipv4.ip_local_port_range`), so that nobody's connection takes one before the program
/// is there.
const FIRST: u32 = 20_000;
const PORTS: u32 = 12_000;

/// An address that is free, given once.
pub(crate) fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Other tests' processes begin elsewhere.
    let mut candidates = std::iter::from_fn(|| Some(GIVEN.fetch_add(1, Ordering::Relaxed))).map(|given| {
        let place = std::process::id().wrapping_mul(97).wrapping_add(given) % PORTS;
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(FIRST + place).unwrap()))
    });
    candidates.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}
