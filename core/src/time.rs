//! Time as the hub sees it: a span since the driver started. This file does not know what o'clock
//! it is, and nothing in the crate does.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, as the span since the driver's start.
///
/// The driver reads it from one monotonic clock when it hands an event to the hub, so it never runs
/// backwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The driver's start.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment `since_start` after the driver's start.
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The moment `millis` milliseconds after the driver's start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// The span since the driver's start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The span from `earlier` to this moment; zero if `earlier` is later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates: a deadline too far away to be told is never reached.
    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the driver's start.
    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
