//! What an operator decides, in the words of a script. This file does not know what comes of it.

use roundtable::{AdminAction, Event, Name};

use super::{Driver, Observer};
use crate::generator::Decision;
use crate::subject::Subject;

impl<M: Subject, O: Observer> Driver<M, O> {
    /// Hands a decision in, unless it is about nobody, or about no room.
    pub(super) fn decide(&mut self, decision: Decision) {
        if let Some(action) = self.action(decision) {
            self.audit.clock(self.clock(), self.punctual);
            self.audit.decided(&action);
            self.hand_in(&Event::Admin { action });
        }
    }

    fn action(&mut self, decision: Decision) -> Option<AdminAction> {
        match decision {
            Decision::Kick { client, room } => {
                let room = room.map(str::parse).transpose().ok()?;
                Some(AdminAction::Kick { room, user: self.name_of(client)? })
            }
            Decision::Ban { client, room, span } => {
                let room = room.parse().ok()?;
                Some(AdminAction::Ban { room, user: self.name_of(client)?, span })
            }
            Decision::RevokeUser { client } => {
                Some(AdminAction::RevokeUser { user: self.name_of(client)? })
            }
            Decision::RevokeToken { client } => {
                let slot = self.client(client).slot?;
                Some(AdminAction::RevokeToken { token_id: self.audit.token_id(slot)?.to_owned() })
            }
            Decision::Remove { room, behind } => {
                let room: Name = room.parse().ok()?;
                let known = &self.audit.known;
                let head = known.head(known.find_room(room.as_str())?);
                Some(AdminAction::Remove { room, seq: head.saturating_sub(behind.into()) })
            }
        }
    }

    pub(super) fn name_of(&mut self, client: u16) -> Option<Name> {
        let slot = self.client(client).slot?;
        self.audit.user(slot)?.parse().ok()
    }
}
