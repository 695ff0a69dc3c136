//! The hub: events in, commands out, and nothing else. This file does not know sockets, clocks or
//! threads; it takes each event to the file in `hub/` that answers it, and holds what they share.

mod auth;
mod door;
mod drain;
mod flow;
mod image;
mod journal;
mod life;
mod look;
mod moderate;
mod presence;
mod publish;
mod reading;
mod resume;
mod rooms;
mod signal;
mod snapshot;
mod text;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::addresses::{self, Addresses};
use crate::bans::Bans;
use crate::bucket::Rate;
use crate::close::{CloseCode, Fate};
use crate::command::{Command, Queue, Recipients};
use crate::config::{Config, ConfigError};
use crate::event::{ConnId, Event};
use crate::flow::Sent;
use crate::frame::frame_len;
use crate::journal::Record;
use crate::keys::Keys;
use crate::log::Bounds;
use crate::protocol::Reply;
use crate::room::Rooms;
use crate::session::Sessions;
use crate::time::Timestamp;
use crate::timers::{Timer, Timers};
use crate::totals::{Counts, Levels, Limit, Totals};
use crate::views::Closed;

pub(crate) use drain::Drain;
pub use image::Connection;

/// Where a hub's time and its chances begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What every random value is derived from.
    pub seed: u64,
    /// The wall clock at [`Timestamp::ZERO`], in milliseconds since 1970.
    pub wall_clock_ms: u64,
}

/// A chat hub: rooms, their logs, and everybody who is connected.
///
/// Equal configurations, origins and events give equal commands, bit for bit. What peers send can
/// neither stop it nor make it fail; what a driver must not do is said at [`Hub::handle`].
#[derive(Clone)]
pub struct Hub {
    config: Config,
    origin: Origin,
    limits: Limits,
    now: Timestamp,
    /// How long the hub itself was away, in all.
    away: Duration,
    /// When it last came back, by the clock of waking hours.
    woke: Timestamp,
    /// How many `Flushed` there were.
    turn: u64,
    /// How many epochs were given out.
    epochs: u64,
    /// How many sessions have begun.
    begun: u64,
    /// What was sent to all connections together.
    sent: Sent,
    drain: Option<Drain>,
    state: State,
    /// What changed, and was not told so far: nothing between two events.
    changes: Vec<Record>,
    /// Whom the last event closed.
    closed: Vec<Closed>,
    counts: Counts,
    /// Where a text is written before it is shared.
    scratch: String,
}

/// Everything that is gone when everybody is.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    sessions: Sessions,
    rooms: Rooms,
    keys: Keys,
    bans: Bans,
    addresses: Addresses,
    /// How many connections have shown no token, where tokens are taken.
    unverified: usize,
    /// Timers of liveness, by the clock of waking hours.
    waking: Timers,
    /// All other timers, by the driver's clock.
    calendar: Timers,
    lagging: Lagging,
    /// Every backlog that is not zero, by size.
    backlogs: BTreeSet<(u64, u32)>,
    /// The sum of the backlogs.
    reported: u64,
}

/// The sessions that wait for room in their windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lagging {
    /// They may have room, and are tried at the next `Flushed` or `Tick`.
    ready: BTreeSet<u32>,
    /// They may have room once a `Flushed` has come.
    covering: BTreeSet<u32>,
    /// The global budget is used up: nobody is tried before the next `Flushed`.
    over_budget: bool,
}

/// What `Config` says, in the form in which it is compared.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// The window for what control messages may use, and for all else.
    window: u64,
    data: u64,
    budget: u64,
    messages: Rate,
    bytes: Rate,
    strikes: Rate,
    addresses: addresses::Bounds,
    log: Bounds,
}

/// A session ended while it was being answered.
#[derive(Debug)]
struct Gone;

