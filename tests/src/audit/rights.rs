//! What tokens allow: the part of the auditor that knows who may do what, and who somebody is. It does
//! not know what a token looks like.

use roundtable::{Action, Claims};

use super::frame::Frame;
use super::presence::Folded;
use super::{Audit, What};
use crate::invariant::hold;

impl Audit {
    /// Whether the client in `slot` may do `action` in `room`.
    pub(super) fn may(&self, slot: usize, action: Action, room: &str) -> bool {
        let reader = self.readers[slot].as_ref().expect("a live client");
        let Some(claims) = &reader.claims else { return action != Action::Moderate };
        claims.grants.iter().any(|grant| {
            let pattern = String::from(grant.pattern.clone());
            let matches = match pattern.split_once('*') {
                Some((start, _)) => room.starts_with(start),
                None => room == pattern,
            };
            matches && grant.can.iter().any(|can| can == action)
        })
    }

    /// The client in `slot` is given what shows that it did `action`.
    pub(super) fn check_right(&mut self, slot: usize, action: Action, frame: &Frame<'_>) {
        let may = self.may(slot, action, frame.room());
        hold!(self.checked, Permitted, may, "slot {slot} may not {action:?}: {frame:?}");
    }

    /// Only who is limited by a token is forbidden anything, but for moderating.
    pub(super) fn check_forbidden(&mut self, slot: usize, frame: &Frame<'_>) {
        if frame.word() != "forbidden" {
            return;
        }
        let is_limited = self.readers[slot].as_ref().is_some_and(|reader| reader.claims.is_some());
        let other = self
            .request
            .as_ref()
            .is_some_and(|request| matches!(request.what, What::Moderate | What::Other));
        hold!(self.checked, Permitted, is_limited || other, "slot {slot}: {frame:?}");
    }

    /// The client in `slot` has shown a token, which says this, or is not to be believed.
    pub(crate) fn shown(&mut self, slot: usize, claims: Option<Box<Claims>>) {
        self.shown = claims.map(|claims| (slot, claims));
    }

    /// The hub has answered the token.
    pub(crate) fn nothing_shown(&mut self) {
        self.shown = None;
    }

    /// The client in `slot` is welcomed: it goes by the token that it has just shown.
    pub(super) fn note_shown(&mut self, slot: usize) {
        let Some((_, claims)) = self.shown.clone().filter(|(of, _)| *of == slot) else { return };
        let reader = self.readers[slot].as_mut().expect("a live client");
        reader.claims = Some(claims);
        for index in 0..self.readers[slot].as_ref().map_or(0, |reader| reader.rooms.len()) {
            let room = self.readers[slot].as_ref().map(|reader| reader.rooms[index].room);
            let room = room.map(|room| self.known.name(room).to_owned()).unwrap_or_default();
            let may = self.may(slot, Action::Presence, &room);
            let reader = self.readers[slot].as_mut().expect("a live client");
            let folded = &mut reader.rooms[index].folded;
            match (may, &*folded) {
                (false, _) => *folded = Folded::Blind,
                (true, Folded::Blind) => *folded = Folded::Nothing,
                (true, _) => {}
            }
        }
    }

    /// A client is told that its token does not allow the room any more.
    pub(super) fn check_shown_out(&mut self, slot: usize, frame: &Frame<'_>) {
        let shown = self.shown.as_ref().is_some_and(|(of, _)| *of == slot);
        let may = self.may(slot, Action::Join, frame.room());
        hold!(self.checked, Permitted, shown && !may, "slot {slot} is shown out: {frame:?}");
    }

    /// A client that came back with another token is told that it does not allow one of its rooms.
    pub(super) fn check_right_lost(&mut self, slot: usize, frame: &Frame<'_>) {
        let may = self.may(slot, Action::Join, frame.room());
        let told = frame.reason.as_deref() == Some("forbidden");
        hold!(self.checked, Permitted, told && !may, "slot {slot} is shown out: {frame:?}");
    }

    /// The client in `slot` is called `user` from now on: nobody else is, unless by a token.
    pub(super) fn take_name(&mut self, slot: usize, user: &str, frame: &Frame<'_>) {
        let claims = self.readers[slot].as_ref().and_then(|reader| reader.claims.as_deref());
        let own = claims.is_none_or(|claims| claims.user.as_str() == user);
        // Among those with a token, nobody has made up a name.
        let others = self.users.get(user).copied().unwrap_or(0);
        let free = others == 0 || claims.is_some() && !self.strangers.contains(user);
        hold!(self.checked, Limits, free, "a name is given twice: {frame:?}");
        hold!(self.checked, Permitted, own, "another one's name: {frame:?}");
        if claims.is_none() {
            self.strangers.insert(user.to_owned());
        }
        *self.users.entry(user.to_owned()).or_insert(0) += 1;
    }

    pub(super) fn free_name(&mut self, user: &str) {
        if let Some(connections) = self.users.get_mut(user) {
            *connections -= 1;
            if *connections == 0 {
                self.users.remove(user);
                self.strangers.remove(user);
            }
        }
    }

    /// When the token of the client in `slot` ends, by the wall clock.
    pub(crate) fn expires_ms(&self, slot: usize) -> Option<u64> {
        self.readers[slot].as_ref()?.claims.as_ref()?.expires_ms
    }

    /// The id of the token that the client in `slot` goes by.
    pub(crate) fn token_id(&self, slot: usize) -> Option<&str> {
        self.readers[slot].as_ref()?.claims.as_ref()?.token_id.as_deref()
    }

    /// Whether the client in `slot` may be closed with 4011: what it goes by was revoked, or nothing,
    /// and somebody with a token has its name.
    pub(crate) fn is_revoked(&self, slot: usize) -> bool {
        let Some(reader) = self.readers[slot].as_ref() else { return false };
        match &reader.claims {
            Some(claims) => self.revokes(claims),
            None => true,
        }
    }

    /// Whose keys the client in `slot` uses: its user's, or its session's.
    pub(super) fn owner_of_keys(&self, slot: usize) -> Option<String> {
        let reader = self.readers[slot].as_ref()?;
        match &reader.claims {
            Some(claims) => Some(format!("user {}", claims.user)),
            None => reader.session.map(|session| format!("session {session}")),
        }
    }
}
