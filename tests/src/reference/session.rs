//! Sessions of the reference: names, and who comes back. It does not know what is said in rooms.

use roundtable::{CloseCode, ConnId, Framing, Name, Timestamp};
use serde_json::{Map, Value, json};

use super::Reference;
use super::frame::{Refusal, name, places, string, with_id};
use super::limits::Bucket;

#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Its connection, or the last one.
    pub(super) conn: ConnId,
    pub(super) ticket: String,
    /// When its connection was lost, if it was.
    pub(super) lost_at: Option<Timestamp>,
    pub(super) user: String,
    pub(super) framing: Framing,
    pub(super) has_joined: bool,
    /// In the order of joining.
    pub(super) rooms: Vec<Membership>,
    pub(super) messages: Bucket,
    pub(super) bytes: Bucket,
    pub(super) strikes: Bucket,
    pub(super) refused_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct Membership {
    pub(super) room: String,
    pub(super) echo: bool,
    /// Up to where it was sent everything before its connection was lost.
    pub(super) cursor: u64,
}

impl Session {
    pub(super) fn new(conn: ConnId, ticket: String, user: String, framing: Framing) -> Self {
        Self {
            conn,
            ticket,
            lost_at: None,
            user,
            framing,
            has_joined: false,
            rooms: Vec::new(),
            messages: Bucket::default(),
            bytes: Bucket::default(),
            strikes: Bucket::default(),
            refused_at: None,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.lost_at.is_none()
    }

    pub(super) fn position(&self, room: &str) -> Option<usize> {
        self.rooms.iter().position(|membership| membership.room == room)
    }

    pub(super) fn membership(&self, room: &str) -> Option<&Membership> {
        self.position(room).map(|position| &self.rooms[position])
    }
}

impl Reference {
    pub(super) fn lose(&mut self, me: usize) {
        let session = &mut self.sessions[me];
        session.lost_at = Some(self.now);
        for membership in &mut session.rooms {
            let room = self.rooms.iter().find(|room| room.name == membership.room);
            membership.cursor = room.expect("members hold their room").head;
        }
    }

    /// The wished name, with a number if it is taken.
    pub(super) fn free_name(&mut self, wished: Option<&Name>) -> String {
        let Some(wished) = wished else {
            self.guests += 1;
            return format!("guest#{:06}", self.guests);
        };
        let numbered = (2..).map(|number| format!("{wished}-{number}"));
        core::iter::once(wished.to_string())
            .chain(numbered)
            .find(|name| !self.is_taken(name))
            .expect("numbers do not end")
    }

    pub(super) fn is_taken(&self, name: &str) -> bool {
        let linger = self.config.presence_linger;
        let is_there = |session: &Session| session.lost_at.is_none_or(|at| at + linger > self.now);
        self.sessions.iter().any(|session| session.user == name && is_there(session))
    }

    pub(super) fn hello(
        &mut self,
        me: usize,
        id: Option<Value>,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let name = if frame.contains_key("name") { Some(name(frame, "name")?) } else { None };
        let has_ticket = frame.contains_key("resume");
        let ticket = if has_ticket { Some(string(frame, "resume")?) } else { None };
        let since = places(frame, "since")?;
        if frame.contains_key("token") {
            string(frame, "token")?;
            return Err(("unsupported", None));
        }
        if has_ticket && self.draining {
            return Err(("draining", None));
        }
        let other = |of: &Session| Some(of.ticket.as_str()) == ticket;
        let back = self.sessions.iter().position(other).filter(|back| *back != me);
        let may_resume = !self.config.resume_window.is_zero();
        if let Some(back) = back.filter(|_| may_resume) {
            return self.resume(me, back, id, since.as_deref());
        }
        if self.sessions[me].has_joined {
            return Err(("bad_type", None));
        }
        if let Some(name) = name
            && name != self.sessions[me].user
        {
            if self.is_taken(&name) {
                return Err(("bad_field", None));
            }
            self.sessions[me].user = name;
        }
        self.welcome(me, id, false);
        Ok(())
    }

    /// Gives `me`'s connection to the session `back`.
    fn resume(
        &mut self,
        me: usize,
        mut back: usize,
        id: Option<Value>,
        since: Option<&[(String, (String, u64))]>,
    ) -> Result<(), Refusal> {
        if self.sessions[me].has_joined {
            return Err(("bad_type", None));
        }
        if self.sessions[back].is_connected() {
            self.turn_away(self.sessions[back].conn, CloseCode::SessionTaken);
            self.lose(back);
        }
        let mine = self.sessions.remove(me);
        back -= usize::from(me < back);
        let conn = mine.conn;
        let user = self.sessions[back].user.clone();
        // Somebody else may have the name by now; its own is no obstacle.
        let lost_at = self.sessions[back].lost_at.replace(Timestamp::ZERO);
        let lingers = lost_at.is_some_and(|at| at + self.config.presence_linger > self.now);
        self.sessions[back].user.clear();
        let wished = user.parse().ok();
        let user = if lingers { user } else { self.free_name(wished.as_ref()) };
        let session = &mut self.sessions[back];
        (session.user, session.conn, session.lost_at) = (user, conn, None);
        session.framing = mine.framing;
        session.messages.share(mine.messages, self.now);
        session.bytes.share(mine.bytes, self.now);
        session.strikes.share(mine.strikes, self.now);
        self.welcome(back, id, true);
        for place in self.sessions[back].rooms.clone() {
            let room = self.room(&place.room).expect("members hold their room");
            let since = match since {
                Some(since) => since.iter().rfind(|(name, _)| *name == place.room),
                None => Some(&(String::new(), (room.epoch.clone(), place.cursor))),
            };
            let mut joined = room.entrance(since.map(|(_, at)| at.clone()), self.config.recent);
            joined["type"] = json!("joined");
            joined["room"] = json!(place.room);
            joined["epoch"] = json!(room.epoch);
            joined["seq"] = json!(room.head);
            joined["members"] = self.members_of(&place.room);
            self.say(conn, joined);
        }
        Ok(())
    }

    pub(super) fn welcome(&mut self, me: usize, id: Option<Value>, resumed: bool) {
        let session = &self.sessions[me];
        let window = u64::try_from(self.config.resume_window.as_millis()).expect("short");
        let frame = json!({
            "type": "welcome", "v": 1, "user": session.user, "session": session.ticket,
            "resumed": resumed, "resume_ms": window, "max_bytes": self.config.max_message_bytes,
        });
        self.say(session.conn, with_id(frame, id));
    }
}
