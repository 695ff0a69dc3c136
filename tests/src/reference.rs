//! A second hub, written for clarity alone: plain vectors, no windows, no cursors, no timers. Every
//! reader is given everything at once, so it is a reference only for scripts where nobody lags. It
//! does not know what may lie in a queue, nor how silence is noticed.

use std::time::Duration;

use roundtable::{
    Action, AddressKey, AfterDrain, Auth, Claims, CloseCode, Config, ConnId, Event, Framing,
    Greeting, PlainText, Refusal as Refused, RoomChoice, Timestamp,
};
use serde_json::{Map, Value, json};

use crate::clock::Clock;

pub(crate) mod addresses;
pub(crate) mod frame;
mod limits;
mod moderation;
mod presence;
mod publish;
mod repeat;
mod room;
mod session;
mod token;

use addresses::Addresses;
use frame::{Refusal, good_id, key, moderation, name, place, read, string, with_id};
use limits::Rate;
use presence::Presence;
use repeat::Keyed;
use room::Room;
use session::{Membership, Session};

/// What the reference says to one connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// This frame; an `error` is without its `message`.
    Frame(ConnId, Value),
    /// A close with this code.
    Close(ConnId, u16),
    /// The upgrade is refused, with how long to wait.
    Refuse(ConnId, Refused, Duration),
    /// The token that the connection has just shown is to be verified.
    Verify(ConnId),
}

/// The reference hub. Epochs are called `epoch#0000001` and so on, made-up names `guest#000001` and
/// so on, in the order in which they are given out; they are as long as the hub's.
#[derive(Clone, Debug)]
pub struct Reference {
    config: Config,
    wall_clock_ms: u64,
    now: Timestamp,
    /// The clock by which it waits for clients that lost their connection.
    awake: Timestamp,
    addresses: Addresses,
    sessions: Vec<Session>,
    rooms: Vec<Room>,
    /// Who is kept out of which room, and until when.
    bans: Vec<(String, String, Timestamp)>,
    epochs: u64,
    guests: u64,
    tickets: u64,
    draining: bool,
    keys: Vec<Keyed>,
    out: Vec<Output>,
}

impl Reference {
    /// A hub where nobody is.
    pub fn new(config: Config, wall_clock_ms: u64) -> Self {
        Self {
            addresses: Addresses::new(&config),
            config,
            wall_clock_ms,
            now: Timestamp::ZERO,
            awake: Timestamp::ZERO,
            sessions: Vec::new(),
            rooms: Vec::new(),
            bans: Vec::new(),
            epochs: 0,
            guests: 0,
            tickets: 0,
            draining: false,
            keys: Vec::new(),
            out: Vec::new(),
        }
    }

    /// What the event leads to.
    pub fn handle(&mut self, clock: Clock, event: &Event) -> Vec<Output> {
        (self.now, self.awake) = (clock.now, clock.awake);
        self.forget_the_past();
        self.count_users();
        match event {
            Event::Connect { conn, peer, greeting } => {
                let claims = peer.claims.as_deref().filter(|_| self.config.auth != Auth::Off);
                self.connect(*conn, peer.address, claims, greeting);
            }
            Event::Text { conn, text } => {
                if let Some(me) = self.find(*conn) {
                    self.text(me, text);
                }
            }
            Event::Binary { conn } => self.close(*conn, CloseCode::NoBinary),
            Event::Disconnect { conn } => self.gone(*conn),
            Event::Drain { .. } => {
                self.draining = true;
                if self.config.after_drain == AfterDrain::End {
                    self.sessions.retain(Session::is_connected);
                }
            }
            Event::Admin { action } => self.administer(action),
            Event::Verified { conn, verdict } => self.verified(*conn, verdict),
            Event::Heard { .. } | Event::Backlog { .. } => {}
            Event::Flushed => self.give_lists(),
            Event::Tick => self.tick(),
        }
        self.forget_the_past();
        self.count_users();
        core::mem::take(&mut self.out)
    }

    /// Another hub goes on with what this one keeps.
    pub fn carried_over(&mut self) {
        self.draining = false;
    }

    /// The connection is over; also where the other hub ended it for a silence that only it can
    /// notice.
    pub fn gone(&mut self, conn: ConnId) {
        if let Some(me) = self.find(conn) {
            let ends = self.draining && self.config.after_drain == AfterDrain::End;
            let over = ends || self.config.resume_window.is_zero();
            if over || self.sessions[me].rooms.is_empty() {
                self.sessions.remove(me);
            } else {
                self.lose(me);
            }
        }
        self.forget_the_past();
    }

