//! From a `publish` to everybody: the append, the `ack`, the fan-out. This file does not know how a
//! lagging reader reads on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Gone, Hub, State};
use crate::claims::Action;
use crate::command::{Command, Recipients};
use crate::config::RunAhead;
use crate::flow::Flow;
use crate::frame::frame_len;
use crate::journal::Record;
use crate::keys::{Author, Kept, Key, digest};
use crate::log::Entry;
use crate::protocol::{Echo, ErrorCode, Id, Repeat, write_ack, write_message, write_removed};
use crate::session::{Cursor, SessionId};
use crate::timers::Timer;
use crate::totals::Limit;

impl Hub {
    pub(super) fn publish(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        (name, key): (&str, Option<&str>),
        data: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.drain.is_some() {
            return self.refuse(slot, id, ErrorCode::Draining, "the server stops", out);
        }
        let Some(room_slot) = self.joined(slot, name) else {
            return self.refuse_stranger(slot, id, out);
        };
        if !self.may(slot, Action::Publish, self.state.rooms[room_slot].name.as_str()) {
            return self.forbid(slot, id, out);
        }
        if let Some(key) = key {
            let key = self.key(slot, room_slot, key);
            let kept = self.state.keys.find(self.now, self.config.key_age, &key);
            if let Some(kept) = kept {
                return self.publish_again(slot, id, room_slot, kept, digest(data), out);
            }
            self.keep(key, room_slot, digest(data));
        }
        let ts = self.wall_ms();
        let session = &self.state.sessions[slot];
        let room = &self.state.rooms[room_slot];
        let (user, seq) = (session.user.as_str(), room.log.head() + 1);
        write_message(&mut self.scratch, &room.prefix, seq, user, data, ts);
        let author = Some(session.id);
        let text = self.append(room_slot, author);
        self.tell_entry(slot, id, room_slot, text, out)
    }

    /// Appends an entry that says what was removed: by a session, or by an operator.
    pub(super) fn append_removal(
        &mut self,
        room_slot: u32,
        by: Option<u32>,
        removed: u64,
    ) -> Arc<str> {
        let ts = self.wall_ms();
        let session = by.map(|slot| &self.state.sessions[slot]);
        let room = &self.state.rooms[room_slot];
        let (user, seq) = (session.map(|of| of.user.as_str()), room.log.head() + 1);
        write_removed(&mut self.scratch, &room.prefix, seq, user, removed, ts);
        let author = session.map(|of| of.id);
        self.append(room_slot, author)
    }

    /// Appends what was written to a room's log, as the text that everybody is sent.
    fn append(&mut self, room_slot: u32, author: Option<SessionId>) -> Arc<str> {
        let text: Arc<str> = Arc::from(&*self.scratch);
        let entry = Entry { text: text.clone(), author, at: self.now };
        let trimmed = self.state.rooms.append(room_slot, self.limits.log, entry);
        self.counts.entries += 1;
        self.record(|hub| {
            let log = &hub.state.rooms[room_slot].log;
            let entry = log.get(log.head()).expect("what was appended is at the head").clone();
            Record::Entry { room: room_slot, seq: log.head(), tail: log.tail(), entry }
        });
        if let Some(trimmed) = trimmed {
            let limits = &mut self.counts.limits;
            limits[Limit::HistoryAge as usize] += trimmed.age;
            limits[Limit::HistoryEntries as usize] += trimmed.entries;
            limits[Limit::HistoryBytes as usize] += trimmed.bytes;
        }
        self.rearm_room(room_slot);
        text
    }

    /// Tells of the entry at the head: its author by an `ack`, then everybody by the entry itself.
    pub(super) fn tell_entry(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        room_slot: u32,
        text: Arc<str>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let seq = self.state.rooms[room_slot].log.head();
        let acked = match id {
            None => Ok(()),
            Some(id) => self.ack(slot, id, room_slot, seq, Repeat::First, out),
        };
        // Who had no room for the ack lives in no room any more.
        let except = acked.as_ref().ok().and_then(|()| self.unwanted_echo(slot, room_slot));
        self.fan_out(room_slot, text, except, out);
        acked
    }

