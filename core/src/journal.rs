//! What changes in that which a hub keeps, as plain data, and how a snapshot takes it in. This file does
//! not know where it is written, nor what the hub decides.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bans::Ban;
use crate::keyed::{Purpose, permute};
use crate::keys::{Kept, Key};
use crate::log::{Entry, Epoch};
use crate::name::Name;
use crate::presence::Telling;
use crate::snapshot::{LostRoom, LostSession, RestoreError, Snapshot};
use crate::time::Timestamp;

/// What one event changed in that which a hub keeps: entries, rooms, sessions, keys, bans.
///
/// [`Command::Append`](crate::Command::Append) carries one, and [`Recovery::apply`] takes it in. It can
/// be written down and read back with serde, by fields that have names. It holds the secrets of
/// sessions and what was said: who can read it can be anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub(crate) now: Timestamp,
    pub(crate) away: Duration,
    pub(crate) woke: Timestamp,
    pub(crate) epochs: u64,
    pub(crate) begun: u64,
    pub(crate) records: Vec<Record>,
}

/// One change. What it says holds whatever was there before: it is applied, and never decided again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// A room is there.
    Room { slot: u32, name: Name, epoch: Epoch },
    /// A room is gone.
    NoRoom { slot: u32 },
    /// An entry is at the head of a room's log, which begins at `tail`.
    Entry { room: u32, seq: u64, tail: u64, entry: Entry },
    /// An entry says something else.
    Rewritten { room: u32, seq: u64, text: Arc<str> },
    /// A key stands for an entry.
    Key { key: Key, kept: Kept },
    /// A ban ends then, or there is none.
    Ban { ban: Ban, end: Option<Timestamp> },
    /// A session is in rooms.
    Session { session: Box<LostSession>, connected: bool },
    /// There is none that could be come back to.
    NoSession { slot: u32 },
}

/// Where a member stands that is given each entry at once: at the head, wherever that is.
pub(crate) const AT_HEAD: u64 = u64::MAX;

/// What becomes of a room's log behind which something may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tails {
    /// Nothing is missing: all that was told has been written down before.
    Whole,
    /// What was told last may be missing: each log begins a new epoch, so that nobody takes another
    /// entry for the one that it knows by this number.
    Doubtful {
        /// What every random value is derived from from here on: the epochs that were told last are not
        /// told again.
        seed: u64,
    },
}

/// A snapshot, and what changed since: the way from a journal to a hub.
///
/// ```
/// use roundtable::{Command, ConnId, Event, Greeting, Peer, Recovery, Tails};
/// use roundtable::{Config, Hub, Origin, Timestamp};
///
/// let config = Config { journal: true, ..Config::default() };
/// let origin = Origin { seed: 1, wall_clock_ms: 0 };
/// let mut hub = Hub::new(config.clone(), origin).unwrap();
/// // What is written first: the hub as it begins.
/// let mut recovery = Recovery::of(hub.snapshot(Timestamp::ZERO));
///
/// let (conn, mut commands) = (ConnId::new(1), Vec::new());
/// let connect = Event::Connect { conn, peer: Peer::default(), greeting: Greeting::default() };
/// hub.handle(Timestamp::ZERO, connect, &mut commands);
/// // What is read later, in the same order.
/// for command in commands {
///     if let Command::Append { batch } = command {
///         recovery.apply(*batch).unwrap();
///     }
/// }
/// let snapshot = recovery.finish(Tails::Whole);
/// let hub = Hub::restore(config, snapshot).unwrap();
/// assert_eq!(hub.totals().levels.detached, 1);
/// ```
#[derive(Clone, Debug)]
pub struct Recovery {
    rest: Snapshot,
    rooms: BTreeMap<u32, Found>,
    sessions: BTreeMap<u32, (LostSession, bool)>,
    keys: BTreeMap<Key, (u64, Kept)>,
    /// How many keys there were.
    kept: u64,
    bans: BTreeMap<Ban, Timestamp>,
}

/// A room, and where its head was before the last batch: what came with that one may have been sent to
/// nobody.
#[derive(Clone, Debug)]
struct Found {
    room: LostRoom,
    sent: u64,
    touched: bool,
}

