//! The one place where time is read.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use roundtable::{Machine, Timestamp};
use smol::{Timer, future};

/// The clock of a server, from its start on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// What it showed then.
    first: Timestamp,
}

impl Clock {
    /// A clock that starts at zero.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), first: Timestamp::ZERO }
    }

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

    /// When a timer for `at` must ring; `None` if that is too far away to ever come.
    pub(crate) fn instant(self, at: Timestamp) -> Option<Instant> {
        self.start.checked_add(at.saturating_since(self.first))
    }
}

/// A timer that rings at `at`, or never.
pub(crate) fn timer(clock: Clock, at: Option<Timestamp>) -> Timer {
    at.and_then(|at| clock.instant(at)).map_or_else(Timer::never, Timer::at)
}

/// A timer for one deadline after another. It is set anew only where it would ring too late, since
/// that wakes the thread that waits for sockets.
#[derive(Debug)]
pub(crate) struct Alarm {
    clock: Clock,
    timer: Timer,
    /// When the timer rings, unless it is known to have rung.
    set: Option<Instant>,
}

impl Alarm {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, timer: Timer::never(), set: None }
    }

    /// Rings at `at`, or never.
    pub(crate) async fn ring(&mut self, at: Option<Timestamp>) {
        let Some(at) = at.and_then(|at| self.clock.instant(at)) else {
            return future::pending().await;
        };
        while Instant::now() < at {
            if self.set.is_none_or(|set| at < set) {
                self.timer.set_at(at);
                self.set = Some(at);
            }
            (&mut self.timer).await;
            self.set = None;
        }
    }
}