    fn ack(
        &mut self,
        slot: u32,
        id: Id<'_>,
        room_slot: u32,
        seq: u64,
        repeat: Repeat,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let room = &self.state.rooms[room_slot];
        write_ack(&mut self.scratch, id.raw(), &room.ack_middle, seq, repeat);
        let text: Arc<str> = Arc::from(&*self.scratch);
        self.tell(slot, text, out)
    }

    /// A `publish` with a key that stands for an entry: nothing is appended.
    fn publish_again(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        room_slot: u32,
        kept: Kept,
        digest: u64,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if kept.digest != digest {
            let message = "the `key` stands for other data";
            return self.refuse(slot, id, ErrorCode::KeyConflict, message, out);
        }
        self.counts.duplicates += 1;
        match id {
            None => Ok(()),
            Some(id) => self.ack(slot, id, room_slot, kept.seq, Repeat::Duplicate, out),
        }
    }

    fn key(&self, slot: u32, room_slot: u32, key: &str) -> Key {
        let epoch = self.state.rooms[room_slot].log.epoch();
        let session = &self.state.sessions[slot];
        let author = match session.claims() {
            Some(claims) => Author::User(claims.user.clone()),
            None => Author::Session(session.id),
        };
        Key { epoch, author, word: key.into() }
    }

    /// Lets a key stand for the entry that is appended next.
    fn keep(&mut self, key: Key, room_slot: u32, digest: u64) {
        let (age, most) = (self.config.key_age, self.config.max_keys);
        let seq = self.state.rooms[room_slot].log.head() + 1;
        let kept = Kept::new(seq, digest, self.now);
        self.record(|_| Record::Key { key: key.clone(), kept });
        let gave_way = self.state.keys.insert(age, most, key, kept);
        self.counts.limits[Limit::MaxKeys as usize] += u64::from(gave_way);
        self.rearm_keys();
    }

    /// The oldest key is due.
    pub(super) fn keys_are_due(&mut self) {
        self.state.keys.armed = None;
        self.state.keys.expire(self.now, self.config.key_age);
        self.rearm_keys();
    }

    /// Sets the keys' timer to the oldest one, unless it is set already.
    fn rearm_keys(&mut self) {
        let State { keys, calendar, .. } = &mut self.state;
        if keys.armed.is_none()
            && let Some(at) = keys.expires_at(self.config.key_age)
        {
            calendar.arm(&mut keys.armed, Timer::Keys, at);
        }
    }

    /// What a text of `len` bytes adds to the flow of each of its recipients.
    pub(super) fn load(&self, len: usize) -> Load {
        let bytes = frame_len(len) as u64;
        let budget = self.limits.budget.saturating_sub(self.queued_in_all());
        Load {
            bytes,
            most: self.limits.data.saturating_sub(bytes),
            affordable: budget / bytes,
            turn: self.turn,
            run_ahead: self.config.run_ahead,
        }
    }

    /// Sends the entry at the head to all live members with room for it; the others lag.
    pub(super) fn fan_out(
        &mut self,
        room_slot: u32,
        text: Arc<str>,
        except: Option<u32>,
        out: &mut Vec<Command>,
    ) {
        let load = self.load(text.len());
        let live = self.state.rooms[room_slot].live();
        let (count, without_room) = load.put_on(&mut self.state.sessions.flows, live, except);
        self.sent.add(count * load.bytes);
        let room = &self.state.rooms[room_slot];
        let (before, told) = (room.log.head() - 1, room.presence.mark());
        if !without_room.is_empty() {
            let is_over_budget = count >= load.affordable;
            self.counts.hit(if is_over_budget { Limit::BudgetBytes } else { Limit::WindowBytes });
        }
        for slot in without_room {
            self.make_lagging(slot, room_slot, before, told);
        }
        if count > 0 {
            let sessions = &self.state.sessions;
            let room = &mut self.state.rooms[room_slot];
            let list = room.recipients(|slot| sessions.flow(slot).conn);
            let except = except.map(|slot| sessions.flow(slot).conn);
            out.push(Command::Send { to: Recipients::Many { list, except }, text });
        }
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
pub(super) struct Load {
    pub(super) bytes: u64,
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
    pub(super) fn put_on(
        self,
        flows: &mut [Flow],
        live: &[u32],
        except: Option<u32>,
    ) -> (u64, Vec<u32>) {
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
