//! How connections end, and that they do so for a reason and in time. This file does not know what
//! they were sent.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use roundtable::{CloseCode, Event, Levels, Queue, Timestamp, frame_len};

use super::{Driver, Observer};
use crate::generator::Reading;
use crate::invariant::hold;
use crate::subject::Subject;

/// No control message is longer than the smallest reserve.
const CONTROL_BYTES: usize = 2048;

/// With few connections everybody's life is looked at whenever time passes, else once a second.
const FEW: usize = 16;

/// A drain that goes on, as it is planned.
#[derive(Debug)]
pub(super) struct Drain {
    started: Timestamp,
    until: Timestamp,
    /// The most closes in a second.
    pace: usize,
    /// Those of the last second.
    closes: VecDeque<Timestamp>,
}

impl<M: Subject, O: Observer> Driver<M, O> {
    pub(super) fn start_drain(&mut self, within: Duration) {
        let until = self.now + within;
        if let Some(drain) = &mut self.drain {
            // An earlier end closes who is left without a plan.
            drain.until = drain.until.min(until);
        } else {
            let paced = self.config.drain_pace * u32::try_from(self.live).unwrap_or(u32::MAX);
            let notice = self.config.drain_notice.min(paced).min(within);
            let spread = self.config.drain_spread.min(paced).min(within.saturating_sub(notice));
            let pace = match spread.as_millis() {
                0..=1000 => self.live,
                // One at the beginning of the second, and one at its end.
                millis => self.live * 1000 / usize::try_from(millis).expect("short") + 2,
            };
            let (started, closes) = (self.now, VecDeque::new());
            self.drain = Some(Drain { started, until, pace, closes });
        }
        self.hand_in(&Event::Drain { within });
    }

    pub(super) fn close(&mut self, slot: usize, code: CloseCode, queue: Queue) {
        self.check_bye(slot, code);
        self.check_close(slot, code);
        self.figures.closes += 1;
        if queue == Queue::Flush {
            self.socket(slot).take_all();
        }
        self.forget(slot);
    }

    fn check_bye(&mut self, slot: usize, code: CloseCode) {
        let bye = self.audit.bye(slot);
        let told = bye == Some(u64::from(code.number()));
        let words = "{\"type\":\"bye\",\"code\":,\"reason\":\"\"}".len() + 4 + code.reason().len();
        let full = self.socket(slot).believed() + frame_len(words) > self.config.window_bytes;
        hold!(self.audit.checked, OneClose, told || full, "{code:?} without a bye, but {bye:?}");
    }

