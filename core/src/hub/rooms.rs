//! Joining and leaving, and how rooms come and go. This file does not know how entries get into a
//! log.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Gone, Hub};
use crate::claims::Action;
use crate::command::Command;
use crate::journal::Record;
use crate::keyed::{Purpose, permute};
use crate::log::{Epoch, Start};
use crate::name::Name;
use crate::protocol::{Echo, ErrorCode, Gap, Id, Page, Position, Reply};
use crate::room::Room;
use crate::session::{Cursor, Membership};
use crate::timers::Timer;
use crate::totals::Limit;

impl Hub {
    /// Makes a session a member of a room, gives it a page of the log, and lets it live or read on,
    /// in one step: nothing can fall between.
    pub(super) fn join(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        name: &Name,
        since: Option<&Position<'_>>,
        echo: Echo,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.drain.is_some() {
            return self.refuse(slot, id, ErrorCode::Draining, "the server stops", out);
        }
        if !self.may(slot, Action::Join, name.as_str()) {
            return self.forbid(slot, id, out);
        }
        if let Some(wait) = self.is_banned(slot, name) {
            let message = "you may not join the room for a while".into();
            return self.refuse_for(slot, id, ErrorCode::Banned, message, Some(wait), out);
        }
        let room_slot = match self.open(slot, name) {
            Ok(room_slot) => room_slot,
            Err((code, message)) => return self.refuse(slot, id, code, message, out),
        };
        if self.state.sessions[slot].membership(room_slot).is_some() {
            return self.join_again(slot, id, room_slot, echo, out);
        }
        let place = self.state.rooms.add(room_slot, slot);
        let (cursor, told) = (Cursor::Lagging(0), 0);
        self.state.sessions[slot].add(Membership { room: room_slot, place, cursor, told, echo });
        self.state.sessions.touch(slot);
        self.arrive(slot, room_slot);
        self.enter(slot, id, room_slot, since.map(|place| (&*place.epoch, place.seq)), out)
    }

    /// Gives a member, who is not given what is new, the page that it asked for, and lets it live or
    /// read on.
    pub(super) fn enter(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        room_slot: u32,
        since: Option<(&str, u64)>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let free = self.free_for_page(slot);
        let listing = self.listing(slot, room_slot, free);
        let free = free.saturating_sub(listing.bytes);
        let room = &self.state.rooms[room_slot];
        let entry = if self.may(slot, Action::History, room.name.as_str()) {
            room.start(self.config.recent, since, free)
        } else {
            room.start_at_head(since)
        };
        let text = Reply::Joined {
            id,
            room: room.name.as_str(),
            epoch: room.log.epoch(),
            seq: entry.cursor,
            recovered: entry.recovered,
            reason: entry.reason,
            gap: entry.gap,
            members: listing.members,
            more: entry.more,
        }
        .text_with("history", &entry.page);
        if entry.cursor < room.log.head() || listing.mark != room.presence.mark() {
            self.read_from(slot, room_slot, entry.cursor, listing.mark);
        } else {
            self.make_live(slot, room_slot);
        }
        self.tell(slot, text, out)?;
        self.counts.gaps += u64::from(entry.gap.is_some());
        Ok(())
    }

    pub(super) fn leave(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        name: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let Some(room_slot) = self.joined(slot, name) else {
            return self.refuse_stranger(slot, id, out);
        };
        self.take_out(slot, room_slot, id, None, out)
    }

    /// Takes a member out of a room that it may not be in any more.
    pub(super) fn expel(
        &mut self,
        slot: u32,
        room_slot: u32,
        reason: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        self.take_out(slot, room_slot, None, Some(reason), out)
    }

    fn take_out(
        &mut self,
        slot: u32,
        room_slot: u32,
        id: Option<Id<'_>>,
        reason: Option<&str>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let name = self.state.rooms[room_slot].name.clone();
        self.end_membership(slot, room_slot);
        let text = Reply::Left { id, room: name.as_str(), reason }.text();
        self.tell(slot, text, out)
    }

