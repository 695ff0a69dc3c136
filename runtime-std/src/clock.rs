//! The one place where time is read.

use std::time::{Duration, Instant};

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

    /// The span until `at`; zero if it has come.
    pub(crate) fn until(self, at: Timestamp) -> Duration {
        at.saturating_since(self.now())
    }
}
