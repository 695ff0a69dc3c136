//! When the open loop sends. This file does not know what is sent, and reads no clock.

use std::time::Duration;

/// Messages at even distances, sent by the senders in turn.
///
/// What is due is due, also when it is late: the intended time stays, so that a server that holds up
/// the generator does not make its own latency look better.
#[derive(Debug)]
pub(super) struct Schedule {
    start: Duration,
    every: Duration,
    senders: u32,
    next: u32,
    end: u32,
}

/// One message that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Who sends it.
    pub(super) sender: u32,
    /// When it was to be sent, since the run began.
    pub(super) intended: Duration,
}

impl Schedule {
    /// `per_second` messages a second by `senders`, from `start` on, for `lasting`.
    ///
    /// # Panics
    ///
    /// If there are no senders, or more messages than fit into 32 bits.
    pub(super) fn new(start: Duration, lasting: Duration, per_second: f64, senders: u32) -> Self {
        assert!(senders > 0, "somebody must send");
        let every = Duration::from_secs_f64(1.0 / per_second);
        let end = lasting.as_nanos().div_ceil(every.as_nanos().max(1));
        let end = u32::try_from(end).expect("fewer messages than fit into 32 bits");
        Self { start, every, senders, next: 0, end }
    }

    /// When the next message is to be sent.
    pub(super) fn next(&self) -> Option<Duration> {
        (self.next < self.end).then(|| self.start + self.every * self.next)
    }

    /// The next message, if it is due.
    pub(super) fn due(&mut self, now: Duration) -> Option<Due> {
        let intended = self.next().filter(|at| *at <= now)?;
        let sender = self.next % self.senders;
        self.next += 1;
        Some(Due { sender, intended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_was_missed_keeps_its_time() {
        let mut schedule = Schedule::new(1000 * MS, 50 * MS, 100.0, 2);
        assert_eq!(schedule.due(999 * MS), None);
        let late: Vec<Due> = std::iter::from_fn(|| schedule.due(1025 * MS)).collect();
        let due = |sender, ms| Due { sender, intended: ms * MS };
        assert_eq!(late, [due(0, 1000), due(1, 1010), due(0, 1020)]);
        assert_eq!(schedule.next(), Some(1030 * MS));
    }

    #[test]
    fn it_ends() {
        let mut schedule = Schedule::new(Duration::ZERO, 1000 * MS, 4.0, 7);
        let all = std::iter::from_fn(|| schedule.due(5000 * MS)).count();
        assert_eq!((all, schedule.next()), (4, None));
        let mut schedule = Schedule::new(Duration::ZERO, 1000 * MS, 100.0, 7);
        assert_eq!(std::iter::from_fn(|| schedule.due(5000 * MS)).count(), 100);
    }
}