    pub(super) fn end_membership(&mut self, slot: u32, room_slot: u32) {
        let memberships = &mut self.state.sessions[slot].memberships;
        let index = memberships.iter().position(|of| of.room == room_slot);
        let membership = memberships.remove(index.expect("a member has a membership"));
        self.state.sessions.touch(slot);
        self.vacate(slot, &membership);
    }

    /// The room called `name`, if the session is a member.
    pub(super) fn joined(&self, slot: u32, name: &str) -> Option<u32> {
        let name = name.trim();
        // A session is in few of the rooms that there are.
        let mut rooms = self.state.sessions[slot].memberships.iter().map(|of| of.room);
        rooms.find(|room| self.state.rooms[*room].name.as_str() == name)
    }

    pub(super) fn refuse_stranger(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        self.refuse(slot, id, ErrorCode::NotJoined, "join the room first", out)
    }

    /// Takes a membership, which the session in `slot` has no more, out of its room.
    pub(super) fn vacate(&mut self, slot: u32, membership: &Membership) {
        self.depart(slot, membership.room);
        let state = &mut self.state;
        let moved = state.sessions.mover(membership.room);
        state.rooms.leave(membership.room, membership.place, moved);
        self.vanish_if_over(membership.room);
    }

    /// The room's oldest entry is due.
    pub(super) fn room_is_due(&mut self, room_slot: u32) {
        self.state.rooms[room_slot].armed = None;
        self.expire(room_slot);
        self.rearm_room(room_slot);
        self.vanish_if_over(room_slot);
    }

    /// Lets go of what is too old in a room's log.
    pub(super) fn expire(&mut self, room_slot: u32) {
        let trimmed = self.state.rooms.expire(room_slot, self.now, self.limits.log.age);
        self.counts.limits[Limit::HistoryAge as usize] += trimmed;
    }

    /// Sets the room's timer to its oldest entry, unless it is set already.
    pub(super) fn rearm_room(&mut self, room_slot: u32) {
        let room = &mut self.state.rooms[room_slot];
        if room.armed.is_none()
            && let Some(at) = room.log.expires_at(self.limits.log.age)
        {
            self.state.calendar.arm(&mut room.armed, Timer::Room(room_slot), at);
        }
    }

    /// The room called `name` that the session may join, a new one if need be.
    fn open(&mut self, slot: u32, name: &Name) -> Result<u32, (ErrorCode, String)> {
        if let Some(room_slot) = self.state.rooms.find(name.as_str()) {
            self.expire(room_slot);
            let is_member = self.state.sessions[slot].membership(room_slot).is_some();
            if is_member {
                return Ok(room_slot);
            }
        }
        let most = self.config.rooms_per_session;
        if self.state.sessions[slot].memberships.len() >= most {
            self.counts.hit(Limit::RoomsPerSession);
            return Err((ErrorCode::RoomLimit, format!("a session is in at most {most} rooms")));
        }
        // A room that is over is gone, whether its timer has fired or not.
        if let Some(room_slot) = self.state.rooms.find(name.as_str()) {
            self.vanish_if_over(room_slot);
        }
        if let Some(room_slot) = self.state.rooms.find(name.as_str()) {
            let most = self.config.members_per_room;
            if self.state.rooms[room_slot].members() >= most {
                self.counts.hit(Limit::MembersPerRoom);
                return Err((ErrorCode::RoomFull, format!("a room has at most {most} members")));
            }
            return Ok(room_slot);
        }
        let most = self.config.max_rooms;
        if self.state.rooms.len() >= most {
            self.counts.hit(Limit::MaxRooms);
            return Err((ErrorCode::RoomLimit, format!("there are at most {most} rooms")));
        }
        let epoch = Epoch(permute(self.origin.seed, Purpose::Epoch, self.epochs));
        self.epochs += 1;
        let slot = self.state.rooms.insert(Room::new(name.clone(), epoch));
        self.record(|_| Record::Room { slot, name: name.clone(), epoch });
        Ok(slot)
    }