impl Recovery {
    /// What there is before anything has changed.
    pub fn of(mut snapshot: Snapshot) -> Self {
        let found = |room: LostRoom| (room.slot, Found { sent: room.head, room, touched: false });
        let rooms = snapshot.rooms.drain(..).map(found).collect();
        let sessions = snapshot.sessions.drain(..).map(|of| (of.slot, (of, false))).collect();
        let bans = snapshot.bans.drain(..).collect();
        let keys = core::mem::take(&mut snapshot.keys);
        let mut recovery =
            Self { rest: snapshot, rooms, sessions, keys: BTreeMap::new(), kept: 0, bans };
        for (key, kept) in keys {
            recovery.keep(key, kept);
        }
        recovery
    }

    /// Takes in what changed next.
    ///
    /// # Errors
    ///
    /// If it does not follow what was taken in before: no hub has told it so.
    pub fn apply(&mut self, batch: Batch) -> Result<(), RestoreError> {
        if batch.now < self.rest.now {
            return Err(RestoreError::Contradiction("a change lies before an earlier one"));
        }
        let rest = &mut self.rest;
        (rest.now, rest.away, rest.woke) = (batch.now, batch.away, batch.woke);
        (rest.epochs, rest.begun) = (batch.epochs, batch.begun);
        batch.records.into_iter().try_for_each(|record| self.take(record))
    }

    /// Everything that was taken in so far has been sent to whom it was meant for, or will not be. What
    /// is taken in between two calls was written down at once, and then sent.
    pub fn settle(&mut self) {
        for found in self.rooms.values_mut().filter(|found| found.touched) {
            (found.sent, found.touched) = (found.room.head, false);
        }
    }

    /// Lets go of what is older than this, entries and keys, at the time of the last change.
    pub fn expire(&mut self, history_age: Duration, key_age: Duration) {
        let now = self.rest.now;
        for found in self.rooms.values_mut() {
            let entries = &mut found.room.entries;
            while entries.front().is_some_and(|oldest| oldest.at + history_age <= now) {
                entries.pop_front();
            }
        }
        self.keys.retain(|_, (_, kept)| kept.at + key_age > now);
    }

    /// All that was taken in, as less: a snapshot, and one change, from which the same recovery begins.
    pub fn condense(self) -> (Snapshot, Batch) {
        let Self { rest: mut snapshot, rooms, sessions, keys, bans, .. } = self;
        let mut records = Vec::new();
        for (session, connected) in sessions.into_values() {
            if connected {
                records.push(Record::Session { session: Box::new(session), connected });
            } else {
                snapshot.sessions.push(session);
            }
        }
        snapshot.rooms = rooms.into_values().map(|found| found.room).collect();
        snapshot.keys = in_order(keys).collect();
        snapshot.bans = bans.into_iter().collect();
        let Snapshot { now, away, woke, epochs, begun, .. } = snapshot;
        (snapshot, Batch { now, away, woke, epochs, begun, records })
    }

