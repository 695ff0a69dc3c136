//! A connection's life: how it begins, how its silence is noticed, how it ends. This file does not
//! know what is said.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::resume::Resumed;
use super::{Gone, Hub, turn_away};
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::config::Auth;
use crate::event::{ConnId, Greeting, Peer, RoomChoice};
use crate::keyed::{Purpose, digits, draw};
use crate::name::{MAX_CHARS, Name};
use crate::protocol::{Echo, Id, Reply, VERSION};
use crate::session::{Link, Session, SessionId, Standing};
use crate::ticket::Ticket;
use crate::time::Timestamp;
use crate::timers::Timer;
use crate::totals::Limit;

/// Why a session has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Nothing was heard for a while.
    Ping,
    /// A ping was not answered.
    Pong,
    /// The backlog does not become smaller.
    Progress,
    /// The client has not come back, and others are told.
    Absence,
    /// The client has not come back.
    End,
}

impl Hub {
    pub(super) fn connect(
        &mut self,
        conn: ConnId,
        peer: Peer,
        greeting: Greeting,
        out: &mut Vec<Command>,
    ) {
        assert!(self.state.sessions.find(conn).is_none(), "{conn:?} connects twice");
        self.counts.connects += 1;
        if self.drain.is_some() {
            let after_ms = Some(self.return_after_ms(conn));
            return turn_away(conn, CloseCode::Drain, after_ms, out);
        }
        let claims = peer.claims.filter(|_| self.config.auth != Auth::Off);
        if claims.as_deref().is_some_and(|claims| self.has_expired(claims)) {
            return turn_away(conn, CloseCode::AuthExpired, None, out);
        }
        let hold = match self.let_in(peer.address, claims.as_deref()) {
            Ok(hold) => hold,
            Err((refusal, retry_after)) => {
                return out.push(Command::Refuse { conn, refusal, retry_after });
            }
        };
        if self.state.sessions.len() >= self.config.max_sessions {
            self.counts.hit(Limit::MaxSessions);
            let Some(lost) = self.state.sessions.first_lost() else {
                self.let_go(hold);
                return turn_away(conn, CloseCode::TryLater, None, out);
            };
            self.forget(lost);
        }
        let user = self.free_name(conn, greeting.name.as_ref());
        let link = Link::new(conn, greeting.framing, hold, self.awake());
        let id = SessionId(self.begun);
        self.begun += 1;
        let session = Session::new(id, peer.entropy, user, link);
        let slot = self.state.sessions.insert(session);
        self.rearm(slot);
        self.count_unverified(slot);
        match claims {
            Some(claims) if self.has_place_for(slot, &claims.user) => self.admit(slot, claims, out),
            Some(_) => return self.close(slot, CloseCode::TryLater, Queue::Flush, out),
            None if self.config.auth == Auth::Required => self.ask_for_token(slot),
            None => {}
        }
        let _closed_while_greeted = self.greet(slot, greeting.room, out);
    }

    pub(super) fn disconnect(&mut self, conn: ConnId) {
        if let Some(slot) = self.state.sessions.find(conn) {
            self.counts.disconnects += 1;
            self.lose(slot);
        }
    }

    pub(super) fn heard(&mut self, conn: ConnId) {
        if let Some(slot) = self.state.sessions.find(conn) {
            self.state.sessions[slot].link.heard = self.awake();
        }
    }

    /// Says who the session is, in answer to `id` if it asked.
    pub(super) fn welcome(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        resumed: Resumed,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let session = &self.state.sessions[slot];
        let window = self.config.resume_window.as_millis();
        let text = Reply::Welcome {
            v: VERSION,
            id,
            user: session.user.as_str(),
            session: Ticket { place: slot, secret: session.secret },
            resumed: resumed == Resumed::Yes,
            resume_ms: u64::try_from(window).unwrap_or(u64::MAX),
            max_bytes: self.config.max_message_bytes,
            auth: match self.config.auth {
                Auth::Off => None,
                Auth::Optional => Some("optional"),
                Auth::Required => Some("required"),
            },
        }
        .text();
        self.tell(slot, text, out)?;
        self.counts.resumed += u64::from(resumed == Resumed::Yes);
        Ok(())
    }

    /// Fires the timers that are due, a bounded number of them.
    pub(super) fn tick(&mut self, out: &mut Vec<Command>) {
        let mut work = self.config.tick_work;
        while work > 0 {
            let awake = self.awake();
            let due = self.state.waking.pop_due(awake);
            match due.or_else(|| self.state.calendar.pop_due(self.now)) {
                Some(Timer::Session(slot)) => self.session_is_due(slot, out),
                Some(Timer::Credential(slot)) => self.credential_is_due(slot, out),
                Some(Timer::Room(slot)) => self.room_is_due(slot),
                Some(Timer::Presence(slot)) => self.telling_is_due(slot, out),
                Some(Timer::Keys) => self.keys_are_due(),
                Some(Timer::Bans) => self.bans_are_due(),
                Some(Timer::Addresses) => self.addresses_are_due(),
                None => break,
            }
            work -= 1;
        }
        let work = self.drain_on(work, out);
        self.read_on(work, out);
    }

    /// Moves the deadlines of liveness if it was the hub that was away, and not the peers.
    pub(super) fn notice_absence(&mut self, now: Timestamp) {
        if now.saturating_since(self.now) <= self.config.stall {
            return;
        }
        let Some(deadline) = self.next_deadline() else { return };
        let late = now.saturating_since(deadline.max(self.now));
        if late > self.config.stall {
            self.counts.hit(Limit::Stall);
            self.away += late;
            self.woke = now - self.away;
        }
    }

