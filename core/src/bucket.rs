//! The rate limiter: a token bucket, kept as one moment. This file does not know what it counts.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How much may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u64,
    /// The time that one token takes to come back, rounded up, so that no more than the rate passes.
    nanos_each: u64,
}

impl Rate {
    /// `burst` at once, then `per_second` a second.
    ///
    /// # Panics
    ///
    /// If `per_second` is zero.
    pub fn new(burst: u32, per_second: u32) -> Self {
        let nanos_each = 1_000_000_000_u64.div_ceil(u64::from(per_second));
        Self { burst: u64::from(burst), nanos_each }
    }

    /// `burst` at once, then `per_minute` a minute.
    ///
    /// # Panics
    ///
    /// If `per_minute` is zero.
    pub fn per_minute(burst: u32, per_minute: u32) -> Self {
        let nanos_each = 60_000_000_000_u64.div_ceil(u64::from(per_minute));
        Self { burst: u64::from(burst), nanos_each }
    }

    fn span(self, tokens: u64) -> Duration {
        Duration::from_nanos(tokens.saturating_mul(self.nanos_each))
    }
}

/// A bucket of tokens, as the moment at which it is full again (the generic cell rate algorithm,
/// ITU-T I.371). It is full at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    full_at: Timestamp,
}

impl Bucket {
    /// How long `tokens` must wait; nothing if they may be taken at once.
    pub fn wait(self, now: Timestamp, rate: Rate, tokens: u64) -> Duration {
        let owed = self.full_at.saturating_since(now);
        (owed + rate.span(tokens)).saturating_sub(rate.span(rate.burst))
    }

    /// When it is full again, if nothing more is taken.
    pub(crate) fn full_at(self) -> Timestamp {
        self.full_at
    }

    /// The one of both that is full later: who has two may take no more than from either.
    pub(crate) fn emptier(self, other: Self) -> Self {
        Self { full_at: self.full_at.max(other.full_at) }
    }

    /// Takes `tokens`, for which [`Bucket::wait`] said that nobody must wait.
    pub fn take(&mut self, now: Timestamp, rate: Rate, tokens: u64) {
        self.full_at = self.full_at.max(now) + rate.span(tokens);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_burst_passes_and_then_the_rate() {
        let rate = Rate::new(20, 10);
        let mut bucket = Bucket::default();
        let now = Timestamp::from_millis(5000);
        for _ in 0..20 {
            assert_eq!(bucket.wait(now, rate, 1), Duration::ZERO);
            bucket.take(now, rate, 1);
        }
        assert_eq!(bucket.wait(now, rate, 1), Duration::from_millis(100));
        let later = now + Duration::from_millis(100);
        assert_eq!(bucket.wait(later, rate, 1), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate_times_time(
            burst in 1_u32..100,
            per_second in 1_u32..5000,
            asks in prop::collection::vec((0_u64..500, 1_u64..40), 1..200),
        ) {
            let rate = Rate::new(burst, per_second);
            let mut bucket = Bucket::default();
            let (mut millis, mut passed) = (0, 0);
            for (pause, tokens) in asks {
                millis += pause;
                let now = Timestamp::from_millis(millis);
                if bucket.wait(now, rate, tokens).is_zero() {
                    bucket.take(now, rate, tokens);
                    passed += tokens;
                }
                let most = u64::from(burst) * 1000 + u64::from(per_second) * millis;
                prop_assert!(passed * 1000 <= most);
            }
        }
    }
}
