//! Rooms: a log, and who is in it. This file does not know what a member may be sent.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};
use core::time::Duration;

use crate::event::ConnId;
use crate::log::{Bounds, Entry, Epoch, Log, Trimmed};
use crate::name::Name;
use crate::presence::Presence;
use crate::protocol::{ack_middle, message_prefix, without_data};
use crate::slab::Slab;
use crate::time::Timestamp;

/// A log and its members, as slots in the table of sessions.
#[derive(Clone, Debug, PartialEq)]
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

    /// The room that had this log, these members, of whom so many were live, and this news of them.
    pub(crate) fn restored(
        name: Name,
        log: Log,
        (members, live): (Vec<u32>, usize),
        presence: Presence,
    ) -> Self {
        let room = Self::new(name, log.epoch());
        Self { log, presence, members, live, ..room }
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
    fn take_data_out(&mut self, seq: u64) -> bool {
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
    fn add(&mut self, session: u32) -> u32 {
        self.members.push(session);
        place(self.members.len() - 1)
    }

    /// Removes the member at `at`. Each member that moves is told with its new place.
    fn remove(&mut self, at: u32, mut moved: impl FnMut(u32, u32)) {
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
    fn make_live(&mut self, at: u32, mut moved: impl FnMut(u32, u32)) {
        self.recipients = None;
        self.swap(at as usize, self.live, &mut moved);
        self.live += 1;
    }

    /// Moves the live member at `at` to the lagging ones.
    fn make_lagging(&mut self, at: u32, mut moved: impl FnMut(u32, u32)) {
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rooms {
    slab: Slab<Room>,
    by_name: BTreeMap<Name, u32>,
    pub(crate) sums: Sums,
}

/// What all rooms have together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) members: u64,
    pub(crate) live: u64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

impl Rooms {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Each one, by its slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Room)> {
        self.slab.iter()
    }

    /// The slots of the table that are free.
    pub(crate) fn free(&self) -> &[u32] {
        self.slab.free()
    }

    /// The rooms that were in these slots, and the slots that were free; nothing if they contradict
    /// each other.
    pub(crate) fn restored(rooms: Vec<(u32, Room)>, free: Vec<u32>) -> Option<Self> {
        let by_name: BTreeMap<_, _> =
            rooms.iter().map(|(slot, room)| (room.name.clone(), *slot)).collect();
        (by_name.len() == rooms.len()).then_some(())?;
        let mut sums = Sums::default();
        for (_, room) in &rooms {
            sums.members += room.members() as u64;
            sums.live += room.live as u64;
            sums.entries += room.log.len() as u64;
            sums.bytes += room.log.bytes() as u64;
        }
        Some(Self { slab: Slab::restored(rooms, free)?, by_name, sums })
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

    /// Adds a lagging member, and returns its place.
    pub(crate) fn add(&mut self, slot: u32, session: u32) -> u32 {
        self.sums.members += 1;
        self.slab[slot].add(session)
    }

    /// Removes the member at `at`. Each member that moves is told with its new place.
    pub(crate) fn leave(&mut self, slot: u32, at: u32, moved: impl FnMut(u32, u32)) {
        let room = &mut self.slab[slot];
        self.sums.members -= 1;
        self.sums.live -= u64::from((at as usize) < room.live);
        room.remove(at, moved);
    }

    /// Moves the lagging member at `at` to the live ones.
    pub(crate) fn make_live(&mut self, slot: u32, at: u32, moved: impl FnMut(u32, u32)) {
        self.sums.live += 1;
        self.slab[slot].make_live(at, moved);
    }

    /// Moves the live member at `at` to the lagging ones.
    pub(crate) fn make_lagging(&mut self, slot: u32, at: u32, moved: impl FnMut(u32, u32)) {
        self.sums.live -= 1;
        self.slab[slot].make_lagging(at, moved);
    }

    /// Appends an entry to a room's log. What gave way is told, if any did.
    pub(crate) fn append(&mut self, slot: u32, bounds: Bounds, entry: Entry) -> Option<Trimmed> {
        self.change_log(slot, |log| log.append(bounds, entry))
    }

    /// Lets go of what is `age` old in a room's log, and returns how much that is.
    pub(crate) fn expire(&mut self, slot: u32, now: Timestamp, age: Duration) -> u64 {
        // Most often nothing is.
        if self.slab[slot].log.expires_at(age).is_none_or(|at| at > now) {
            return 0;
        }
        let before = self.sums.entries;
        self.change_log(slot, |log| log.expire(now, age));
        before - self.sums.entries
    }

    /// Takes the data out of the entry at `seq`, if it has any.
    pub(crate) fn take_data_out(&mut self, slot: u32, seq: u64) -> bool {
        let room = &mut self.slab[slot];
        let before = room.log.bytes() as u64;
        let is_out = room.take_data_out(seq);
        self.sums.bytes = self.sums.bytes - before + room.log.bytes() as u64;
        is_out
    }

    fn change_log<T>(&mut self, slot: u32, change: impl FnOnce(&mut Log) -> T) -> T {
        let log = &mut self.slab[slot].log;
        let (entries, bytes) = (log.len() as u64, log.bytes() as u64);
        let changed = change(log);
        self.sums.entries = self.sums.entries - entries + log.len() as u64;
        self.sums.bytes = self.sums.bytes - bytes + log.bytes() as u64;
        changed
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