    fn check_close(&mut self, slot: usize, code: CloseCode) {
        let awake = self.clock().awake;
        let punctual = self.punctual;
        let socket = self.sockets[slot].as_ref().expect("a live connection");
        let conn = socket.conn;
        match code {
            CloseCode::PingTimeout => {
                let due = socket.pinged_at.map(|at| at + self.config.pong_wait);
                let exact =
                    due.is_some_and(|due| if punctual { due == awake } else { due <= awake });
                let unanswered = socket.pinged_at > Some(socket.alive_at);
                // A ping from before an absence proves nothing.
                let held = exact && unanswered && socket.pinged_at >= Some(self.awoke_at);
                hold!(self.audit.checked, ExactTimes, held, "closed at {awake:?}: {socket:?}");
            }
            CloseCode::SlowConsumer => {
                let stuck = socket.stuck_at.map(|at| at.max(self.awoke_at));
                let due = stuck.map(|at| at + self.config.write_timeout);
                let stuck =
                    due.is_some_and(|due| if punctual { due == awake } else { due <= awake });
                let full = socket.believed() + CONTROL_BYTES > self.config.window_bytes;
                hold!(self.audit.checked, Bounded, stuck || full, "{conn:?} reads: {socket:?}");
            }
            CloseCode::MemoryPressure => {
                let (reported, most) = (self.reported, self.config.budget_bytes);
                let reports = self.sockets.iter().flatten().map(|socket| socket.reported);
                let largest = reports.max();
                let fair = reported > most && largest == Some(socket.reported);
                hold!(self.audit.checked, Bounded, fair, "{conn:?} closed at {reported} bytes");
            }
            CloseCode::Drain => self.check_drain_close(slot),
            CloseCode::AuthExpired => {
                let end = self.audit.expires_ms(slot).map(|end| end - self.origin.wall_clock_ms);
                let end = end.map(|end| Timestamp::from_millis(end) + self.config.auth_grace);
                let due =
                    end.is_some_and(|end| if punctual { end == self.now } else { end <= self.now });
                hold!(self.audit.checked, ExactTimes, due, "{conn:?} is closed at {:?}", self.now);
            }
            CloseCode::Kicked => {
                let decided = self.audit.is_kicked(slot);
                hold!(self.audit.checked, Moderated, decided, "{conn:?} is closed with 4504");
            }
            CloseCode::AuthRevoked => {
                let decided = self.audit.is_revoked(slot);
                hold!(self.audit.checked, Permitted, decided, "{conn:?} is closed with 4011");
            }
            CloseCode::Normal
            | CloseCode::Protocol
            | CloseCode::NoBinary
            | CloseCode::BadUtf8
            | CloseCode::TooBig
            | CloseCode::TryLater
            | CloseCode::RateLimited
            | CloseCode::Unauthorized
            | CloseCode::HelloTimeout
            | CloseCode::SessionTaken => {}
        }
    }

    /// A drain's close comes when it is planned, unless its time is over or the reader lagged.
    fn check_drain_close(&mut self, slot: usize) {
        let (now, is_level) = (self.now, self.audit.is_level(slot));
        let socket = self.sockets[slot].as_ref().expect("a live connection");
        let Some(drain) = &mut self.drain else { panic!("{socket:?} drained for nothing") };
        let refused = !self.audit.is_greeted(slot);
        if now >= drain.until || refused {
            return;
        }
        let conn = socket.conn;
        hold!(self.audit.checked, DrainPaced, is_level, "{conn:?} was not given everything");
        if socket.placed_at >= Some(drain.started) {
            return;
        }
        drain.closes.push_back(now);
        while drain.closes.front().is_some_and(|at| *at + Duration::from_secs(1) <= now) {
            drain.closes.pop_front();
        }
        let (closes, pace) = (drain.closes.len(), drain.pace);
        let paced = closes <= pace || !self.punctual;
        hold!(self.audit.checked, DrainPaced, paced, "{closes} closes in a second, {pace} planned");
    }

    pub(super) fn check_ping(&mut self, slot: usize) {
        let (awake, after) = (self.clock().awake, self.config.ping_after);
        let socket = self.sockets[slot].as_ref().expect("a live connection");
        let silent = awake.saturating_since(socket.alive_at);
        // What happened before the hub was away proves nothing.
        let known = self.punctual && socket.alive_at >= self.awoke_at;
        let exact = silent >= after * 9 / 10 && (!known || silent <= after * 11 / 10);
        hold!(self.audit.checked, ExactTimes, exact, "pinged after {silent:?}: {socket:?}");
    }

    /// Deadlines are never late: who has been silent for too long is gone.
    pub(super) fn check_liveness(&mut self) {
        let recently = self.looked_at + Duration::from_secs(1) > self.now;
        if self.drained || (self.live > FEW && recently) {
            return;
        }
        self.looked_at = self.now;
        let (awake, awoke_at) = (self.clock().awake, self.awoke_at);
        for socket in self.sockets.iter().flatten() {
            let unanswered = socket.pinged_at.filter(|at| *at > socket.alive_at && *at >= awoke_at);
            // A short absence may have made the ping late; the close counts from the ping.
            let silent_until = match unanswered {
                Some(pinged_at) => pinged_at + self.config.pong_wait,
                None => socket.alive_at.max(awoke_at) + self.config.ping_after * 11 / 10,
            };
            let stuck_at = socket.stuck_at.map(|at| at.max(awoke_at));
            let stuck = stuck_at.map_or(Duration::ZERO, |at| awake.saturating_since(at));
            let alive = awake <= silent_until && stuck <= self.config.write_timeout;
            hold!(self.audit.checked, DeadlinesKept, alive, "should be closed: {socket:?}");
        }
    }

