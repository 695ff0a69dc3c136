//! The one place where time is read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use roundtable::{Machine, Timestamp};

/// The clock of a server, from its start on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// What it showed then.
    first: Timestamp,
}

impl Clock {
    /// The clock of `machine`: where another process has begun, it goes on by the wall clock.
    pub(crate) fn of(machine: &impl Machine) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_clock_ms = u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX);
        let first = machine.hub().map_or(Timestamp::ZERO, |hub| hub.moment(wall_clock_ms));
        Self { start: Instant::now(), first }
    }

    /// The time.
    pub(crate) fn now(self) -> Timestamp {
        self.first + self.start.elapsed()
    }

    /// The span until `at`; zero if it has come.
    pub(crate) fn until(self, at: Timestamp) -> Duration {
        at.saturating_since(self.now())
    }
}
