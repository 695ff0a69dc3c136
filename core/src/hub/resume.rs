//! Sessions without a connection: how one is lost, how its client comes back to it, how long it
//! waits. This file does not know what a client missed.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Gone, Hub};
use crate::claims::Claims;
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::flow::Flow;
use crate::name::Name;
use crate::protocol::{ErrorCode, Id, Places};
use crate::session::{Cursor, Greeted, Standing};
use crate::ticket::Ticket;
use crate::timers::Timer;

/// Whether a client came back to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resumed {
    Yes,
    No,
}

impl Hub {
    /// The session's connection is gone. Its client may come back, if there is anything to come back
    /// to: rooms, and time.
    pub(super) fn lose(&mut self, slot: u32) {
        let is_in_no_room = self.state.sessions[slot].memberships.is_empty();
        if is_in_no_room || self.ends_sessions() || self.config.resume_window.is_zero() {
            return self.forget(slot);
        }
        self.detach(slot);
        self.rearm(slot);
    }

    /// The session that `ticket` names, if the client in `slot` may come back to it.
    /// A session with a token is only for its user, and not without a fresh token when it is over; one
    /// without is for nobody who has a token.
    pub(super) fn find_lost(
        &self,
        slot: u32,
        ticket: &str,
        claims: Option<&Claims>,
    ) -> Option<u32> {
        let ticket: Ticket = ticket.parse().ok()?;
        let window = self.config.resume_window;
        let found = self.state.sessions.find_ticket(ticket).filter(|found| *found != slot)?;
        let is_over = |since| since + window <= self.awake();
        if window.is_zero() || self.state.sessions[found].lost_at().is_some_and(is_over) {
            return None;
        }
        let is_for_it = match (self.state.sessions[found].claims(), claims) {
            (Some(held), Some(claims)) => held.user == claims.user,
            (Some(held), None) => !self.is_over(held),
            (None, Some(_)) => false,
            (None, None) => true,
        };
        is_for_it.then_some(found)
    }

    /// Gives the connection in `slot` to the session in `back`, and lets it read on in each of its
    /// rooms.
    pub(super) fn come_back(
        &mut self,
        slot: u32,
        back: u32,
        id: Option<Id<'_>>,
        since: Option<&Places<'_>>,
        claims: Option<Box<Claims>>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.drain.is_some() {
            return self.refuse(slot, id, ErrorCode::Draining, "the server stops", out);
        }
        if self.state.sessions[slot].greeted == Greeted::Joined {
            let message = "`resume` comes before the first `join`; connect with `?room=`";
            return self.refuse(slot, id, ErrorCode::BadType, message, out);
        }
        if self.state.sessions[back].is_connected() {
            self.take_over(back, out);
        }
        // Somebody else may have its name: then it is gone for others, whether they were told or not.
        let was_away = !self.lingers(back) || !self.has_its_name(back);
        if was_away {
            self.go_away(back);
        }
        let fresh = claims.or_else(|| self.state.sessions[slot].claims().cloned().map(Box::new));
        self.disarm_credential(slot);
        self.hand_over(slot, back);
        if let Some(claims) = fresh {
            self.admit(back, claims, out);
        } else {
            self.claim_name(back);
            self.rearm_credential(back);
        }
        if was_away {
            for index in 0..self.state.sessions[back].memberships.len() {
                self.arrive(back, self.state.sessions[back].memberships[index].room);
            }
        }
        self.rearm(back);
        self.welcome(back, id, Resumed::Yes, out)?;
        self.hold_to_claims(back, out)?;
        for index in 0..self.state.sessions[back].memberships.len() {
            self.rejoin(back, index, since, out)?;
        }
        Ok(())
    }

    /// The session's client has not come back: for others it is gone.
    pub(super) fn go_away(&mut self, slot: u32) {
        let Standing::Lingering { since } = self.state.sessions[slot].standing else { return };
        for index in 0..self.state.sessions[slot].memberships.len() {
            self.depart(slot, self.state.sessions[slot].memberships[index].room);
        }
        self.state.sessions[slot].standing = Standing::Away { since };
        self.state.sessions.touch(slot);
        self.state.sessions.free_name(slot);
        self.rearm(slot);
    }

