//! What an operator decides: the part of the auditor that knows who was sent away or is kept out, and
//! what was taken out. It does not know how the hub finds them.

use std::collections::{BTreeMap, BTreeSet};

use roundtable::{Action, AdminAction, Claims, Timestamp};

use super::frame::{Frame, Item, Stands};
use super::log::{Entry, REMOVED, digest};
use super::{Audit, Note, What};
use crate::invariant::hold;
use crate::known::{LogId, RoomId};

/// What was decided so far.
#[derive(Debug, Default)]
pub(super) struct Moderation {
    /// What has just been decided, until the hub has done it.
    decision: Option<AdminAction>,
    /// Until when somebody is kept out of a room.
    bans: BTreeMap<(RoomId, String), Timestamp>,
    /// The places whose data was to be removed.
    removed: BTreeSet<(LogId, u64)>,
    /// What o'clock it is.
    pub(super) now: Timestamp,
}

impl Moderation {
    pub(super) fn is_banned(&self, room: RoomId, user: &str) -> bool {
        self.bans.get(&(room, user.to_owned())).is_some_and(|end| *end > self.now)
    }
}

impl Audit {
    /// An operator has decided something; the hub does it until [`Audit::done`].
    pub(crate) fn decided(&mut self, action: &AdminAction) {
        match action {
            AdminAction::Ban { room, user, span } => {
                let ban = (self.known.room(room.as_str()), user.as_str().to_owned());
                self.moderation.bans.insert(ban, self.moderation.now + *span);
            }
            AdminAction::Remove { room, seq } => {
                let room = self.known.room(room.as_str());
                if let Some(log) = self.known.last_log(room) {
                    self.moderation.removed.insert((log, *seq));
                    self.logs[log as usize].remove(*seq);
                    // Whether there was anything to remove is told to those who are there, if any is.
                    self.logs[log as usize].unseen = true;
                }
            }
            AdminAction::RevokeUser { .. } | AdminAction::RevokeToken { .. } => {
                let revokes = |claims: &Claims| revoked(action, claims);
                self.sessions.revoke(revokes);
            }
            AdminAction::Kick { .. } => {}
        }
        self.send_away_the_lost(action);
        self.moderation.decision = Some(action.clone());
    }

