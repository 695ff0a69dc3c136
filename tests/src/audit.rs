//! An auditor of everything that clients are sent: it holds each frame against the protocol's
//! promises. It does not know how a hub works, only what a client may rely on.

mod door;
mod entries;
mod frame;
mod join;
mod log;
mod moderation;
mod presence;
mod repeat;
mod request;
mod rights;
mod session;

use std::collections::{BTreeMap, BTreeSet};

use roundtable::{Action, AddressKey, Claims, Config, ConnId, Name, Peer};

use crate::clock::Clock;
use crate::invariant::{Checked, hold};
use crate::known::{Known, LogId, RoomId};
use crate::reference::addresses::Addresses;
pub(crate) use frame::{Frame, Kind};
use log::{Bounds, Entry, Log, digest};
use moderation::Moderation;
use presence::{Folded, Presence, Went};
use repeat::Keys;
use request::{Request, What};
use session::{SessionId, Sessions};

const ERRORS: [&str; 19] = [
    "bad_json",
    "bad_type",
    "bad_field",
    "too_large",
    "unauthorized",
    "forbidden",
    "token_expired",
    "session_limit",
    "not_joined",
    "banned",
    "not_found",
    "ban_limit",
    "room_full",
    "room_limit",
    "rate_limited",
    "key_conflict",
    "unsupported",
    "overloaded",
    "draining",
];

/// The codes and reasons of the protocol's document.
const CLOSES: [(u64, &str); 17] = [
    (1000, "normal"),
    (1002, "protocol"),
    (1003, "no_binary"),
    (1007, "bad_utf8"),
    (1009, "too_big"),
    (1013, "try_later"),
    (4000, "ping_timeout"),
    (4001, "slow_consumer"),
    (4002, "drain"),
    (4003, "memory_pressure"),
    (4010, "auth_expired"),
    (4011, "auth_revoked"),
    (4029, "rate_limited"),
    (4501, "unauthorized"),
    (4502, "hello_timeout"),
    (4503, "session_taken"),
    (4504, "kicked"),
];

/// What clients have been told so far.
#[derive(Debug)]
pub(crate) struct Audit {
    /// How often each invariant was checked.
    pub(crate) checked: Checked,
    pub(crate) known: Known,
    limits: Limits,
    /// By the slot that the driver gave the connection.
    readers: Vec<Option<Reader>>,
    /// Names, with how many connections have each; more than one only with a token.
    users: BTreeMap<String, usize>,
    /// Those of them that somebody made up.
    strangers: BTreeSet<String>,
    /// Whom the frame is for, the first one if there are many.
    addressee: Option<usize>,
    /// Who has just shown a token, and what it says.
    shown: Option<(usize, Box<Claims>)>,
    /// Every entry that anybody was told of, by run of a log.
    logs: Vec<Log>,
    /// How many are in each room, and in how many rooms is anybody.
    members: Vec<usize>,
    occupied: usize,
    request: Option<Request>,
    sessions: Sessions,
    keys: Keys,
    presence: Presence,
    moderation: Moderation,
    addresses: Addresses,
}

/// What the configuration promises.
#[derive(Clone, Copy, Debug)]
struct Limits {
    log: Bounds,
    sessions: usize,
    rooms: usize,
    members: usize,
    rooms_per_session: usize,
    recent: usize,
}

#[derive(Debug)]
struct Reader {
    conn: ConnId,
    /// The name, and as JSON.
    user: Option<(String, String)>,
    /// Where it comes from.
    address: Option<AddressKey>,
    /// What its token says.
    claims: Option<Box<Claims>>,
    /// Its session.
    session: Option<SessionId>,
    /// The code of the `bye` that it was told.
    bye: Option<u64>,
    /// A `bye` was its welcome: nothing may follow.
    refused: bool,
    rooms: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    room: RoomId,
    cursor: u64,
    echo: bool,
    folded: Folded,
}

/// What is true of a frame for everybody who is given it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Note {
    /// Where a reader stands who was given it, if it moves readers.
    pub(crate) place: Option<(RoomId, LogId, u64)>,
    author: Option<SessionId>,
    /// The author learns of it by this frame.
    fresh: bool,
}

