//! Who may come in: limits by address, and on those that have shown no token. This file does not know
//! what becomes of those that may.

use core::time::Duration;

use super::Hub;
use crate::addresses::Hold;
use crate::claims::Claims;
use crate::command::Refusal;
use crate::config::Auth;
use crate::event::AddressKey;
use crate::timers::Timer;

/// Nobody knows when a connection ends: after this time it is worth another try.
const RETRY: Duration = Duration::from_secs(10);

impl Hub {
    /// Lets a connection in, unless there are too many like it: then why, and when to try again.
    pub(super) fn let_in(
        &mut self,
        address: Option<AddressKey>,
        claims: Option<&Claims>,
    ) -> Result<Option<Hold>, (Refusal, Duration)> {
        let is_unverified = self.config.auth != Auth::Off && claims.is_none();
        if is_unverified && self.state.unverified >= self.config.max_unverified {
            return Err((Refusal::TooManyUnverified, RETRY));
        }
        let Some(key) = address else { return Ok(None) };
        let hold = self.state.addresses.enter(self.now, self.limits.addresses, key);
        self.rearm_addresses();
        let hold = hold.map_err(|(refusal, wait)| (refusal, wait.unwrap_or(RETRY)))?;
        Ok(Some(hold))
    }

    /// Takes a connection out of its address's count.
    pub(super) fn let_go(&mut self, hold: Option<Hold>) {
        if let Some(hold) = hold {
            self.state.addresses.leave(self.now, hold);
            self.rearm_addresses();
        }
    }

    /// The connection of the session in `slot` ends, and counts no more.
    pub(super) fn leave_door(&mut self, slot: u32) {
        let link = &mut self.state.sessions[slot].link;
        let hold = link.hold.take();
        if core::mem::take(&mut link.is_unverified) {
            self.state.unverified -= 1;
        }
        self.let_go(hold);
    }

    /// Counts the connection of the session in `slot` among those that have shown no token, or no
    /// more.
    pub(super) fn count_unverified(&mut self, slot: u32) {
        let session = &mut self.state.sessions[slot];
        let is_unverified = self.config.auth != Auth::Off && session.claims().is_none();
        if core::mem::replace(&mut session.link.is_unverified, is_unverified) {
            self.state.unverified -= 1;
        }
        self.state.unverified += usize::from(is_unverified);
    }

    /// An address may be forgotten: one at a time, as each timer's work is bounded.
    pub(super) fn addresses_are_due(&mut self) {
        self.state.addresses.armed = None;
        self.state.addresses.expire_one(self.now);
        self.rearm_addresses();
    }

    /// Sets the timer of addresses to the first that may be forgotten, unless it is set so.
    pub(super) fn rearm_addresses(&mut self) {
        let (addresses, calendar) = (&mut self.state.addresses, &mut self.state.calendar);
        match addresses.expires_at() {
            Some(at) if addresses.armed == Some(at) => {}
            Some(at) => calendar.arm(&mut addresses.armed, Timer::Addresses, at),
            None => calendar.disarm(&mut addresses.armed, Timer::Addresses),
        }
    }
}
