//! What clients were told of rooms, all of them together: names, epochs, places. This file does not
//! know whether what they were told is right.

use std::collections::BTreeMap;

/// The number of a room, in the order in which clients heard of them.
pub(crate) type RoomId = u32;

/// The number of one run of a room's log.
pub(crate) type LogId = u32;

/// Rooms and epochs by number.
#[derive(Debug, Default)]
pub(crate) struct Known {
    rooms: BTreeMap<String, RoomId>,
    epochs: BTreeMap<String, LogId>,
    by_room: Vec<Room>,
    /// Each run's epoch, and its room.
    by_log: Vec<(String, RoomId)>,
}

#[derive(Debug, Default)]
struct Room {
    name: String,
    /// The last run of the log that anybody was told of, and the one before it.
    last: Option<LogId>,
    before: Option<LogId>,
    /// The newest place that anybody was told of in the last one.
    head: u64,
}

impl Known {
    /// The number of the room called `name`.
    pub(crate) fn room(&mut self, name: &str) -> RoomId {
        if let Some(room) = self.rooms.get(name) {
            return *room;
        }
        let room = RoomId::try_from(self.by_room.len()).expect("few rooms");
        self.rooms.insert(name.to_owned(), room);
        self.by_room.push(Room { name: name.to_owned(), ..Room::default() });
        room
    }

    pub(crate) fn find_room(&self, name: &str) -> Option<RoomId> {
        self.rooms.get(name).copied()
    }

    pub(crate) fn name(&self, room: RoomId) -> &str {
        &self.by_room[room as usize].name
    }

    /// The number of a run of `room`'s log. A new one becomes the room's last.
    ///
    /// # Panics
    ///
    /// If the epoch is another room's, or one that was over.
    pub(crate) fn log(&mut self, room: RoomId, epoch: &str) -> LogId {
        let known = &mut self.by_room[room as usize];
        if let Some(log) = self.epochs.get(epoch) {
            assert_eq!(known.last, Some(*log), "epoch {epoch} comes back, or is another room's");
            return *log;
        }
        let log = LogId::try_from(self.by_log.len()).expect("few epochs");
        self.epochs.insert(epoch.to_owned(), log);
        self.by_log.push((epoch.to_owned(), room));
        known.before = known.last.replace(log);
        known.head = 0;
        log
    }

    /// Somebody was told of the place `seq` in `room`.
    pub(crate) fn seen(&mut self, room: RoomId, seq: u64) {
        let head = &mut self.by_room[room as usize].head;
        *head = seq.max(*head);
    }

    pub(crate) fn last_log(&self, room: RoomId) -> Option<LogId> {
        self.by_room[room as usize].last
    }

    pub(crate) fn log_before(&self, room: RoomId) -> Option<LogId> {
        self.by_room[room as usize].before
    }

    pub(crate) fn head(&self, room: RoomId) -> u64 {
        self.by_room[room as usize].head
    }

    pub(crate) fn epoch(&self, log: LogId) -> &str {
        &self.by_log[log as usize].0
    }
}
