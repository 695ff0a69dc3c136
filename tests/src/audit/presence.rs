//! Who is in a room: the part of the auditor that folds what readers are told, and holds it against
//! who is there. It does not know when the hub tells.

use std::collections::BTreeMap;

use roundtable::{Action, Config, Timestamp};
use std::time::Duration;

use super::frame::{Frame, Listed, Members};
use super::session::SessionId;
use super::{Audit, Reader};
use crate::invariant::hold;
use crate::known::{LogId, RoomId};

/// Users with the number of their sessions; nothing where only their number is known.
type Users = Option<BTreeMap<String, u64>>;

/// What is told of who is there, and who is.
#[derive(Debug)]
pub(super) struct Presence {
    /// By run of a log.
    views: Vec<View>,
    /// By room.
    rosters: Vec<Roster>,
    most: usize,
    tick: Duration,
    linger: Duration,
    /// The clock of waking hours, and whether ticks come exactly at the deadlines.
    pub(super) awake: Timestamp,
    pub(super) punctual: bool,
}

/// What those know who were told everything.
#[derive(Debug, Default)]
struct View {
    version: u64,
    users: Users,
    /// When the last difference was told.
    told_ms: Option<u64>,
}

/// Who is in a room, by what clients were told of joining and leaving.
#[derive(Debug, Default)]
struct Roster {
    connected: BTreeMap<String, u64>,
    /// Those who lost their connections, and when: each may still be there.
    lost: Vec<(SessionId, String, Timestamp)>,
}

/// What one reader knows of a room.
#[derive(Debug)]
pub(super) enum Folded {
    /// Nothing, which is all that its token allows.
    Blind,
    /// Nothing.
    Nothing,
    /// What all know who were told everything up to this version.
    Shared(u64),
    /// A list of its own, which may be ahead of its version.
    Own { version: u64, users: Users },
}

impl Presence {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            views: Vec::new(),
            rosters: Vec::new(),
            most: config.presence_list,
            tick: config.presence_tick,
            linger: config.presence_linger,
            awake: Timestamp::ZERO,
            punctual: true,
        }
    }

    fn view(&mut self, log: LogId) -> &mut View {
        let index = log as usize;
        if self.views.len() <= index {
            self.views.resize_with(index + 1, View::default);
        }
        &mut self.views[index]
    }

    fn roster(&mut self, room: RoomId) -> &mut Roster {
        let index = room as usize;
        if self.rosters.len() <= index {
            self.rosters.resize_with(index + 1, Roster::default);
        }
        &mut self.rosters[index]
    }

    /// A session of `user` is in the room, back if it was there before its connection was lost.
    pub(super) fn came(&mut self, room: RoomId, session: SessionId, user: &str) {
        let roster = self.roster(room);
        *roster.connected.entry(user.to_owned()).or_default() += 1;
        roster.lost.retain(|(lost, _, _)| *lost != session);
    }

    /// It is so no more.
    pub(super) fn went(&mut self, room: RoomId, user: &str, how: Went) {
        let roster = self.roster(room);
        if let Some(sessions) = roster.connected.get_mut(user) {
            *sessions -= 1;
            if *sessions == 0 {
                roster.connected.remove(user);
            }
        }
        if let Went::Lost(session) = how {
            self.may_be_lost(room, session, user);
        }
    }

    /// A session of `user` may have been in the room when its connection was lost.
    fn may_be_lost(&mut self, room: RoomId, session: SessionId, user: &str) {
        let awake = self.awake;
        self.roster(room).lost.push((session, user.to_owned(), awake));
    }

    /// What is wrong with a picture of the room as it was `old` ago.
    fn trouble(
        &mut self,
        room: RoomId,
        count: u64,
        users: &Users,
        old: Duration,
    ) -> Option<String> {
        let (awake, linger, punctual, tick) = (self.awake, self.linger, self.punctual, self.tick);
        let roster = self.roster(room);
        if punctual {
            roster.lost.retain(|(_, _, at)| *at + linger + tick >= awake);
        }
        let may_be_there = |at: Timestamp| !punctual || at + linger + old >= awake;
        let Some(users) = users else {
            let least = roster.connected.len() as u64;
            let lost = roster.lost.iter().filter(|(_, _, at)| may_be_there(*at)).count() as u64;
            let within = (least..=least + lost).contains(&count);
            return (!within).then(|| format!("{count} users, of {roster:?}"));
        };
        let most = |user: &String| {
            let of =
                |(_, lost, at): &&(SessionId, String, Timestamp)| lost == user && may_be_there(*at);
            let lost = roster.lost.iter().filter(of).count();
            roster.connected.get(user).copied().unwrap_or(0) + lost as u64
        };
        let ghost = users.iter().find(|(user, sessions)| **sessions > most(user));
        let left_out =
            roster.connected.iter().find(|(user, least)| users.get(*user) < Some(*least));
        let wrong = ghost.or(left_out).map(|(user, _)| format!("{user} is wrong, of {roster:?}"));
        let counted = count == users.len() as u64 && users.values().all(|sessions| *sessions > 0);
        wrong.or_else(|| (!counted).then(|| format!("{count} users or nobody's sessions")))
    }
}

