//! What arrived, held against what was sent: losses, repetitions, order, latency. This file knows
//! neither sockets nor frames.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::payload::{Finder, Stamp};

/// The longest latency that is told apart, in microseconds: two minutes.
const LONGEST_US: u64 = 120_000_000;

/// How Roundtable's frames begin that carry entries which are no deliveries.
const PAGES: [&[u8]; 2] = [b"{\"type\":\"joined\"", b"{\"type\":\"history\""];

/// How Roundtable tells that entries are missing.
const GAP: &[u8] = b"{\"type\":\"gap\"";

/// The books of one run.
pub(super) struct Tally {
    finder: Finder,
    senders: usize,
    /// For each receiver and sender, the number that comes next.
    next: Vec<u32>,
    /// For each receiver, how many numbers were passed over and have not come since.
    passed_over: Vec<u32>,
    /// What is measured: messages that were meant to be sent then, and deliveries that came then.
    window: Option<(Duration, Duration)>,
    /// What arrived, each once.
    pub(super) arrived: u64,
    /// What arrived within the window.
    pub(super) arrived_in_window: u64,
    /// What arrived again.
    pub(super) duplicates: u64,
    /// What arrived after a later one of the same sender.
    pub(super) misordered: u64,
    /// What a server told that it would not deliver.
    pub(super) told: u64,
    /// In microseconds, of the messages of the window.
    pub(super) latency: Histogram<u64>,
}

impl Tally {
    pub(super) fn new(receivers: usize, senders: usize) -> Self {
        Self {
            finder: Finder::new(),
            senders,
            next: vec![0; receivers * senders],
            passed_over: vec![0; receivers],
            window: None,
            arrived: 0,
            arrived_in_window: 0,
            duplicates: 0,
            misordered: 0,
            told: 0,
            latency: histogram(),
        }
    }

    /// Begins to measure: what comes from now on, and what is meant to be sent from now on.
    pub(super) fn measure(&mut self, from: Duration, to: Duration) {
        self.window = Some((from, to));
    }

    /// Takes a message that came to `receiver`, and returns how many of its own texts are in it.
    pub(super) fn message(&mut self, receiver: usize, message: &[u8], now: Duration) -> u32 {
        if message.starts_with(b"{\"type\":") {
            if message.starts_with(GAP) {
                self.told += told(message);
                return 0;
            }
            if PAGES.iter().any(|page| message.starts_with(page)) {
                return 0;
            }
        }
        let Self { finder, senders, next, passed_over, .. } = self;
        let (mut own, mut counts) = (0, Counts::default());
        finder.each(message, |stamp| {
            let sender = stamp.sender as usize;
            own += u32::from(sender == receiver);
            let Some(next) = next.get_mut(receiver * *senders + sender) else { return };
            counts.take(stamp, next, &mut passed_over[receiver]);
            let Some((from, to)) = self.window else { return };
            counts.in_window += u64::from((from..to).contains(&now));
            let intended = Duration::from_nanos(stamp.intended_ns);
            if (from..to).contains(&intended) {
                let latency = micros(now.saturating_sub(intended));
                self.latency.saturating_record(latency);
            }
        });
        self.arrived += counts.fresh;
        self.arrived_in_window += counts.in_window;
        self.duplicates += counts.duplicates;
        self.misordered += counts.misordered;
        own
    }
}

#[derive(Default)]
struct Counts {
    fresh: u64,
    in_window: u64,
    duplicates: u64,
    misordered: u64,
}

impl Counts {
    fn take(&mut self, stamp: Stamp, next: &mut u32, passed_over: &mut u32) {
        if stamp.number >= *next {
            *passed_over += stamp.number - *next;
            *next = stamp.number + 1;
            self.fresh += 1;
        } else if *passed_over > 0 {
            *passed_over -= 1;
            self.fresh += 1;
            self.misordered += 1;
        } else {
            self.duplicates += 1;
        }
    }
}

/// A histogram of microseconds.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds that are far enough apart")
}

/// In whole microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How many entries a `gap` speaks of.
fn told(frame: &[u8]) -> u64 {
    #[derive(serde::Deserialize)]
    struct Gap {
        from: u64,
        to: u64,
    }
    serde_json::from_slice(frame).map_or(0, |gap: Gap| (gap.to + 1).saturating_sub(gap.from))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn text(sender: u32, number: u32, intended: Duration) -> Vec<u8> {
        let mut text = Vec::new();
        let intended_ns = u64::try_from(intended.as_nanos()).expect("a short run");
        Stamp { sender, number, intended_ns }.write(0, &mut text);
        text
    }

    #[test]
    fn losses_repetitions_and_order_are_told_apart() {
        let mut tally = Tally::new(2, 2);
        for number in [0, 1, 1, 4, 3, 5] {
            tally.message(1, &text(0, number, MS), MS);
        }
        assert_eq!((tally.arrived, tally.duplicates, tally.misordered), (5, 1, 1));
        assert_eq!(tally.message(1, &text(1, 0, MS), MS), 1, "its own");
        assert_eq!(tally.message(0, &text(1, 0, MS), MS), 0, "another's");
        assert_eq!((tally.arrived, tally.duplicates), (7, 1), "each receiver has its own books");
    }

    #[test]
    fn latency_is_that_of_the_window() {
        let mut tally = Tally::new(1, 1);
        tally.message(0, &text(0, 0, 5 * MS), 10 * MS);
        tally.measure(10 * MS, 20 * MS);
        tally.message(0, &text(0, 1, 9 * MS), 11 * MS);
        tally.message(0, &text(0, 2, 12 * MS), 19 * MS);
        tally.message(0, &text(0, 3, 13 * MS), 23 * MS);
        assert_eq!((tally.arrived, tally.arrived_in_window), (4, 2));
        assert_eq!((tally.latency.len(), tally.latency.min()), (2, 7000));
        assert!(tally.latency.equivalent(tally.latency.max(), 10_000));
    }

    #[test]
    fn gaps_are_counted_and_history_is_no_delivery() {
        let mut tally = Tally::new(1, 1);
        let gap = b"{\"type\":\"gap\",\"room\":\"a\",\"epoch\":\"e\",\"from\":4,\"to\":9,\"reason\":\"trimmed\"}";
        tally.message(0, gap, MS);
        let text = String::from_utf8(text(0, 0, MS)).expect("text");
        tally.message(
            0,
            format!("{{\"type\":\"joined\",\"history\":[\"{text}\"]}}").as_bytes(),
            MS,
        );
        assert_eq!((tally.told, tally.arrived), (6, 0));
        tally.message(0, format!("{{\"type\":\"message\",\"data\":\"{text}\"}}").as_bytes(), MS);
        assert_eq!(tally.arrived, 1);
    }
}