    /// What a hub goes on with: everybody lost the connection at the time of the last change.
    ///
    /// Who was given each entry at once reads on behind those that were surely sent, unless it says
    /// where it stands.
    pub fn finish(self, tails: Tails) -> Snapshot {
        let Self { mut rest, mut rooms, sessions, keys, bans, .. } = self;
        let mut renamed = BTreeMap::new();
        if let Tails::Doubtful { seed } = tails {
            rest.origin.seed = seed;
            for found in rooms.values_mut() {
                let epoch = Epoch(permute(rest.origin.seed, Purpose::Epoch, rest.epochs));
                rest.epochs += 1;
                renamed.insert(core::mem::replace(&mut found.room.epoch, epoch), epoch);
            }
        }
        let since = Timestamp::ZERO + rest.now.since_start().saturating_sub(rest.away);
        let mut places: BTreeMap<u32, u32> = BTreeMap::new();
        for (mut session, connected) in sessions.into_values() {
            if connected {
                session.since = since;
            }
            for of in &mut session.memberships {
                let sent = rooms.get(&of.room).map_or(0, |found| found.sent);
                of.read = of.read.min(sent);
                let place = places.entry(of.room).or_insert(0);
                of.place = core::mem::replace(place, *place + 1);
            }
            rest.sessions.push(session);
        }
        rest.free_sessions = free(rest.sessions.iter().map(|session| session.slot));
        // Nobody is in it, and nothing is kept of it: it is gone, as soon as somebody looks.
        rooms.retain(|slot, found| places.contains_key(slot) || !found.room.entries.is_empty());
        rest.rooms = rooms.into_values().map(|found| found.room).collect();
        rest.free_rooms = free(rest.rooms.iter().map(|room| room.slot));
        let renew = |mut key: Key| {
            key.epoch = renamed.get(&key.epoch).copied().unwrap_or(key.epoch);
            key
        };
        rest.keys = in_order(keys).map(|(key, kept)| (renew(key), kept)).collect();
        rest.keys_armed = None;
        rest.bans = bans.into_iter().collect();
        rest
    }

    fn take(&mut self, record: Record) -> Result<(), RestoreError> {
        let strange = |what| Err(RestoreError::Contradiction(what));
        match record {
            Record::Room { slot, name, epoch } => {
                let told = Telling { version: 0, names: true, news: Some([].into()) };
                let entries = [].into();
                let (head, armed, telling_armed) = (0, None, None);
                let room =
                    LostRoom { slot, name, epoch, head, entries, armed, told, telling_armed };
                self.rooms.insert(slot, Found { room, sent: 0, touched: false });
            }
            Record::NoRoom { slot } => _ = self.rooms.remove(&slot),
            Record::Entry { room, seq, tail, entry } => {
                let Some(found) = self.rooms.get_mut(&room) else {
                    return strange("an entry is in a room that is not there");
                };
                let kept = (seq + 1).checked_sub(tail).and_then(|kept| usize::try_from(kept).ok());
                let kept = kept.filter(|kept| (1..=found.room.entries.len() + 1).contains(kept));
                let Some(kept) = kept.filter(|_| seq == found.room.head + 1) else {
                    return strange("an entry does not follow the one before");
                };
                found.room.entries.push_back(entry);
                found.room.entries.drain(..found.room.entries.len() - kept);
                (found.room.head, found.touched) = (seq, true);
            }
            Record::Rewritten { room, seq, text } => {
                let entry = self.rooms.get_mut(&room).and_then(|found| {
                    let (head, entries) = (found.room.head, &mut found.room.entries);
                    let tail = head + 1 - entries.len() as u64;
                    entries.get_mut(usize::try_from(seq.checked_sub(tail)?).ok()?)
                });
                let Some(entry) = entry else {
                    return strange("an entry that is not there says something else");
                };
                entry.text = text;
            }
            Record::Key { key, kept } => self.keep(key, kept),
            Record::Ban { ban, end: Some(end) } => _ = self.bans.insert(ban, end),
            Record::Ban { ban, end: None } => _ = self.bans.remove(&ban),
            Record::Session { session, connected } => {
                self.sessions.insert(session.slot, (*session, connected));
            }
            Record::NoSession { slot } => _ = self.sessions.remove(&slot),
        }
        Ok(())
    }

    fn keep(&mut self, key: Key, kept: Kept) {
        self.keys.insert(key, (self.kept, kept));
        self.kept += 1;
    }
}

/// Keys, the oldest first.
fn in_order(keys: BTreeMap<Key, (u64, Kept)>) -> impl Iterator<Item = (Key, Kept)> {
    let mut keys: Vec<_> = keys.into_iter().map(|(key, (at, kept))| (at, key, kept)).collect();
    keys.sort_unstable_by_key(|(at, ..)| *at);
    keys.into_iter().map(|(_, key, kept)| (key, kept))
}

/// The slots below the highest that nobody has, the lowest at the end.
fn free(used: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut free = Vec::new();
    let mut next = 0;
    for slot in used {
        free.extend(next..slot);
        next = slot + 1;
    }
    free.reverse();
    free
}
