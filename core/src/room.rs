//! Rooms: a log, and who is in it. This file does not know what a member may be sent.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use crate::event::ConnId;
use crate::log::{Epoch, Log};
use crate::name::Name;
use crate::presence::Presence;
use crate::protocol::{ack_middle, message_prefix, without_data};
use crate::slab::Slab;
use crate::time::Timestamp;

/// A log and its members, as slots in the table of sessions.
#[derive(Debug, PartialEq)]
pub(crate) struct Room {
    pub(crate) name: Name,
    pub(crate) log: Log,
    pub(crate) presence: Presence,
    /// What each of its messages begins with.
    pub(crate) prefix: Box<str>,
    /// What each `ack` of its messages has in its middle.
    pub(crate) ack_middle: Box<str>,
    /// When the room's timer is set to fire.
    pub(crate) armed: Option<Timestamp>,
    /// The live ones first, the lagging ones behind them.
    members: Vec<u32>,
    live: usize,
    /// The connections of the live members, in their order; made anew when somebody publishes.
    recipients: Option<Arc<[ConnId]>>,
}

impl Room {
    pub(crate) fn new(name: Name, epoch: Epoch) -> Self {
        Self {
            prefix: String::into_boxed_str(message_prefix(name.as_str())),
            ack_middle: String::into_boxed_str(ack_middle(name.as_str(), epoch)),
            name,
            log: Log::new(epoch),
            presence: Presence::default(),
            armed: None,
            members: Vec::new(),
            live: 0,
            recipients: None,
        }
    }

    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }

    /// Every member, as a slot in the table of sessions.
    pub(crate) fn all(&self) -> &[u32] {
        &self.members
    }

    /// Takes the data out of the entry at `seq`, whose place stays. Nothing happens, and the answer is
    /// `false`, where no data is: the entry is trimmed, removed already, or tells of a removal.
    pub(crate) fn take_data_out(&mut self, seq: u64) -> bool {
        let entry = self.log.get(seq);
        let text = entry.and_then(|entry| without_data(&self.prefix, &entry.text));
        text.map(|text| self.log.rewrite(seq, text.into())).is_some()
    }

    pub(crate) fn live(&self) -> &[u32] {
        &self.members[..self.live]
    }

    /// The connections of the live members.
    pub(crate) fn recipients(&mut self, conn_of: impl Fn(u32) -> ConnId) -> Arc<[ConnId]> {
        let live = &self.members[..self.live];
        let list =
            self.recipients.get_or_insert_with(|| live.iter().map(|&s| conn_of(s)).collect());
        list.clone()
    }

    /// Adds a lagging member, and returns its place.
    pub(crate) fn add(&mut self, session: u32) -> u32 {
        self.members.push(session);
        place(self.members.len() - 1)
    }

    /// Removes the member at `at`. Each member that moves is told with its new place.
    pub(crate) fn remove(&mut self, at: u32, mut moved: impl FnMut(u32, u32)) {
        let mut at = at as usize;
        if at < self.live {
            self.live -= 1;
            self.recipients = None;
            self.swap(at, self.live, &mut moved);
            at = self.live;
        }
        let last = self.members.len() - 1;
        self.swap(at, last, &mut moved);
        self.members.pop();
        if self.members.is_empty() {
            self.members = Vec::new();
        }
    }

    /// Moves the lagging member at `at` to the live ones.
    pub(crate) fn make_live(&mut self, at: u32, mut moved: impl FnMut(u32, u32)) {
        self.recipients = None;
        self.swap(at as usize, self.live, &mut moved);
        self.live += 1;
    }

    /// Moves the live member at `at` to the lagging ones.
    pub(crate) fn make_lagging(&mut self, at: u32, mut moved: impl FnMut(u32, u32)) {
        self.recipients = None;
        self.live -= 1;
        self.swap(at as usize, self.live, &mut moved);
    }

    fn swap(&mut self, a: usize, b: usize, moved: &mut impl FnMut(u32, u32)) {
        if a != b {
            self.members.swap(a, b);
            moved(self.members[a], place(a));
            moved(self.members[b], place(b));
        }
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("a room has fewer members than there are sessions")
}

/// Every room, by slot and by name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rooms {
    slab: Slab<Room>,
    by_name: BTreeMap<Name, u32>,
}

impl Rooms {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn insert(&mut self, room: Room) -> u32 {
        let name = room.name.clone();
        let slot = self.slab.insert(room);
        self.by_name.insert(name, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: u32) {
        let room = self.slab.remove(slot);
        self.by_name.remove(&room.name);
    }
}

impl Index<u32> for Rooms {
    type Output = Room;

    fn index(&self, slot: u32) -> &Room {
        &self.slab[slot]
    }
}

impl IndexMut<u32> for Rooms {
    fn index_mut(&mut self, slot: u32) -> &mut Room {
        &mut self.slab[slot]
    }
}
