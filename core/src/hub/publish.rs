//! From a `publish` to everybody: the append, the `ack`, the fan-out. This file does not know how a
//! lagging reader reads on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Gone, Hub};
use crate::command::{Command, Recipients};
use crate::frame::frame_len;
use crate::log::Entry;
use crate::protocol::{Echo, ErrorCode, Id, Reply, write_message};
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
        let entry = Entry { text: text.clone(), author: session.conn, at: self.now };
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
        let (epoch, seq) = (room.log.epoch(), room.log.head());
        let text = Reply::Ack { id: id.raw(), room: room.name.as_str(), epoch, seq }.text();
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
        let (turn, run_ahead) = (self.turn, self.config.run_ahead);
        let most = self.limits.data.saturating_sub(bytes);
        let mut affordable = self.limits.budget.saturating_sub(self.queued_in_all()) / bytes;
        let state = &mut self.state;
        let room = &mut state.rooms[room_slot];
        let (mut sent, mut without_room) = (0, Vec::new());
        for &slot in room.live() {
            if Some(slot) == except {
                continue;
            }
            let flow = &mut state.sessions.flows[slot as usize];
            flow.sent.roll(turn);
            if flow.queued(run_ahead) <= most && affordable > 0 {
                flow.sent.add(bytes);
                affordable -= 1;
                sent += bytes;
            } else {
                without_room.push(slot);
            }
        }
        self.sent.add(sent);
        for slot in without_room {
            self.make_lagging(slot, room_slot);
        }
        if sent > 0 {
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
