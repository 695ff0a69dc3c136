//! Sessions that outlive their connections: the part of the auditor that knows who may come back to
//! which one, and what it must be told then. It does not know how long the hub waits.

use std::collections::BTreeMap;

use roundtable::{AfterDrain, Claims};

use super::frame::{Frame, Place};
use super::{Audit, Reader, Request, What};
use crate::invariant::hold;
use crate::known::RoomId;

/// The number of a session, in the order in which clients were told of them.
pub(crate) type SessionId = u32;

/// Every session that somebody was given.
#[derive(Debug)]
pub(super) struct Sessions {
    after_drain: AfterDrain,
    by_ticket: BTreeMap<String, SessionId>,
    all: Vec<Session>,
}

#[derive(Debug, Default)]
struct Session {
    /// Whether a connection has it just now.
    connected: bool,
    /// Whether nobody may come back to it.
    over: bool,
    /// Under which name.
    user: String,
    /// What its token says.
    claims: Option<Box<Claims>>,
    /// Where it was when its connection was lost, and whether it wanted its own messages back.
    rooms: Vec<(RoomId, bool)>,
    informed: Informed,
}

/// Whether a client was told of each room that its session is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Informed {
    /// Of each of them, and of no other.
    #[default]
    Wholly,
    /// There was no room in its window when it was to be told: it may be in others, or not in all.
    InPart,
}

impl Sessions {
    pub(super) fn new(after_drain: AfterDrain) -> Self {
        Self { after_drain, by_ticket: BTreeMap::new(), all: Vec::new() }
    }

    /// Whether a connection that ended with `code` leaves a session to be come back to.
    fn outlives(&self, code: u64) -> bool {
        LOST.contains(&code) || (code == DRAIN && self.after_drain == AfterDrain::Wait)
    }

    /// Those of `user` that lost their connection are taken out of a room. Who is in none any more
    /// cannot come back.
    pub(super) fn send_away(&mut self, room: RoomId, user: &str) {
        for session in self.all.iter_mut().filter(|of| !of.connected && !of.over) {
            if session.user == user && session.rooms.iter().any(|(of, _)| *of == room) {
                session.rooms.retain(|(of, _)| *of != room);
                session.over |= session.rooms.is_empty();
            }
        }
    }

    /// Nobody comes back to a session whose token is revoked.
    pub(super) fn revoke(&mut self, is_revoked: impl Fn(&Claims) -> bool) {
        for session in self.all.iter_mut().filter(|of| !of.connected) {
            session.over |= session.claims.as_deref().is_some_and(&is_revoked);
        }
    }
}

/// The codes that leave a session to be come back to.
const LOST: [u64; 5] = [4000, 4001, 4003, 4010, 4503];

/// The code of a window that is full.
const SLOW_CONSUMER: u64 = 4001;

/// The code that leaves one where sessions are carried over to the next hub.
const DRAIN: u64 = 4002;

/// What a client says of where it stands.
pub(super) enum Said {
    /// It stands here, or nowhere in this room.
    Of(Option<Place>),
    /// Nothing of any room.
    Nothing,
}

impl Audit {
    pub(super) fn session_of(&self, slot: usize) -> Option<SessionId> {
        self.readers[slot].as_ref()?.session
    }

    /// The client in `slot` is told of its session.
    pub(super) fn seated(&mut self, slot: usize, frame: &Frame<'_>) {
        let ticket = frame.session.as_deref().unwrap_or_else(|| panic!("no session: {frame:?}"));
        assert!(frame.resume_ms.is_some(), "{frame:?}");
        let sessions = &mut self.sessions;
        let next = SessionId::try_from(sessions.all.len()).expect("few sessions");
        let id = *sessions.by_ticket.entry(ticket.to_owned()).or_insert(next);
        let is_new = id == next;
        if is_new {
            sessions.all.push(Session::default());
        }
        let session = &mut sessions.all[id as usize];
        frame.user.as_deref().unwrap_or_default().clone_into(&mut session.user);
        let reader = self.readers[slot].as_mut().expect("a live client");
        if frame.resumed == Some(true) {
            let request = self.request.as_mut().filter(|request| request.slot == slot);
            let request = request.unwrap_or_else(|| panic!("nobody asked: {frame:?}"));
            let own = request.resume.as_deref() == Some(ticket) && reader.rooms.is_empty();
            let free = !is_new && !session.connected && !session.over;
            hold!(self.checked, OwnSession, own && free, "{session:?}, {request:?}: {frame:?}");
            request.owed = core::mem::take(&mut session.rooms);
            request.informed = core::mem::take(&mut session.informed);
            session.connected = true;
            // Who comes back without a token goes by the one of before.
            reader.claims = reader.claims.take().or_else(|| session.claims.clone());
            session.claims.clone_from(&reader.claims);
            if let Some(left) = reader.session.replace(id) {
                (sessions.all[left as usize].connected, sessions.all[left as usize].over) =
                    (false, true);
            }
        } else {
            let fresh = if is_new { reader.session.is_none() } else { reader.session == Some(id) };
            hold!(self.checked, OwnSession, fresh, "another one's: {frame:?}");
            session.connected = true;
            session.claims.clone_from(&reader.claims);
            reader.session = Some(id);
        }
    }

