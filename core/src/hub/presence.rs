//! Who is in a room, as its members are told: by differences now and then, or by a list. This file
//! does not know what is said there.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::flow::Stop;
use super::{Gone, Hub, State};
use crate::claims::Action;
use crate::command::{Command, Recipients};
use crate::config::Auth;
use crate::event::ConnId;
use crate::frame::frame_len;
use crate::presence::News;
use crate::protocol::{ErrorCode, Id, Reply};
use crate::session::{Cursor, Standing};
use crate::timers::Timer;

impl Hub {
    /// The session is there for the others in the room.
    pub(super) fn arrive(&mut self, slot: u32, room_slot: u32) {
        let State { sessions, rooms, .. } = &mut self.state;
        rooms[room_slot].presence.arrive(self.config.presence_list, &sessions[slot].user);
        self.plan_telling(room_slot);
    }

    /// The session is gone for the others in the room, unless it is already.
    pub(super) fn depart(&mut self, slot: u32, room_slot: u32) {
        let State { sessions, rooms, .. } = &mut self.state;
        match sessions[slot].standing {
            Standing::Connected | Standing::Lingering { .. } => {}
            Standing::Away { .. } => return,
        }
        rooms[room_slot].presence.depart(self.config.presence_list, &sessions[slot].user);
        self.plan_telling(room_slot);
    }

    /// Who is in the room, for a reader that is given a page beside it, in at most `free` bytes.
    pub(super) fn listing(&self, slot: u32, room_slot: u32, free: usize) -> Listing {
        let room = &self.state.rooms[room_slot];
        let mark = room.presence.mark();
        if !self.may(slot, Action::Presence, room.name.as_str()) {
            return Listing { members: None, bytes: 0, mark };
        }
        let members = room.presence.members(self.config.presence_list);
        // A number alone takes no room from the page.
        let is_list = members.list.is_some();
        let members = members.raw();
        let bytes = if is_list { members.get().len() } else { 0 };
        if bytes <= free {
            return Listing { members: Some(members), bytes, mark };
        }
        // A difference would mean nothing to it: it is owed a list.
        let (count, mark) = (room.presence.count().raw(), mark.wrapping_sub(1));
        Listing { members: Some(count), bytes: 0, mark }
    }

    /// Answers `presence`: who is in a room.
    pub(super) fn presence(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        name: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let Some(room_slot) = self.joined(slot, name) else {
            return self.refuse_stranger(slot, id, out);
        };
        if !self.may(slot, Action::Presence, self.state.rooms[room_slot].name.as_str()) {
            return self.forbid(slot, id, out);
        }
        let text = self.everybody(room_slot, id);
        if self.queued(slot) + frame_len(text.len()) as u64 > self.limits.data {
            let message = "the connection reads too slowly for a list";
            return self.refuse(slot, id, ErrorCode::Overloaded, message, out);
        }
        self.note_listed(slot, room_slot);
        self.tell(slot, text, out)
    }

    /// Tells the members of a room what is new of them.
    pub(super) fn telling_is_due(&mut self, room_slot: u32, out: &mut Vec<Command>) {
        let room = &mut self.state.rooms[room_slot];
        room.presence.armed = None;
        let before = room.presence.mark();
        let text = match room.presence.begin_telling(self.config.presence_list) {
            News::Of(names) => {
                let changes = room.presence.changes(&names);
                Reply::Changes { room: room.name.as_str(), changes }.text()
            }
            News::All => self.everybody(room_slot, None),
        };
        self.tell_members(room_slot, before, text, out);
    }

    /// Gives a reader who has read everything the list that it is owed, if it is owed one.
    pub(super) fn give_list(
        &mut self,
        slot: u32,
        room_slot: u32,
        out: &mut Vec<Command>,
    ) -> Result<(), Stop> {
        let room = &self.state.rooms[room_slot];
        let membership = self.state.sessions[slot].membership(room_slot);
        let is_told = membership.is_none_or(|of| of.told == room.presence.mark());
        if is_told || !self.may(slot, Action::Presence, room.name.as_str()) {
            return Ok(());
        }
        let text = self.everybody(room_slot, None);
        self.check_room(slot, frame_len(text.len()) as u64)?;
        self.note_listed(slot, room_slot);
        self.send(slot, text.into(), out);
        Ok(())
    }

