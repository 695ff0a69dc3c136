//! From a `publish` to everybody: the append, the `ack`, the fan-out. This file does not know how a
//! lagging reader reads on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Gone, Hub};
use crate::command::{Command, Recipients};
use crate::config::RunAhead;
use crate::flow::Flow;
use crate::frame::frame_len;
use crate::log::Entry;
use crate::protocol::{Echo, ErrorCode, Id, write_ack, write_message};
use crate::session::Cursor;

impl Hub {
    pub(super) fn publish(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        name: &str,
        data: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.drain.is_some() {
            return self.refuse(slot, id, ErrorCode::Draining, "the server stops", out);
        }
        let Some(room_slot) = self.joined(slot, name) else {
            return self.refuse_stranger(slot, id, out);
        };
        let except = self.unwanted_echo(slot, room_slot);
        let text = self.append(slot, room_slot, data);
        let acked = match id {
            None => Ok(()),
            Some(id) => self.ack(slot, id, room_slot, out),
        };
        self.fan_out(room_slot, text, except, out);
        acked
    }

    /// Appends an entry to a room's log, as the text that everybody is sent.
    fn append(&mut self, slot: u32, room_slot: u32, data: &str) -> Arc<str> {
        let ts = self.wall_ms();
        let session = &self.state.sessions[slot];
        let room = &mut self.state.rooms[room_slot];
        let (user, seq) = (session.user.as_str(), room.log.head() + 1);
        write_message(&mut self.scratch, &room.prefix, seq, user, data, ts);
        let text: Arc<str> = Arc::from(&*self.scratch);
        let entry = Entry { text: text.clone(), author: session.id, at: self.now };
        room.log.append(self.limits.log, entry);
        self.rearm_room(room_slot);
        text
    }

    fn ack(
        &mut self,
        slot: u32,
        id: Id<'_>,
        room_slot: u32,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let room = &self.state.rooms[room_slot];
        write_ack(&mut self.scratch, id.raw(), &room.ack_middle, room.log.head());
        let text: Arc<str> = Arc::from(&*self.scratch);
        self.tell(slot, text, out)
    }

    /// Sends the entry at the head to all live members with room for it; the others lag.
    fn fan_out(
        &mut self,
        room_slot: u32,
        text: Arc<str>,
        except: Option<u32>,
        out: &mut Vec<Command>,
    ) {
        let bytes = frame_len(text.len()) as u64;
        let budget = self.limits.budget.saturating_sub(self.queued_in_all());
        let load = Load {
            bytes,
            most: self.limits.data.saturating_sub(bytes),
            affordable: budget / bytes,
            turn: self.turn,
            run_ahead: self.config.run_ahead,
        };
        let live = self.state.rooms[room_slot].live();
        let (count, without_room) = load.put_on(&mut self.state.sessions.flows, live, except);
        self.sent.add(count * bytes);
        for slot in without_room {
            self.make_lagging(slot, room_slot);
        }
        if count > 0 {
            let sessions = &self.state.sessions;
            let room = &mut self.state.rooms[room_slot];
            let list = room.recipients(|slot| sessions.flow(slot).conn);
            let except = except.map(|slot| sessions.flow(slot).conn);
            out.push(Command::Send { to: Recipients::Many { list, except }, text });
        }
    }

    /// The entry at the head was not given to a live member: it lags behind it.
    fn make_lagging(&mut self, slot: u32, room_slot: u32) {
        let state = &mut self.state;
        let room = &mut state.rooms[room_slot];
        let membership = state.sessions[slot].membership_mut(room_slot);
        let membership = membership.expect("a member has a membership");
        membership.cursor = Cursor::Lagging(room.log.head() - 1);
        let place = membership.place;
        room.make_lagging(place, state.sessions.mover(room_slot));
        self.wait_for_room(slot);
    }

    /// The session, if it lives in the room and does not want its own messages back.
    fn unwanted_echo(&self, slot: u32, room_slot: u32) -> Option<u32> {
        let session = &self.state.sessions[slot];
        let membership = session.membership(room_slot)?;
        (membership.echo == Echo::Off && membership.cursor == Cursor::Live).then_some(slot)
    }
}

/// What a fan-out adds to the flow of each of its recipients.
#[derive(Clone, Copy)]
struct Load {
    bytes: u64,
    /// What may be queued for a recipient before it.
    most: u64,
    /// How many recipients the global budget allows.
    affordable: u64,
    turn: u64,
    run_ahead: RunAhead,
}

impl Load {
    /// Puts it on the `live` ones with room for it, but for one. Returns how many these are, and the
    /// others.
    ///
    /// Apart from the rest of the fan-out, the loop is compiled to fewer instructions.
    #[inline(never)]
    fn put_on(self, flows: &mut [Flow], live: &[u32], except: Option<u32>) -> (u64, Vec<u32>) {
        let (mut count, mut without_room) = (0, Vec::new());
        for &slot in live {
            if Some(slot) == except {
                continue;
            }
            let flow = &mut flows[slot as usize];
            flow.sent.roll(self.turn);
            if flow.queued(self.run_ahead) <= self.most && count < self.affordable {
                flow.sent.add(self.bytes);
                count += 1;
            } else {
                without_room.push(slot);
            }
        }
        (count, without_room)
    }
}
