//! Tokens in the reference: what they allow, whose sessions they make, how they end. It does not
//! know how a token is verified.

use std::time::Duration;

use roundtable::{Action, Auth, Claims, CloseCode, ConnId, Timestamp, Verdict};
use serde_json::{Map, Value, json};

use super::Reference;
use super::frame::{Places, Refusal, places, string};
use super::session::Session;

/// A frame that brought a token, until that is verified.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    id: Option<Value>,
    resume: Option<String>,
    since: Option<Places>,
}

impl Reference {
    /// What the token in `frame` is good for is to be told first.
    pub(super) fn show(
        &mut self,
        me: usize,
        id: Option<Value>,
        kind: &str,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        string(frame, "token")?;
        if self.config.auth == Auth::Off {
            return Err(("unsupported", None));
        }
        let is_hello = kind == "hello";
        let session = &mut self.sessions[me];
        if session.has_joined && (is_hello || session.claims.is_none()) {
            return Err(("bad_type", None));
        }
        let resume = frame.get("resume").filter(|_| is_hello).and_then(Value::as_str);
        let since = if is_hello { places(frame, "since")? } else { None };
        session.shown = Some(Shown { id, resume: resume.map(str::to_owned), since });
        self.out.push(super::Output::Verify(self.sessions[me].conn));
        Ok(())
    }

    /// Goes by a token, or does not.
    pub(super) fn verified(&mut self, conn: ConnId, verdict: &Verdict) {
        let Some(me) = self.find(conn) else { return };
        let Some(shown) = self.sessions[me].shown.take() else { return };
        let id = shown.id.clone();
        let code = match verdict {
            Verdict::Valid(claims) if self.end_of(claims).is_none_or(|end| end > self.now) => {
                match self.go_by(conn, shown, claims) {
                    Ok(()) => return,
                    Err((code, _)) => code,
                }
            }
            Verdict::Valid(_) | Verdict::Expired => "token_expired",
            Verdict::Invalid => "unauthorized",
        };
        let me = self.find(conn).expect("a refused token closes nobody else");
        let is_owed = self.sessions[me].owes_token;
        self.refuse(me, id, (code, None));
        match code {
            "unauthorized" if is_owed => self.close(conn, CloseCode::Unauthorized),
            "token_expired" if is_owed => self.close(conn, CloseCode::AuthExpired),
            _ => {}
        }
    }

    fn go_by(&mut self, conn: ConnId, shown: Shown, claims: &Claims) -> Result<(), Refusal> {
        let me = self.find(conn).expect("a token is shown on a connection");
        let known = self.sessions[me].claims.as_ref();
        if known.is_some_and(|known| known.user != claims.user) {
            return Err(("unauthorized", None));
        }
        if let Some(ticket) = &shown.resume
            && let Some(back) = self.find_lost(me, ticket, Some(claims))
        {
            if self.draining {
                return Err(("draining", None));
            }
            return self.resume(me, back, shown.id, shown.since.as_deref(), Some(claims));
        }
        if !self.has_place(conn, claims.user.as_str()) {
            return Err(("session_limit", None));
        }
        let me = self.find(conn).expect("it is not one that gives way");
        let blind: Vec<bool> =
            self.sessions[me].rooms.iter().map(|of| self.is_blind(me, &of.room)).collect();
        let me = self.identify(conn, claims);
        for (index, was_blind) in blind.into_iter().enumerate() {
            let is_blind = self.is_blind(me, &self.sessions[me].rooms[index].room);
            self.sessions[me].rooms[index].owed = was_blind && !is_blind;
        }
        self.welcome(me, shown.id, false);
        self.show_out(me);
        Ok(())
    }

    /// Lets a session be that of the token's user, and gives its place. A stranger who made up the
    /// user's name is sent away, or loses the name if it has lost its connection.
    pub(super) fn identify(&mut self, conn: ConnId, claims: &Claims) -> usize {
        let user = claims.user.as_str();
        let is_stranger = |of: &Session| {
            of.conn != conn && of.claims.is_none() && of.user == user && self.is_there(of)
        };
        if let Some(stranger) = self.sessions.iter().position(is_stranger) {
            if self.sessions[stranger].is_connected() {
                self.close(self.sessions[stranger].conn, CloseCode::AuthRevoked);
            } else {
                self.sessions[stranger].is_given_up = true;
            }
            // One of that name goes, though another one comes at once.
            self.count_users();
        }
        let me = self.find(conn).expect("it has another connection");
        self.sessions[me].take(claims);
        me
    }

    /// Whether the user may have one more session; the one that lost its connection first gives way.
    pub(super) fn has_place(&mut self, conn: ConnId, user: &str) -> bool {
        let of_user = |of: &Session| of.claims.is_some() && of.user == user;
        let others: Vec<usize> = (0..self.sessions.len())
            .filter(|of| of_user(&self.sessions[*of]) && self.sessions[*of].conn != conn)
            .collect();
        if others.len() < self.config.sessions_per_user {
            return true;
        }
        let lost = others.into_iter().filter(|of| !self.sessions[*of].is_connected());
        let first = lost.min_by_key(|of| self.sessions[*of].lost_at);
        if let Some(first) = first {
            self.sessions.remove(first);
            self.forget_the_past();
            self.count_users();
        }
        first.is_some()
    }

