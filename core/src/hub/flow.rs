//! Flow control: what the driver reports, and who reads on from the log when there is room again.
//! This file does not know what the texts say.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Hub;
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::event::ConnId;
use crate::flow::Progress;
use crate::frame::frame_len;
use crate::protocol::{Echo, Gap, Reply};
use crate::session::Cursor;
use crate::totals::Limit;

/// Why a lagging session reads on no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It has caught up in all its rooms.
    Live,
    /// Its window is full.
    Window,
    /// The global budget is used up.
    Budget,
}

impl Hub {
    pub(super) fn backlog(&mut self, conn: ConnId, bytes: u64) {
        let Some(slot) = self.state.sessions.find(conn) else { return };
        let (awake, turn, state) = (self.awake(), self.turn, &mut self.state);
        let flow = state.sessions.flow_mut(slot);
        flow.sent.roll(turn);
        let before = flow.backlog;
        let progress = flow.report(self.config.run_ahead, bytes);
        state.reported = state.reported - before + bytes;
        state.backlogs.remove(&(before, slot));
        if bytes > 0 {
            state.backlogs.insert((bytes, slot));
        }
        let session = &mut state.sessions[slot];
        if progress == Progress::Made {
            session.link.heard = awake;
        }
        if progress == Progress::Made || before == 0 {
            session.link.moved = awake;
        }
        if bytes < before && session.lags() {
            state.lagging.ready.insert(slot);
        }
        self.rearm(slot);
    }

    pub(super) fn flushed(&mut self, out: &mut Vec<Command>) {
        self.turn += 1;
        self.sent.roll(self.turn);
        let lagging = &mut self.state.lagging;
        lagging.over_budget = false;
        lagging.ready.append(&mut lagging.covering);
        // Not before: a level that is still to be reported may be a lower one.
        self.relieve_pressure(out);
        self.read_on(self.config.tick_work, out);
    }

    /// Lets lagging sessions read on, at most `most` of them.
    pub(super) fn read_on(&mut self, most: usize, out: &mut Vec<Command>) {
        for _ in 0..most {
            if self.state.lagging.over_budget {
                return;
            }
            let Some(slot) = self.state.lagging.ready.pop_first() else { return };
            match self.catch_up(slot, out) {
                Stop::Live => self.close_if_drained(slot, out),
                Stop::Budget => {
                    self.state.lagging.covering.insert(slot);
                    self.state.lagging.over_budget = true;
                }
                // What is not covered yet may leave room at a later `Flushed`; what is reported
                // leaves room with a later report.
                Stop::Window if self.has_uncovered(slot) => {
                    self.state.lagging.covering.insert(slot);
                }
                Stop::Window => {}
            }
        }
    }

    /// Notes that a session lags: it is tried again once its turn is covered.
    fn wait_for_room(&mut self, slot: u32) {
        self.state.lagging.covering.insert(slot);
    }

    /// Reads on in all rooms where the session lags, an entry in each in turn.
    fn catch_up(&mut self, slot: u32, out: &mut Vec<Command>) -> Stop {
        loop {
            let mut live = true;
            for index in 0..self.state.sessions[slot].memberships.len() {
                let membership = &self.state.sessions[slot].memberships[index];
                let Cursor::Lagging(seq) = membership.cursor else { continue };
                live = false;
                if let Err(stop) = self.read_one(slot, index, seq, out) {
                    return stop;
                }
            }
            if live {
                return Stop::Live;
            }
        }
    }

    /// Gives a session the entry behind `seq` in one of its rooms, or the gap that is there.
    fn read_one(
        &mut self,
        slot: u32,
        index: usize,
        seq: u64,
        out: &mut Vec<Command>,
    ) -> Result<(), Stop> {
        let session = &self.state.sessions[slot];
        let (reader, membership) = (session.id, &session.memberships[index]);
        let (room_slot, echo) = (membership.room, membership.echo);
        self.expire(room_slot);
        let room = &self.state.rooms[room_slot];
        if seq == room.log.head() {
            self.give_list(slot, room_slot, out)?;
            self.make_live(slot, room_slot);
            return Ok(());
        }
        let next = seq + 1;
        let is_gap = next < room.log.tail();
        let (read, text) = match room.log.get(next) {
            Some(entry) if echo == Echo::Off && entry.author == Some(reader) => (next, None),
            Some(entry) => (next, Some(entry.text.clone())),
            None => {
                let gap = Gap { from: next, to: room.log.tail() - 1 };
                let (epoch, reason) = (room.log.epoch(), "trimmed");
                let text = Reply::Gap { room: room.name.as_str(), epoch, gap, reason }.text();
                (gap.to, Some(Arc::from(text)))
            }
        };
        if let Some(text) = text {
            self.check_room(slot, frame_len(text.len()) as u64)?;
            self.send(slot, text, out);
            self.counts.gaps += u64::from(is_gap);
        }
        self.state.sessions[slot].memberships[index].cursor = Cursor::Lagging(read);
        Ok(())
    }

    pub(super) fn check_room(&mut self, slot: u32, bytes: u64) -> Result<(), Stop> {
        if self.queued(slot) + bytes > self.limits.data {
            Err(Stop::Window)
        } else if self.queued_in_all() + bytes > self.limits.budget {
            Err(Stop::Budget)
        } else {
            Ok(())
        }
    }

    fn has_uncovered(&self, slot: u32) -> bool {
        self.state.sessions.flow(slot).sent.uncovered(self.config.run_ahead) > 0
    }

    /// A live member lags from `seq` on, and knows what was told of who is there up to `told`.
    pub(super) fn make_lagging(&mut self, slot: u32, room_slot: u32, seq: u64, told: u32) {
        let state = &mut self.state;
        let membership = state.sessions[slot].membership(room_slot);
        let place = membership.expect("a member has a membership").place;
        state.rooms.make_lagging(room_slot, place, state.sessions.mover(room_slot));
        self.counts.lagged += 1;
        self.read_from(slot, room_slot, seq, told);
    }

    /// Lets a member, who is not given what is new, read on behind `seq` when there is room.
    pub(super) fn read_from(&mut self, slot: u32, room_slot: u32, seq: u64, told: u32) {
        let membership = self.state.sessions[slot].membership_mut(room_slot);
        let membership = membership.expect("a member has a membership");
        (membership.cursor, membership.told) = (Cursor::Lagging(seq), told);
        self.state.sessions.touch(slot);
        self.wait_for_room(slot);
    }

    pub(super) fn make_live(&mut self, slot: u32, room_slot: u32) {
        let state = &mut self.state;
        let Some(membership) = state.sessions[slot].membership_mut(room_slot) else { return };
        membership.cursor = Cursor::Live;
        let place = membership.place;
        state.sessions.touch(slot);
        state.rooms.make_live(room_slot, place, state.sessions.mover(room_slot));
    }

    /// Closes the largest backlogs while all together are past the budget.
    fn relieve_pressure(&mut self, out: &mut Vec<Command>) {
        while self.state.reported > self.limits.budget {
            let Some((_, slot)) = self.state.backlogs.last().copied() else { return };
            self.counts.hit(Limit::BudgetBytes);
            self.close(slot, CloseCode::MemoryPressure, Queue::Drop, out);
        }
    }
}