    /// The rooms of a session where it is not told who is there.
    pub(super) fn blind_rooms(&self, slot: u32) -> Vec<u32> {
        let rooms = self.state.sessions[slot].memberships.iter().map(|of| of.room);
        let is_blind =
            |room: &u32| !self.may(slot, Action::Presence, self.state.rooms[*room].name.as_str());
        rooms.filter(is_blind).collect()
    }

    /// The session was not told who is in these rooms: where it is still, and may be told, it is owed a
    /// list.
    pub(super) fn owe_lists(&mut self, slot: u32, blind: &[u32]) {
        for &room_slot in blind {
            let Some(membership) = self.state.sessions[slot].membership(room_slot) else {
                continue;
            };
            let cursor = membership.cursor;
            let room = &self.state.rooms[room_slot];
            if !self.may(slot, Action::Presence, room.name.as_str()) {
                continue;
            }
            let (head, stale) = (room.log.head(), room.presence.mark().wrapping_sub(1));
            match cursor {
                Cursor::Live => self.make_lagging(slot, room_slot, head, stale),
                Cursor::Lagging(seq) => self.read_from(slot, room_slot, seq, stale),
            }
        }
    }

    /// Sends news of a room's members to those who have read everything and have room for it. The
    /// others lag, and know what was told `before`.
    fn tell_members(&mut self, room_slot: u32, before: u32, text: String, out: &mut Vec<Command>) {
        let load = self.load(text.len());
        let seeing = self.seeing(room_slot);
        let room = &self.state.rooms[room_slot];
        let (live, head) = (room.live(), room.log.head());
        let readers = seeing.as_deref().unwrap_or(live);
        let (count, without_room) = load.put_on(&mut self.state.sessions.flows, readers, None);
        self.sent.add(count * load.bytes);
        for slot in &without_room {
            self.make_lagging(*slot, room_slot, head, before);
        }
        if count == 0 {
            return;
        }
        let State { sessions, rooms, .. } = &mut self.state;
        let list = match seeing {
            None => rooms[room_slot].recipients(|slot| sessions.flow(slot).conn),
            Some(readers) => {
                let mut left_out = without_room.into_iter().peekable();
                let given = readers.iter().filter(|slot| left_out.next_if_eq(*slot).is_none());
                let list: Vec<ConnId> = given.map(|slot| sessions.flow(*slot).conn).collect();
                list.into()
            }
        };
        out.push(Command::Send { to: Recipients::Many { list, except: None }, text: text.into() });
    }

    /// The live members who may know who is there; nothing where everybody may.
    fn seeing(&self, room_slot: u32) -> Option<Vec<u32>> {
        if self.config.auth == Auth::Off {
            return None;
        }
        let room = &self.state.rooms[room_slot];
        let may = |slot: &u32| self.may(*slot, Action::Presence, room.name.as_str());
        Some(room.live().iter().copied().filter(may).collect())
    }

    /// A `presence` with everybody.
    fn everybody(&self, room_slot: u32, id: Option<Id<'_>>) -> String {
        let room = &self.state.rooms[room_slot];
        let members = room.presence.members(self.config.presence_list);
        Reply::Everybody { id, room: room.name.as_str(), members }.text()
    }

    /// The member was given everything that was told of who is there.
    fn note_listed(&mut self, slot: u32, room_slot: u32) {
        let mark = self.state.rooms[room_slot].presence.mark();
        if let Some(membership) = self.state.sessions[slot].membership_mut(room_slot) {
            membership.told = mark;
        }
    }

    /// Sets the timer of the room's next telling, unless it is set already.
    fn plan_telling(&mut self, room_slot: u32) {
        let State { rooms, calendar, .. } = &mut self.state;
        let presence = &mut rooms[room_slot].presence;
        if presence.armed.is_none() {
            let at = self.now + self.config.presence_tick;
            calendar.arm(&mut presence.armed, Timer::Presence(room_slot), at);
        }
    }
}

/// What a `joined` says of who is in the room.
pub(super) struct Listing {
    pub(super) members: Option<Box<RawValue>>,
    /// What a list takes of the page's bytes.
    pub(super) bytes: usize,
    /// What the reader knows then, as [`Presence::mark`](crate::presence::Presence::mark) has it.
    pub(super) mark: u32,
}
