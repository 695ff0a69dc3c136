//! What an operator decides in the reference, and what moderators do. It does not know who may
//! moderate.

use roundtable::{Action, AdminAction, CloseCode};
use serde_json::{Value, json};

use super::Reference;
use super::frame::{Refusal, with_id};
use super::room::{Entry, What};
use super::session::Session;

impl Reference {
    pub(super) fn administer(&mut self, action: &AdminAction) {
        match action {
            AdminAction::Kick { room: None, user } => {
                let called = |of: &Session| of.user == user.as_str();
                self.end_sessions(CloseCode::Kicked, |hub, of| {
                    called(of) && (of.claims.is_some() || hub.is_there(of))
                });
            }
            AdminAction::Kick { room: Some(room), user } => {
                self.send_away(room.as_str(), user.as_str(), "kicked");
            }
            AdminAction::Ban { room, user, span } => {
                let end = self.now + *span;
                let (room, user) = (room.as_str(), user.as_str());
                self.bans.retain(|(of, whom, _)| (&**of, &**whom) != (room, user));
                if !span.is_zero() {
                    self.bans.push((room.to_owned(), user.to_owned(), end));
                    self.send_away(room, user, "banned");
                }
            }
            AdminAction::Remove { room, seq } => {
                if self.take_data_out(room.as_str(), *seq) {
                    self.tell_removed(room.as_str(), *seq, None, None);
                }
            }
            AdminAction::RevokeUser { user } => {
                self.end_sessions(CloseCode::AuthRevoked, |_, of| {
                    of.claims.as_ref().is_some_and(|claims| claims.user == *user)
                });
            }
            AdminAction::RevokeToken { token_id } => {
                self.end_sessions(CloseCode::AuthRevoked, |_, of| {
                    of.claims.as_ref().is_some_and(|of| of.token_id.as_ref() == Some(token_id))
                });
            }
        }
    }

    /// Answers `kick`, `ban` and `remove`.
    pub(super) fn moderate(
        &mut self,
        me: usize,
        id: Option<Value>,
        action: &AdminAction,
    ) -> Result<(), Refusal> {
        match action {
            AdminAction::Kick { room: Some(room), user } => {
                self.hold(me, Action::Moderate, room.as_str())?;
                let is_in = |of: &Session| of.membership(room.as_str()).is_some();
                if !self.sessions.iter().any(|of| of.user == user.as_str() && is_in(of)) {
                    return Err(("not_found", None));
                }
                self.say_done(me, id, room.as_str());
            }
            AdminAction::Ban { room, user, span } => {
                self.hold(me, Action::Moderate, room.as_str())?;
                let now = self.now;
                self.bans.retain(|(_, _, end)| *end > now);
                let known = (room.as_str(), user.as_str());
                let is_new = self.bans.iter().all(|(of, whom, _)| (&**of, &**whom) != known);
                if is_new && !span.is_zero() && self.bans.len() >= self.config.max_bans {
                    return Err(("ban_limit", None));
                }
                self.say_done(me, id, room.as_str());
            }
            AdminAction::Remove { room, seq } => {
                if self.draining {
                    return Err(("draining", None));
                }
                self.hold(me, Action::Moderate, room.as_str())?;
                if !self.take_data_out(room.as_str(), *seq) {
                    return Err(("not_found", None));
                }
                self.tell_removed(room.as_str(), *seq, Some(me), id);
                return Ok(());
            }
            AdminAction::Kick { room: None, .. }
            | AdminAction::RevokeUser { .. }
            | AdminAction::RevokeToken { .. } => {
                unreachable!("only an operator decides {action:?}")
            }
        }
        self.administer(action);
        Ok(())
    }

    /// Who is kept out of a room does not join it.
    pub(super) fn admit(&self, me: usize, room: &str) -> Result<(), Refusal> {
        let user = &self.sessions[me].user;
        let ban =
            self.bans.iter().find(|(of, whom, end)| of == room && whom == user && *end > self.now);
        let Some((_, _, end)) = ban else { return Ok(()) };
        let millis = end.saturating_since(self.now).as_nanos().div_ceil(1_000_000);
        Err(("banned", Some(u64::try_from(millis).unwrap_or(u64::MAX))))
    }

    /// Ends the sessions that `ends` picks; who is connected is told why.
    fn end_sessions(&mut self, code: CloseCode, ends: impl Fn(&Self, &Session) -> bool) {
        let tickets: Vec<String> =
            self.sessions.iter().filter(|of| ends(self, of)).map(|of| of.ticket.clone()).collect();
        for ticket in tickets {
            let index = self.sessions.iter().position(|of| of.ticket == ticket);
            let session = self.sessions.remove(index.expect("each ends once"));
            if session.is_connected() {
                self.turn_away(session.conn, code);
            }
        }
    }

    fn send_away(&mut self, room: &str, user: &str, reason: &str) {
        let mut told = Vec::new();
        for session in self.sessions.iter_mut().filter(|session| session.user == user) {
            let Some(position) = session.position(room) else { continue };
            session.rooms.remove(position);
            if session.is_connected() {
                told.push(session.conn);
            }
        }
        self.sessions.retain(|session| session.is_connected() || !session.rooms.is_empty());
        for conn in told {
            self.say(conn, json!({ "type": "left", "room": room, "reason": reason }));
        }
    }

    fn say_done(&mut self, me: usize, id: Option<Value>, room: &str) {
        if id.is_some() {
            let ack = json!({ "type": "ack", "room": room });
            self.say(self.sessions[me].conn, with_id(ack, id));
        }
    }

    /// Whether there was data at the place.
    fn take_data_out(&mut self, name: &str, seq: u64) -> bool {
        let Some(room) = self.rooms.iter_mut().find(|room| room.name == name) else { return false };
        let entry = room.kept.iter_mut().find(|entry| entry.seq == seq);
        let entry = entry.filter(|entry| matches!(entry.what, What::Data(_)));
        entry.map(|entry| entry.what = What::Removed).is_some()
    }

    /// Appends that something was removed, by somebody or by an operator, and tells everybody.
    fn tell_removed(&mut self, name: &str, seq: u64, by: Option<usize>, id: Option<Value>) {
        let (ts, at, most) = (self.wall_ms(), self.now, self.config.history_entries);
        let author = by.map(|me| (self.sessions[me].conn, self.sessions[me].user.clone()));
        let from = author.as_ref().map(|(_, user)| user.clone());
        let room = self.rooms.iter_mut().find(|room| room.name == name);
        let room = room.expect("something was there");
        let what = What::Removes(seq);
        let entry = room.append(Entry { seq: 0, from, what, ts, at }, most);
        let ack = json!({ "type": "ack", "room": name, "epoch": room.epoch, "seq": entry.seq });
        let author = author.map(|(conn, _)| conn);
        if let (Some(conn), Some(_)) = (author, &id) {
            self.say(conn, with_id(ack, id));
        }
        let mut removed = entry.item();
        removed["type"] = json!("removed");
        removed["room"] = json!(name);
        self.tell_entry(name, author, &removed);
    }
}
