//! Pages, joins and gaps: the part of the auditor that knows the table of `since`.

use roundtable::Action;
use serde_json::value::RawValue;

use super::frame::{Frame, Place};
use super::presence::Folded;
use super::session::Said;
use super::{Audit, Member, Note, What};
use crate::invariant::hold;
use crate::known::{LogId, RoomId};

impl Audit {
    pub(super) fn note_joined(&mut self, frame: &Frame<'_>, now_ms: u64) -> Note {
        let room = self.known.room(frame.room());
        let log = self.log_of(room, frame.epoch());
        let head = self.known.head(room);
        let given = self.page(room, log, frame);
        let seq = frame.seq();
        let last = given.map_or(seq, |(_, last)| last);
        hold!(self.checked, SinceTable, last == seq, "seq is the last one given: {frame:?}");
        if let Some(gap) = frame.gap {
            self.check_lack(log, gap.to, now_ms, frame);
        }
        self.known.seen(room, seq);
        // A second join reads no page, and tells of no older entries.
        let asked = self.request.as_ref().filter(|request| request.what == What::Join);
        let again = asked.is_some_and(|request| {
            let reader = self.readers[request.slot].as_ref();
            reader.is_some_and(|reader| reader.rooms.iter().any(|member| member.room == room))
        });
        let reader = self.addressee.expect("somebody joined");
        if !self.may(reader, Action::History, frame.room()) {
            let nothing = given.is_none() && frame.recovered == Some(false) && frame.gap.is_none();
            let told = frame.reason.is_none() || frame.reason.as_deref() == Some("forbidden");
            hold!(self.checked, Permitted, nothing && told, "no history: {frame:?}");
        } else if !again {
            let first = given.map(|(first, _)| first);
            match self.where_it_stands(frame.room()) {
                Said::Of(since) => self.check_since(since.as_ref(), frame, head, first),
                // Only the hub knows where it stopped to send.
                Said::Nothing => {
                    assert!(frame.recovered == Some(true) || frame.gap.is_some(), "{frame:?}");
                }
            }
            let first = given.map_or(seq + 1, |(first, _)| first);
            self.check_more(log, first, frame, now_ms);
        }
        Note { place: Some((room, log, seq)), ..Note::default() }
    }

    pub(super) fn note_history(&mut self, frame: &Frame<'_>, now_ms: u64) -> Note {
        let room = self.known.room(frame.room());
        let log = self.log_of(room, frame.epoch());
        let head = self.known.head(room);
        let before = self.request.as_ref().and_then(|request| request.before.clone());
        let other_run = before.as_ref().is_some_and(|before| before.epoch != frame.epoch());
        let end = before.map_or(u64::MAX, |before| before.seq);
        let Some((first, last)) = self.page(room, log, frame) else {
            let newest = head.min(end.saturating_sub(1));
            let nothing = other_run
                || newest == 0
                || self.logs[log as usize].may_lack(newest, now_ms, self.limits.log);
            hold!(self.checked, PagesAreTheLog, nothing, "{newest} is not there: {frame:?}");
            return Note::default();
        };
        let joined = last < end && (last + 1 == end || last >= head);
        hold!(self.checked, PagesAreTheLog, joined && !other_run, "before {end}: {frame:?}");
        self.check_more(log, first, frame, now_ms);
        Note::default()
    }

    pub(super) fn note_gap(&mut self, frame: &Frame<'_>, now_ms: u64) -> Note {
        let room = self.known.room(frame.room());
        let log = self.log_of(room, frame.epoch());
        let bounds = frame.bounds();
        let told = bounds.from <= bounds.to && frame.reason.as_deref() == Some("trimmed");
        assert!(told, "a gap without a place: {frame:?}");
        self.check_lack(log, bounds.to, now_ms, frame);
        self.known.seen(room, bounds.to);
        Note { place: Some((room, log, bounds.to)), ..Note::default() }
    }

