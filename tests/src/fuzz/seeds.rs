//! Recordings for the fuzzer to begin with, made anew by every run: an input whose records are of an
//! older format is refused at its first one. This file does not know what they are played for.

use std::cell::RefCell;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::rc::Rc;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use roundtable::{Command, Config, Event, Hub, Machine as _, Timestamp};
use roundtable_server::record::{Options, Parts, Recorder, Redaction};
use roundtable_server::replay::{Error, Item, Log};

use super::replay::{LAST_PIECE, PIECE, START, file};
use crate::ORIGIN;
use crate::clock::Clock;
use crate::driver::{Driver, Observer};
use crate::generator::Limits;
use crate::strategy::{Readers, scripts};
use crate::subject::Subject as _;

/// How long a recording is, in bytes: a shorter one shows little, and a fuzzer makes none longer.
const BYTES: RangeInclusive<usize> = 3000..=4096 - 2;

/// How many events a recording has at least.
const EVENTS: usize = 30;

/// How long a snapshot is: an empty one shows nothing.
const SNAPSHOT_BYTES: RangeInclusive<usize> = 1000..=8000;

/// How many snapshots there are under each of the limits.
const SNAPSHOTS: usize = 8;

/// Those under each of the limits, by their names in the corpus: whole ones, of which every other one
/// begins with an image, and the same records without what a fuzzer cannot guess.
///
/// # Panics
///
/// If the hub or the recorder does.
pub fn recordings() -> Vec<(String, Vec<u8>)> {
    let mut runner = TestRunner::deterministic();
    let mut inputs = Vec::new();
    for (number, limits) in (0_u8..).zip(Limits::ALL) {
        let strategy = scripts(limits, Readers::Any, 60);
        let whole = loop {
            let script = strategy.new_tree(&mut runner).expect("no script is rejected").current();
            let config = limits.config();
            let driver = Driver::new(Hub::begin(config.clone(), ORIGIN), config, Events::default());
            let (_, Events(events)) = driver.play(&script);
            let start = if number % 2 == 0 { 0 } else { events.len() / 2 };
            let recorded = events.len() - start;
            let whole = record(limits.config(), events, start);
            if BYTES.contains(&whole.len()) && recorded >= EVENTS {
                break whole;
            }
        };
        let bare = bare(number << 1 | 1, &whole);
        // Cut off in the middle, too.
        inputs.push((format!("whole-{limits:?}"), [&[0, 128], &*whole].concat()));
        inputs.push((format!("bare-{limits:?}"), bare));
    }
    inputs
}

/// What hubs kept in the middle of a script, a few under each of the limits, by their names in the
/// corpus.
///
/// # Panics
///
/// If a hub does.
pub fn snapshots() -> Vec<(String, Vec<u8>)> {
    let mut runner = TestRunner::deterministic();
    let mut inputs = Vec::new();
    for limits in Limits::ALL {
        let (strategy, config) = (scripts(limits, Readers::Any, 60), limits.config());
        let mut number = 0;
        while number < SNAPSHOTS {
            let script = strategy.new_tree(&mut runner).expect("no script is rejected").current();
            let hub = Hub::begin(config.clone(), ORIGIN);
            let (_, Events(events)) =
                Driver::new(hub, config.clone(), Events::default()).play(&script);
            let mut hub = Hub::begin(config.clone(), ORIGIN);
            for (now, event) in &events[..events.len() / 2] {
                hub.handle(*now, event.clone(), &mut Vec::new());
            }
            let kept = serde_json::to_vec(&hub.snapshot(hub.now())).expect("plain data");
            if SNAPSHOT_BYTES.contains(&kept.len()) {
                inputs.push((format!("kept-{limits:?}-{number}"), kept));
                number += 1;
            }
        }
    }
    inputs
}

/// How many events the recording in an input has.
///
/// # Errors
///
/// If there is none, or it cannot be read to its end.
pub fn events(input: &[u8]) -> Result<u64, Error> {
    let file = file(input).ok_or(Error::Empty)?;
    let (mut log, mut events) = (Log::open(&*file)?, 0);
    while let Some(item) = log.next()? {
        events += u64::from(matches!(item, Item::Entry(_)));
    }
    Ok(events)
}

/// What a hub was told.
#[derive(Default)]
struct Events(Vec<(Timestamp, Event)>);

impl Observer for Events {
    fn observe(&mut self, clock: Clock, event: &Event, _commands: &[Command]) {
        self.0.push((clock.now, event.clone()));
    }

    fn restarted(&mut self) {
        self.0.clear();
    }

    fn carried_over(&mut self) {
        self.0.clear();
    }
}

/// A recording that begins at the event `start`: with an image, unless that is the first one.
fn record(config: Config, events: Vec<(Timestamp, Event)>, start: usize) -> Vec<u8> {
    let part = Part::default();
    let options = Options { redaction: Redaction::Secrets, part_bytes: u64::MAX };
    let hub = Hub::begin(config.clone(), ORIGIN);
    let mut recorder = match start {
        0 => Recorder::new(hub, config, ORIGIN, part.clone(), options),
        _ => Ok(Recorder::idle(hub)),
    }
    .expect("memory takes everything");
    for (number, (now, event)) in events.into_iter().enumerate() {
        if number == start && !recorder.is_recording() {
            recorder.start(part.clone(), options).expect("memory takes everything");
        }
        recorder.handle(now, event, &mut Vec::new());
    }
    drop(recorder);
    part.bytes()
}

/// A recording's only part, in memory.
#[derive(Clone, Default)]
pub(crate) struct Part(Rc<RefCell<Vec<u8>>>);

impl Part {
    /// What is in it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }
}

impl Parts for Part {
    type Part = Self;

    fn create(&mut self, _number: u32) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The records of a recording without their checksums and answers, behind what says under which
/// limits; those that are too long for it are left out.
fn bare(kind: u8, whole: &[u8]) -> Vec<u8> {
    let mut input = vec![kind, 128];
    let mut rest = &whole[START.len()..];
    while let [a, b, c, d, _, _, _, _, _, tail @ ..] = rest {
        let len = u32::from_le_bytes([*a, *b, *c, *d]);
        let (payload, next) = tail.split_at(usize::try_from(len).expect("a short record"));
        if let [1, body @ .., _, _, _, _] = payload
            && let Ok(len) = u8::try_from(body.len())
        {
            input.extend([3, len]);
            input.extend_from_slice(body);
        }
        if let [4, body @ ..] = payload {
            let mut pieces = body.chunks(usize::from(u8::MAX)).peekable();
            while let Some(piece) = pieces.next() {
                let kind = if pieces.peek().is_some() { PIECE } else { LAST_PIECE };
                input.extend([kind, u8::try_from(piece.len()).expect("a short piece")]);
                input.extend_from_slice(piece);
            }
        }
        rest = next;
    }
    input
}
