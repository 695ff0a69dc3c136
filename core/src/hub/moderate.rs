//! What moderators and operators do to others: to send them away, to keep them out, to take out what
//! they said. This file does not know how entries get to their readers.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Gone, Hub, State};
use crate::bans::Ban;
use crate::claims::Action;
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::event::AdminAction;
use crate::journal::Record;
use crate::name::Name;
use crate::protocol::{ErrorCode, Id, Reply};
use crate::timers::Timer;
use crate::totals::Limit;

impl Hub {
    /// Answers `kick`: takes a user out of a room.
    pub(super) fn kick(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        (room, user): (&Name, &Name),
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if !self.may(slot, Action::Moderate, room.as_str()) {
            return self.forbid(slot, id, out);
        }
        let room_slot = self.state.rooms.find(room.as_str());
        let there = room_slot.map_or(Vec::new(), |room_slot| self.members_called(room_slot, user));
        let Some(room_slot) = room_slot.filter(|_| !there.is_empty()) else {
            let message = format!("{user} is not in the room");
            return self.refuse(slot, id, ErrorCode::NotFound, message, out);
        };
        let acked = self.say_done(slot, id, room, out);
        self.send_away(room_slot, &there, "kicked", out);
        acked
    }

    /// Answers `ban`: takes a user out of a room, and lets nobody of that name in for a while.
    pub(super) fn ban(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        (room, user): (&Name, &Name),
        span: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if !self.may(slot, Action::Moderate, room.as_str()) {
            return self.forbid(slot, id, out);
        }
        self.state.bans.expire(self.now);
        let (is_new, most) =
            (self.state.bans.find(self.now, room, user).is_none(), self.config.max_bans);
        if is_new && !span.is_zero() && self.state.bans.len() >= most {
            self.counts.hit(Limit::MaxBans);
            let message = format!("there are at most {most} bans");
            return self.refuse(slot, id, ErrorCode::BanLimit, message, out);
        }
        let acked = self.say_done(slot, id, room, out);
        self.keep_out(room, user, span, out);
        acked
    }

    /// Answers `remove`: takes the data out of an entry, and appends an entry that says so.
    pub(super) fn remove(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        (room, seq): (&Name, u64),
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.drain.is_some() {
            return self.refuse(slot, id, ErrorCode::Draining, "the server stops", out);
        }
        if !self.may(slot, Action::Moderate, room.as_str()) {
            return self.forbid(slot, id, out);
        }
        let found = self.state.rooms.find(room.as_str());
        let Some(room_slot) = found.filter(|room_slot| self.take_data_out(*room_slot, seq)) else {
            let message = format!("the room keeps no message {seq}");
            return self.refuse(slot, id, ErrorCode::NotFound, message, out);
        };
        let text = self.append_removal(room_slot, Some(slot), seq);
        self.tell_entry(slot, id, room_slot, text, out)
    }

    /// Why the user may not join the room, if it may not: for how long.
    pub(super) fn is_banned(&self, slot: u32, room: &Name) -> Option<Duration> {
        let end = self.state.bans.find(self.now, room, &self.state.sessions[slot].user)?;
        Some(end.saturating_since(self.now))
    }

    /// Does what an operator decided.
    pub(super) fn administer(&mut self, action: &AdminAction, out: &mut Vec<Command>) {
        match action {
            AdminAction::RevokeUser { user } => {
                let sessions = self.state.sessions.of_user(user).collect();
                self.end_sessions(sessions, CloseCode::AuthRevoked, out);
            }
            AdminAction::RevokeToken { token_id } => {
                let sessions = self.state.sessions.of_token(token_id).collect();
                self.end_sessions(sessions, CloseCode::AuthRevoked, out);
            }
            AdminAction::Kick { room: None, user } => {
                let sessions = self.state.sessions.called(user).collect();
                self.end_sessions(sessions, CloseCode::Kicked, out);
            }
            AdminAction::Kick { room: Some(room), user } => {
                if let Some(room_slot) = self.state.rooms.find(room.as_str()) {
                    let there = self.members_called(room_slot, user);
                    self.send_away(room_slot, &there, "kicked", out);
                }
            }
            AdminAction::Ban { room, user, span } => self.keep_out(room, user, *span, out),
            AdminAction::Remove { room, seq } => {
                let found = self.state.rooms.find(room.as_str());
                if let Some(room_slot) = found.filter(|of| self.take_data_out(*of, *seq)) {
                    let text = self.append_removal(room_slot, None, *seq);
                    self.fan_out(room_slot, text, None, out);
                }
            }
        }
    }

    /// The first ban has ended.
    pub(super) fn bans_are_due(&mut self) {
        self.state.bans.armed = None;
        self.state.bans.expire(self.now);
        self.rearm_bans();
    }

    fn end_sessions(&mut self, sessions: Vec<u32>, code: CloseCode, out: &mut Vec<Command>) {
        for slot in sessions {
            if self.state.sessions[slot].is_connected() {
                self.close(slot, code, Queue::Flush, out);
            } else {
                self.forget(slot);
            }
        }
    }

    fn keep_out(&mut self, room: &Name, user: &Name, span: Duration, out: &mut Vec<Command>) {
        let ban = Ban { room: room.clone(), user: user.clone() };
        if span.is_zero() {
            self.state.bans.lift(&ban);
            self.record(|_| Record::Ban { ban, end: None });
            return self.rearm_bans();
        }
        let end = self.now + span;
        self.record(|_| Record::Ban { ban: ban.clone(), end: Some(end) });
        self.state.bans.set(ban, end);
        self.rearm_bans();
        if let Some(room_slot) = self.state.rooms.find(room.as_str()) {
            let there = self.members_called(room_slot, user);
            self.send_away(room_slot, &there, "banned", out);
        }
    }

    /// Takes members out of a room. Who is connected is told; who is not, and has no other room, has
    /// nothing to come back to.
    fn send_away(&mut self, room_slot: u32, members: &[u32], reason: &str, out: &mut Vec<Command>) {
        for &slot in members {
            if self.state.sessions[slot].is_connected() {
                let _closed_by_its_full_window = self.expel(slot, room_slot, reason, out);
                continue;
            }
            self.end_membership(slot, room_slot);
            if self.state.sessions[slot].memberships.is_empty() {
                self.forget(slot);
            }
        }
    }

    fn members_called(&self, room_slot: u32, user: &Name) -> Vec<u32> {
        let members = self.state.rooms[room_slot].all().iter().copied();
        members.filter(|slot| self.state.sessions[*slot].user == *user).collect()
    }

    /// Takes the data out of the entry at `seq`, if it has any.
    fn take_data_out(&mut self, room_slot: u32, seq: u64) -> bool {
        self.expire(room_slot);
        let is_out = self.state.rooms.take_data_out(room_slot, seq);
        if is_out && let Some(entry) = self.state.rooms[room_slot].log.get(seq) {
            let text = entry.text.clone();
            self.record(|_| Record::Rewritten { room: room_slot, seq, text });
        }
        is_out
    }

    /// Says that it is done, if that was asked for.
    fn say_done(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        room: &Name,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let Some(id) = id else { return Ok(()) };
        let text = Reply::Done { id, room: room.as_str() }.text();
        self.tell(slot, text, out)
    }

    /// Sets the bans' timer to the first end.
    pub(super) fn rearm_bans(&mut self) {
        let State { bans, calendar, .. } = &mut self.state;
        match bans.first_end() {
            Some(end) => calendar.arm(&mut bans.armed, Timer::Bans, end),
            None => calendar.disarm(&mut bans.armed, Timer::Bans),
        }
    }
}
