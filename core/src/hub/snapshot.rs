//! From a hub to what it keeps, and back. This file does not know how a snapshot is written down.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Hub;
use crate::addresses::{Address, Addresses};
use crate::config::Config;
use crate::credential::{Credential, Notice, Proof};
use crate::event::{ConnId, Framing};
use crate::journal::AT_HEAD;
use crate::keys::Keys;
use crate::log::Log;
use crate::name::Name;
use crate::presence::Presence;
use crate::room::{Room, Rooms};
use crate::session::{Cursor, Greeted, Link, Membership, Session, Sessions, Standing};
use crate::snapshot::{LostMembership, LostRoom, LostSession, RestoreError, Snapshot, Token};
use crate::time::Timestamp;
use crate::timers::Timer;

/// Counts stay below it, so that none of them overflows.
pub(super) const MOST: u64 = 1 << 53;

impl Hub {
    /// All that the hub keeps, as if every connection were lost at `now`.
    ///
    /// It costs time and memory in proportion to what is kept; the texts are shared with the hub.
    ///
    /// # Panics
    ///
    /// If `now` lies before an earlier one.
    pub fn snapshot(&self, now: Timestamp) -> Snapshot {
        assert!(now >= self.now, "time runs backwards, from {:?} to {now:?}", self.now);
        let mut hub = self.clone();
        hub.drain = None;
        hub.notice_absence(now);
        hub.now = now;
        let conns: Vec<ConnId> = hub.state.sessions.conns().collect();
        for conn in conns {
            hub.disconnect(conn);
        }
        let state = &hub.state;
        let session = |(slot, session)| lost_session(slot, session, &state.sessions);
        Snapshot {
            origin: hub.origin,
            now: hub.now,
            away: hub.away,
            woke: hub.woke,
            epochs: hub.epochs,
            begun: hub.begun,
            rooms: state.rooms.iter().map(|(slot, room)| LostRoom::of(slot, room)).collect(),
            free_rooms: state.rooms.free().to_vec(),
            sessions: state.sessions.iter().map(session).collect(),
            free_sessions: state.sessions.free().to_vec(),
            keys: state.keys.iter().map(|(key, kept)| (key.clone(), kept)).collect(),
            keys_armed: state.keys.armed,
            bans: state.bans.iter().map(|(ban, end)| (ban.clone(), end)).collect(),
            addresses: state.addresses.idle().collect(),
            free_addresses: state.addresses.free().to_vec(),
        }
    }

    /// The hub that goes on where `snapshot` was made: with the same commands to the same events as
    /// the one that it was made of, had that one lost every connection then.
    ///
    /// Its time goes on, too: the first event must not lie before [`Hub::now`]. A driver's clock starts
    /// at [`Hub::moment`] of the wall clock. Until then the hub was away, as it would be if its process
    /// had been stopped: who waited for news of life from a client goes on waiting.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid, or no hub can have made the snapshot.
    pub fn restore(config: Config, snapshot: Snapshot) -> Result<Self, RestoreError> {
        let mut hub = Self::new(config, snapshot.origin)?;
        (hub.now, hub.away, hub.woke) = (snapshot.now, snapshot.away, snapshot.woke);
        (hub.epochs, hub.begun) = (snapshot.epochs, snapshot.begun);
        if hub.epochs >= MOST || hub.begun >= MOST {
            return contradiction("it counts more than there can be");
        }
        let named: Vec<u32> =
            snapshot.sessions.iter().filter(|of| of.named).map(|of| of.slot).collect();
        let armed = snapshot.sessions.iter().map(|of| (of.slot, of.armed)).collect();
        let sessions = snapshot.sessions.into_iter();
        let sessions: Vec<_> = sessions.map(|lost| (lost.slot, found_session(lost))).collect();
        if sessions.iter().any(|(_, session)| session.memberships.is_empty()) {
            return contradiction("a session is in no room");
        }
        let seats = seats(&sessions)?;
        restore_rooms(snapshot.rooms, snapshot.free_rooms, seats, &mut hub)?;
        hub.restore_sessions(sessions, &named, armed, snapshot.free_sessions)?;
        let Hub { state, config, .. } = &mut hub;
        state.keys = Keys::restored(snapshot.keys.into_iter())
            .ok_or(RestoreError::Contradiction("a key is kept twice"))?;
        if let Some(at) = soonest(snapshot.keys_armed, state.keys.expires_at(config.key_age)) {
            state.calendar.arm(&mut state.keys.armed, Timer::Keys, at);
        }
        for (ban, end) in snapshot.bans {
            state.bans.set(ban, end);
        }
        let idle = |(slot, key, begun)| (slot, Address { key, connections: 0, begun });
        let addresses = snapshot.addresses.into_iter().map(idle).collect();
        state.addresses = Addresses::restored(addresses, snapshot.free_addresses)
            .ok_or(RestoreError::Contradiction("two addresses have the same key or slot"))?;
        hub.rearm_bans();
        hub.rearm_addresses();
        Ok(hub)
    }

