//! From a hub to what it keeps, and back. This file does not know how a snapshot is written down.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Hub;
use crate::addresses::Addresses;
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
const MOST: u64 = 1 << 53;

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
            rooms: state.rooms.iter().map(|(slot, room)| lost_room(slot, room)).collect(),
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
            return Err(RestoreError::Contradiction("it counts more than there can be"));
        }
        let seats = seats(&snapshot.sessions)?;
        let rooms = restore_rooms(snapshot.rooms, seats, &mut hub)?;
        hub.state.rooms = Rooms::restored(rooms, snapshot.free_rooms)
            .ok_or(RestoreError::Contradiction("two rooms have the same name or slot"))?;
        hub.restore_sessions(snapshot.sessions, snapshot.free_sessions)?;
        let Hub { state, config, .. } = &mut hub;
        state.keys = Keys::restored(snapshot.keys.into_iter())
            .ok_or(RestoreError::Contradiction("a key is kept twice"))?;
        if let Some(at) = soonest(snapshot.keys_armed, state.keys.expires_at(config.key_age)) {
            state.calendar.arm(&mut state.keys.armed, Timer::Keys, at);
        }
        for (ban, end) in snapshot.bans {
            state.bans.set(ban, end);
        }
        state.addresses = Addresses::restored(snapshot.addresses, snapshot.free_addresses)
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
        sessions: Vec<LostSession>,
        free: Vec<u32>,
    ) -> Result<(), RestoreError> {
        let named: Vec<u32> = sessions.iter().filter(|of| of.named).map(|of| of.slot).collect();
        let armed: Vec<_> = sessions.iter().map(|of| (of.slot, of.armed)).collect();
        let lost = sessions.into_iter().map(|lost| (lost.slot, found_session(lost))).collect();
        self.state.sessions = Sessions::restored(lost, &named, free)
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

fn lost_room(slot: u32, room: &Room) -> LostRoom {
    LostRoom {
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

/// Who is in a room: the slots of its members, in their order, and of each user that is there how many
/// of its sessions.
#[derive(Default)]
struct Seats {
    members: Vec<u32>,
    users: BTreeMap<Name, u32>,
    /// The furthest that one of them has read.
    read: u64,
}

/// Who is in which room, as their memberships say.
fn seats(sessions: &[LostSession]) -> Result<BTreeMap<u32, Seats>, RestoreError> {
    let mut taken: BTreeMap<(u32, u32), &LostSession> = BTreeMap::new();
    let mut seats: BTreeMap<u32, Seats> = BTreeMap::new();
    for session in sessions {
        let is_other = |token: &Token| token.claims.user != session.user;
        if session.token.as_ref().is_some_and(is_other) {
            return Err(RestoreError::Contradiction("a session has another name than its token"));
        }
        if session.memberships.is_empty() {
            return Err(RestoreError::Contradiction("a session is in no room"));
        }
        let rooms: BTreeSet<u32> = session.memberships.iter().map(|of| of.room).collect();
        if rooms.len() != session.memberships.len() {
            return Err(RestoreError::Contradiction("a session is in a room twice"));
        }
        for of in &session.memberships {
            if taken.insert((of.room, of.place), session).is_some() {
                return Err(RestoreError::Contradiction("two members have the same place"));
            }
            let room = seats.entry(of.room).or_default();
            room.read = room.read.max(of.read);
            if !session.away {
                *room.users.entry(session.user.clone()).or_insert(0) += 1;
            }
        }
    }
    for ((room, place), session) in taken {
        let members = &mut seats.entry(room).or_default().members;
        if members.len() != place as usize {
            return Err(RestoreError::Contradiction("a place among members is empty"));
        }
        members.push(session.slot);
    }
    Ok(seats)
}

fn restore_rooms(
    rooms: Vec<LostRoom>,
    mut seats: BTreeMap<u32, Seats>,
    hub: &mut Hub,
) -> Result<Vec<(u32, Room)>, RestoreError> {
    let age = hub.limits.log.age;
    let calendar = &mut hub.state.calendar;
    let mut restored = Vec::new();
    for room in rooms {
        let Seats { members, users, read } = seats.remove(&room.slot).unwrap_or_default();
        if room.head >= MOST || room.told.version >= MOST || read > room.head {
            return Err(RestoreError::Contradiction("a place in a log is not there"));
        }
        let log = Log::restored(room.epoch, room.head, room.entries)
            .ok_or(RestoreError::Contradiction("a log keeps more than it ever had"))?;
        let presence = Presence::restored(users, room.told);
        let mut found = Room::restored(room.name, log, members, presence);
        let prefix = found.prefix.len();
        if found.log.entries().iter().any(|entry| !entry.text.is_char_boundary(prefix)) {
            return Err(RestoreError::Contradiction("an entry is too short for its room"));
        }
        if let Some(at) = soonest(room.armed, found.log.expires_at(age)) {
            calendar.arm(&mut found.armed, Timer::Room(room.slot), at);
        }
        if let Some(at) = room.telling_armed {
            calendar.arm(&mut found.presence.armed, Timer::Presence(room.slot), at);
        }
        restored.push((room.slot, found));
    }
    if seats.is_empty() {
        Ok(restored)
    } else {
        Err(RestoreError::Contradiction("a session is in a room that is not there"))
    }
}
