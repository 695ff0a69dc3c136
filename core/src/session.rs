//! Sessions: who is connected, under which name, in which rooms. This file does not know what is
//! said in them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use crate::addresses::Hold;
use crate::bucket::Bucket;
use crate::claims::Claims;
use crate::credential::{Credential, Notice, Proof, Waiting};
use crate::event::{ConnId, Framing};
use crate::flow::Flow;
use crate::name::Name;
use crate::protocol::Echo;
use crate::slab::Slab;
use crate::ticket::{Entropy, Ticket};
use crate::time::Timestamp;

/// A session's name for ever: the number of sessions that had begun before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SessionId(pub(crate) u64);

/// One client, connected or expected back.
///
/// The moments of liveness are those of the hub's clock of waking hours (`Hub::awake`), which stands
/// still while the hub itself was away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    /// What a client must know to come back to it.
    pub(crate) secret: Entropy,
    pub(crate) user: Name,
    /// What it goes by; nothing for somebody with a name of its own choice.
    pub(crate) credential: Option<Box<Credential>>,
    pub(crate) standing: Standing,
    /// The connection, or the last one.
    pub(crate) link: Link,
    pub(crate) greeted: Greeted,
    /// In the order of joining.
    pub(crate) memberships: Vec<Membership>,
    /// When the session's timer is set to fire.
    pub(crate) armed: Option<Timestamp>,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    pub(crate) strikes: Bucket,
    /// When a refusal without `id` was last told.
    pub(crate) refused: Option<Timestamp>,
}

/// Whether a session has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Standing {
    /// It has one.
    Connected,
    /// It lost it, and others are not told so far.
    Lingering { since: Timestamp },
    /// It lost it, and is gone for others.
    Away { since: Timestamp },
}

/// What belongs to a session's connection and not to the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) conn: ConnId,
    pub(crate) framing: Framing,
    /// Its hold on its address, if that is counted.
    pub(crate) hold: Option<Hold>,
    /// Whether it counts as one that has shown no token.
    pub(crate) is_unverified: bool,
    /// The last sign of life.
    pub(crate) heard: Timestamp,
    /// The ping that may not have been answered.
    pub(crate) pinged: Option<Timestamp>,
    /// How many pings were sent.
    pub(crate) pings: u64,
    /// When the backlog, if there is one, last became smaller or appeared.
    pub(crate) moved: Timestamp,
    /// What waits for the verdict on a token.
    pub(crate) waiting: Option<Box<Waiting>>,
}

/// Whether a session may still say who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Greeted {
    /// It has joined nothing so far.
    Open,
    /// It has been a member somewhere.
    Joined,
}

/// What a session is to one of its rooms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) room: u32,
    /// The place among the room's members.
    pub(crate) place: u32,
    pub(crate) cursor: Cursor,
    /// While it lags: what it knows of who is there, as [`Presence::mark`] has it.
    ///
    /// [`Presence::mark`]: crate::presence::Presence::mark
    pub(crate) told: u32,
    pub(crate) echo: Echo,
}

/// How far a member has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cursor {
    /// To the head, and it moves with it.
    Live,
    /// Up to this entry.
    Lagging(u64),
}

impl Link {
    pub(crate) fn new(
        conn: ConnId,
        framing: Framing,
        hold: Option<Hold>,
        heard: Timestamp,
    ) -> Self {
        Self {
            conn,
            framing,
            hold,
            is_unverified: false,
            heard,
            pinged: None,
            pings: 0,
            moved: heard,
            waiting: None,
        }
    }
}

impl Session {
    pub(crate) fn new(id: SessionId, secret: Entropy, user: Name, link: Link) -> Self {
        Self {
            id,
            secret,
            user,
            credential: None,
            standing: Standing::Connected,
            link,
            greeted: Greeted::Open,
            memberships: Vec::new(),
            armed: None,
            messages: Bucket::default(),
            bytes: Bucket::default(),
            strikes: Bucket::default(),
            refused: None,
        }
    }

    /// What its token says.
    pub(crate) fn claims(&self) -> Option<&Claims> {
        self.credential.as_deref()?.claims()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.standing == Standing::Connected
    }

    /// When the connection was lost.
    pub(crate) fn lost_at(&self) -> Option<Timestamp> {
        match self.standing {
            Standing::Connected => None,
            Standing::Lingering { since } | Standing::Away { since } => Some(since),
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sessions {
    slab: Slab<Session>,
    /// The flow of the session in the same slot.
    pub(crate) flows: Vec<Flow>,
    by_conn: BTreeMap<ConnId, u32>,
    by_name: BTreeMap<Name, u32>,
    /// Those that go by a token.
    by_user: BTreeSet<(Name, u32)>,
    /// Those without a connection, the longest first.
    lost: BTreeSet<(Timestamp, u32)>,
    /// The slots where something changed that is kept, since that was last asked for.
    changed: Vec<u32>,
}

impl Sessions {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slab.is_empty()
    }

    /// How many have a connection.
    pub(crate) fn connected(&self) -> usize {
        self.by_conn.len()
    }

    /// One more than the highest slot.
    pub(crate) fn end(&self) -> u32 {
        self.slab.end()
    }

    /// Each one, by its slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Session)> {
        self.slab.iter()
    }

    /// Every connection.
    pub(crate) fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.by_conn.keys().copied()
    }

    /// The slots of the table that are free.
    pub(crate) fn free(&self) -> &[u32] {
        self.slab.free()
    }

