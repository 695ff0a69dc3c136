//! The one place where time is read.

use std::time::Instant;

use roundtable::Timestamp;

/// The clock of a server, from its start on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts at zero.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The time.
    pub(crate) fn now(self) -> Timestamp {
        Timestamp::new(self.start.elapsed())
    }

    /// When a timer for `at` must ring; `None` if that is too far away to ever come.
    pub(crate) fn instant(self, at: Timestamp) -> Option<Instant> {
        self.start.checked_add(at.since_start())
    }
}

/// A timer that rings at `at`, or never.
pub(crate) fn timer(clock: Clock, at: Option<Timestamp>) -> smol::Timer {
    at.and_then(|at| clock.instant(at)).map_or_else(smol::Timer::never, smol::Timer::at)
}
