//! The rate limits as the reference counts them: a debt that is paid off with time.

use std::time::Duration;

use roundtable::Timestamp;

/// So much at once, then so much a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    burst: u64,
    nanos_each: u64,
}

impl Rate {
    pub(crate) fn new(burst: u32, per_second: u32) -> Self {
        let nanos_each = 1_000_000_000_u64.div_ceil(u64::from(per_second));
        Self { burst: u64::from(burst), nanos_each }
    }

    pub(crate) fn per_minute(burst: u32, per_minute: u32) -> Self {
        let nanos_each = 60_000_000_000_u64.div_ceil(u64::from(per_minute));
        Self { burst: u64::from(burst), nanos_each }
    }
}

/// What was taken and is not paid off.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    debt_nanos: u64,
    at: Timestamp,
}

impl Bucket {
    /// How long `tokens` must wait.
    pub(crate) fn wait(&mut self, now: Timestamp, rate: Rate, tokens: u64) -> Duration {
        let paid = now.saturating_since(self.at).as_nanos();
        self.debt_nanos = self.debt_nanos.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX));
        self.at = now;
        let wanted = self.debt_nanos + tokens * rate.nanos_each;
        Duration::from_nanos(wanted.saturating_sub(rate.burst * rate.nanos_each))
    }

    /// How long it takes to pay off everything.
    pub(crate) fn owed(&mut self, now: Timestamp) -> Duration {
        self.wait(now, Rate { burst: 0, nanos_each: 0 }, 0)
    }

    /// Owes as much as the other one, if that owes more.
    pub(crate) fn share(&mut self, other: Self, now: Timestamp) {
        let owed = |bucket: Self| {
            let paid = now.saturating_since(bucket.at).as_nanos();
            bucket.debt_nanos.saturating_sub(u64::try_from(paid).unwrap_or(u64::MAX))
        };
        (self.debt_nanos, self.at) = (owed(*self).max(owed(other)), now);
    }

    /// Takes `tokens` if they need not wait, and says whether.
    pub(crate) fn take(&mut self, now: Timestamp, rate: Rate, tokens: u64) -> bool {
        let free = self.wait(now, rate, tokens).is_zero();
        if free {
            self.debt_nanos += tokens * rate.nanos_each;
        }
        free
    }
}