impl Hub {
    /// A hub where nobody is.
    ///
    /// # Errors
    ///
    /// What [`Config::validate`] finds.
    pub fn new(config: Config, origin: Origin) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            limits: Limits::of(&config),
            config,
            origin,
            now: Timestamp::ZERO,
            away: Duration::ZERO,
            woke: Timestamp::ZERO,
            turn: 0,
            epochs: 0,
            begun: 0,
            sent: Sent::default(),
            drain: None,
            state: State::default(),
            changes: Vec::new(),
            closed: Vec::new(),
            counts: Counts::default(),
            scratch: String::new(),
        })
    }

    /// Takes one event, and appends to `commands` what is to be done about it, in order.
    ///
    /// An event for a connection that the hub does not know is ignored: after a `Close` that is an
    /// unavoidable race.
    ///
    /// # Panics
    ///
    /// If the driver breaks its contract: `now` lies before an earlier one, a `Connect` names a
    /// connection that is connected, or a `Backlog` is larger than what was sent.
    pub fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        assert!(now >= self.now, "time runs backwards, from {:?} to {now:?}", self.now);
        self.notice_absence(now);
        self.now = now;
        if !self.closed.is_empty() {
            self.closed = Vec::new();
        }
        let before = commands.len();
        match event {
            Event::Connect { conn, peer, greeting } => {
                self.connect(conn, peer, greeting, commands);
            }
            Event::Text { conn, text } => self.text(conn, &text, commands),
            Event::Binary { conn } => self.binary(conn, commands),
            Event::Heard { conn } => self.heard(conn),
            Event::Backlog { conn, bytes } => self.backlog(conn, bytes as u64),
            Event::Verified { conn, verdict } => self.verified(conn, verdict, commands),
            Event::Admin { action } => self.administer(&action, commands),
            Event::Flushed => self.flushed(commands),
            Event::Disconnect { conn } => self.disconnect(conn),
            Event::Tick => self.tick(commands),
            Event::Drain { within } => self.start_drain(within),
        }
        self.finish_drain(commands);
        self.tell_changes(before, commands);
        if commands.len() > before {
            self.counts.note(&commands[before..]);
        }
    }

    /// When the hub wants an [`Event::Tick`], at the latest. It may lie in the past: then at once.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let deadlines = [
            self.state.waking.first().map(|at| at + self.away),
            self.state.calendar.first(),
            self.state.lagging.is_due().then_some(self.now),
            self.drain.as_ref().and_then(|drain| drain.next(self.is_drained())),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// What the hub has done and has, in numbers.
    pub fn totals(&self) -> Totals {
        let State { sessions, rooms, .. } = &self.state;
        let levels = Levels {
            connections: sessions.connected() as u64,
            detached: (sessions.len() - sessions.connected()) as u64,
            unverified: self.state.unverified as u64,
            rooms: rooms.len() as u64,
            members: rooms.sums.members,
            live: rooms.sums.live,
            entries: rooms.sums.entries,
            entry_bytes: rooms.sums.bytes,
            backlog_bytes: self.state.reported,
            queued_bytes: self.queued_in_all(),
            addresses: self.state.addresses.len() as u64,
            bans: self.state.bans.len() as u64,
            keys: self.state.keys.len() as u64,
            draining: u64::from(self.drain.is_some()),
        };
        Totals { counts: self.counts.clone(), levels }
    }

    /// Whether nobody is connected and nothing is kept: the hub differs from a new one only in the
    /// clock, the counts of epochs and sessions, and whether it drains.
    pub fn is_clean(&self) -> bool {
        self.state == State::default()
    }

    /// Whether `conn` has not been given all that its rooms hold: it reads on when there is room.
    pub fn is_lagging(&self, conn: ConnId) -> bool {
        let slot = self.state.sessions.find(conn);
        slot.is_some_and(|slot| self.state.sessions[slot].lags())
    }

    /// What may be queued for `conn` at the most, in frame bytes: the level that was reported last,
    /// and what was sent since and no `Flushed` covers. Nothing if the hub does not know `conn`.
    pub fn queued_for(&self, conn: ConnId) -> Option<usize> {
        let mut flow = *self.state.sessions.flow(self.state.sessions.find(conn)?);
        flow.sent.roll(self.turn);
        usize::try_from(flow.queued(self.config.run_ahead)).ok()
    }

    /// The clock that stands still while the hub is away.
    fn awake(&self) -> Timestamp {
        self.now - self.away
    }

    /// The wall clock, in milliseconds.
    fn wall_ms(&self) -> u64 {
        let millis = u64::try_from(self.now.since_start().as_millis()).unwrap_or(u64::MAX);
        self.origin.wall_clock_ms.saturating_add(millis)
    }

    /// What is queued for all connections together, at the most.
    fn queued_in_all(&self) -> u64 {
        self.state.reported + self.sent.uncovered(self.config.run_ahead)
    }

    fn queued(&mut self, slot: u32) -> u64 {
        let flow = self.state.sessions.flow_mut(slot);
        flow.sent.roll(self.turn);
        flow.queued(self.config.run_ahead)
    }

    /// Sends `text` to one session, without asking whether there is room.
    fn send(&mut self, slot: u32, text: Arc<str>, out: &mut Vec<Command>) {
        let bytes = frame_len(text.len()) as u64;
        let flow = self.state.sessions.flow_mut(slot);
        flow.sent.roll(self.turn);
        flow.sent.add(bytes);
        self.sent.add(bytes);
        out.push(Command::Send { to: Recipients::One(flow.conn), text });
    }

    /// Sends a control message. It may use the whole window; if it does not fit, the session ends.
    fn tell(
        &mut self,
        slot: u32,
        text: impl Into<Arc<str>>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let text = text.into();
        if self.queued(slot) + frame_len(text.len()) as u64 > self.limits.window {
            self.counts.hit(Limit::WindowBytes);
            self.close(slot, CloseCode::SlowConsumer, Queue::Drop, out);
            return Err(Gone);
        }
        self.send(slot, text, out);
        Ok(())
    }

    /// Ends a connection: a `bye` where there is room, and a `Close`. Whether the session goes with it
    /// is the code's to say.
    fn close(&mut self, slot: u32, code: CloseCode, queue: Queue, out: &mut Vec<Command>) {
        if !(code == CloseCode::Drain && self.is_told_of_drain(slot)) {
            self.say_bye(slot, code, out);
        }
        self.note_closed(slot, code);
        let conn = self.state.sessions[slot].link.conn;
        match code.fate() {
            Fate::Lost => self.lose(slot),
            Fate::Over => self.forget(slot),
        }
        out.push(Command::Close { conn, code, queue });
    }

    /// Remembers until the next event whom this one closes.
    pub(super) fn note_closed(&mut self, slot: u32, code: CloseCode) {
        let session = &self.state.sessions[slot];
        let room = session.memberships.first().map(|of| self.state.rooms[of.room].name.clone());
        let (conn, user) = (session.link.conn, session.user.clone());
        self.closed.push(Closed { conn, user, room, code });
    }

    fn say_bye(&mut self, slot: u32, code: CloseCode, out: &mut Vec<Command>) {
        let bye = bye(code, None);
        if self.queued(slot) + frame_len(bye.len()) as u64 <= self.limits.window {
            self.send(slot, bye.into(), out);
        }
    }

    fn forget(&mut self, slot: u32) {
        for membership in core::mem::take(&mut self.state.sessions[slot].memberships) {
            self.vacate(slot, &membership);
        }
        self.unlink(slot);
        self.state.sessions.remove(slot);
    }

    /// Lets go of what the session in `slot` has because of its connection: its timer, and what is
    /// queued.
    fn unlink(&mut self, slot: u32) {
        self.disarm_credential(slot);
        self.leave_door(slot);
        let state = &mut self.state;
        state.sessions[slot].link.waiting = None;
        state.waking.disarm(&mut state.sessions[slot].armed, Timer::Session(slot));
        state.lagging.forget(slot);
        let flow = state.sessions.flow_mut(slot);
        let backlog = core::mem::take(&mut flow.backlog);
        state.backlogs.remove(&(backlog, slot));
        state.reported -= backlog;
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("now", &self.now)
            .field("next_deadline", &self.next_deadline())
            .field("sessions", &self.state.sessions.len())
            .field("rooms", &self.state.rooms.len())
            .field("queued", &self.queued_in_all())
            .field("drain", &self.drain)
            .finish_non_exhaustive()
    }
}

