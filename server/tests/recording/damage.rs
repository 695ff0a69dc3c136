//! Recordings that break off, are bent, come from elsewhere, or whose disk is full.

use roundtable::{Event, Framing, Hub, Machine as _, Timestamp};
use roundtable_server::record::Recorder;
use roundtable_server::replay::{Error, check};

use super::shelf::Shelf;
use super::{ORIGIN, SECRETS, config, connect, day, record, text};

/// How many bytes the part's start and its head take.
fn head_bytes() -> usize {
    let shelf = Shelf::default();
    let hub = Hub::new(config(), ORIGIN).unwrap();
    let recorder = Recorder::new(hub, config(), ORIGIN, shelf.clone(), SECRETS).unwrap();
    let bytes = shelf.part(0).len();
    drop(recorder);
    bytes
}

#[test]
fn cut_anywhere_it_is_the_beginning_of_itself() {
    let (shelf, _) = record(&day(), SECRETS);
    let (bytes, head) = (shelf.part(0), head_bytes());
    let whole = check(&bytes).unwrap();
    let mut events = 0;
    for end in 0..bytes.len() {
        let cut = check(&bytes[..end]);
        if end < head {
            assert!(matches!(cut, Err(Error::Empty)), "at {end}: {cut:?}");
            continue;
        }
        let cut = cut.unwrap_or_else(|error| panic!("at {end}: {error}"));
        assert_eq!(cut.difference, None, "at {end}");
        assert!(cut.events >= events && cut.events <= whole.events, "at {end}");
        let kept = cut.torn.map_or(end as u64, |torn| torn.at);
        assert_eq!(cut.torn.map_or(0, |torn| torn.bytes), end as u64 - kept);
        assert!(!cut.is_ended, "at {end}");
        events = cut.events;
    }
    assert_eq!(events, whole.events, "the mark alone was cut off last");
}

#[test]
fn a_bent_byte_is_never_taken_for_true() {
    let (shelf, _) = record(&day(), SECRETS);
    let mut bytes = shelf.part(0);
    let whole = check(&bytes).unwrap();
    for at in 0..bytes.len() {
        for bend in [0x01, 0x80, 0xFF] {
            bytes[at] ^= bend;
            match check(&bytes) {
                Err(Error::Part { .. }) => {}
                Ok(report) => {
                    // Only the last record may be taken for one that was not finished.
                    let torn = report.torn.unwrap_or_else(|| panic!("byte {at} is taken for true"));
                    assert_eq!(torn.at + torn.bytes, bytes.len() as u64, "byte {at}");
                    assert_eq!(report.events, whole.events, "byte {at}: the mark alone is last");
                }
                Err(error) => panic!("byte {at}: {error}"),
            }
            bytes[at] ^= bend;
        }
    }
}

#[test]
fn a_tail_that_the_system_never_wrote_is_torn() {
    let (shelf, _) = record(&day(), SECRETS);
    let whole = shelf.part(0);
    for zeros in [1, 8, 9, 100, 5000] {
        let mut bytes = whole.clone();
        bytes.resize(whole.len() + zeros, 0);
        let torn = check(&bytes).unwrap().torn.unwrap();
        assert_eq!((torn.at, torn.bytes), (whole.len() as u64, zeros as u64));
        let half = whole.len() - 3;
        bytes[half..].fill(0);
        assert!(check(&bytes).unwrap().torn.is_some());
    }
}

#[test]
fn what_is_no_recording_is_called_so() {
    let of = |bytes: &[u8]| check(bytes).unwrap_err().to_string();
    assert_eq!(of(b"#!/bin/sh\necho what is this\n"), "is no recording of Roundtable");
    assert_eq!(of(b""), "ends before anything is recorded");
    let (shelf, _) = record(&day(), SECRETS);
    let mut bytes = shelf.part(0);
    let version = b"roundtable recording\n".len();
    bytes[version] = 6;
    assert_eq!(of(&bytes), "was written by a newer program: its format is 6, this program reads 5");
    bytes[version] = 3;
    assert_eq!(of(&bytes), "has the format 3, this program reads 4 to 5");
    bytes[version] = 0;
    assert_eq!(of(&bytes), "has the format 0, this program reads 4 to 5");
    bytes[version] = 4;
    let told = of(&bytes);
    assert!(told.starts_with("is damaged at byte 23: its head is not understood: unknown field"));
    bytes[version] = 5;
    bytes[200] ^= 1;
    assert_eq!(of(&bytes), "is damaged at byte 23: a checksum is wrong");
}

#[test]
fn what_no_driver_does_is_an_error() {
    let twice = [connect(1, Framing::Strict), connect(1, Framing::Strict)];
    let backlog = [
        connect(1, Framing::Strict),
        Event::Backlog { conn: roundtable::ConnId::new(1), bytes: 1_000_000 },
    ];
    let hears = "is no driver's, at event 2: #1 connects and stands already";
    assert_eq!(replayed(&twice), hears);
    let told = replayed(&backlog);
    assert!(
        told.starts_with("is no driver's, at event 2: a backlog is larger than the "),
        "{told}"
    );
    let shelf = Shelf::default();
    let hub = Hub::new(config(), ORIGIN).unwrap();
    let recorder = Recorder::new(hub, config(), ORIGIN, shelf.clone(), SECRETS);
    recorder.unwrap().handle(Timestamp::from_millis(u64::MAX), Event::Tick, &mut Vec::new());
    let told = check(&shelf.part(0)).unwrap_err().to_string();
    assert!(told.starts_with("is no driver's, at event 1: the time is "), "{told}");
}

/// What is said of a recording of events that a hub would not survive.
fn replayed(events: &[Event]) -> String {
    // The first event is answered by a hub, so that the recording is true up to there.
    struct Brief(Hub, bool);
    impl roundtable::Machine for Brief {
        fn handle(&mut self, now: Timestamp, event: Event, out: &mut Vec<roundtable::Command>) {
            if !std::mem::replace(&mut self.1, true) {
                self.0.handle(now, event, out);
            }
        }

        fn next_deadline(&self) -> Option<Timestamp> {
            None
        }
    }
    let machine = Brief(Hub::new(config(), ORIGIN).unwrap(), false);
    let (shelf, _) = super::record_with(machine, events, SECRETS);
    check(&shelf.part(0)).unwrap_err().to_string()
}

#[test]
fn when_the_disk_is_full_the_machine_goes_on() {
    let room = head_bytes() + 503;
    let shelf = Shelf::with_room(room);
    let hub = Hub::new(config(), ORIGIN).unwrap();
    let mut recorder = Recorder::new(hub, config(), ORIGIN, shelf.clone(), SECRETS).unwrap();
    let mut commands = Vec::new();
    recorder.handle(Timestamp::ZERO, connect(1, Framing::Lenient), &mut commands);
    let mut answered = 0;
    for second in 0..100 {
        commands.clear();
        let now = Timestamp::from_millis(second * 1000);
        recorder.handle(now, text(1, "is anybody listening?"), &mut commands);
        recorder.handle(now, Event::Flushed, &mut commands);
        answered += commands.len();
    }
    assert_eq!((answered, recorder.is_recording()), (100, false));
    drop(recorder);
    let bytes = shelf.part(0);
    assert_eq!(bytes.len(), room, "nothing is written behind what did not fit");
    let report = check(&bytes).unwrap();
    assert_eq!((report.torn.is_some(), &report.difference, report.is_ended), (true, &None, false));
    assert!(report.events > 5, "{report:?}");
}