    /// Old entries are forgotten, and rooms where nobody is and nothing is left.
    fn forget_the_past(&mut self) {
        let (now, age) = (self.now, self.config.history_age);
        for room in &mut self.rooms {
            room.kept.retain(|entry| entry.at + age > now);
        }
        let (awake, window) = (self.awake, self.config.resume_window);
        self.sessions.retain(|session| session.lost_at.is_none_or(|at| at + window > awake));
        let sessions = &self.sessions;
        let is_in = |session: &Session, room: &Room| session.membership(&room.name).is_some();
        self.rooms.retain(|room| {
            !room.kept.is_empty() || sessions.iter().any(|session| is_in(session, room))
        });
    }

    fn find(&self, conn: ConnId) -> Option<usize> {
        self.sessions.iter().position(|session| session.is_connected() && session.conn == conn)
    }

    fn say(&mut self, conn: ConnId, frame: Value) {
        self.out.push(Output::Frame(conn, frame));
    }

    /// What is due, the earliest first.
    fn tick(&mut self) {
        loop {
            let next = [self.next_end(), self.next_news()].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= self.now) else { return };
            self.end_tokens(at);
            self.tell_news(at);
        }
    }

    fn close(&mut self, conn: ConnId, code: CloseCode) {
        if self.find(conn).is_some() {
            self.turn_away(conn, code);
            if code == CloseCode::AuthExpired {
                return self.gone(conn);
            }
            self.sessions.retain(|session| session.conn != conn);
            self.forget_the_past();
        }
    }

    fn turn_away(&mut self, conn: ConnId, code: CloseCode) {
        let bye = json!({ "type": "bye", "code": code.number(), "reason": code.reason() });
        self.say(conn, bye);
        self.out.push(Output::Close(conn, code.number()));
    }

    fn connect(
        &mut self,
        conn: ConnId,
        address: Option<AddressKey>,
        claims: Option<&Claims>,
        greeting: &Greeting,
    ) {
        if self.draining {
            return self.turn_away(conn, CloseCode::Drain);
        }
        if claims.is_some_and(|claims| self.has_ended(claims)) {
            return self.turn_away(conn, CloseCode::AuthExpired);
        }
        let there = || self.sessions.iter().filter(|session| session.is_connected());
        let unverified = there().filter(|session| session.claims.is_none()).count();
        let connections = |key| there().filter(|session| session.address == Some(key)).count();
        let entered = self.addresses.enter(self.now, (address, claims), unverified, connections);
        if let Err((refusal, wait)) = entered {
            return self.out.push(Output::Refuse(conn, refusal, wait));
        }
        if self.sessions.len() >= self.config.max_sessions {
            let lost = (0..self.sessions.len()).filter(|of| !self.sessions[*of].is_connected());
            let Some(first) = lost.min_by_key(|of| self.sessions[*of].lost_at) else {
                return self.turn_away(conn, CloseCode::TryLater);
            };
            self.sessions.remove(first);
            self.forget_the_past();
            self.count_users();
        }
        if claims.is_some_and(|claims| !self.has_place(conn, claims.user.as_str())) {
            return self.turn_away(conn, CloseCode::TryLater);
        }
        let user = match claims {
            Some(claims) => claims.user.to_string(),
            None => self.free_name(greeting.name.as_ref()),
        };
        self.tickets += 1;
        let ticket = format!("s_session#{:025}", self.tickets);
        let session = Session::new(conn, ticket, user, greeting.framing);
        self.sessions.push(Session { address, ..session });
        let mut me = self.sessions.len() - 1;
        if let Some(claims) = claims {
            me = self.identify(conn, claims);
        } else if self.config.auth == Auth::Required {
            self.sessions[me].owes_token = true;
        }
        self.welcome(me, None, false);
        if self.sessions[me].owes_token {
            return;
        }
        let room = match &greeting.room {
            RoomChoice::Default => self.config.default_room.to_string(),
            RoomChoice::Named(room) => room.to_string(),
            RoomChoice::None => return,
        };
        let asked = json!({ "room": room });
        if let Err(refusal) = self.join(me, None, asked.as_object().expect("an object")) {
            self.refuse(me, None, refusal);
        }
    }

    fn text(&mut self, me: usize, text: &str) {
        let conn = self.sessions[me].conn;
        if let Some(code) = self.overdue(me) {
            return self.close(conn, code);
        }
        if text.len() > self.config.max_message_bytes {
            return self.close(conn, CloseCode::TooBig);
        }
        let frame = read(text, self.config.max_depth);
        let id = frame.as_ref().ok().and_then(|frame| good_id(frame).ok().flatten());
        if let Some(refusal) = self.charge(me, text.len() as u64) {
            let strikes = Rate::new(self.config.rate_limit_strikes, 1);
            if !self.sessions[me].strikes.take(self.now, strikes, 1) {
                return self.close(conn, CloseCode::RateLimited);
            }
            return self.refuse(me, id, refusal);
        }
        let lenient = self.sessions[me].framing == Framing::Lenient;
        let plain = lenient && self.config.plain_text == PlainText::Publish;
        let result = if plain && !text.trim_start().starts_with('{') {
            self.plain(me, text)
        } else {
            frame.and_then(|frame| self.request(me, &frame))
        };
        if let Err(refusal) = result {
            self.refuse(me, id, refusal);
        }
    }

    /// Counts a text; a refusal if it came too early.
    fn charge(&mut self, me: usize, bytes: u64) -> Option<Refusal> {
        let messages = Rate::new(self.config.message_burst, self.config.messages_per_second);
        let volume = Rate::new(self.config.byte_burst, self.config.bytes_per_second);
        let session = &mut self.sessions[me];
        let wait = session.messages.wait(self.now, messages, 1);
        let wait = wait.max(session.bytes.wait(self.now, volume, bytes));
        if !wait.is_zero() {
            let millis = wait.as_nanos().div_ceil(1_000_000);
            return Some(("rate_limited", Some(u64::try_from(millis).unwrap_or(u64::MAX))));
        }
        session.messages.take(self.now, messages, 1);
        session.bytes.take(self.now, volume, bytes);
        None
    }

    /// Says that a request was refused; where it has no id, at most once a second.
    fn refuse(&mut self, me: usize, id: Option<Value>, (code, wait): Refusal) {
        let now = self.now;
        let session = &mut self.sessions[me];
        if id.is_none() {
            let second = core::time::Duration::from_secs(1);
            if session.refused_at.is_some_and(|last| now.saturating_since(last) < second) {
                return;
            }
            session.refused_at = Some(now);
        }
        let retry = match code {
            "rate_limited" | "room_full" | "room_limit" | "banned" | "draining" | "ban_limit"
            | "session_limit" => "later",
            _ => "never",
        };
        let mut error = json!({ "type": "error", "code": code, "retry": retry });
        if let Some(wait) = wait {
            error["retry_after_ms"] = json!(wait);
        }
        let conn = session.conn;
        self.say(conn, with_id(error, id));
    }

    fn plain(&mut self, me: usize, text: &str) -> Result<(), Refusal> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            return Ok(());
        }
        if json!(line).to_string().len() > self.config.max_message_bytes {
            return Err(("too_large", None));
        }
        if self.sessions[me].owes_token {
            return Err(("unauthorized", None));
        }
        let last = self.sessions[me].rooms.last().ok_or(("not_joined", None))?;
        let room = last.room.clone();
        self.publish(me, None, &room, &json!(line))
    }

    fn request(&mut self, me: usize, frame: &Map<String, Value>) -> Result<(), Refusal> {
        let id = good_id(frame)?;
        let kind = string(frame, "type")?;
        let is_free = ["hello", "auth", "ping", "bye"].contains(&kind);
        let owes = self.sessions[me].owes_token && !is_free;
        match self.answer(me, id, kind, frame) {
            // In no room, and allowed none, it has done nothing.
            Err((code, _)) if owes && !["bad_field", "bad_type"].contains(&code) => {
                Err(("unauthorized", None))
            }
            result => result,
        }
    }

    fn answer(
        &mut self,
        me: usize,
        id: Option<Value>,
        kind: &str,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let conn = self.sessions[me].conn;
        match kind {
            "hello" => self.hello(me, id, frame),
            "join" => self.join(me, id, frame),
            "leave" => {
                let room = string(frame, "room")?.trim().to_owned();
                let position = self.sessions[me].position(&room).ok_or(("not_joined", None))?;
                self.sessions[me].rooms.remove(position);
                self.say(conn, with_id(json!({ "type": "left", "room": room }), id));
                Ok(())
            }
            "publish" => {
                let room = string(frame, "room")?.trim().to_owned();
                let data = frame.get("data").ok_or(("bad_field", None))?;
                match key(frame)? {
                    Some(key) => self.publish_once(me, id, &room, &key, data),
                    None => self.publish(me, id, &room, data),
                }
            }
            "signal" => self.signal(me, id, frame),
            "history" => self.history(me, id, frame),
            "ping" => {
                let ts = self.wall_ms();
                self.say(conn, with_id(json!({ "type": "pong", "ts": ts }), id));
                Ok(())
            }
            "bye" => {
                self.close(conn, CloseCode::Normal);
                Ok(())
            }
            "auth" => self.show(me, id, kind, frame),
            "presence" => self.who_is_there(me, id, frame),
            "kick" | "ban" | "remove" => self.moderate(me, id, &moderation(frame, kind)?),
            _ => Err(("bad_type", None)),
        }
    }

    fn join(
        &mut self,
        me: usize,
        id: Option<Value>,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let name = name(frame, "room")?;
        let since = place(frame, "since")?;
        let echo = match frame.get("echo") {
            None => true,
            Some(echo) => echo.as_bool().ok_or(("bad_field", None))?,
        };
        if self.draining {
            return Err(("draining", None));
        }
        self.hold(me, Action::Join, &name)?;
        self.admit(me, &name)?;
        let conn = self.sessions[me].conn;
        if let Some(position) = self.sessions[me].position(&name) {
            let membership = &mut self.sessions[me].rooms[position];
            (membership.echo, membership.owed) = (echo, false);
            let room = self.room(&name).expect("members hold their room");
            let has_older = !room.kept.is_empty() && self.may(me, Action::History, &name);
            let again = json!({ "recovered": false, "more": has_older, "history": [] });
            let joined = self.joined(me, &name, again);
            self.say(conn, with_id(joined, id));
            return Ok(());
        }
        self.open(me, &name)?;
        let session = &mut self.sessions[me];
        session.has_joined = true;
        session.rooms.push(Membership { room: name.clone(), echo, cursor: 0, owed: false });
        let entrance = self.entrance(me, &name, since);
        let joined = self.joined(me, &name, entrance);
        self.say(conn, with_id(joined, id));
        Ok(())
    }

    /// What a newcomer is given of what was said.
    fn entrance(&self, me: usize, name: &str, since: Option<(String, u64)>) -> Value {
        let room = self.room(name).expect("members hold their room");
        if self.may(me, Action::History, name) {
            return room.entrance(since, self.config.recent);
        }
        let mut nothing = json!({ "recovered": false, "more": false, "history": [] });
        if since.is_some() {
            nothing["reason"] = json!("forbidden");
        }
        nothing
    }

    /// A `joined` with what is given of the log.
    fn joined(&self, me: usize, name: &str, mut given: Value) -> Value {
        let room = self.room(name).expect("members hold their room");
        given["type"] = json!("joined");
        given["room"] = json!(name);
        given["epoch"] = json!(room.epoch);
        given["seq"] = json!(room.head);
        if self.may(me, Action::Presence, name) {
            given["members"] = self.members_of(name);
        }
        given
    }

    /// Makes sure that the room is there and that the session may join it.
    fn open(&mut self, me: usize, name: &str) -> Result<(), Refusal> {
        if self.sessions[me].rooms.len() >= self.config.rooms_per_session {
            return Err(("room_limit", None));
        }
        if self.room(name).is_some() {
            let is_in = |session: &&Session| session.membership(name).is_some();
            let members = self.sessions.iter().filter(is_in).count();
            let full = members >= self.config.members_per_room;
            return if full { Err(("room_full", None)) } else { Ok(()) };
        }
        if self.rooms.len() >= self.config.max_rooms {
            return Err(("room_limit", None));
        }
        self.epochs += 1;
        let epoch = format!("epoch#{:07}", self.epochs);
        let (name, presence) = (name.to_owned(), Presence::default());
        self.rooms.push(Room { name, epoch, head: 0, kept: Vec::new(), presence });
        Ok(())
    }

    fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.name == name)
    }

    fn wall_ms(&self) -> u64 {
        let millis = u64::try_from(self.now.since_start().as_millis()).unwrap_or(u64::MAX);
        self.wall_clock_ms + millis
    }
}