    /// When the hub was last told the time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The moment at which the wall clock shows `wall_clock_ms`, in milliseconds since 1970; not
    /// before [`Hub::now`], if that clock was set back.
    pub fn moment(&self, wall_clock_ms: u64) -> Timestamp {
        let since_start = wall_clock_ms.saturating_sub(self.origin.wall_clock_ms);
        Timestamp::from_millis(since_start).max(self.now)
    }

    fn restore_sessions(
        &mut self,
        sessions: Vec<(u32, Session)>,
        named: &[u32],
        armed: Vec<(u32, Option<Timestamp>)>,
        free: Vec<u32>,
    ) -> Result<(), RestoreError> {
        self.state.sessions = Sessions::restored(sessions, named, free)
            .ok_or(RestoreError::Contradiction("two sessions have the same name or slot"))?;
        for (slot, armed) in armed {
            let (due, _) = self.due(slot);
            let at = armed.map_or(due, |armed| armed.min(due));
            let state = &mut self.state;
            state.waking.arm(&mut state.sessions[slot].armed, Timer::Session(slot), at);
        }
        Ok(())
    }
}

fn soonest(armed: Option<Timestamp>, due: Option<Timestamp>) -> Option<Timestamp> {
    // Where nothing is due, a timer that is armed still fires.
    armed.into_iter().chain(due).min()
}

/// No hub has made what there is.
pub(super) fn contradiction<T>(what: &'static str) -> Result<T, RestoreError> {
    Err(RestoreError::Contradiction(what))
}

impl LostRoom {
    /// What a room is without who is in it.
    pub(super) fn of(slot: u32, room: &Room) -> Self {
        Self {
            slot,
            name: room.name.clone(),
            epoch: room.log.epoch(),
            head: room.log.head(),
            entries: room.log.entries().clone(),
            armed: room.armed,
            told: room.presence.telling(),
            telling_armed: room.presence.armed,
        }
    }
}

/// A session, as if its connection were lost; where it is given each entry at once, it stands at the
/// head.
pub(super) fn lost_session(slot: u32, session: &Session, sessions: &Sessions) -> LostSession {
    let token = match session.credential.as_deref().map(|credential| &credential.proof) {
        Some(Proof::Token { claims, notice }) => {
            Some(Token { claims: claims.clone(), told: *notice == Notice::Given })
        }
        Some(Proof::Owed { .. }) | None => None,
    };
    let place = |of: &Membership| LostMembership {
        room: of.room,
        place: of.place,
        read: match of.cursor {
            Cursor::Lagging(seq) => seq,
            Cursor::Live => AT_HEAD,
        },
        told: of.told,
        echo: of.echo,
    };
    LostSession {
        slot,
        id: session.id,
        secret: session.secret,
        user: session.user.clone(),
        named: sessions.holder(&session.user) == Some(slot),
        token,
        since: session.lost_at().unwrap_or_default(),
        away: matches!(session.standing, Standing::Away { .. }),
        memberships: session.memberships.iter().map(place).collect(),
        armed: session.armed,
        messages: session.messages,
        bytes: session.bytes,
        strikes: session.strikes,
        refused: session.refused,
    }
}

fn found_session(lost: LostSession) -> Session {
    let since = lost.since;
    let membership = |of: LostMembership| Membership {
        room: of.room,
        place: of.place,
        cursor: Cursor::Lagging(of.read),
        told: of.told,
        echo: of.echo,
    };
    let credential = |token: Token| {
        let notice = if token.told { Notice::Given } else { Notice::Due };
        Box::new(Credential::new(Proof::Token { claims: token.claims, notice }))
    };
    // The connection that is gone has no number: those of this process are another's.
    let link = Link::new(ConnId::new(0), Framing::default(), None, since);
    Session {
        credential: lost.token.map(credential),
        standing: if lost.away { Standing::Away { since } } else { Standing::Lingering { since } },
        greeted: Greeted::Joined,
        memberships: lost.memberships.into_iter().map(membership).collect(),
        messages: lost.messages,
        bytes: lost.bytes,
        strikes: lost.strikes,
        refused: lost.refused,
        ..Session::new(lost.id, lost.secret, lost.user, link)
    }
}