    /// The sessions that were in these slots, those with a name that nobody else may have, and the slots
    /// that were free; nothing if they contradict each other.
    pub(crate) fn restored(
        sessions: Vec<(u32, Session)>,
        named: &[u32],
        free: Vec<u32>,
    ) -> Option<Self> {
        let mut restored = Self { slab: Slab::restored(sessions, free)?, ..Self::default() };
        for (slot, session) in restored.slab.iter() {
            let is_alone = match session.lost_at() {
                Some(since) => restored.lost.insert((since, slot)),
                None => restored.by_conn.insert(session.link.conn, slot).is_none(),
            };
            is_alone.then_some(())?;
            if session.claims().is_some() {
                restored.by_user.insert((session.user.clone(), slot));
            }
        }
        for slot in named {
            let user = restored.slab.get(*slot)?.user.clone();
            restored.by_name.insert(user, *slot).is_none().then_some(())?;
        }
        let no_flow = Flow::new(ConnId::new(0));
        restored.flows.resize(restored.slab.end() as usize, no_flow);
        Some(restored)
    }

    /// Something that is kept changes in this slot.
    pub(crate) fn touch(&mut self, slot: u32) {
        self.changed.push(slot);
    }

    /// Where something changed that is kept, since this was last asked for.
    pub(crate) fn take_changed(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.changed)
    }

    /// Nobody wants to know what changed.
    pub(crate) fn forget_changed(&mut self) {
        self.changed.clear();
    }

    pub(crate) fn find(&self, conn: ConnId) -> Option<u32> {
        self.by_conn.get(&conn).copied()
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&Session> {
        self.slab.get(slot)
    }

    /// The session that a client comes back to.
    pub(crate) fn find_ticket(&self, ticket: Ticket) -> Option<u32> {
        let session = self.slab.get(ticket.place)?;
        (session.secret == ticket.secret).then_some(ticket.place)
    }

    /// Who has the name.
    pub(crate) fn holder(&self, name: &Name) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The session that lost its connection first.
    pub(crate) fn first_lost(&self) -> Option<u32> {
        self.lost.first().map(|(_, slot)| *slot)
    }

    pub(crate) fn insert(&mut self, session: Session) -> u32 {
        let (conn, user) = (session.link.conn, session.user.clone());
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
        self.touch(slot);
        self.free_name(slot);
        let session = self.slab.remove(slot);
        if session.claims().is_some() {
            self.by_user.remove(&(session.user.clone(), slot));
        }
        match session.lost_at() {
            None => _ = self.by_conn.remove(&session.link.conn),
            Some(since) => _ = self.lost.remove(&(since, slot)),
        }
        if self.slab.is_empty() {
            self.flows = Vec::new();
        }
        session
    }

    pub(crate) fn rename(&mut self, slot: u32, name: Name) {
        self.free_name(slot);
        self.touch(slot);
        self.slab[slot].user = name.clone();
        self.by_name.insert(name, slot);
    }

    /// The session goes by a token, which decides its name.
    pub(crate) fn identify(&mut self, slot: u32, claims: Box<Claims>) {
        self.free_name(slot);
        self.touch(slot);
        let user = claims.user.clone();
        self.by_user.insert((user.clone(), slot));
        let session = &mut self.slab[slot];
        session.user = user;
        let proof = Proof::Token { claims, notice: Notice::Due };
        session.credential = Some(Box::new(Credential::new(proof)));
    }

    /// Those that go by a token of `user`.
    pub(crate) fn of_user(&self, user: &Name) -> impl Iterator<Item = u32> + '_ {
        let places = (user.clone(), u32::MIN)..=(user.clone(), u32::MAX);
        self.by_user.range(places).map(|(_, slot)| *slot)
    }

    /// Those called `user`, with a token or without, connected or not.
    pub(crate) fn called(&self, user: &Name) -> impl Iterator<Item = u32> + '_ {
        let of_guest = self.holder(user).filter(|slot| self.slab[*slot].claims().is_none());
        self.of_user(user).chain(of_guest)
    }

    /// Those that go by the token called `id`.
    pub(crate) fn of_token(&self, id: &str) -> impl Iterator<Item = u32> {
        let of = |slot: u32| self.slab[slot].claims().and_then(|claims| claims.token_id.as_deref());
        self.by_user.iter().map(|(_, slot)| *slot).filter(move |slot| of(*slot) == Some(id))
    }

    /// Others may have the session's name.
    pub(crate) fn free_name(&mut self, slot: u32) {
        let name = &self.slab[slot].user;
        if self.by_name.get(name) == Some(&slot) {
            self.by_name.remove(name);
            self.touch(slot);
        }
    }

    /// The session has no connection any more.
    pub(crate) fn lose(&mut self, slot: u32, since: Timestamp) {
        self.touch(slot);
        let session = &mut self.slab[slot];
        session.standing = Standing::Lingering { since };
        self.by_conn.remove(&session.link.conn);
        self.lost.insert((since, slot));
    }

    /// Gives the connection of the session in `from`, which ends, to the one in `to`.
    pub(crate) fn hand_over(&mut self, from: u32, to: u32) {
        self.touch(to);
        let flow = self.flows[from as usize];
        let Session { link, messages, bytes, strikes, .. } = self.remove(from);
        let session = &mut self.slab[to];
        // Coming back gives nobody a second burst.
        session.messages = session.messages.emptier(messages);
        session.bytes = session.bytes.emptier(bytes);
        session.strikes = session.strikes.emptier(strikes);
        if let Some(since) = session.lost_at() {
            self.lost.remove(&(since, to));
        }
        session.standing = Standing::Connected;
        self.by_conn.insert(link.conn, to);
        session.link = link;
        self.flows[to as usize] = flow;
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
