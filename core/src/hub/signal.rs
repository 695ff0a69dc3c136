//! Signals: what is said and not kept. This file does not know logs.

use alloc::sync::Arc;
use alloc::vec::Vec;
use alloc::{format, string::String};

use super::{Gone, Hub};
use crate::claims::Action;
use crate::command::{Command, Recipients};
use crate::event::ConnId;
use crate::protocol::{ErrorCode, Id, Reply};
use crate::session::Cursor;
use crate::totals::Limit;

impl Hub {
    /// Sends a signal to everybody else in the room who has read everything and has room for it.
    pub(super) fn signal(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        (name, key): (&str, &str),
        data: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let most = self.config.signal_bytes;
        if data.len() > most {
            self.counts.hit(Limit::SignalBytes);
            let message = format!("`data` has {} bytes, a signal at most {most}", data.len());
            return self.refuse(slot, id, ErrorCode::TooLarge, message, out);
        }
        let Some(room_slot) = self.joined(slot, name) else {
            return self.refuse_stranger(slot, id, out);
        };
        if !self.may(slot, Action::Signal, self.state.rooms[room_slot].name.as_str()) {
            return self.forbid(slot, id, out);
        }
        let (session, room) = (&self.state.sessions[slot], &self.state.rooms[room_slot]);
        let from = session.user.as_str();
        let ttl = u64::try_from(self.config.signal_ttl.as_millis()).unwrap_or(u64::MAX);
        let text = Reply::signal(room.name.as_str(), from, key, data, ttl);
        self.spread(slot, room_slot, text, out);
        let Some(id) = id else { return Ok(()) };
        let room = &self.state.rooms[room_slot];
        let text = Reply::Done { id, room: room.name.as_str() }.text();
        self.tell(slot, text, out)
    }

    fn spread(&mut self, author: u32, room_slot: u32, text: String, out: &mut Vec<Command>) {
        let load = self.load(text.len());
        let live = self.state.rooms[room_slot].live();
        let membership = self.state.sessions[author].membership(room_slot);
        let is_live = membership.is_some_and(|membership| membership.cursor == Cursor::Live);
        let except = is_live.then_some(author);
        let flows = &mut self.state.sessions.flows;
        let (count, without_room) = load.put_on(flows, live, except);
        self.sent.add(count * load.bytes);
        if count == 0 {
            return;
        }
        self.counts.signals += 1;
        let (sessions, text) = (&self.state.sessions, Arc::from(text));
        let room = &mut self.state.rooms[room_slot];
        let to = if without_room.is_empty() {
            let list = room.recipients(|slot| sessions.flow(slot).conn);
            Recipients::Many { list, except: except.map(|slot| sessions.flow(slot).conn) }
        } else {
            let mut left_out = without_room.into_iter().peekable();
            let is_given =
                |slot: &&u32| left_out.next_if_eq(*slot).is_none() && Some(**slot) != except;
            let given = room.live().iter().filter(is_given);
            let list: Vec<ConnId> = given.map(|slot| sessions.flow(*slot).conn).collect();
            Recipients::Many { list: list.into(), except: None }
        };
        out.push(Command::Send { to, text });
    }
}