/// Who is in a room: the slots of its members, in their order, of whom the first are live, and of each
/// user that is there how many of its sessions.
#[derive(Default)]
pub(super) struct Seats {
    members: Vec<u32>,
    live: usize,
    users: BTreeMap<Name, u32>,
    /// The furthest that one of them has read.
    read: u64,
}

/// Who is in which room, as their memberships say.
pub(super) fn seats(sessions: &[(u32, Session)]) -> Result<BTreeMap<u32, Seats>, RestoreError> {
    let mut taken: BTreeMap<(u32, u32), (u32, Cursor)> = BTreeMap::new();
    let mut seats: BTreeMap<u32, Seats> = BTreeMap::new();
    for (slot, session) in sessions {
        if session.claims().is_some_and(|claims| claims.user != session.user) {
            return contradiction("a session has another name than its token");
        }
        if session.greeted == Greeted::Open && !session.memberships.is_empty() {
            return contradiction("a session is in a room and has joined none");
        }
        let rates = [session.messages, session.bytes, session.strikes];
        if rates.iter().any(|rate| rate.full_at().since_start().as_secs() >= MOST) {
            return contradiction("a rate is held to for longer than there is time");
        }
        let rooms: BTreeSet<u32> = session.memberships.iter().map(|of| of.room).collect();
        if rooms.len() != session.memberships.len() {
            return contradiction("a session is in a room twice");
        }
        for of in &session.memberships {
            if taken.insert((of.room, of.place), (*slot, of.cursor)).is_some() {
                return contradiction("two members have the same place");
            }
            let room = seats.entry(of.room).or_default();
            match of.cursor {
                Cursor::Lagging(read) => room.read = room.read.max(read),
                Cursor::Live if session.is_connected() => {}
                Cursor::Live => return contradiction("a member without a connection is live"),
            }
            if !matches!(session.standing, Standing::Away { .. }) {
                *room.users.entry(session.user.clone()).or_insert(0) += 1;
            }
        }
    }
    for ((room, place), (slot, cursor)) in taken {
        let Seats { members, live, .. } = seats.entry(room).or_default();
        if members.len() != place as usize {
            return contradiction("a place among members is empty");
        }
        if cursor == Cursor::Live {
            if *live != members.len() {
                return contradiction("a live member stands behind one that lags");
            }
            *live += 1;
        }
        members.push(slot);
    }
    Ok(seats)
}

/// Gives the hub its rooms, and these their members.
pub(super) fn restore_rooms(
    rooms: Vec<LostRoom>,
    free: Vec<u32>,
    mut seats: BTreeMap<u32, Seats>,
    hub: &mut Hub,
) -> Result<(), RestoreError> {
    let age = hub.limits.log.age;
    let calendar = &mut hub.state.calendar;
    let mut restored = Vec::new();
    for room in rooms {
        let Seats { members, live, users, read } = seats.remove(&room.slot).unwrap_or_default();
        if room.head >= MOST || room.told.version >= MOST || read > room.head {
            return contradiction("a place in a log is not there");
        }
        let log = Log::restored(room.epoch, room.head, room.entries)
            .ok_or(RestoreError::Contradiction("a log keeps more than it ever had"))?;
        let presence = Presence::restored(users, room.told);
        let mut found = Room::restored(room.name, log, (members, live), presence);
        let prefix = found.prefix.len();
        if found.log.entries().iter().any(|entry| !entry.text.is_char_boundary(prefix)) {
            return contradiction("an entry is too short for its room");
        }
        if let Some(at) = soonest(room.armed, found.log.expires_at(age)) {
            calendar.arm(&mut found.armed, Timer::Room(room.slot), at);
        }
        if let Some(at) = room.telling_armed {
            calendar.arm(&mut found.presence.armed, Timer::Presence(room.slot), at);
        }
        restored.push((room.slot, found));
    }
    if !seats.is_empty() {
        return contradiction("a session is in a room that is not there");
    }
    hub.state.rooms = Rooms::restored(restored, free)
        .ok_or(RestoreError::Contradiction("two rooms have the same name or slot"))?;
    Ok(())
}
