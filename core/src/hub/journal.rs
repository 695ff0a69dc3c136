//! What changes in that which the hub keeps, told to the driver. This file does not know who changes it,
//! nor where it is written.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Hub;
use super::snapshot::lost_session;
use crate::command::Command;
use crate::journal::{Batch, Record};

impl Hub {
    /// Notes a change, where somebody wants to know.
    pub(super) fn record(&mut self, change: impl FnOnce(&Self) -> Record) {
        if self.config.journal {
            let change = change(self);
            self.changes.push(change);
        }
    }

    /// Tells what an event has changed, before what it has led to: that begins at `before`.
    #[inline]
    pub(super) fn tell_changes(&mut self, before: usize, out: &mut Vec<Command>) {
        if self.config.journal {
            self.tell_batch(before, out);
        } else {
            self.state.sessions.forget_changed();
        }
    }

    fn tell_batch(&mut self, before: usize, out: &mut Vec<Command>) {
        let mut records = core::mem::take(&mut self.changes);
        let sessions = &mut self.state.sessions;
        let mut changed = sessions.take_changed();
        changed.sort_unstable();
        changed.dedup();
        for slot in changed {
            let kept = sessions.get(slot).filter(|session| !session.memberships.is_empty());
            records.push(match kept {
                Some(session) => Record::Session {
                    session: Box::new(lost_session(slot, session, sessions)),
                    connected: session.is_connected(),
                },
                None => Record::NoSession { slot },
            });
        }
        if records.is_empty() {
            return;
        }
        let Self { now, away, woke, epochs, begun, .. } = *self;
        let batch = Box::new(Batch { now, away, woke, epochs, begun, records });
        out.insert(before, Command::Append { batch });
    }
}
