//! A second hub, written for clarity alone: plain vectors, no windows, no cursors, no timers. Every
//! reader is given everything at once, so it is a reference only for scripts where nobody lags. It
//! does not know what may lie in a queue, nor how silence is noticed.

use roundtable::{
    CloseCode, Config, ConnId, Event, Framing, Greeting, PlainText, RoomChoice, Timestamp,
};
use serde_json::{Map, Value, json};

pub(crate) mod frame;
mod limits;
mod moderation;
mod presence;
mod repeat;
mod room;
mod session;

use frame::{Refusal, good_id, key, moderation, name, place, read, string, with_id};
use limits::Rate;
use presence::Presence;
use repeat::Keyed;
use room::{Entry, Room, What};
use session::{Membership, Session};

/// What the reference says to one connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// This frame; an `error` is without its `message`.
    Frame(ConnId, Value),
    /// A close with this code.
    Close(ConnId, u16),
}

/// The reference hub. Epochs are called `epoch#0000001` and so on, made-up names `guest#000001` and
/// so on, in the order in which they are given out; they are as long as the hub's.
#[derive(Clone, Debug)]
pub struct Reference {
    config: Config,
    wall_clock_ms: u64,
    now: Timestamp,
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
            config,
            wall_clock_ms,
            now: Timestamp::ZERO,
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
    pub fn handle(&mut self, now: Timestamp, event: &Event) -> Vec<Output> {
        self.now = now;
        self.forget_the_past();
        self.count_users();
        match event {
            Event::Connect { conn, peer: _, greeting } => self.connect(*conn, greeting),
            Event::Text { conn, text } => {
                if let Some(me) = self.find(*conn) {
                    self.text(me, text);
                }
            }
            Event::Binary { conn } => self.close(*conn, CloseCode::NoBinary),
            Event::Disconnect { conn } => self.gone(*conn),
            Event::Drain { .. } => {
                self.draining = true;
                self.sessions.retain(Session::is_connected);
            }
            Event::Admin { action } => self.administer(action),
            Event::Heard { .. }
            | Event::Verified { .. }
            | Event::Backlog { .. }
            | Event::Flushed => {}
            Event::Tick => self.tell_news(),
        }
        self.forget_the_past();
        self.count_users();
        core::mem::take(&mut self.out)
    }