    pub(super) fn joined(&mut self, slot: usize, frame: &Frame<'_>, note: Note) {
        let (room, log, seq) = note.place.expect("a joined has a place");
        let asked = self.request.as_ref().filter(|request| request.what == What::Join);
        let echo = asked.is_none_or(|request| request.echo);
        let echo = self.reseated(room, frame).unwrap_or(echo);
        let reader = self.readers[slot].as_ref().expect("a live client");
        if let Some(member) = reader.rooms.iter().find(|member| member.room == room) {
            let cursor = member.cursor;
            let nothing = frame.page().is_empty() && frame.recovered == Some(false);
            assert!(nothing, "a second join gives nothing: {frame:?}");
            if seq != cursor {
                self.skip(slot, room, seq + 1, frame);
            }
            let member = self.member(slot, room, frame);
            (member.cursor, member.echo) = (seq, echo);
            return self.joined_members(slot, room, log, frame);
        }
        if self.members.len() <= room as usize {
            self.members.resize(room as usize + 1, 0);
        }
        let members = &mut self.members[room as usize];
        *members += 1;
        self.occupied += usize::from(*members == 1);
        let members = *members;
        self.check_right(slot, Action::Join, frame);
        let reader = self.readers[slot].as_mut().expect("a live client");
        reader.rooms.push(Member { room, cursor: seq, echo, folded: Folded::Nothing });
        let rooms = reader.rooms.len();
        let (Some((user, _)), Some(session)) = (&reader.user, reader.session) else {
            panic!("{:?} was not greeted: {frame:?}", reader.conn);
        };
        let banned = self.moderation.is_banned(room, user);
        hold!(self.checked, Moderated, !banned, "{user} is banned: {frame:?}");
        self.presence.came(room, session, user);
        let within = members <= self.limits.members
            && rooms <= self.limits.rooms_per_session
            && self.occupied <= self.limits.rooms;
        hold!(self.checked, Limits, within, "{members} members, {rooms} rooms: {frame:?}");
        self.joined_members(slot, room, log, frame);
    }

    pub(super) fn vacate(&mut self, room: RoomId) {
        let members = &mut self.members[room as usize];
        *members -= 1;
        self.occupied -= usize::from(*members == 0);
    }

    /// Records a page of entries, and gives its first and last place.
    fn page(&mut self, room: RoomId, log: LogId, frame: &Frame<'_>) -> Option<(u64, u64)> {
        let mut last = None;
        for item in frame.page() {
            let dense = last.is_none_or(|last: u64| last + 1 == item.seq);
            hold!(self.checked, PagesAreTheLog, dense, "a hole before {item:?}");
            let entry = self.entry(log, item, frame);
            self.record(room, log, item.seq, entry);
            last = Some(item.seq);
        }
        Some((frame.page().first()?.seq, last?))
    }

    /// Only what a log's limits take away may be missing.
    fn check_lack(&mut self, log: LogId, seq: u64, now_ms: u64, frame: &Frame<'_>) {
        let may = self.logs[log as usize].may_lack(seq, now_ms, self.limits.log);
        hold!(self.checked, NothingLost, may, "{seq} is still to be had: {frame:?}");
    }

    /// `more` says that older entries than the first given exist.
    fn check_more(&mut self, log: LogId, first: u64, frame: &Frame<'_>, now_ms: u64) {
        let log = &self.logs[log as usize];
        let more = frame.more.unwrap_or_else(|| panic!("no more: {frame:?}"));
        let told = if more {
            first > 1
        } else {
            first <= 1 || log.may_lack(first - 1, now_ms, self.limits.log)
        };
        hold!(self.checked, PagesAreTheLog, told, "more before {first}: {frame:?}");
    }

    /// The table of `since`, as far as clients can know it; `head` is the newest place that anybody
    /// was told of before this.
    fn check_since(
        &mut self,
        since: Option<&Place>,
        frame: &Frame<'_>,
        head: u64,
        first: Option<u64>,
    ) {
        let seq = frame.seq();
        let start = first.unwrap_or(seq + 1);
        let same_run = since.is_some_and(|since| since.epoch == frame.epoch());
        let seen = since.map_or(0, |since| since.seq);
        let gap = frame.gap.map(|gap| (gap.from, gap.to));
        let recent = frame.page().len() <= self.limits.recent;
        let fresh = seq >= head && gap.is_none() && recent;
        let right = match (frame.recovered, frame.reason.as_deref()) {
            (Some(true), None) => same_run && seen + 1 == start && gap.is_none(),
            (Some(false), None) => since.is_none() && fresh,
            (Some(false), Some("epoch_changed")) => since.is_some() && !same_run && fresh,
            (Some(false), Some("ahead")) => same_run && seen > seq && fresh,
            (Some(false), Some("trimmed")) => same_run && gap == Some((seen + 1, start - 1)),
            _ => false,
        };
        hold!(self.checked, SinceTable, right, "asked with {since:?}, {head} known: {frame:?}");
    }
}

/// The bytes of an id as they were sent.
pub(super) fn raw_id<'a>(frame: &Frame<'a>) -> Option<&'a str> {
    frame.id.map(RawValue::get)
}