/// How a member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// Its session is over, or has left the room.
    Gone,
    /// It lost its connection.
    Lost(SessionId),
}

impl Audit {
    /// Takes note of a `presence`, before anybody is given it.
    pub(super) fn note_presence(&mut self, frame: &Frame<'_>, now_ms: u64) {
        let (room, version) = (self.known.room(frame.room()), frame.version());
        let log = self.known.last_log(room);
        let log = log.unwrap_or_else(|| panic!("a room that nobody has joined: {frame:?}"));
        let tick_ms = u64::try_from(self.presence.tick.as_millis()).expect("short");
        let view = self.presence.view(log);
        let before = view.version;
        if let Some((join, leave)) = frame.changes() {
            let spaced =
                before + 1 < version || view.told_ms.is_none_or(|told| told + tick_ms <= now_ms);
            let next = before < version && spaced;
            if before + 1 < version {
                // Others lagged when it was told of what is between.
                view.users = None;
            }
            if let Some(users) = &mut view.users {
                fold(users, join, leave);
            }
            (view.version, view.told_ms) = (version, Some(now_ms));
            let users = view.users.clone();
            hold!(self.checked, PresenceFolds, next, "behind {before}, or too early: {frame:?}");
            if users.is_some() {
                self.check_picture(
                    room,
                    users.as_ref().map_or(0, |of| of.len() as u64),
                    &users,
                    frame,
                );
            }
        } else {
            let members = frame.everybody();
            let users = named(&members);
            self.seen_list(log, &members, &users, frame);
            self.check_picture(room, members.count, &users, frame);
        }
    }

    /// A member of `room` is given a `presence`.
    pub(super) fn presence(&mut self, slot: usize, frame: &Frame<'_>) {
        self.check_right(slot, Action::Presence, frame);
        let (room, version) = (self.known.room(frame.room()), frame.version());
        let log = self.known.last_log(room).expect("it was told");
        let member = self.member(slot, room, frame);
        let before = core::mem::replace(&mut member.folded, Folded::Nothing);
        let Some((join, leave)) = frame.changes() else {
            let users = named(&frame.everybody());
            let forward = before.version().is_none_or(|before| before <= version);
            self.member(slot, room, frame).folded = Folded::Own { version, users };
            hold!(self.checked, PresenceFolds, forward, "{before:?} goes back: {frame:?}");
            return;
        };
        let next = before.version().is_some_and(|before| before + 1 == version);
        let mut known = true;
        if let Folded::Own { users, .. } = before {
            let view = self.presence.view(log);
            let mut users = users;
            match &mut users {
                Some(users) => fold(users, join, leave),
                None => known = false,
            }
            if view.users.is_none() {
                view.users = users;
            } else {
                known &= view.users == users;
            }
        }
        self.member(slot, room, frame).folded = Folded::Shared(version);
        hold!(
            self.checked,
            PresenceFolds,
            next && known,
            "in slot {slot} this does not follow: {frame:?}"
        );
    }

