//! Entries, from a publish to everybody: the part of the auditor that knows cursors and echoes.

use roundtable::Action;

use super::frame::{Frame, Stands};
use super::log::{Entry, digest};
use super::session::SessionId;
use super::{Audit, Member, Note, What};
use crate::invariant::hold;
use crate::known::RoomId;

impl Audit {
    pub(super) fn note_message(&mut self, frame: &Frame<'_>, text: &str) -> Note {
        let item = frame.entry();
        let room = self.known.room(frame.room());
        let log = self.known.last_log(room);
        let log = log.unwrap_or_else(|| panic!("a room that nobody has joined: {text}"));
        let known = self.logs[log as usize].get(item.seq).and_then(|known| known.author);
        let author = match item.stands() {
            Stands::Data(data) => self.publisher(item.from(), data),
            Stands::Removed | Stands::Removes(_) => None,
        };
        let entry = self.entry(log, &item, frame);
        let entry = Entry { author, bytes: text.len() as u64, ..entry };
        self.record(room, log, item.seq, entry);
        if let Some(request) = self.request.as_mut().filter(|_| author.is_some()) {
            request.seen = true;
            let slot = request.slot;
            self.check_right(slot, Action::Publish, frame);
        }
        if known.is_none() && author.is_some() {
            self.logs[log as usize].unseen = false;
        }
        Note {
            place: Some((room, log, item.seq)),
            author: known.or(author),
            fresh: known.is_none(),
        }
    }

    pub(super) fn note_ack(&mut self, frame: &Frame<'_>, now_ms: u64) -> Note {
        let (room, seq) = (self.known.room(frame.room()), frame.seq());
        let log = self.log_of(room, frame.epoch());
        let request = self.request.as_ref().filter(|request| request.what == What::Publish);
        let request = request.unwrap_or_else(|| panic!("acknowledges nothing: {frame:?}"));
        let user = self.readers[request.slot].as_ref().and_then(|reader| reader.user.as_ref());
        let (Some((_, user)), Some(data)) = (user, &request.data) else {
            panic!("nobody published: {frame:?}");
        };
        let entry = Entry {
            digest: digest([user, data]),
            ts: None,
            author: self.session_of(request.slot),
            user: digest([user, ""]),
            tells: false,
            bytes: 0,
        };
        let slot = request.slot;
        self.check_right(slot, Action::Publish, frame);
        let repeated = frame.duplicate == Some(true);
        self.check_key(log, seq, repeated, now_ms, frame);
        if repeated {
            return Note::default();
        }
        let new = seq > self.logs[log as usize].head();
        hold!(self.checked, InSequence, new, "somebody had it before this: {frame:?}");
        self.record(room, log, seq, entry);
        self.logs[log as usize].unseen = false;
        Note::default()
    }

    /// Who is publishing this entry just now.
    fn publisher(&self, from: &str, data: &str) -> Option<SessionId> {
        let request = self.request.as_ref()?;
        let said = match request.what {
            What::Publish => request.data.as_deref() == Some(data),
            What::Plain => true,
            What::Join | What::Hello | What::Signal | What::Moderate | What::Other => false,
        };
        let (_, user) = self.readers[request.slot].as_ref()?.user.as_ref()?;
        self.session_of(request.slot).filter(|_| said && user == from)
    }

    pub(super) fn message(&mut self, slot: usize, frame: &Frame<'_>, note: Note) {
        let (room, _, seq) = note.place.expect("a message has a place");
        let reader = self.readers[slot].as_mut().expect("a live client");
        let conn = reader.conn;
        let member = reader.rooms.iter_mut().find(|member| member.room == room);
        let Some(member) = member else {
            hold!(self.checked, InSequence, false, "{conn:?} is not in the room of {frame:?}");
            return;
        };
        let (echo, cursor) = (member.echo, member.cursor);
        let mine = note.author.is_some() && note.author == reader.session;
        if seq == cursor + 1 {
            self.checked.count(crate::invariant::Invariant::NothingLost);
            member.cursor = seq;
        } else {
            self.skip(slot, room, seq, frame);
        }
        if mine {
            assert!(echo, "{conn:?} wanted no echo: {frame:?}");
            let request = self.request.as_ref().filter(|request| request.id.is_some());
            let acked = !note.fresh || request.is_none_or(|request| request.acked);
            hold!(self.checked, InSequence, acked, "{conn:?} got its echo first: {frame:?}");
        }
    }

    pub(super) fn gap(&mut self, slot: usize, frame: &Frame<'_>, note: Note) {
        let bounds = frame.bounds();
        let (room, log, to) = note.place.expect("a gap has a place");
        assert_eq!(self.known.epoch(log), frame.epoch());
        self.skip(slot, room, bounds.from, frame);
        self.member(slot, room, frame).cursor = to;
    }

    /// What is given next to a reader begins right behind its cursor, but for its own messages
    /// where it wanted no echo.
    pub(super) fn skip(&mut self, slot: usize, room: RoomId, next: u64, frame: &Frame<'_>) {
        let reader = self.readers[slot].as_ref().expect("a live client");
        let conn = reader.conn;
        let member = reader.rooms.iter().find(|member| member.room == room);
        let member = member.unwrap_or_else(|| panic!("{conn:?} is not in the room of {frame:?}"));
        let cursor = member.cursor;
        hold!(self.checked, OneOrder, next > cursor, "{conn:?} at {cursor} goes back: {frame:?}");
        let all =
            next == cursor + 1 || (!member.echo && self.missing(reader, member, next).is_none());
        hold!(self.checked, NothingLost, all, "{conn:?} at {cursor} misses some before {frame:?}");
        self.member(slot, room, frame).cursor = next;
    }

    pub(super) fn member(&mut self, slot: usize, room: RoomId, frame: &Frame<'_>) -> &mut Member {
        let reader = self.readers[slot].as_mut().expect("a live client");
        let member = reader.rooms.iter_mut().find(|member| member.room == room);
        member.unwrap_or_else(|| panic!("not in the room of {frame:?}"))
    }
}