    /// A `join` to a room one is in: no history, and no cursor moves.
    fn join_again(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        room_slot: u32,
        echo: Echo,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let free = self.free_for_page(slot);
        let listing = self.listing(slot, room_slot, free);
        let room = &self.state.rooms[room_slot];
        let may_read = self.may(slot, Action::History, room.name.as_str());
        let mark = room.presence.mark();
        self.state.sessions.touch(slot);
        let membership = self.state.sessions[slot].membership_mut(room_slot);
        let membership = membership.expect("the session is a member");
        membership.echo = echo;
        membership.told = listing.mark;
        let (cursor, head) = (membership.cursor, room.log.head());
        let seq = match cursor {
            Cursor::Live => head,
            Cursor::Lagging(seq) => seq,
        };
        let text = Reply::Joined {
            id,
            room: room.name.as_str(),
            epoch: room.log.epoch(),
            seq,
            recovered: false,
            reason: None,
            gap: None,
            members: listing.members,
            more: may_read && room.log.tail() <= seq,
        }
        .text_with("history", &Page::default());
        if cursor == Cursor::Live && listing.mark != mark {
            self.make_lagging(slot, room_slot, head, listing.mark);
        }
        self.tell(slot, text, out)
    }

    /// Lets go of a room that has neither members nor entries.
    fn vanish_if_over(&mut self, room_slot: u32) {
        if self.state.rooms[room_slot].members() > 0 {
            return;
        }
        self.expire(room_slot);
        let room = &mut self.state.rooms[room_slot];
        if room.log.is_empty() {
            let calendar = &mut self.state.calendar;
            calendar.disarm(&mut room.armed, Timer::Room(room_slot));
            calendar.disarm(&mut room.presence.armed, Timer::Presence(room_slot));
            self.state.rooms.remove(room_slot);
            self.record(|_| Record::NoRoom { slot: room_slot });
        }
    }
}

/// How a session enters a room.
pub(super) struct Entrance {
    pub(super) page: Page,
    /// Where the reader stands behind the page.
    pub(super) cursor: u64,
    pub(super) recovered: bool,
    pub(super) reason: Option<&'static str>,
    pub(super) gap: Option<Gap>,
    /// Whether older entries than those given exist.
    pub(super) more: bool,
}

impl Room {
    /// What a reader is given that may not read what was said before: nothing.
    fn start_at_head(&self, since: Option<(&str, u64)>) -> Entrance {
        Entrance {
            page: Page::default(),
            cursor: self.log.head(),
            recovered: false,
            reason: since.map(|_| "forbidden"),
            gap: None,
            more: false,
        }
    }

    /// What a reader is given that asks for what came after `since`, in at most `bytes`.
    pub(super) fn start(
        &self,
        recent: usize,
        since: Option<(&str, u64)>,
        bytes: usize,
    ) -> Entrance {
        let head = self.log.head();
        match self.log.start(recent, since) {
            Start::Fresh { from, reason } => {
                let (first, page) = self.newest(from..=head, bytes);
                let more = first > self.log.tail();
                Entrance { page, cursor: head, recovered: false, reason, gap: None, more }
            }
            Start::Recovered { after } => {
                let (last, page) = self.oldest(after + 1, bytes);
                let more = self.log.tail() <= after;
                Entrance { page, cursor: last, recovered: true, reason: None, gap: None, more }
            }
            Start::Trimmed { missing } => {
                let (from, to) = missing.into_inner();
                let (last, page) = self.oldest(to + 1, bytes);
                let (reason, gap) = (Some("trimmed"), Some(Gap { from, to }));
                Entrance { page, cursor: last, recovered: false, reason, gap, more: false }
            }
        }
    }
}
