//! The one table of timers. This file does not know what happens when one fires.

use alloc::collections::BTreeSet;

use crate::time::Timestamp;

/// Whose timer it is. Each owner has at most one, set to the earliest thing it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The session in this slot: a ping, a pong that is missing, a backlog that does not move; or the
    /// end of waiting for its client.
    Session(u32),
    /// The token of the session in this slot: its end, or that it did not come.
    Credential(u32),
    /// The room in this slot: its oldest entry.
    Room(u32),
    /// The room in this slot: news of who is in it.
    Presence(u32),
    /// The oldest key of a `publish`.
    Keys,
    /// The ban that ends first.
    Bans,
    /// The address without a connection that may be forgotten first.
    Addresses,
}

/// Timers in the order in which they fire.
///
/// An owner whose deadline moves on leaves its timer where it is and sets it again when it fires:
/// a connection that talks costs nothing here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timers(BTreeSet<(Timestamp, Timer)>);

impl Timers {
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes the earliest timer that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.pop_first().map(|(_, timer)| timer)
    }

    /// Sets `timer`, whose setting so far `armed` remembers, to fire at `at`.
    pub(crate) fn arm(&mut self, armed: &mut Option<Timestamp>, timer: Timer, at: Timestamp) {
        self.disarm(armed, timer);
        self.0.insert((at, timer));
        *armed = Some(at);
    }

    pub(crate) fn disarm(&mut self, armed: &mut Option<Timestamp>, timer: Timer) {
        if let Some(at) = armed.take() {
            self.0.remove(&(at, timer));
        }
    }
}
