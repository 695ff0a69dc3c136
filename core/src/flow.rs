//! What is queued somewhere for a connection, as far as the hub can know. This file does not know
//! the limits.

use serde::{Deserialize, Serialize};

use crate::config::RunAhead;
use crate::event::ConnId;

/// What was sent, and how much of it no `Flushed` covers yet.
///
/// Turns are counted by their `Flushed`. The marks are brought up to date when they are next looked
/// at, so that a turn costs nothing for those who take no part in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sent {
    total: u64,
    /// What had been sent when `turn` began, and when the turn before it did.
    at_turn: u64,
    at_before: u64,
    turn: u64,
}

impl Sent {
    /// Brings the marks up to date for `turn`.
    #[inline]
    pub(crate) fn roll(&mut self, turn: u64) {
        if self.turn != turn {
            self.at_before = if self.turn + 1 == turn { self.at_turn } else { self.total };
            self.at_turn = self.total;
            self.turn = turn;
        }
    }

    /// The bytes sent that no `Flushed` covers.
    #[inline]
    pub(crate) fn uncovered(&self, run_ahead: RunAhead) -> u64 {
        match run_ahead {
            RunAhead::Zero => self.total - self.at_turn,
            RunAhead::One => self.total - self.at_before,
        }
    }

    /// The bytes sent that a backlog reported in this turn takes account of.
    fn offered(&self, run_ahead: RunAhead) -> u64 {
        match run_ahead {
            RunAhead::Zero => self.total,
            RunAhead::One => self.at_turn,
        }
    }

    /// Whether what was sent by each mark is what had been sent by then, and is no more than `most`.
    pub(crate) fn is_sound(&self, turn: u64, most: u64) -> bool {
        self.at_before <= self.at_turn
            && self.at_turn <= self.total
            && self.total < most
            && self.turn <= turn
    }

    #[inline]
    pub(crate) fn add(&mut self, bytes: u64) {
        self.total += bytes;
    }
}

/// The flow of one connection, kept apart from its session so that a fan-out walks little memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) conn: ConnId,
    pub(crate) sent: Sent,
    /// What the driver reported last.
    pub(crate) backlog: u64,
    /// What had left the queue by then.
    delivered: u64,
}

impl Flow {
    pub(crate) fn new(conn: ConnId) -> Self {
        Self { conn, sent: Sent::default(), backlog: 0, delivered: 0 }
    }

    /// What may be queued for the connection: what was reported, and all that was sent since.
    pub(crate) fn queued(&self, run_ahead: RunAhead) -> u64 {
        self.backlog + self.sent.uncovered(run_ahead)
    }

    /// What was sent and has not left the queue by the last report, and the part of it that was sent in
    /// this turn.
    pub(crate) fn outstanding(mut self, turn: u64) -> (u64, u64) {
        self.sent.roll(turn);
        (self.sent.total - self.delivered, self.sent.total - self.sent.at_turn)
    }

    /// Whether no more has left the queue than was offered, and no more is in it than `most`.
    pub(crate) fn is_sound(mut self, run_ahead: RunAhead, turn: u64, most: u64) -> bool {
        if !self.sent.is_sound(turn, most) {
            return false;
        }
        self.sent.roll(turn);
        self.delivered <= self.sent.offered(run_ahead) && self.backlog < most
    }

    /// Takes the driver's report, and tells whether the connection made progress.
    ///
    /// # Panics
    ///
    /// If more is reported than was sent and not delivered before: the driver's fault.
    pub(crate) fn report(&mut self, run_ahead: RunAhead, bytes: u64) -> Progress {
        let delivered = self.sent.offered(run_ahead).checked_sub(bytes);
        let delivered = delivered.filter(|delivered| *delivered >= self.delivered);
        let Some(delivered) = delivered else {
            panic!("{:?} reports a backlog of {bytes} bytes, more than it was sent", self.conn);
        };
        let progress = if delivered > self.delivered { Progress::Made } else { Progress::None };
        self.backlog = bytes;
        self.delivered = delivered;
        progress
    }
}

/// Whether a connection took something since it was last asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Made,
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_covered_by_its_flushed_or_by_the_next() {
        let mut sent = Sent::default();
        sent.roll(5);
        sent.add(10);
        sent.roll(6);
        sent.add(1);
        assert_eq!(sent.uncovered(RunAhead::Zero), 1);
        assert_eq!(sent.uncovered(RunAhead::One), 11);
        sent.roll(7);
        assert_eq!(sent.uncovered(RunAhead::Zero), 0);
        assert_eq!(sent.uncovered(RunAhead::One), 1);
        sent.roll(9);
        assert_eq!(sent.uncovered(RunAhead::One), 0);
    }

    #[test]
    fn progress_is_what_left_the_queue_not_a_lower_level() {
        let mut flow = Flow::new(ConnId::new(1));
        flow.sent.add(100);
        assert_eq!(flow.report(RunAhead::Zero, 100), Progress::None);
        flow.sent.add(50);
        assert_eq!(flow.report(RunAhead::Zero, 120), Progress::Made);
        assert_eq!(flow.report(RunAhead::Zero, 120), Progress::None);
    }
}