    /// Sets the session's timer, unless it fires early enough.
    pub(super) fn rearm(&mut self, slot: u32) {
        let at = match self.due(slot) {
            (at, Due::Ping | Due::Absence | Due::End) => at,
            // A sign of life puts this off, and wants a ping after the next silence: that may be
            // earlier, and to set a timer at each sign of life would cost too much.
            (at, Due::Pong | Due::Progress) => {
                at.min(self.awake() + self.silence(&self.state.sessions[slot].link))
            }
        };
        let session = &mut self.state.sessions[slot];
        if session.armed.is_none_or(|armed| at < armed) {
            self.state.waking.arm(&mut session.armed, Timer::Session(slot), at);
        }
    }

    fn greet(&mut self, slot: u32, room: RoomChoice, out: &mut Vec<Command>) -> Result<(), Gone> {
        self.welcome(slot, None, Resumed::No, out)?;
        if self.owes(slot) {
            return Ok(());
        }
        let room = match room {
            RoomChoice::Default => self.config.default_room.clone(),
            RoomChoice::Named(room) => room,
            RoomChoice::None => return Ok(()),
        };
        self.join(slot, None, &room, None, Echo::On, out)
    }

    /// A name that nobody has: the wished one, the wished one with a number, or a made-up one.
    pub(super) fn free_name(&mut self, conn: ConnId, wished: Option<&Name>) -> Name {
        if let Some(wished) = wished
            && !self.is_taken(wished)
        {
            return wished.clone();
        }
        let stem = wished.map_or("guest", Name::as_str);
        // Room for a dash and six digits.
        let stem: String = stem.chars().take(MAX_CHARS - 7).collect();
        let seed = self.origin.seed;
        let counted = (2..10).map(|count| format!("{stem}-{count}"));
        let counted = counted.filter(|_| wished.is_some());
        let drawn = (0..).map(|attempt| {
            let value = draw(seed, Purpose::Name, conn.get(), attempt);
            let digits: String = digits::<6>(value).iter().collect();
            format!("{stem}-{digits}")
        });
        counted
            .chain(drawn)
            .filter_map(|name| name.parse().ok())
            .find(|name| !self.is_taken(name))
            .expect("a billion names are not all taken")
    }

    fn session_is_due(&mut self, slot: u32, out: &mut Vec<Command>) {
        self.state.sessions[slot].armed = None;
        let (at, due) = self.due(slot);
        if at > self.awake() {
            return self.rearm(slot);
        }
        match due {
            Due::Ping => self.ping(slot, out),
            Due::Pong => {
                self.counts.hit(Limit::PongWait);
                self.close(slot, CloseCode::PingTimeout, Queue::Flush, out);
            }
            Due::Progress => {
                self.counts.hit(Limit::WriteTimeout);
                self.close(slot, CloseCode::SlowConsumer, Queue::Drop, out);
            }
            Due::Absence => {
                self.counts.hit(Limit::PresenceLinger);
                self.go_away(slot);
            }
            Due::End => {
                self.counts.hit(Limit::ResumeWindow);
                self.forget(slot);
            }
        }
    }

    fn ping(&mut self, slot: u32, out: &mut Vec<Command>) {
        const PING_BYTES: u64 = crate::frame_len(0) as u64;
        let awake = self.awake();
        if self.queued(slot) + PING_BYTES > self.limits.window {
            self.counts.hit(Limit::WindowBytes);
            return self.close(slot, CloseCode::SlowConsumer, Queue::Drop, out);
        }
        let link = &mut self.state.sessions[slot].link;
        link.pinged = Some(awake);
        link.pings += 1;
        let flow = self.state.sessions.flow_mut(slot);
        flow.sent.add(PING_BYTES);
        self.sent.add(PING_BYTES);
        out.push(Command::Ping { conn: flow.conn });
        self.rearm(slot);
    }

    /// The earliest thing that the session waits for, by the clock of waking hours.
    pub(super) fn due(&self, slot: u32) -> (Timestamp, Due) {
        let session = &self.state.sessions[slot];
        let link = match session.standing {
            Standing::Connected => &session.link,
            Standing::Lingering { since } => {
                let end = (since + self.config.resume_window, Due::End);
                return end.min((since + self.config.presence_linger, Due::Absence));
            }
            Standing::Away { since } => return (since + self.config.resume_window, Due::End),
        };
        // A ping from before an absence proves nothing: its answer may lie unread in the socket.
        let unanswered = link.pinged.filter(|&at| at > link.heard && at >= self.woke);
        let alive = match unanswered {
            Some(pinged) => (pinged + self.config.pong_wait, Due::Pong),
            None => (link.heard + self.silence(link), Due::Ping),
        };
        if self.state.sessions.flow(slot).backlog == 0 {
            return alive;
        }
        let moved = link.moved.max(self.woke);
        alive.min((moved + self.config.write_timeout, Due::Progress))
    }

    /// The silence before the session's next ping: `ping_after`, give or take a tenth.
    fn silence(&self, link: &Link) -> Duration {
        let spread = u64::try_from(self.config.ping_after.as_nanos() / 5).unwrap_or(u64::MAX);
        let drawn = draw(self.origin.seed, Purpose::Ping, link.conn.get(), link.pings);
        self.config.ping_after * 9 / 10 + Duration::from_nanos(drawn % (spread + 1))
    }
}
