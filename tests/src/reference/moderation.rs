//! What an operator decides, in the reference. It does not know who asks for it.

use roundtable::{AdminAction, CloseCode};
use serde_json::json;

use super::Reference;
use super::frame::Refusal;
use super::room::{Entry, What};
use super::session::Session;

impl Reference {
    pub(super) fn administer(&mut self, action: &AdminAction) {
        match action {
            AdminAction::Kick { room: None, user } => {
                let linger = self.config.presence_linger;
                let is_there = |of: &Session| of.lost_at.is_none_or(|at| at + linger > self.now);
                let kicked = |of: &Session| of.user == user.as_str() && is_there(of);
                if let Some(me) = self.sessions.iter().position(kicked) {
                    if self.sessions[me].is_connected() {
                        self.turn_away(self.sessions[me].conn, CloseCode::Kicked);
                    }
                    self.sessions.remove(me);
                }
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
            AdminAction::Remove { room, seq } => self.remove(room.as_str(), *seq),
            AdminAction::RevokeUser { .. } | AdminAction::RevokeToken { .. } => {}
        }
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

    fn remove(&mut self, name: &str, seq: u64) {
        let (ts, at, most) = (self.wall_ms(), self.now, self.config.history_entries);
        let Some(room) = self.rooms.iter_mut().find(|room| room.name == name) else { return };
        let entry = room.kept.iter_mut().find(|entry| entry.seq == seq);
        let Some(entry) = entry.filter(|entry| matches!(entry.what, What::Data(_))) else { return };
        entry.what = What::Removed;
        let what = What::Removes(seq);
        let mut removed = room.append(Entry { seq: 0, from: None, what, ts, at }, most).item();
        removed["type"] = json!("removed");
        removed["room"] = json!(name);
        let is_in = |of: &&Session| of.is_connected() && of.membership(name).is_some();
        let members: Vec<_> = self.sessions.iter().filter(is_in).map(|of| of.conn).collect();
        for member in members {
            self.say(member, removed.clone());
        }
    }
}