impl Lagging {
    fn is_due(&self) -> bool {
        !self.ready.is_empty() && !self.over_budget
    }

    fn forget(&mut self, slot: u32) {
        self.ready.remove(&slot);
        self.covering.remove(&slot);
        if self.ready.is_empty() && self.covering.is_empty() {
            self.over_budget = false;
        }
    }
}

impl Limits {
    fn of(config: &Config) -> Self {
        Self {
            window: config.window_bytes as u64,
            data: (config.window_bytes - config.reserve_bytes) as u64,
            budget: config.budget_bytes as u64,
            messages: Rate::new(config.message_burst, config.messages_per_second),
            bytes: Rate::new(config.byte_burst, config.bytes_per_second),
            strikes: Rate::new(config.rate_limit_strikes, 1),
            addresses: addresses::Bounds {
                connections: config.address_connections,
                rate: Rate::per_minute(config.address_burst, config.address_per_minute),
                addresses: config.max_addresses,
            },
            log: Bounds {
                entries: config.history_entries,
                bytes: config.history_bytes,
                age: config.history_age,
            },
        }
    }
}

fn bye(code: CloseCode, after_ms: Option<u64>) -> String {
    Reply::Bye { code: code.number(), reason: code.reason(), after_ms }.text()
}

/// Refuses a connection that never became a session.
fn turn_away(conn: ConnId, code: CloseCode, after_ms: Option<u64>, out: &mut Vec<Command>) {
    let text = bye(code, after_ms).into();
    out.push(Command::Send { to: Recipients::One(conn), text });
    out.push(Command::Close { conn, code, queue: Queue::Flush });
}
