//! The graceful stop: notices, then closes, each spread over its span. This file does not know how
//! a process ends.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Hub, bye};
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::event::ConnId;
use crate::keyed::{Purpose, draw};
use crate::time::Timestamp;

/// A drain that goes on. It walks the table of sessions three times: to give notice, to close who
/// has been given everything, and at the end to close whoever is left.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    started: Timestamp,
    notice: Duration,
    spread: Duration,
    until: Timestamp,
    /// How many slots the walks have.
    slots: u32,
    /// How many slots each walk has behind it.
    noticed: u32,
    closed: u32,
    ended: u32,
    /// Whether the driver was told that it is over.
    over: bool,
}

impl Drain {
    /// When there is something to do.
    pub(super) fn next(&self, nobody: bool) -> Option<Timestamp> {
        if nobody {
            return None;
        }
        let steps = [
            (self.noticed < self.slots).then(|| self.notice_at(self.noticed)),
            (self.closed < self.slots).then(|| self.close_at(self.closed)),
            (self.ended < self.slots).then_some(self.until),
        ];
        steps.into_iter().flatten().min()
    }

    fn notice_at(&self, slot: u32) -> Timestamp {
        self.started + part(self.notice, slot, self.slots)
    }

    fn close_at(&self, slot: u32) -> Timestamp {
        self.started + self.notice + part(self.spread, slot, self.slots)
    }

    /// When the last close is planned.
    fn end(&self) -> Timestamp {
        self.started + self.notice + self.spread
    }
}

/// The part of `span` that lies before the step `slot` of `slots`.
fn part(span: Duration, slot: u32, slots: u32) -> Duration {
    let nanos = span.as_nanos() * u128::from(slot) / u128::from(slots.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Hub {
    pub(super) fn start_drain(&mut self, within: Duration) {
        let until = self.now + within;
        if let Some(drain) = &mut self.drain {
            drain.until = drain.until.min(until);
            return;
        }
        let sessions = u32::try_from(self.state.sessions.len()).unwrap_or(u32::MAX);
        let paced = self.config.drain_pace.saturating_mul(sessions);
        let notice = self.config.drain_notice.min(paced).min(within);
        let spread = self.config.drain_spread.min(paced).min(within.saturating_sub(notice));
        self.drain = Some(Drain {
            started: self.now,
            notice,
            spread,
            until,
            slots: self.state.sessions.end(),
            noticed: 0,
            closed: 0,
            ended: 0,
            over: false,
        });
    }

    /// Takes the steps that are due, at most `work` of them, and returns what is left of it.
    pub(super) fn drain_on(&mut self, mut work: usize, out: &mut Vec<Command>) -> usize {
        while work > 0 && !self.state.sessions.is_empty() {
            let (now, Some(drain)) = (self.now, &mut self.drain) else { break };
            if drain.noticed < drain.slots && drain.notice_at(drain.noticed) <= now {
                let slot = drain.noticed;
                drain.noticed += 1;
                self.give_notice(slot, out);
            } else if drain.closed < drain.slots && drain.close_at(drain.closed) <= now {
                let slot = drain.closed;
                drain.closed += 1;
                self.close_if_drained(slot, out);
            } else if drain.ended < drain.slots && drain.until <= now {
                let slot = drain.ended;
                drain.ended += 1;
                if self.state.sessions.get(slot).is_some() {
                    self.close(slot, CloseCode::Drain, Queue::Flush, out);
                }
            } else {
                break;
            }
            work -= 1;
        }
        work
    }

    /// Closes the session in `slot` if its turn has come and it was given everything: until then it
    /// reads on.
    pub(super) fn close_if_drained(&mut self, slot: u32, out: &mut Vec<Command>) {
        let is_its_turn = self.drain.as_ref().is_some_and(|drain| slot < drain.closed);
        if is_its_turn && self.state.sessions.get(slot).is_some_and(|session| !session.lags()) {
            self.close(slot, CloseCode::Drain, Queue::Flush, out);
        }
    }

    pub(super) fn is_told_of_drain(&self, slot: u32) -> bool {
        self.drain.as_ref().is_some_and(|drain| slot < drain.noticed)
    }

    /// Tells the driver once that nobody is left.
    pub(super) fn finish_drain(&mut self, out: &mut Vec<Command>) {
        if let Some(drain) = &mut self.drain
            && !drain.over
            && self.state.sessions.is_empty()
        {
            drain.over = true;
            out.push(Command::Drained);
        }
    }

    /// The earliest useful return: after the last planned close, spread over as long again, so that
    /// nobody comes back in step.
    pub(super) fn return_after_ms(&self, conn: ConnId) -> u64 {
        let Some(drain) = &self.drain else { return 0 };
        let left = drain.end().saturating_since(self.now);
        let spread = drain.spread.max(Duration::from_secs(1)).as_millis();
        let chance = draw(self.origin.seed, Purpose::Return, conn.get(), 0);
        let millis = left.as_millis() + u128::from(chance) % spread;
        u64::try_from(millis).unwrap_or(u64::MAX)
    }

    fn give_notice(&mut self, slot: u32, out: &mut Vec<Command>) {
        if let Some(session) = self.state.sessions.get(slot) {
            let after_ms = self.return_after_ms(session.conn);
            let _closed_for_want_of_room =
                self.tell(slot, bye(CloseCode::Drain, Some(after_ms)), out);
        }
    }
}