impl Audit {
    /// An auditor of a hub with this configuration.
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            checked: Checked::default(),
            known: Known::default(),
            limits: Limits {
                log: Bounds {
                    entries: config.history_entries as u64,
                    bytes: config.history_bytes as u64,
                    age: config.history_age,
                },
                sessions: config.max_sessions,
                rooms: config.max_rooms,
                members: config.members_per_room,
                rooms_per_session: config.rooms_per_session,
                recent: config.recent,
            },
            readers: Vec::new(),
            users: BTreeMap::new(),
            strangers: BTreeSet::new(),
            addressee: None,
            shown: None,
            logs: Vec::new(),
            members: Vec::new(),
            occupied: 0,
            request: None,
            sessions: Sessions::new(config.after_drain),
            keys: Keys::new(config),
            presence: Presence::new(config),
            moderation: Moderation::default(),
            addresses: Addresses::new(config),
        }
    }

    /// What o'clock it is, and whether ticks come exactly at the deadlines.
    pub(crate) fn clock(&mut self, clock: Clock, punctual: bool) {
        (self.presence.awake, self.presence.punctual) = (clock.awake, punctual);
        self.moderation.now = clock.now;
    }

    /// A client has connected; the driver calls it `slot` for as long as it is there.
    pub(crate) fn connect(&mut self, slot: usize, conn: ConnId, peer: &Peer) {
        if self.readers.len() <= slot {
            self.readers.resize_with(slot + 1, || None);
        }
        let rooms = Vec::new();
        self.readers[slot] = Some(Reader {
            conn,
            user: None,
            address: peer.address,
            claims: peer.claims.clone(),
            session: None,
            bye: None,
            refused: false,
            rooms,
        });
    }

    /// A client's connection is over.
    pub(crate) fn end(&mut self, slot: usize) {
        let Some(reader) = self.readers[slot].take() else { return };
        let untold = self.untold(slot);
        self.part(slot, &reader, &untold);
        self.all_went(&reader, &untold);
        if let Some((user, _)) = reader.user {
            self.free_name(&user);
        }
        for member in reader.rooms {
            self.vacate(member.room);
        }
    }

    /// The code of the `bye` that a client was told.
    pub(crate) fn bye(&self, slot: usize) -> Option<u64> {
        self.readers[slot].as_ref().and_then(|reader| reader.bye)
    }

    /// Takes note of a frame that is sent, before anybody is given it.
    ///
    /// # Panics
    ///
    /// If it contradicts what was sent before.
    pub(crate) fn told(
        &mut self,
        frame: &Frame<'_>,
        text: &str,
        now_ms: u64,
        addressee: Option<usize>,
    ) -> Note {
        self.addressee = addressee;
        match frame.kind {
            Kind::Message | Kind::Removed => self.note_message(frame, text),
            Kind::Ack if self.is_signal() => Note::default(),
            Kind::Ack if self.is_moderating() => self.note_moderated(frame),
            Kind::Ack => self.note_ack(frame, now_ms),
            Kind::Joined => self.note_joined(frame, now_ms),
            Kind::Gap => self.note_gap(frame, now_ms),
            Kind::History => self.note_history(frame, now_ms),
            Kind::Signal => {
                self.note_signal(frame);
                Note::default()
            }
            Kind::Presence => {
                self.note_presence(frame, now_ms);
                Note::default()
            }
            Kind::Welcome | Kind::Left | Kind::Error | Kind::Pong | Kind::Bye => Note::default(),
        }
    }

    /// The client in `slot` is given a frame.
    ///
    /// # Panics
    ///
    /// If the frame breaks a promise of the protocol.
    pub(crate) fn given(&mut self, slot: usize, frame: &Frame<'_>, note: Note) {
        let reader = self.readers[slot].as_ref().expect("the driver asks only for live clients");
        let conn = reader.conn;
        let greeted = reader.user.is_some() || matches!(frame.kind, Kind::Welcome | Kind::Bye);
        hold!(self.checked, InSequence, greeted, "{conn:?} got this before its welcome: {frame:?}");
        assert!(!reader.refused, "{conn:?} was refused and then got {frame:?}");
        if frame.id.is_some() {
            self.count_reply(conn, frame);
        }
        match frame.kind {
            Kind::Message | Kind::Removed => self.message(slot, frame, note),
            Kind::Welcome => self.welcome(slot, frame),
            Kind::Ack => {}
            Kind::Joined => self.joined(slot, frame, note),
            Kind::Left => self.left(slot, frame),
            Kind::Gap => self.gap(slot, frame, note),
            Kind::Signal => self.signalled(slot, frame),
            Kind::Presence => self.presence(slot, frame),
            Kind::History => {
                assert!(frame.more.is_some(), "{frame:?}");
                self.check_right(slot, Action::History, frame);
            }
            Kind::Error => {
                assert!(ERRORS.contains(&&*frame.word()), "an unknown error: {frame:?}");
                self.check_forbidden(slot, frame);
                let retry = frame.retry.as_deref().unwrap_or_default();
                assert!(["never", "later", "now"].contains(&retry), "retry of {frame:?}");
                let message = frame.message.as_deref().unwrap_or_default();
                assert!(!message.is_empty(), "says nothing: {frame:?}");
            }
            Kind::Pong => assert!(frame.ts.is_some(), "{frame:?}"),
            Kind::Bye => self.bye_said(slot, frame),
        }
    }

    /// Whether the client in `slot` was told who it is.
    pub(crate) fn is_greeted(&self, slot: usize) -> bool {
        self.readers[slot].as_ref().is_some_and(|reader| reader.user.is_some())
    }

    /// Whether the client in `slot` was given everything that anybody was told of in its rooms.
    pub(crate) fn is_level(&self, slot: usize) -> bool {
        let Some(reader) = &self.readers[slot] else { return true };
        reader.rooms.iter().all(|member| self.missing(reader, member, u64::MAX).is_none())
    }

    /// Nothing waits for anybody any more: each client in `slots`, which read all it was sent, must
    /// have been given everything that was published in its rooms.
    ///
    /// # Panics
    ///
    /// If one has missed something.
    pub(crate) fn settled(&mut self, slots: impl Iterator<Item = usize>) {
        for slot in slots {
            self.check_agreement(slot);
            let reader = self.readers[slot].as_ref().expect("a live client");
            for member in &reader.rooms {
                let missing = self.missing(reader, member, u64::MAX);
                hold!(
                    self.checked,
                    NothingLost,
                    missing.is_none(),
                    "{:?} stands at {} and was never given {missing:?}",
                    reader.conn,
                    member.cursor
                );
            }
        }
    }

    /// The first entry behind the member's cursor and before `until` that it was not given.
    fn missing(&self, reader: &Reader, member: &Member, until: u64) -> Option<u64> {
        let log = self.logs.get(self.known.last_log(member.room)? as usize)?;
        let mut missing = log.between(member.cursor, until);
        let missing = missing.find(|(_, entry)| member.echo || !may_be_by(entry, reader));
        missing.map(|(seq, _)| seq)
    }

    fn log_of(&mut self, room: RoomId, epoch: &str) -> LogId {
        let before = self.known.last_log(room);
        let log = self.known.log(room, epoch);
        if before != Some(log) {
            let is_left = self.members.get(room as usize).is_none_or(|members| *members == 0);
            assert!(is_left, "room {room} has members, and a new epoch {epoch}");
            self.logs.resize_with(self.logs.len().max(log as usize + 1), Log::default);
            if let Some(before) = before {
                self.logs[before as usize].clear();
            }
        }
        log
    }

    fn record(&mut self, room: RoomId, log: LogId, seq: u64, entry: Entry) {
        self.known.seen(room, seq);
        let recorded = self.logs[log as usize].record(seq, entry, self.limits.log);
        let error = recorded.err().unwrap_or_default();
        let epoch = self.known.epoch(log);
        hold!(self.checked, OneOrder, error.is_empty(), "in {epoch}, {error}");
    }

    fn welcome(&mut self, slot: usize, frame: &Frame<'_>) {
        assert!(frame.v == Some(1) && frame.max_bytes.is_some(), "{frame:?}");
        let user = frame.user.as_deref().unwrap_or_default();
        let name = user.parse::<Name>();
        let good = name.as_ref().is_ok_and(|name| name.as_str() == user);
        hold!(self.checked, Limits, good, "a name that is none: {frame:?}");
        let reader = self.readers[slot].as_mut().expect("a live client");
        assert!(
            reader.rooms.is_empty() || reader.user.as_ref().is_some_and(|(name, _)| name == user),
            "renamed after a join: {frame:?}"
        );
        self.note_shown(slot);
        let reader = self.readers[slot].as_mut().expect("a live client");
        let json = serde_json::to_string(user).expect("a string is JSON");
        if let Some((before, _)) = reader.user.replace((user.to_owned(), json)) {
            self.free_name(&before);
        }
        self.seated(slot, frame);
        self.take_name(slot, user, frame);
        let sessions = self.users.values().sum::<usize>();
        hold!(self.checked, Limits, sessions <= self.limits.sessions, "{sessions} sessions");
    }

    fn left(&mut self, slot: usize, frame: &Frame<'_>) {
        let room = self.known.room(frame.room());
        let reader = self.readers[slot].as_mut().expect("a live client");
        let index = reader.rooms.iter().position(|member| member.room == room);
        if index.is_none() && self.is_owed(room) {
            return self.check_right_lost(slot, frame);
        }
        let reader = self.readers[slot].as_mut().expect("a live client");
        let index = index.unwrap_or_else(|| panic!("left where nobody was: {frame:?}"));
        reader.rooms.remove(index);
        if let Some((user, _)) = reader.user.clone() {
            self.presence.went(room, &user, Went::Gone);
            self.check_sent_away(slot, &user, frame);
        }
        self.vacate(room);
    }

    fn bye_said(&mut self, slot: usize, frame: &Frame<'_>) {
        let number = frame.number();
        let reason = CLOSES.iter().find(|(known, _)| *known == number).map(|(_, reason)| *reason);
        assert!(reason.is_some() && frame.reason.as_deref() == reason, "{frame:?}");
        let reader = self.readers[slot].as_mut().expect("a live client");
        let again = reader.bye.replace(number) == Some(number);
        hold!(self.checked, OneClose, !again, "{:?} is told twice: {frame:?}", reader.conn);
        reader.refused = reader.user.is_none();
    }
}

fn may_be_by(entry: &Entry, reader: &Reader) -> bool {
    match (entry.author, &reader.user) {
        (Some(author), _) => Some(author) == reader.session,
        (None, Some((_, user))) => entry.user == digest([user, ""]),
        (None, None) => false,
    }
}
