//! The networks of a soak: one proxy for each thing that a network does. This file does not know who
//! goes through them.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;

use crate::proxy::{Cut, Fault, Proxy, Way};

/// Each of them, until it is dropped.
pub(super) struct Networks(Vec<Proxy>);

impl Networks {
    pub(super) fn new(server: SocketAddr, seed: u64, life: Duration) -> Self {
        let all = 0..u64::MAX;
        let pieces = |most, hold, up, down| Fault::Pieces { most, hold, up, down };
        let faults = [
            Fault::None,
            pieces(64, Duration::ZERO, all.clone(), all.clone()),
            pieces(1000, Duration::from_millis(4), all.clone(), all),
            pieces(1, Duration::ZERO, 0..1000, 128..1000),
            Fault::Stall { within: 2000, lasting: Duration::from_secs(2) },
            Fault::Cut { way: Way::Down, after: 2500, how: Cut::Reset },
            Fault::Cut { way: Way::Down, after: 1300, how: Cut::End },
            Fault::Cut { way: Way::Up, after: 600, how: Cut::Reset },
            Fault::HalfClose { way: Way::Down, after: 2000 },
            Fault::HalfClose { way: Way::Up, after: 700 },
        ];
        let start = |fault| Proxy::start_lasting(server, fault, seed, life);
        Self(faults.into_iter().map(start).collect())
    }

    /// One of them, the one that does nothing as often as all others.
    pub(super) fn draw(&self, rng: &mut Rng) -> SocketAddr {
        let index = if rng.bool() { 0 } else { rng.usize(..self.0.len()) };
        self.0[index].addr()
    }
}