    /// The rooms where the client in `slot` may be without having been told, as its connection ends: it
    /// ends while it is answered, since there is no room in its window.
    pub(super) fn untold(&self, slot: usize) -> Vec<(RoomId, bool)> {
        let request = self.request.as_ref().filter(|request| request.slot == slot);
        let asked = |request: &Request| request.wanted.map(|room| (room, request.echo));
        let rooms =
            |request: &Request| request.owed.iter().copied().chain(asked(request)).collect();
        request.map(rooms).unwrap_or_default()
    }

    /// A connection is over; its session, which may be in the rooms of which it was not told, may be
    /// come back to, or not.
    pub(super) fn part(&mut self, slot: usize, reader: &Reader, untold: &[(RoomId, bool)]) {
        let Some(id) = reader.session else { return };
        let is_over = reader.bye.is_some_and(|code| !self.sessions.outlives(code));
        let is_answered = self.request.as_ref().is_some_and(|request| request.slot == slot);
        // There may have been no room for the `bye` either.
        let is_full = reader.bye.is_none_or(|code| code == SLOW_CONSUMER);
        let is_untold = is_full && (is_answered || self.is_deciding());
        let session = &mut self.sessions.all[id as usize];
        session.connected = false;
        session.over |= is_over;
        session.rooms = reader.rooms.iter().map(|member| (member.room, member.echo)).collect();
        for room in untold {
            if session.rooms.iter().all(|(of, _)| of != &room.0) {
                session.rooms.push(*room);
            }
        }
        session.informed = if is_untold { Informed::InPart } else { Informed::Wholly };
    }

    /// Whether the reader, whose connection is over, may come back to its session.
    pub(super) fn is_lost(&self, reader: &Reader) -> bool {
        reader.session.is_some_and(|id| !self.sessions.all[id as usize].over)
    }

    /// A client that came back is told of a room: whether it wanted its own messages back there.
    pub(super) fn reseated(&mut self, room: RoomId, frame: &Frame<'_>) -> Option<bool> {
        let request = self.request.as_mut().filter(|request| request.what == What::Hello)?;
        let index = request.owed.iter().position(|(owed, _)| *owed == room);
        let is_next = index.is_some_and(|index| index == 0 || request.informed == Informed::InPart);
        hold!(self.checked, OwnSession, is_next, "{request:?} is told of {frame:?}");
        Some(request.owed.remove(index?).1)
    }

    /// Where the client that asks stands in a room, as it says.
    pub(super) fn where_it_stands(&self, room: &str) -> Said {
        let Some(request) = &self.request else { return Said::Of(None) };
        match (request.what, &request.places) {
            (What::Hello, None) => Said::Nothing,
            (What::Hello, Some(places)) => Said::Of(places.get(room).cloned()),
            (What::Join, _) => Said::Of(request.since.clone()),
            (What::Publish | What::Plain | What::Signal | What::Moderate | What::Other, _) => {
                Said::Of(None)
            }
        }
    }

    /// Whether a client that came back is still to be told of the room; it is by now.
    pub(super) fn is_owed(&mut self, room: RoomId) -> bool {
        let owed = self.request.as_mut().map(|request| &mut request.owed);
        let index = owed.as_ref().and_then(|owed| owed.iter().position(|(of, _)| *of == room));
        owed.zip(index).map(|(owed, index)| owed.remove(index)).is_some()
    }

    /// Who came back was told of all its rooms.
    pub(super) fn check_all_told(&mut self, request: &Request) {
        if request.what == What::Hello {
            let all = request.owed.is_empty() || request.informed == Informed::InPart;
            hold!(self.checked, OwnSession, all, "not told of some of its rooms: {request:?}");
        }
    }
}
