//! What of a hub can be looked at by whoever looks after it. This file changes nothing.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::Hub;
use crate::event::ConnId;
use crate::name::Name;
use crate::session::{Cursor, Membership};
use crate::views::{Closed, PlaceView, RoomView, SessionView};

impl Hub {
    /// The rooms with the most members, `most` of them at the most: the fullest first, and of two that
    /// are equally full the one whose name comes first.
    ///
    /// It looks at each room once, and keeps `most` of them: O(rooms × log `most`).
    pub fn busiest(&self, most: usize) -> Vec<RoomView> {
        let rooms = &self.state.rooms;
        // The one on top is the first to give way.
        let mut found = BinaryHeap::new();
        for (slot, room) in rooms.iter() {
            let rank = (Reverse(room.members()), &room.name, slot);
            if found.len() < most {
                found.push(rank);
            } else if let Some(mut last) = found.peek_mut()
                && rank < *last
            {
                *last = rank;
            }
        }
        let ranked = found.into_sorted_vec().into_iter();
        let view = |slot| {
            let room = &rooms[slot];
            RoomView {
                name: room.name.clone(),
                members: room.members() as u64,
                live: room.live().len() as u64,
                head: room.log.head(),
                entries: room.log.len() as u64,
                bytes: room.log.bytes() as u64,
            }
        };
        ranked.map(|(_, _, slot)| view(slot)).collect()
    }

    /// The session that has the connection `conn`, if the hub knows it: O(its rooms).
    pub fn session(&self, conn: ConnId) -> Option<SessionView> {
        self.state.sessions.find(conn).map(|slot| self.view(slot))
    }

    /// The sessions called `user`, with a token or without, connected or not; `most` of them at the
    /// most: O(`most` × their rooms).
    pub fn sessions_of(&self, user: &Name, most: usize) -> Vec<SessionView> {
        self.state.sessions.called(user).take(most).map(|slot| self.view(slot)).collect()
    }

    /// Whom the last event closed, in the order of the commands. Who was turned away before there was a
    /// session is not among them.
    pub fn closed(&self) -> &[Closed] {
        &self.closed
    }

    fn view(&self, slot: u32) -> SessionView {
        let session = &self.state.sessions[slot];
        let mut flow = *self.state.sessions.flow(slot);
        flow.sent.roll(self.turn);
        let connected = session.is_connected();
        let queued_bytes = if connected { flow.queued(self.config.run_ahead) } else { 0 };
        SessionView {
            user: session.user.clone(),
            conn: session.link.conn,
            connected,
            address: session.link.hold.map(|hold| self.state.addresses.key(hold)),
            queued_bytes,
            rooms: session.memberships.iter().map(|of| self.view_place(of)).collect(),
        }
    }

    fn view_place(&self, membership: &Membership) -> PlaceView {
        let room = &self.state.rooms[membership.room];
        let (live, behind) = match membership.cursor {
            Cursor::Live => (true, 0),
            Cursor::Lagging(seq) => (false, room.log.head() - seq),
        };
        PlaceView { room: room.name.clone(), live, behind }
    }
}