    /// The connection is over; also where the other hub ended it for a silence that only it can
    /// notice.
    pub fn gone(&mut self, conn: ConnId) {
        if let Some(me) = self.find(conn) {
            let over = self.draining || self.config.resume_window.is_zero();
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
        let window = self.config.resume_window;
        self.sessions.retain(|session| session.lost_at.is_none_or(|at| at + window > now));
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

    fn close(&mut self, conn: ConnId, code: CloseCode) {
        if self.find(conn).is_some() {
            self.turn_away(conn, code);
            self.sessions.retain(|session| session.conn != conn);
            self.forget_the_past();
        }
    }

    fn turn_away(&mut self, conn: ConnId, code: CloseCode) {
        let bye = json!({ "type": "bye", "code": code.number(), "reason": code.reason() });
        self.say(conn, bye);
        self.out.push(Output::Close(conn, code.number()));
    }

    fn connect(&mut self, conn: ConnId, greeting: &Greeting) {
        if self.draining {
            return self.turn_away(conn, CloseCode::Drain);
        }
        if self.sessions.len() >= self.config.max_sessions {
            let lost = (0..self.sessions.len()).filter(|of| !self.sessions[*of].is_connected());
            let Some(first) = lost.min_by_key(|of| self.sessions[*of].lost_at) else {
                return self.turn_away(conn, CloseCode::TryLater);
            };
            self.sessions.remove(first);
            self.count_users();
        }
        let user = self.free_name(greeting.name.as_ref());
        self.tickets += 1;
        let ticket = format!("s_session#{:025}", self.tickets);
        self.sessions.push(Session::new(conn, ticket, user, greeting.framing));
        let me = self.sessions.len() - 1;
        self.welcome(me, None, false);
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
            "rate_limited" | "room_full" | "room_limit" | "banned" | "draining" => "later",
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
        let last = self.sessions[me].rooms.last().ok_or(("not_joined", None))?;
        let room = last.room.clone();
        self.publish(me, None, &room, &json!(line))
    }

    fn request(&mut self, me: usize, frame: &Map<String, Value>) -> Result<(), Refusal> {
        let id = good_id(frame)?;
        let conn = self.sessions[me].conn;
        match string(frame, "type")? {
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
            "auth" => Err(string(frame, "token").err().unwrap_or(("unsupported", None))),
            "presence" => self.who_is_there(me, id, frame),
            kind @ ("kick" | "ban" | "remove") => {
                moderation(frame, kind)?;
                let stops = kind == "remove" && self.draining;
                // Without a token nobody moderates.
                Err((if stops { "draining" } else { "forbidden" }, None))
            }
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
        let conn = self.sessions[me].conn;
        if let Some(position) = self.sessions[me].position(&name) {
            self.sessions[me].rooms[position].echo = echo;
            let room = self.room(&name).expect("members hold their room");
            let joined = json!({
                "type": "joined", "room": name, "epoch": room.epoch, "seq": room.head,
                "recovered": false, "more": !room.kept.is_empty(), "history": [],
                "members": self.members_of(&name),
            });
            self.say(conn, with_id(joined, id));
            return Ok(());
        }
        self.admit(me, &name)?;
        self.open(me, &name)?;
        let recent = self.config.recent;
        let room = self.room(&name).expect("just opened");
        let mut joined = room.entrance(since, recent);
        joined["type"] = json!("joined");
        joined["room"] = json!(name);
        joined["epoch"] = json!(room.epoch);
        joined["seq"] = json!(room.head);
        let session = &mut self.sessions[me];
        session.has_joined = true;
        session.rooms.push(Membership { room: name.clone(), echo, cursor: 0 });
        joined["members"] = self.members_of(&name);
        self.say(conn, with_id(joined, id));
        Ok(())
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

    fn publish(
        &mut self,
        me: usize,
        id: Option<Value>,
        name: &str,
        data: &Value,
    ) -> Result<(), Refusal> {
        if self.draining {
            return Err(("draining", None));
        }
        let (ts, at) = (self.wall_ms(), self.now);
        let session = &self.sessions[me];
        let (conn, from) = (session.conn, session.user.clone());
        session.membership(name).ok_or(("not_joined", None))?;
        let most = self.config.history_entries;
        let room = self.rooms.iter_mut().find(|room| room.name == name);
        let room = room.expect("members hold their room");
        let (from, what) = (Some(from), What::Data(data.clone()));
        let entry = room.append(Entry { seq: 0, from, what, ts, at }, most);
        if id.is_some() {
            let ack = json!({ "type": "ack", "room": name, "epoch": room.epoch, "seq": room.head });
            self.say(conn, with_id(ack, id));
        }
        let mut message = entry.item();
        message["type"] = json!("message");
        message["room"] = json!(name);
        let wants = |session: &&Session| {
            let membership = session.membership(name);
            let wants = |membership: &Membership| membership.echo || session.conn != conn;
            session.is_connected() && membership.is_some_and(wants)
        };
        let members: Vec<ConnId> =
            self.sessions.iter().filter(wants).map(|session| session.conn).collect();
        for member in members {
            self.say(member, message.clone());
        }
        Ok(())
    }

    fn history(
        &mut self,
        me: usize,
        id: Option<Value>,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let name = string(frame, "room")?.trim().to_owned();
        let before = place(frame, "before")?;
        let limit = match frame.get("limit") {
            None => self.config.recent as u64,
            Some(limit) => limit.as_u64().filter(|limit| *limit > 0).ok_or(("bad_field", None))?,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(self.config.history_entries);
        let session = &self.sessions[me];
        session.membership(&name).ok_or(("not_joined", None))?;
        let room = self.room(&name).expect("members hold their room");
        let older: Vec<&Entry> = match &before {
            Some((epoch, _)) if *epoch != room.epoch => Vec::new(),
            Some((_, seq)) => room.kept.iter().filter(|entry| entry.seq < *seq).collect(),
            None => room.kept.iter().collect(),
        };
        let skipped = older.len().saturating_sub(limit);
        let items: Vec<Value> = older[skipped..].iter().map(|entry| entry.item()).collect();
        let history = json!({
            "type": "history", "room": name, "epoch": room.epoch,
            "items": items, "more": skipped > 0,
        });
        self.say(session.conn, with_id(history, id));
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
