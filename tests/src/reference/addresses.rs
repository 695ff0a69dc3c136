//! Who may come in, as the reference and the auditor count: a list of addresses, each with its debt.
//! It does not know who is connected; whoever asks says that.

use std::time::Duration;

use roundtable::{AddressKey, Auth, Claims, Config, Refusal, Timestamp};

use super::limits::{Bucket, Rate};

/// What is told to whom nobody can say how long to wait.
const LATER: Duration = Duration::from_secs(10);

/// The addresses that have begun a connection and not paid it off, or still have one.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    rate: Rate,
    connections: usize,
    most: usize,
    /// How many may be there without a token, where that matters.
    unverified: Option<usize>,
    known: Vec<(AddressKey, Bucket)>,
}

impl Addresses {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            rate: Rate::per_minute(config.address_burst, config.address_per_minute),
            connections: config.address_connections as usize,
            most: config.max_addresses,
            unverified: (config.auth != Auth::Off).then_some(config.max_unverified),
            known: Vec::new(),
        }
    }

    /// Begins anew.
    pub(crate) fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Whether one more may come in, when `unverified` have shown no token, and each address has so
    /// many connections: else why not, and when to try again.
    pub(crate) fn enter(
        &mut self,
        now: Timestamp,
        (address, claims): (Option<AddressKey>, Option<&Claims>),
        unverified: usize,
        connections: impl Fn(AddressKey) -> usize,
    ) -> Result<(), (Refusal, Duration)> {
        let shows_none = claims.is_none();
        if shows_none && self.unverified.is_some_and(|most| unverified >= most) {
            return Err((Refusal::TooManyUnverified, LATER));
        }
        let Some(key) = address else { return Ok(()) };
        self.known.retain_mut(|(of, begun)| !begun.owed(now).is_zero() || connections(*of) > 0);
        let rate = self.rate;
        if !self.known.iter().any(|(of, _)| *of == key) {
            if self.known.len() >= self.most {
                let idle = self.known.iter_mut().filter(|(of, _)| connections(*of) == 0);
                let first = idle.map(|(of, begun)| (begun.owed(now), *of)).min();
                let (_, first) = first.ok_or((Refusal::TooManyAddresses, LATER))?;
                self.known.retain(|(of, _)| *of != first);
            }
            self.known.push((key, Bucket::default()));
        }
        let found = self.known.iter_mut().find(|(of, _)| *of == key);
        let (_, begun) = found.expect("it is there or was put there");
        let wait = begun.wait(now, rate, 1);
        if !wait.is_zero() {
            return Err((Refusal::TooFast, wait));
        }
        if connections(key) >= self.connections {
            return Err((Refusal::TooManyConnections, LATER));
        }
        begun.take(now, rate, 1);
        Ok(())
    }
}