    /// Whether somebody has `name`, who may have lost the connection a little while ago.
    pub(super) fn is_taken(&self, name: &Name) -> bool {
        // Nobody comes back to a server that stops.
        let is_there =
            |slot: u32| !self.ends_sessions() || self.state.sessions[slot].is_connected();
        if self.state.sessions.of_user(name).any(is_there) {
            return true;
        }
        let Some(slot) = self.state.sessions.holder(name) else { return false };
        match self.state.sessions[slot].standing {
            Standing::Connected => true,
            Standing::Lingering { .. } => !self.ends_sessions() && self.lingers(slot),
            Standing::Away { .. } => false,
        }
    }

    /// Whether the session, which lost its connection, is still there for others.
    fn lingers(&self, slot: u32) -> bool {
        match self.state.sessions[slot].standing {
            Standing::Lingering { since } => since + self.config.presence_linger > self.awake(),
            Standing::Connected | Standing::Away { .. } => false,
        }
    }

    /// Whether nobody else has the session's name.
    fn has_its_name(&self, slot: u32) -> bool {
        let session = &self.state.sessions[slot];
        session.claims().is_some() || self.state.sessions.holder(&session.user) == Some(slot)
    }

    /// Takes the connection from a session that keeps its places.
    fn detach(&mut self, slot: u32) {
        let awake = self.awake();
        self.counts.detached += 1;
        let state = &mut self.state;
        for index in 0..state.sessions[slot].memberships.len() {
            let membership = &mut state.sessions[slot].memberships[index];
            if membership.cursor == Cursor::Live {
                let (room_slot, place) = (membership.room, membership.place);
                membership.cursor = Cursor::Lagging(state.rooms[room_slot].log.head());
                state.rooms.make_lagging(room_slot, place, state.sessions.mover(room_slot));
            }
        }
        self.unlink(slot);
        let sessions = &mut self.state.sessions;
        *sessions.flow_mut(slot) = Flow::new(sessions[slot].link.conn);
        sessions.lose(slot, awake);
    }

    /// Closes the session's connection, since its client has another one.
    fn take_over(&mut self, slot: u32, out: &mut Vec<Command>) {
        let conn = self.state.sessions[slot].link.conn;
        let code = CloseCode::SessionTaken;
        self.say_bye(slot, code, out);
        self.note_closed(slot, code);
        self.detach(slot);
        out.push(Command::Close { conn, code, queue: Queue::Flush });
    }

    fn hand_over(&mut self, from: u32, to: u32) {
        let state = &mut self.state;
        state.waking.disarm(&mut state.sessions[from].armed, Timer::Session(from));
        state.waking.disarm(&mut state.sessions[to].armed, Timer::Session(to));
        let backlog = state.sessions.flow(from).backlog;
        if state.backlogs.remove(&(backlog, from)) {
            state.backlogs.insert((backlog, to));
        }
        state.sessions.hand_over(from, to);
        self.count_unverified(to);
    }

    /// Gives the session its name again, or one like it if somebody else has it by now.
    fn claim_name(&mut self, slot: u32) {
        let session = &self.state.sessions[slot];
        if session.claims().is_some() {
            return;
        }
        let (conn, user) = (session.link.conn, session.user.clone());
        if self.state.sessions.holder(&user) != Some(slot) {
            let user = self.free_name(conn, Some(&user));
            self.state.sessions.rename(slot, user);
        }
    }

    /// Lets the session read on in one of its rooms: where its client says that it stands, else where
    /// the hub stopped to send.
    fn rejoin(
        &mut self,
        slot: u32,
        index: usize,
        since: Option<&Places<'_>>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let membership = &self.state.sessions[slot].memberships[index];
        let (room_slot, cursor) = (membership.room, membership.cursor);
        self.expire(room_slot);
        let room = &self.state.rooms[room_slot];
        match (since, cursor) {
            (Some(places), _) => {
                let place = places.get(room.name.as_str());
                self.enter(slot, None, room_slot, place.map(|of| (&*of.epoch, of.seq)), out)
            }
            (None, Cursor::Lagging(seq)) => {
                let epoch = room.log.epoch().to_string();
                self.enter(slot, None, room_slot, Some((&epoch, seq)), out)
            }
            (None, Cursor::Live) => Ok(()),
        }
    }
}