    /// The session that a client may come back to: without a token to one that has none, or whose
    /// token is not over; with one to those of its user.
    pub(super) fn find_lost(
        &self,
        me: usize,
        ticket: &str,
        claims: Option<&Claims>,
    ) -> Option<usize> {
        let back = self.sessions.iter().position(|of| of.ticket == ticket)?;
        let is_for_it = match (&self.sessions[back].claims, claims) {
            (Some(held), Some(shown)) => held.user == shown.user,
            (Some(held), None) => {
                self.end_of(held).is_none_or(|end| end + self.config.auth_grace > self.now)
            }
            (None, shown) => shown.is_none(),
        };
        (back != me && is_for_it && !self.config.resume_window.is_zero()).then_some(back)
    }

    /// Takes a session out of the rooms that its token does not allow.
    pub(super) fn show_out(&mut self, me: usize) {
        let rooms = self.sessions[me].rooms.iter().map(|of| of.room.clone());
        let (stays, goes): (Vec<_>, Vec<_>) =
            rooms.partition(|room| self.may(me, Action::Join, room));
        let session = &mut self.sessions[me];
        session.rooms.retain(|of| stays.contains(&of.room));
        let conn = session.conn;
        for room in goes {
            self.say(conn, json!({ "type": "left", "room": room, "reason": "forbidden" }));
        }
    }

    pub(super) fn may(&self, me: usize, action: Action, room: &str) -> bool {
        self.sessions[me].may(action, room)
    }

    pub(super) fn hold(&self, me: usize, action: Action, room: &str) -> Result<(), Refusal> {
        if self.may(me, action, room) { Ok(()) } else { Err(("forbidden", None)) }
    }

    fn is_blind(&self, me: usize, room: &str) -> bool {
        !self.may(me, Action::Presence, room)
    }

    /// The turn is over: who may see by now who is in a room is told.
    pub(super) fn give_lists(&mut self) {
        for me in 0..self.sessions.len() {
            for index in 0..self.sessions[me].rooms.len() {
                if core::mem::take(&mut self.sessions[me].rooms[index].owed) {
                    let name = self.sessions[me].rooms[index].room.clone();
                    let mut list = self.members_of(&name);
                    list["type"] = json!("presence");
                    list["room"] = json!(name);
                    self.say(self.sessions[me].conn, list);
                }
            }
        }
    }

    /// When a token that is verified now would end, by the hub's clock.
    fn end_of(&self, claims: &Claims) -> Option<Timestamp> {
        let left = claims.expires_ms?.saturating_sub(self.wall_clock_ms);
        Some(Timestamp::from_millis(left))
    }

    /// Whether the token has ended already.
    pub(super) fn has_ended(&self, claims: &Claims) -> bool {
        self.end_of(claims).is_some_and(|end| end <= self.now)
    }

    /// When something is to be said about a token for the first time from now on. How long the hub
    /// waits for a token is its own to say.
    pub fn next_end(&self) -> Option<Timestamp> {
        self.sessions.iter().filter_map(|session| self.end_in(session)).min()
    }

    fn end_in(&self, session: &Session) -> Option<Timestamp> {
        if !session.is_connected() {
            return None;
        }
        let end = session.claims.as_ref().and_then(|claims| self.end_of(claims));
        let grace =
            if session.warned_at.is_some() { self.config.auth_grace } else { Duration::ZERO };
        end.map(|end| end + grace)
    }

    /// Why a connection has to end, if it has.
    pub(super) fn overdue(&self, me: usize) -> Option<CloseCode> {
        let end = self.sessions[me].claims.as_ref().and_then(|claims| self.end_of(claims))?;
        (end + self.config.auth_grace <= self.now).then_some(CloseCode::AuthExpired)
    }

    /// Tells of the tokens that have ended up to `at`, and closes those that have been told.
    pub(super) fn end_tokens(&mut self, at: Timestamp) {
        let due = |of: &&Session| self.end_in(of).is_some_and(|end| end <= at);
        let due: Vec<ConnId> = self.sessions.iter().filter(due).map(|of| of.conn).collect();
        for conn in due {
            let me = self.find(conn).expect("each is closed by its own token");
            if let Some(code) = self.overdue(me) {
                self.close(conn, code);
            } else {
                self.sessions[me].warned_at = Some(self.now);
                let expired = json!({ "type": "error", "code": "token_expired", "retry": "never" });
                self.say(conn, expired);
            }
        }
    }
}

impl Session {
    /// Goes by a token from now on.
    pub(super) fn take(&mut self, claims: &Claims) {
        claims.user.as_str().clone_into(&mut self.user);
        self.claims = Some(Box::new(claims.clone()));
        (self.warned_at, self.owes_token) = (None, false);
    }

    pub(super) fn may(&self, action: Action, room: &str) -> bool {
        let Some(claims) = &self.claims else {
            return !self.owes_token && action != Action::Moderate;
        };
        claims.grants.iter().any(|grant| {
            let pattern = String::from(grant.pattern.clone());
            let matches = match pattern.strip_suffix('*') {
                Some(start) => room.starts_with(start),
                None => room == pattern,
            };
            matches && grant.can.iter().any(|can| can == action)
        })
    }

    /// Whose keys it uses: its user's, if a token says who that is.
    pub(super) fn owner_of_keys(&self) -> String {
        match &self.claims {
            Some(claims) => format!("user {}", claims.user),
            None => self.ticket.clone(),
        }
    }
}
