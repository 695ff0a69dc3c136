//! The hub's process ends, and another one begins: with nothing, or with what the hub kept. This file
//! does not know what that is.

use roundtable::{AfterDrain, Event, Origin};

use super::{Driver, Observer};
use crate::journal::Journal;
use crate::subject::Subject;
use crate::tally::Tally;

impl<M: Subject, O: Observer> Driver<M, O> {
    /// The hub's process ends without a word, and a new one begins.
    pub(super) fn restart(&mut self) {
        self.check_counts();
        self.check_journal();
        self.tally = Tally::default();
        for slot in self.slots() {
            self.forget(slot);
        }
        self.arrivals.clear();
        self.touched.clear();
        (self.drain, self.drained) = (None, false);
        (self.turn_events, self.turn_bytes, self.commanded) = (0, 0, false);
        self.figures.restarts += 1;
        let seed = self.origin.seed + self.figures.restarts;
        self.machine = M::begin(self.config.clone(), Origin { seed, ..self.origin });
        self.journal = Journal::of(self.machine.hub(), &self.config);
        self.audit.restarted();
        self.observer.restarted();
    }

    /// The hub's process ends, and a new one goes on with what a snapshot holds. It was made when
    /// everybody was still connected, and the hub of before is told that they all lost the connection:
    /// the twin, which lives on, must say the same from here on.
    ///
    /// A hub whose drain ends its sessions has none to go on with before it is over.
    pub(super) fn carry_over(&mut self) {
        self.check_journal();
        let (is_draining, was_drained) = (self.drain.is_some(), self.drained);
        if was_drained {
            // What was kept when the drain was over.
            let snapshot = self.machine.snapshot(self.handled_at);
            self.check_counts();
            self.machine.carry_over(&self.config, snapshot, is_draining);
        } else if !is_draining || self.config.after_drain == AfterDrain::Wait {
            self.quiesce();
            let snapshot = self.machine.snapshot(self.now);
            self.lose_all();
            self.check_counts();
            self.machine.carry_over(&self.config, snapshot, is_draining);
        } else {
            return;
        }
        (self.drain, self.drained) = (None, false);
        self.tally = Tally::default();
        self.journal = Journal::of(self.machine.hub(), &self.config);
        self.observer.carried_over();
        self.figures.restarts += 1;
        if was_drained {
            self.wake(self.handled_at);
        }
    }

    /// Everybody loses the connection, and what was sent to them is covered.
    fn lose_all(&mut self) {
        self.arrivals.clear();
        let mut lost: Vec<_> = self.slots().map(|slot| (self.socket(slot).conn, slot)).collect();
        lost.sort_unstable();
        for (conn, slot) in lost {
            self.forget(slot);
            self.hand_in(&Event::Disconnect { conn });
        }
        self.end_turn();
        self.end_turn();
    }
}
