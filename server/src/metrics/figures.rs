//! What the loop that drives a machine takes: how long, and how much at a time. This file reads no
//! clock: it goes by the times that the machine is handed.

use roundtable::{Command, Event, Hub, Machine, RoomView, RunAhead, Switch, Timestamp};

use crate::admin::{Closing, Watch};

/// The bounds of spans, in nanoseconds: from 50 µs to 2.5 s.
const SPANS: [u64; 14] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    2_500_000_000,
];

/// The bounds of numbers of events.
const EVENTS: [u64; 14] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256, 1024];

/// What was measured so far.
#[derive(Clone, Debug)]
pub struct Figures {
    /// From the first event of a turn to its end.
    pub turns: Histogram,
    /// The events of a turn.
    pub events: Histogram,
    /// From a text's coming to the machine until what it led to was offered to the sockets.
    pub deliveries: Histogram,
}

/// How often a number was within each of some bounds.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [u64; 14],
    /// One for each bound, and one for what is beyond.
    counts: [u64; 15],
    sum: u64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            turns: Histogram::new(&SPANS),
            events: Histogram::new(&EVENTS),
            deliveries: Histogram::new(&SPANS),
        }
    }
}

impl Histogram {
    fn new(bounds: &'static [u64; 14]) -> Self {
        Self { bounds, counts: [0; 15], sum: 0 }
    }

    fn observe(&mut self, number: u64) {
        self.counts[self.bounds.partition_point(|bound| *bound < number)] += 1;
        self.sum = self.sum.saturating_add(number);
    }

    fn observe_span(&mut self, from: Timestamp, to: Timestamp) {
        let nanos = to.saturating_since(from).as_nanos();
        self.observe(u64::try_from(nanos).unwrap_or(u64::MAX));
    }

    /// How many numbers there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Each bound with how many were within it and not within the one before; the last has none.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.counts)
    }
}

/// A machine of which is measured how it is driven.
#[derive(Debug)]
pub struct Measured<M> {
    machine: M,
    figures: Figures,
    run_ahead: RunAhead,
    /// When the turn began, if it has.
    began: Option<Timestamp>,
    events: u64,
    /// When the texts of this turn came, and those of the one before, if they are still to be offered.
    texts: Vec<Timestamp>,
    texts_before: Vec<Timestamp>,
    watch: Watch,
}

impl<M> Measured<M> {
    /// Measures how `machine` is driven by a driver that runs so far ahead.
    pub fn new(machine: M, run_ahead: RunAhead) -> Self {
        Self {
            machine,
            figures: Figures::default(),
            run_ahead,
            began: None,
            events: 0,
            texts: Vec::new(),
            texts_before: Vec::new(),
            watch: Watch::default(),
        }
    }

    /// What was measured so far.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The latest closes that it commanded, the latest first.
    pub(crate) fn closings(&self) -> Vec<Closing> {
        self.watch.closings()
    }

    fn note(&mut self, now: Timestamp, event: &Event) {
        if let Event::Text { .. } = event {
            self.texts.push(now);
        }
        if *event != Event::Flushed {
            self.began.get_or_insert(now);
            self.events += 1;
            return;
        }
        let figures = &mut self.figures;
        if let Some(began) = self.began.take() {
            figures.turns.observe_span(began, now);
            figures.events.observe(self.events);
            self.events = 0;
        }
        if self.run_ahead == RunAhead::One {
            std::mem::swap(&mut self.texts, &mut self.texts_before);
        }
        self.texts.drain(..).for_each(|came| figures.deliveries.observe_span(came, now));
    }
}

impl<M: Machine> Measured<M> {
    /// The rooms with the most members, as they are or were less than a second ago.
    pub(crate) fn busiest(&mut self, now: Timestamp) -> Vec<RoomView> {
        self.watch.busiest(now, self.machine.hub())
    }
}

impl<M: Machine> Machine for Measured<M> {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        self.note(now, &event);
        let before = commands.len();
        self.machine.handle(now, event, commands);
        self.watch.note(now, self.machine.hub(), &commands[before..]);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.machine.next_deadline()
    }

    fn commit(&mut self) {
        self.machine.commit();
    }

    fn hub(&self) -> Option<&Hub> {
        self.machine.hub()
    }

    fn record(&mut self, now: Timestamp, switch: Switch) -> Result<String, String> {
        self.machine.record(now, switch)
    }

    fn recording(&self) -> Option<String> {
        self.machine.recording()
    }
}

#[cfg(test)]
mod tests {
    use roundtable::{Config, ConnId, Origin};

    use super::*;

    fn found(histogram: &Histogram) -> Vec<(Option<u64>, u64)> {
        histogram.buckets().filter(|(_, count)| *count > 0).collect()
    }

    fn drive(run_ahead: RunAhead) -> Figures {
        let config = Config { run_ahead, ..Config::default() };
        let hub = Hub::new(config, Origin { seed: 1, wall_clock_ms: 0 }).unwrap();
        let mut measured = Measured::new(hub, run_ahead);
        let text = || Event::Text { conn: ConnId::new(1), text: String::new() };
        for (millis, event) in [
            (10, text()),
            (12, text()),
            (14, Event::Flushed),
            (20, Event::Tick),
            (23, Event::Flushed),
            (3000, Event::Flushed),
        ] {
            measured.handle(Timestamp::from_millis(millis), event, &mut Vec::new());
        }
        measured.figures
    }

    #[test]
    fn a_turn_is_from_its_first_event_to_flushed() {
        let figures = drive(RunAhead::Zero);
        assert_eq!(found(&figures.turns), [(Some(5_000_000), 2)]);
        assert_eq!((figures.turns.count(), figures.turns.sum()), (2, 7_000_000));
        assert_eq!(found(&figures.events), [(Some(1), 1), (Some(2), 1)]);
        assert_eq!(found(&figures.deliveries), [(Some(2_500_000), 1), (Some(5_000_000), 1)]);
    }

    #[test]
    fn a_text_is_offered_when_the_flushed_says_so_that_covers_it() {
        let figures = drive(RunAhead::One);
        assert_eq!(found(&figures.deliveries), [(Some(25_000_000), 2)]);
        assert_eq!(figures.deliveries.sum(), 24_000_000);
    }

    #[test]
    fn what_is_beyond_all_bounds_has_its_place() {
        let mut histogram = Histogram::new(&EVENTS);
        for number in [0, 1, 1024, 1025] {
            histogram.observe(number);
        }
        assert_eq!(found(&histogram), [(Some(1), 2), (Some(1024), 1), (None, 1)]);
    }
}