    pub(super) fn check_drained(&mut self) {
        if let Some(drain) = &self.drain {
            let over = self.now < drain.until || self.live == 0;
            hold!(self.audit.checked, DrainPaced, over, "{} survived the drain", self.live);
        }
    }

    /// Everybody reads; then nobody who is left may have missed anything.
    ///
    /// # Panics
    ///
    /// If somebody has.
    pub fn settle(&mut self) {
        let now = self.now;
        for slot in self.slots() {
            self.socket(slot).reads(Reading::Prompt, now);
            self.touch(slot);
        }
        if !self.drained {
            // What is on its way may be a `join`; what is new of a room's members is told by then.
            let last = self.arrivals.iter().map(|Reverse(arrival)| arrival.at).max();
            let last = last.map_or(self.now, |last| last.max(self.now));
            self.wait_until(last + self.config.presence_tick);
        }
        if !self.drained {
            self.quiesce();
            self.audit.settled(self.slots());
        }
        if let (Some(drain), false) = (&self.drain, self.drained) {
            let until = drain.until.max(self.now);
            self.wait_until(until);
            self.quiesce();
            hold!(self.audit.checked, DrainPaced, self.drained, "the drain never ends");
        }
        self.check_counts();
        self.check_journal();
    }

    /// What the hub told to write down is what it keeps.
    pub(super) fn check_journal(&mut self) {
        let (Some(journal), Some(hub)) = (&self.journal, self.machine.hub()) else { return };
        let differs = journal.differs(hub, &self.config, self.now.max(hub.now()));
        hold!(self.audit.checked, Journaled, differs.is_none(), "{differs:?}");
    }

    /// What the hub counts is what was counted here.
    pub(super) fn check_counts(&mut self) {
        let Some(hub) = self.machine.hub() else { return };
        let totals = hub.totals();
        let differs = self.tally.differs(&totals);
        hold!(self.audit.checked, Counted, differs.is_none(), "{differs:?}");
        let known = self.sockets.iter().flatten();
        let known = known.filter(|socket| hub.queued_for(socket.conn).is_some()).count() as u64;
        let connections = totals.levels.connections;
        hold!(
            self.audit.checked,
            Counted,
            known == connections,
            "{known} are connected, and the hub counts {connections}"
        );
        self.check_views();
    }

    /// Everybody goes, and what was said grows old; then nothing may be left.
    ///
    /// # Panics
    ///
    /// If something is.
    pub fn leave(&mut self) {
        if self.drained {
            return;
        }
        for slot in self.slots() {
            let conn = self.socket(slot).conn;
            self.forget(slot);
            self.hand_in(&Event::Disconnect { conn });
        }
        let longest =
            self.config.history_age.max(self.config.resume_window).max(self.config.key_age);
        let end = self.audit.last_ban().max(self.now + longest);
        self.wait_until(end + Duration::from_secs(1));
        let clean = self.machine.is_clean() && self.machine.next_deadline().is_none();
        hold!(self.audit.checked, Clean, clean, "something is left: {:?}", self.machine);
        self.check_counts();
        let Some(levels) = self.machine.hub().map(|hub| hub.totals().levels) else { return };
        // What was sent last is covered by no `Flushed`.
        let none = levels == Levels { queued_bytes: levels.queued_bytes, ..Levels::default() };
        hold!(self.audit.checked, Counted, none, "nobody is left, and the hub counts {levels:?}");
    }
}
