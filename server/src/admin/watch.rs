//! What operators are shown that is kept beside the hub: whom it closed, and a look at its rooms that is
//! made once for all who ask within a second. This file does not know how it is shown.

use std::collections::VecDeque;
use std::time::Duration;

use roundtable::{CloseCode, Command, ConnId, Hub, Name, RoomView, Timestamp};

/// The most rooms that are shown.
pub const MOST_ROOMS: usize = 20;

/// How many of the latest closes are kept.
pub const MOST_CLOSINGS: usize = 100;

/// How long a look at all rooms is good for.
const GLANCE: Duration = Duration::from_secs(1);

/// A connection that the hub closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Timestamp,
    /// The connection.
    pub conn: ConnId,
    /// The name that its session went by; nothing for who was turned away before there was one.
    pub user: Option<Name>,
    /// The room in which the session had been the longest, if it was in any.
    pub room: Option<Name>,
    /// Why.
    pub code: CloseCode,
}

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The latest last.
    closings: VecDeque<Closing>,
    busiest: Vec<RoomView>,
    /// When the rooms were last looked at.
    looked_at: Option<Timestamp>,
}

impl Watch {
    /// Looks through what an event led to.
    pub(crate) fn note(&mut self, now: Timestamp, hub: Option<&Hub>, commands: &[Command]) {
        let mut known = hub.map(Hub::closed).unwrap_or_default().iter().peekable();
        for command in commands {
            let Command::Close { conn, code, .. } = command else { continue };
            let session = known.next_if(|closed| closed.conn == *conn);
            if self.closings.len() == MOST_CLOSINGS {
                self.closings.pop_front();
            }
            self.closings.push_back(Closing {
                at: now,
                conn: *conn,
                user: session.map(|closed| closed.user.clone()),
                room: session.and_then(|closed| closed.room.clone()),
                code: *code,
            });
        }
    }

    /// The latest closes, the latest first.
    pub(crate) fn closings(&self) -> Vec<Closing> {
        self.closings.iter().rev().cloned().collect()
    }

    /// The rooms with the most members, as they are or were less than a second ago.
    pub(crate) fn busiest(&mut self, now: Timestamp, hub: Option<&Hub>) -> Vec<RoomView> {
        if self.looked_at.is_none_or(|at| now.saturating_since(at) >= GLANCE) {
            self.busiest = hub.map(|hub| hub.busiest(MOST_ROOMS)).unwrap_or_default();
            self.looked_at = Some(now);
        }
        self.busiest.clone()
    }
}