    pub(super) fn is_moderating(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.what == What::Moderate)
    }

    /// What a moderator asked for is acknowledged, before anything comes of it.
    pub(super) fn note_moderated(&mut self, frame: &Frame<'_>) -> Note {
        let request = self.request.as_ref().expect("it is moderating");
        let (slot, action) = (request.slot, request.action.clone());
        self.check_right(slot, Action::Moderate, frame);
        self.decided(&action.expect("it is moderating"));
        Note::default()
    }

    /// Whether what was decided is being done.
    pub(super) fn is_deciding(&self) -> bool {
        self.moderation.decision.is_some()
    }

    /// Whether what is being done revokes a token that says this.
    pub(super) fn revokes(&self, claims: &Claims) -> bool {
        self.moderation.decision.as_ref().is_some_and(|action| revoked(action, claims))
    }

    /// The hub has done what was decided.
    pub(crate) fn done(&mut self) {
        let Some(action) = self.moderation.decision.take() else { return };
        let mut readers = self.readers.iter().flatten();
        let stays = readers.find(|of| of.claims.as_ref().is_some_and(|of| revoked(&action, of)));
        let stays = stays.map(|reader| reader.conn);
        hold!(self.checked, Moderated, stays.is_none(), "{stays:?} stays after {action:?}");
        let (room, user) = match &action {
            AdminAction::Kick { room, user } => (room.as_ref(), user),
            AdminAction::Ban { room, user, span } if !span.is_zero() => (Some(room), user),
            _ => return,
        };
        let room = room.map(|room| self.known.room(room.as_str()));
        let readers = self.readers.iter().flatten();
        let left = readers.filter(|reader| {
            let is_user = reader.user.as_ref().is_some_and(|(name, _)| name == user.as_str());
            is_user && room.is_none_or(|room| reader.rooms.iter().any(|of| of.room == room))
        });
        let left: Vec<_> = left.map(|reader| reader.conn).collect();
        hold!(self.checked, Moderated, left.is_empty(), "{left:?} stay after {action:?}");
    }

    /// Somebody is told that he is no longer in a room, without having asked for it.
    pub(super) fn check_sent_away(&mut self, slot: usize, user: &str, frame: &Frame<'_>) {
        let Some(reason) = frame.reason.as_deref() else { return };
        if reason == "forbidden" {
            return self.check_shown_out(slot, frame);
        }
        let decided = match &self.moderation.decision {
            Some(AdminAction::Kick { room: Some(room), user }) => Some(("kicked", room, user)),
            Some(AdminAction::Ban { room, user, .. }) => Some(("banned", room, user)),
            _ => None,
        };
        let right = decided.is_some_and(|(word, room, whom)| {
            word == reason && room.as_str() == frame.room() && whom.as_str() == user
        });
        hold!(self.checked, Moderated, right, "nobody decided it: {frame:?}");
    }

    /// The client in `slot` is closed with 4504.
    pub(crate) fn is_kicked(&self, slot: usize) -> bool {
        let Some(AdminAction::Kick { room: None, user }) = &self.moderation.decision else {
            return false;
        };
        let reader = self.readers[slot].as_ref();
        let name = reader.and_then(|reader| reader.user.as_ref());
        name.is_some_and(|(name, _)| name == user.as_str())
    }

    /// A new hub begins, which knows of no bans.
    pub(crate) fn restarted(&mut self) {
        self.moderation.bans.clear();
        self.addresses.forget_all();
    }

    /// When the last ban ends.
    pub(crate) fn last_ban(&self) -> Timestamp {
        self.moderation.bans.values().max().copied().unwrap_or(Timestamp::ZERO)
    }

    /// The name of the client in `slot`.
    pub(crate) fn user(&self, slot: usize) -> Option<&str> {
        self.readers[slot].as_ref()?.user.as_ref().map(|(user, _)| user.as_str())
    }

    /// An item of a log, as far as it can be told from another one.
    pub(super) fn entry(&mut self, log: LogId, item: &Item<'_>, frame: &Frame<'_>) -> Entry {
        let (removed, user) = (&self.moderation.removed, digest([item.from(), ""]));
        let entry = |digest, tells| Entry {
            digest,
            ts: Some(item.ts),
            author: None,
            user,
            tells,
            bytes: 0,
        };
        let (entry, decided) = match item.stands() {
            Stands::Data(data) => {
                (entry(digest([item.from(), data]), false), !removed.contains(&(log, item.seq)))
            }
            Stands::Removed => (entry(REMOVED, false), removed.contains(&(log, item.seq))),
            Stands::Removes(place) => {
                let words = place.to_string();
                (entry(digest(["removes", &words]), true), removed.contains(&(log, place)))
            }
        };
        hold!(self.checked, Moderated, decided, "{item:?} in {frame:?}");
        entry
    }

    /// Who lost the connection, and is sent away, is not told.
    fn send_away_the_lost(&mut self, action: &AdminAction) {
        let (room, user) = match action {
            AdminAction::Kick { room: Some(room), user } => (room, user),
            AdminAction::Ban { room, user, span } if !span.is_zero() => (room, user),
            _ => return,
        };
        let room = self.known.room(room.as_str());
        self.sessions.send_away(room, user.as_str());
    }
}

/// Whether an operator's decision revokes a token that says this.
fn revoked(action: &AdminAction, claims: &Claims) -> bool {
    match action {
        AdminAction::RevokeUser { user } => claims.user == *user,
        AdminAction::RevokeToken { token_id } => claims.token_id.as_ref() == Some(token_id),
        AdminAction::Kick { .. } | AdminAction::Ban { .. } | AdminAction::Remove { .. } => false,
    }
}
