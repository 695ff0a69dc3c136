//! The graceful stop: notices, then closes, each spread over its span. This file does not know how
//! a process ends.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Hub, bye};
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::config::AfterDrain;
use crate::event::ConnId;
use crate::keyed::{Purpose, draw};
use crate::session::Session;
use crate::time::Timestamp;

/// A drain that goes on. It walks the table of sessions three times: to give notice, to close who
/// has been given everything, and at the end to close whoever is left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Drain {
    started: Timestamp,
    notice: Duration,
    spread: Duration,
    until: Timestamp,
    /// How many sessions there were, and how many slots the walks have.
    sessions: u32,
    slots: u32,
    noticed: Walk,
    closed: Walk,
    ended: Walk,
    /// Whether the driver was told that it is over.
    over: bool,
}

/// A walk over the table of sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Walk {
    /// How many slots lie behind it.
    slots: u32,
    /// How many of them were in use: holes in the table must not change the pace.
    sessions: u32,
}

impl Drain {
    /// When there is something to do.
    pub(super) fn next(&self, nobody: bool) -> Option<Timestamp> {
        if nobody {
            return None;
        }
        let steps = [
            (self.noticed.slots < self.slots).then(|| self.notice_at()),
            (self.closed.slots < self.slots).then(|| self.close_at()),
            (self.ended.slots < self.slots).then_some(self.until),
        ];
        steps.into_iter().flatten().min()
    }

    /// When the next notice is due.
    fn notice_at(&self) -> Timestamp {
        self.started + part(self.notice, self.noticed.sessions, self.sessions)
    }

    /// When the next close is due.
    fn close_at(&self) -> Timestamp {
        self.started + self.notice + part(self.spread, self.closed.sessions, self.sessions)
    }

    /// Whether each walk has gone past no more slots than there were, nor past more sessions than slots.
    pub(super) fn is_sound(&self) -> bool {
        let walks = [self.noticed, self.closed, self.ended];
        walks.iter().all(|walk| walk.sessions <= walk.slots && walk.slots <= self.slots)
    }

    /// When the last close is planned.
    fn end(&self) -> Timestamp {
        self.started + self.notice + self.spread
    }
}

impl Walk {
    /// Goes past the next slot, and returns it.
    fn go_on(&mut self, is_in_use: impl FnOnce(u32) -> bool) -> u32 {
        let slot = self.slots;
        self.slots += 1;
        self.sessions += u32::from(is_in_use(slot));
        slot
    }
}

/// The part of `span` that lies before the step `step` of `steps`.
fn part(span: Duration, step: u32, steps: u32) -> Duration {
    let nanos = span.as_nanos() * u128::from(step) / u128::from(steps.max(1));
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
            sessions,
            slots: self.state.sessions.end(),
            noticed: Walk::default(),
            closed: Walk::default(),
            ended: Walk::default(),
            over: false,
        });
    }

    /// Takes the steps that are due, at most `work` of them, and returns what is left of it.
    pub(super) fn drain_on(&mut self, mut work: usize, out: &mut Vec<Command>) -> usize {
        while work > 0 && !self.is_drained() {
            let (now, Some(drain)) = (self.now, &mut self.drain) else { break };
            let sessions = &self.state.sessions;
            let is_in_use = |slot| sessions.get(slot).is_some();
            if drain.noticed.slots < drain.slots && drain.notice_at() <= now {
                let slot = drain.noticed.go_on(is_in_use);
                self.give_notice(slot, out);
            } else if drain.closed.slots < drain.slots && drain.close_at() <= now {
                let slot = drain.closed.go_on(is_in_use);
                self.close_if_drained(slot, out);
            } else if drain.ended.slots < drain.slots && drain.until <= now {
                let slot = drain.ended.go_on(is_in_use);
                if self.state.sessions.get(slot).is_some_and(Session::is_connected) {
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
        let is_its_turn = self.drain.as_ref().is_some_and(|drain| slot < drain.closed.slots);
        if is_its_turn && self.state.sessions.get(slot).is_some_and(|session| !session.lags()) {
            self.close(slot, CloseCode::Drain, Queue::Flush, out);
        }
    }

    /// Whether sessions without a connection are over: nobody comes back to a server that stops, unless
    /// another one goes on in its place.
    pub(super) fn ends_sessions(&self) -> bool {
        self.drain.is_some() && self.config.after_drain == AfterDrain::End
    }

    /// Whether nobody is left for whom the server must go on.
    pub(super) fn is_drained(&self) -> bool {
        match self.config.after_drain {
            AfterDrain::End => self.state.sessions.is_empty(),
            AfterDrain::Wait => self.state.sessions.connected() == 0,
        }
    }

    pub(super) fn is_told_of_drain(&self, slot: u32) -> bool {
        self.drain.as_ref().is_some_and(|drain| slot < drain.noticed.slots)
    }

    /// Tells the driver once that nobody is left.
    pub(super) fn finish_drain(&mut self, out: &mut Vec<Command>) {
        let goes_on = self.drain.as_ref().is_some_and(|drain| !drain.over);
        if goes_on && self.is_drained() {
            self.drain.iter_mut().for_each(|drain| drain.over = true);
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

    /// Tells the session in `slot`. One that waits for its client waits in vain.
    fn give_notice(&mut self, slot: u32, out: &mut Vec<Command>) {
        let Some(session) = self.state.sessions.get(slot) else { return };
        if !session.is_connected() {
            if self.ends_sessions() {
                self.forget(slot);
            }
            return;
        }
        let after_ms = self.return_after_ms(session.link.conn);
        let _closed_for_want_of_room = self.tell(slot, bye(CloseCode::Drain, Some(after_ms)), out);
    }
}
