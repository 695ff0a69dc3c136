//! Sessions: who is connected, under which name, in which rooms. This file does not know what is
//! said in them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use crate::bucket::Bucket;
use crate::event::{ConnId, Framing};
use crate::flow::Flow;
use crate::name::Name;
use crate::protocol::Echo;
use crate::slab::Slab;
use crate::time::Timestamp;

/// One connected client.
///
/// The moments of liveness are those of the hub's clock of waking hours (`Hub::awake`), which stands
/// still while the hub itself was away.
#[derive(Debug, PartialEq)]
pub(crate) struct Session {
    pub(crate) conn: ConnId,
    pub(crate) user: Name,
    pub(crate) framing: Framing,
    pub(crate) greeted: Greeted,
    /// In the order of joining.
    pub(crate) memberships: Vec<Membership>,
    /// The last sign of life.
    pub(crate) heard: Timestamp,
    /// The ping that may not have been answered.
    pub(crate) pinged: Option<Timestamp>,
    /// How many pings were sent.
    pub(crate) pings: u64,
    /// When the backlog, if there is one, last became smaller or appeared.
    pub(crate) moved: Timestamp,
    /// When the session's timer is set to fire.
    pub(crate) armed: Option<Timestamp>,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    pub(crate) strikes: Bucket,
    /// When a refusal without `id` was last told.
    pub(crate) refused: Option<Timestamp>,
}

/// Whether a session may still say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeted {
    /// It has joined nothing so far.
    Open,
    /// It has been a member somewhere.
    Joined,
}

/// What a session is to one of its rooms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Membership {
    pub(crate) room: u32,
    /// The place among the room's members.
    pub(crate) place: u32,
    pub(crate) cursor: Cursor,
    pub(crate) echo: Echo,
}

/// How far a member has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// To the head, and it moves with it.
    Live,
    /// Up to this entry.
    Lagging(u64),
}

impl Session {
    pub(crate) fn new(conn: ConnId, user: Name, framing: Framing, heard: Timestamp) -> Self {
        Self {
            conn,
            user,
            framing,
            greeted: Greeted::Open,
            memberships: Vec::new(),
            heard,
            pinged: None,
            pings: 0,
            moved: heard,
            armed: None,
            messages: Bucket::default(),
            bytes: Bucket::default(),
            strikes: Bucket::default(),
            refused: None,
        }
    }

    pub(crate) fn membership(&self, room: u32) -> Option<&Membership> {
        self.memberships.iter().find(|membership| membership.room == room)
    }

    pub(crate) fn membership_mut(&mut self, room: u32) -> Option<&mut Membership> {
        self.memberships.iter_mut().find(|membership| membership.room == room)
    }

    pub(crate) fn lags(&self) -> bool {
        self.memberships.iter().any(|membership| membership.cursor != Cursor::Live)
    }

    /// Adds a membership. Most sessions are in one room: the list grows by what it needs.
    pub(crate) fn add(&mut self, membership: Membership) {
        if self.memberships.len() == self.memberships.capacity() {
            self.memberships.reserve_exact(self.memberships.len().max(1));
        }
        self.memberships.push(membership);
        self.greeted = Greeted::Joined;
    }
}

/// Every session, by slot, by connection and by name, each with its flow.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sessions {
    slab: Slab<Session>,
    /// The flow of the session in the same slot.
    pub(crate) flows: Vec<Flow>,
    by_conn: BTreeMap<ConnId, u32>,
    by_name: BTreeMap<Name, u32>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// One more than the highest slot.
    pub(crate) fn end(&self) -> u32 {
        self.slab.end()
    }

    pub(crate) fn find(&self, conn: ConnId) -> Option<u32> {
        self.by_conn.get(&conn).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Session> {
        self.slab.get(slot)
    }

    pub(crate) fn is_taken(&self, name: &Name) -> bool {
        self.by_name.contains_key(name)
    }

    pub(crate) fn insert(&mut self, session: Session) -> u32 {
        let (conn, user) = (session.conn, session.user.clone());
        let slot = self.slab.insert(session);
        if slot as usize == self.flows.len() {
            self.flows.push(Flow::new(conn));
        } else {
            self.flows[slot as usize] = Flow::new(conn);
        }
        self.by_conn.insert(conn, slot);
        self.by_name.insert(user, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Session {
        let session = self.slab.remove(slot);
        self.by_conn.remove(&session.conn);
        self.by_name.remove(&session.user);
        if self.slab.is_empty() {
            self.flows = Vec::new();
        }
        session
    }

    pub(crate) fn rename(&mut self, slot: u32, name: Name) {
        let session = &mut self.slab[slot];
        self.by_name.remove(&session.user);
        session.user = name.clone();
        self.by_name.insert(name, slot);
    }

    /// Tells a session that its place in `room` is another one.
    pub(crate) fn mover(&mut self, room: u32) -> impl FnMut(u32, u32) + '_ {
        move |slot, place| {
            // A session that is being forgotten has no memberships any more.
            if let Some(membership) = self.slab[slot].membership_mut(room) {
                membership.place = place;
            }
        }
    }

    pub(crate) fn flow(&self, slot: u32) -> &Flow {
        &self.flows[slot as usize]
    }

    pub(crate) fn flow_mut(&mut self, slot: u32) -> &mut Flow {
        &mut self.flows[slot as usize]
    }
}

impl Index<u32> for Sessions {
    type Output = Session;

    fn index(&self, slot: u32) -> &Session {
        &self.slab[slot]
    }
}

impl IndexMut<u32> for Sessions {
    fn index_mut(&mut self, slot: u32) -> &mut Session {
        &mut self.slab[slot]
    }
}
