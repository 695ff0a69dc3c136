//! A client's socket as the virtual driver sees it: only how much is where, and what must be
//! reported. It does not know what is sent.

use std::time::Duration;

use roundtable::Timestamp;

use crate::generator::Reading;

/// What o'clock it is, and what it would be had the hub never been away.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock {
    pub(crate) now: Timestamp,
    pub(crate) awake: Timestamp,
}

/// What is queued for one client, and how the client has behaved.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) reading: Reading,
    /// What a stopped reader will still take.
    pub(crate) allowance: usize,
    /// Commanded in the turn that runs.
    pub(crate) staged: usize,
    /// Commanded in the turn before, where the sockets lie one turn behind.
    pub(crate) offered: usize,
    /// Offered, and not taken.
    queued: usize,
    /// The level that the hub knows.
    pub(crate) reported: usize,
    reported_at: Timestamp,
    /// All that was ever taken, and how much of it the hub can know.
    taken: u64,
    taken_reported: u64,
    /// A ping waits for its answer.
    pub(crate) pinged: bool,
    /// The last sign of life that the hub was told of, in waking hours.
    pub(crate) alive_at: Timestamp,
    /// Since when a reported backlog has made no progress, in waking hours.
    pub(crate) stuck_at: Option<Timestamp>,
}

/// Whether the hub must be told of a level.
pub(crate) enum Report {
    None,
    Level(usize),
}

impl Socket {
    pub(crate) fn new(clock: Clock) -> Self {
        Self {
            reading: Reading::Prompt,
            allowance: 0,
            staged: 0,
            offered: 0,
            queued: 0,
            reported: 0,
            reported_at: clock.now,
            taken: 0,
            taken_reported: 0,
            pinged: false,
            alive_at: clock.awake,
            stuck_at: None,
        }
    }

    /// Everything that the driver holds for the client.
    pub(crate) fn held(&self) -> usize {
        self.staged + self.offered + self.queued
    }

    /// The most that the hub may believe to be queued.
    pub(crate) fn believed(&self) -> usize {
        self.staged + self.offered + self.queued.max(self.reported)
    }

    pub(crate) fn heard(&mut self, clock: Clock) {
        self.alive_at = clock.awake;
    }

    /// Offers the socket what the turn commanded.
    pub(crate) fn offer(&mut self) {
        self.queued += core::mem::take(&mut self.staged);
        self.take();
    }

    /// Offers the socket what the turn before commanded.
    pub(crate) fn offer_one_turn_behind(&mut self) {
        self.queued += core::mem::replace(&mut self.offered, core::mem::take(&mut self.staged));
        self.take();
    }

    fn take(&mut self) {
        let taken = match self.reading {
            Reading::Prompt | Reading::Mute => self.queued,
            Reading::Stopped => self.queued.min(self.allowance),
        };
        self.queued -= taken;
        self.taken += taken as u64;
        self.allowance = self.allowance.saturating_sub(taken);
    }

    /// The rule of reports: a level that grew at once, one that shrank when it has halved or is
    /// gone, and otherwise once a second.
    pub(crate) fn report(&mut self, clock: Clock) -> Report {
        let halved = self.queued * 2 <= self.reported && self.reported > 0;
        let due = self.next_report().is_some_and(|at| at <= clock.now);
        if self.queued <= self.reported && !halved && !due {
            return Report::None;
        }
        if self.taken > self.taken_reported {
            self.heard(clock);
            self.stuck_at = None;
        }
        self.taken_reported = self.taken;
        self.reported = self.queued;
        self.reported_at = clock.now;
        if self.queued == 0 {
            self.stuck_at = None;
        } else {
            self.stuck_at.get_or_insert(clock.awake);
        }
        Report::Level(self.queued)
    }

    /// When a reader that has taken a little must be reported.
    pub(crate) fn next_report(&self) -> Option<Timestamp> {
        let took = self.reported > 0 && self.taken > self.taken_reported;
        took.then_some(self.reported_at + Duration::from_secs(1))
    }
}