    /// A member is told of who is there when it joins.
    pub(super) fn joined_members(
        &mut self,
        slot: usize,
        room: RoomId,
        log: LogId,
        frame: &Frame<'_>,
    ) {
        let may = self.may(slot, Action::Presence, frame.room());
        let told = frame.members.is_some();
        hold!(self.checked, Permitted, may == told, "slot {slot}, who is there: {frame:?}");
        if !may {
            self.member(slot, room, frame).folded = Folded::Blind;
            return;
        }
        let members = frame.members.as_ref();
        let members = members.unwrap_or_else(|| panic!("no members: {frame:?}"));
        let users = named(members);
        // A list that there was no room for is owed.
        let owed = users.is_none() && members.count <= self.presence.most as u64;
        if !owed {
            self.seen_list(log, members, &users, frame);
        }
        self.check_picture(room, members.count, &users, frame);
        let version = members.v;
        self.member(slot, room, frame).folded =
            if owed { Folded::Nothing } else { Folded::Own { version, users } };
    }

    /// All is quiet: everybody knows the same, and what is so.
    pub(super) fn check_agreement(&mut self, slot: usize) {
        let reader = self.readers[slot].take().expect("a live client");
        for member in &reader.rooms {
            let log = self.known.last_log(member.room).expect("members hold their room");
            let view = self.presence.view(log);
            let (version, shared) = (view.version, view.users.clone());
            let agrees = match &member.folded {
                Folded::Blind => continue,
                Folded::Nothing => false,
                Folded::Shared(own) => *own == version,
                Folded::Own { version: own, users } => {
                    *own == version && (users.is_none() || shared.is_none() || *users == shared)
                }
            };
            let (conn, folded) = (reader.conn, &member.folded);
            let view = self.presence.view(log);
            hold!(self.checked, PresenceFolds, agrees, "{conn:?} knows {folded:?}, all {view:?}");
            if let Some(users) = &shared {
                let count = users.len() as u64;
                let tick = self.presence.tick;
                let trouble = self.presence.trouble(member.room, count, &shared, tick);
                hold!(self.checked, PresenceFolds, trouble.is_none(), "at rest: {trouble:?}");
            }
        }
        self.readers[slot] = Some(reader);
    }

    /// The reader's connection is over: it is lost, unless a `bye` said more. It may also have been in
    /// rooms of which it was not told.
    pub(super) fn all_went(&mut self, reader: &Reader, untold: &[(RoomId, bool)]) {
        let Some((user, _)) = &reader.user else { return };
        let how = match reader.session {
            Some(session) if self.is_lost(reader) => Went::Lost(session),
            _ => Went::Gone,
        };
        for member in &reader.rooms {
            self.presence.went(member.room, user, how);
        }
        if let Went::Lost(session) = how {
            for (room, _) in untold {
                self.presence.may_be_lost(*room, session, user);
            }
        }
    }

    /// A list tells all that was told before it, and may be the first to do so.
    fn seen_list(&mut self, log: LogId, members: &Members<'_>, users: &Users, frame: &Frame<'_>) {
        let most = self.presence.most as u64;
        let view = self.presence.view(log);
        let before = view.version;
        if members.v > before {
            (view.version, view.users, view.told_ms) = (members.v, users.clone(), None);
        }
        let whole = users.is_some() == (members.count <= most);
        let forward = members.v >= before;
        hold!(self.checked, PresenceFolds, forward && whole, "behind {before}: {frame:?}");
    }

    fn check_picture(&mut self, room: RoomId, count: u64, users: &Users, frame: &Frame<'_>) {
        let trouble = self.presence.trouble(room, count, users, Duration::ZERO);
        hold!(self.checked, PresenceFolds, trouble.is_none(), "{trouble:?}: {frame:?}");
    }
}

impl Folded {
    fn version(&self) -> Option<u64> {
        match self {
            Self::Blind | Self::Nothing => None,
            Self::Shared(version) | Self::Own { version, .. } => Some(*version),
        }
    }
}

fn named(members: &Members<'_>) -> Users {
    let list = members.list.as_ref()?;
    Some(list.iter().map(|item| (item.user.clone().into_owned(), item.n)).collect())
}

fn fold(
    users: &mut BTreeMap<String, u64>,
    join: &[Listed<'_>],
    leave: &[std::borrow::Cow<'_, str>],
) {
    for user in leave {
        users.remove(&**user);
    }
    for Listed { user, n } in join {
        users.insert(user.clone().into_owned(), *n);
    }
}
