//! Sessions of the reference: names, and who comes back. It does not know what is said in rooms.

use roundtable::{AddressKey, Auth, Claims, CloseCode, ConnId, Framing, Name, Timestamp};
use serde_json::{Map, Value, json};

use super::Reference;
use super::frame::{Refusal, name, places, string, with_id};
use super::limits::Bucket;
use super::token::Shown;

#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Its connection, or the last one.
    pub(super) conn: ConnId,
    /// Where that comes from.
    pub(super) address: Option<AddressKey>,
    pub(super) ticket: String,
    /// When its connection was lost, if it was, by the clock of waking hours.
    pub(super) lost_at: Option<Timestamp>,
    /// Whether it has lost its name to the name's user, though it would be there a little longer.
    pub(super) is_given_up: bool,
    pub(super) user: String,
    /// What its token says.
    pub(super) claims: Option<Box<Claims>>,
    /// When its client was told that the token has ended, if it was.
    pub(super) warned_at: Option<Timestamp>,
    /// Whether it must show a token before anything is done for it.
    pub(super) owes_token: bool,
    /// What it has shown, until that is verified.
    pub(super) shown: Option<Shown>,
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
    /// Whether it is to be told who is there when the turn is over.
    pub(super) owed: bool,
}

impl Session {
    pub(super) fn new(conn: ConnId, ticket: String, user: String, framing: Framing) -> Self {
        Self {
            conn,
            address: None,
            ticket,
            lost_at: None,
            is_given_up: false,
            user,
            claims: None,
            warned_at: None,
            owes_token: false,
            shown: None,
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
        session.lost_at = Some(self.awake);
        for membership in &mut session.rooms {
            let room = self.rooms.iter().find(|room| room.name == membership.room);
            membership.owed = false;
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

    /// Whether the session is there for others: it has its connection, or lost it a moment ago.
    pub(super) fn is_there(&self, session: &Session) -> bool {
        let linger = self.config.presence_linger;
        !session.is_given_up && session.lost_at.is_none_or(|at| at + linger > self.awake)
    }

    /// Whether somebody has the name. A user with a token has it as long as one of its sessions.
    pub(super) fn is_taken(&self, name: &str) -> bool {
        let has_it = |of: &Session| of.claims.is_some() || self.is_there(of);
        self.sessions.iter().any(|session| session.user == name && has_it(session))
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
            return self.show(me, id, "hello", frame);
        }
        if has_ticket && self.draining {
            return Err(("draining", None));
        }
        let claims = self.sessions[me].claims.as_deref();
        if let Some(back) = ticket.and_then(|ticket| self.find_lost(me, ticket, claims)) {
            return self.resume(me, back, id, since.as_deref(), None);
        }
        if self.sessions[me].owes_token {
            return Err(("unauthorized", None));
        }
        if self.sessions[me].has_joined {
            return Err(("bad_type", None));
        }
        if let Some(name) = name.filter(|_| self.sessions[me].claims.is_none())
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

    /// Gives `me`'s connection to the session `back`, which goes by the token that was shown, if one
    /// was.
    pub(super) fn resume(
        &mut self,
        me: usize,
        mut back: usize,
        id: Option<Value>,
        since: Option<&[(String, (String, u64))]>,
        shown: Option<&Claims>,
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
        if let Some(claims) = shown.or(mine.claims.as_deref()) {
            self.sessions[back].take(claims);
        }
        let keeps_name =
            self.sessions[back].claims.is_some() || self.is_there(&self.sessions[back]);
        if !keeps_name {
            // Somebody else may have the name by now; its own is no obstacle.
            let wished = core::mem::take(&mut self.sessions[back].user).parse().ok();
            self.sessions[back].user = self.free_name(wished.as_ref());
        }
        let (now, conn) = (self.now, mine.conn);
        let session = &mut self.sessions[back];
        (session.conn, session.lost_at, session.is_given_up) = (conn, None, false);
        session.address = mine.address;
        session.framing = mine.framing;
        session.messages.share(mine.messages, now);
        session.bytes.share(mine.bytes, now);
        session.strikes.share(mine.strikes, now);
        self.count_users();
        self.welcome(back, id, true);
        self.show_out(back);
        for place in self.sessions[back].rooms.clone() {
            let room = self.room(&place.room).expect("members hold their room");
            let since = match since {
                Some(since) => since.iter().rfind(|(name, _)| *name == place.room),
                None => Some(&(String::new(), (room.epoch.clone(), place.cursor))),
            };
            let entrance = self.entrance(back, &place.room, since.map(|(_, at)| at.clone()));
            let joined = self.joined(back, &place.room, entrance);
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
        let mut frame = with_id(frame, id);
        match self.config.auth {
            Auth::Off => {}
            Auth::Optional => frame["auth"] = json!("optional"),
            Auth::Required => frame["auth"] = json!("required"),
        }
        self.say(session.conn, frame);
    }
}
