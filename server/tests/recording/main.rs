//! Recordings in memory: what is written is read, what is damaged is noticed, and what is played
//! gets the commands that it got.

mod damage;
mod middle;
mod shelf;
mod what_if;

use std::time::Duration;

use proptest::prelude::*;
use roundtable::{
    Command, Config, ConnId, Entropy, Event, Framing, Greeting, Hub, Machine, Origin, Peer,
    RoomChoice, Timestamp,
};
use roundtable_server::record::{Mark, Options, Recorder, Redaction};
use roundtable_server::replay::{self, Difference, Error, Item, Log, play};

use shelf::Shelf;

const ORIGIN: Origin = Origin { seed: 7, wall_clock_ms: 1_785_578_400_000 };
const SECRETS: Options = Options { redaction: Redaction::Secrets, part_bytes: 1 << 20 };
const DATA: Options = Options { redaction: Redaction::Data, part_bytes: 1 << 20 };

fn config() -> Config {
    Config { message_burst: 5, rate_limit_strikes: 3, max_message_bytes: 512, ..Config::default() }
}

/// Records these events, a millisecond apart, and returns them as the hub was given them.
fn record(events: &[Event], options: Options) -> (Shelf, Mark) {
    let hub = Hub::new(config(), ORIGIN).unwrap();
    record_with(hub, events, options)
}

fn record_with(machine: impl Machine, events: &[Event], options: Options) -> (Shelf, Mark) {
    let shelf = Shelf::default();
    let mut recorder = Recorder::new(machine, config(), ORIGIN, shelf.clone(), options).unwrap();
    let mut commands = Vec::new();
    for (millis, event) in (1..).zip(events) {
        recorder.handle(Timestamp::from_millis(millis), event.clone(), &mut commands);
        commands.clear();
    }
    assert!(recorder.is_recording());
    drop(recorder);
    let mut log = Log::open(shelf.clone()).unwrap();
    let mut mark = Mark::default();
    while let Some(item) = log.next().unwrap() {
        if let Item::Mark(last) = item {
            mark = last;
        }
    }
    assert_eq!(mark.events, events.len() as u64, "the last record is a mark");
    (shelf, mark)
}

fn entries(shelf: &Shelf) -> Vec<Event> {
    let mut log = Log::open(shelf.clone()).unwrap();
    let mut events = Vec::new();
    while let Some(item) = log.next().unwrap() {
        if let Item::Entry(entry) = item {
            events.push(entry.event);
        }
    }
    events
}

fn connect(number: u64, framing: Framing) -> Event {
    let room = RoomChoice::Named("lobby".parse().unwrap());
    let greeting = Greeting { name: None, room, framing };
    let peer = Peer { entropy: Entropy::new(number.into()), claims: None, address: None };
    Event::Connect { conn: ConnId::new(number), peer, greeting }
}

fn text(number: u64, text: &str) -> Event {
    Event::Text { conn: ConnId::new(number), text: text.to_owned() }
}

/// A short day: people come, talk, misbehave, and go.
fn day() -> Vec<Event> {
    vec![
        connect(1, Framing::Strict),
        connect(2, Framing::Lenient),
        Event::Flushed,
        text(1, r#"{"type":"hello","id":1,"token":"SECRET"}"#),
        text(1, r#"{"type":"publish","id":2,"room":"lobby","data":"gossip \"quoted\""}"#),
        text(2, "plain gossip\r\n"),
        text(2, "{broken gossip"),
        text(1, r#"{"type":"join","token":"SECRET","#),
        text(1, r#"{"type":"history","id":3,"room":"lobby"}"#),
        Event::Heard { conn: ConnId::new(2) },
        Event::Backlog { conn: ConnId::new(2), bytes: 100 },
        Event::Flushed,
        Event::Binary { conn: ConnId::new(1) },
        Event::Tick,
        Event::Drain { within: Duration::ZERO },
        Event::Tick,
        Event::Disconnect { conn: ConnId::new(2) },
        Event::Flushed,
    ]
}

#[test]
fn what_is_recorded_is_played_to_the_same_hash() {
    for options in [SECRETS, DATA] {
        let (shelf, mark) = record(&day(), options);
        let report = replay::check(&shelf.part(0)).unwrap();
        assert_eq!(report.difference, None);
        assert_eq!((report.events, report.hash), (mark.events, mark.hash));
        assert!(report.is_ended && report.torn.is_none());
        assert!(report.commands > 10 && report.deliveries > 10, "{report:?}");
        assert_eq!(report.span, Duration::from_millis(18));
    }
}

#[test]
fn a_recording_tells_everything_but_what_is_masked() {
    let (shelf, _) = record(&day(), SECRETS);
    let bytes = shelf.part(0);
    let holds =
        |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
    assert!(!holds(&bytes, "SECRET") && holds(&bytes, "plain gossip\r\n"));
    let events = entries(&shelf);
    for (recorded, happened) in events.iter().zip(day()) {
        let is_masked = match &happened {
            Event::Text { text, .. } => text.contains("SECRET"),
            // It holds the secret of a session.
            Event::Connect { .. } => true,
            _ => false,
        };
        assert_eq!(*recorded != happened, is_masked, "{recorded:?} for {happened:?}");
    }
    let (redacted, _) = record(&day(), DATA);
    let bytes = redacted.part(0);
    assert!(!holds(&bytes, "SECRET") && !holds(&bytes, "gossip"));
}

#[test]
fn a_recording_of_many_parts_is_one() {
    let mut events = day();
    events.truncate(3);
    for _ in 0..500 {
        events.push(text(2, "gossip that goes on"));
        events.push(Event::Flushed);
    }
    let (whole, mark) = record(&events, SECRETS);
    let (shelf, in_parts) = record(&events, Options { part_bytes: 4096, ..SECRETS });
    assert_eq!((in_parts.events, shelf.count() > 5, whole.count()), (mark.events, true, 1));
    let report = play(&mut Log::open(shelf.clone()).unwrap(), |_| Ok(())).unwrap();
    assert_eq!((report.hash, report.difference), (in_parts.hash, None));
    // What is masked has another mask in each recording.
    assert_eq!(entries(&shelf)[2..], entries(&whole)[2..]);
    let (other, _) = record(&events[..events.len() - 1], Options { part_bytes: 4000, ..SECRETS });
    shelf.replace(2, other.part(1));
    let error = play(&mut Log::open(shelf).unwrap(), |_| Ok(())).unwrap_err().to_string();
    assert_eq!(error, "its part 2 is damaged at byte 0: it belongs to another recording");
    let error = Log::open(&*other.part(1)).unwrap_err().to_string();
    assert_eq!(error, "is damaged at byte 0: it is not the first part of its recording");
}

#[test]
fn the_hash_is_told_every_ten_thousand_events() {
    let events = vec![Event::Flushed; 25_000];
    let (shelf, _) = record(&events, SECRETS);
    let mut log = Log::open(shelf).unwrap();
    let mut marks = Vec::new();
    while let Some(item) = log.next().unwrap() {
        if let Item::Mark(mark) = item {
            marks.push(mark.events);
        }
    }
    assert_eq!(marks, [10_000, 20_000, 25_000]);
}

#[test]
fn the_first_event_with_other_commands_is_named() {
    let other = Origin { seed: 8, ..ORIGIN };
    let hub = Hub::new(config(), other).unwrap();
    let mut events = vec![Event::Tick, Event::Flushed];
    events.extend(day());
    let (shelf, _) = record_with(hub, &events, SECRETS);
    let report = replay::check(&shelf.part(0)).unwrap();
    let Some(Difference::Answer { number, at, event, commands }) = report.difference else {
        panic!("a hub of another seed says the same: {report:?}");
    };
    assert_eq!((number, at), (3, Timestamp::from_millis(3)));
    assert!(matches!(event, Event::Connect { .. }), "{event:?}");
    assert!(matches!(commands[1], Command::Send { .. }), "{commands:?}");
    assert_eq!(report.events, 3);
}

#[test]
fn what_is_recorded_is_written_a_moment_later() {
    let shelf = Shelf::default();
    let mut recorder = Recorder::new(Deaf, config(), ORIGIN, shelf.clone(), SECRETS).unwrap();
    let (mut commands, at) = (Vec::new(), Timestamp::from_millis);
    assert_eq!(recorder.next_deadline(), None);
    recorder.handle(at(10), Event::Flushed, &mut commands);
    recorder.handle(at(60), Event::Flushed, &mut commands);
    assert_eq!((recorder.next_deadline(), entries(&shelf).len()), (Some(at(110)), 0));
    recorder.handle(at(110), Event::Tick, &mut commands);
    assert_eq!((recorder.next_deadline(), entries(&shelf).len()), (None, 3));
}

#[test]
fn the_event_that_a_machine_did_not_survive_is_recorded() {
    struct Mortal;
    impl Machine for Mortal {
        fn handle(&mut self, _: Timestamp, event: Event, _: &mut Vec<Command>) {
            assert_ne!(event, Event::Tick, "it dies of this");
        }

        fn next_deadline(&self) -> Option<Timestamp> {
            None
        }
    }
    let shelf = Shelf::default();
    let kept = shelf.clone();
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let mut recorder = Recorder::new(Mortal, config(), ORIGIN, kept, SECRETS).unwrap();
        let mut commands = Vec::new();
        recorder.handle(Timestamp::ZERO, Event::Flushed, &mut commands);
        recorder.handle(Timestamp::ZERO, Event::Tick, &mut commands);
    }));
    assert!(died.is_err());
    assert_eq!(entries(&shelf), [Event::Flushed, Event::Tick]);
    assert!(!replay::check(&shelf.part(0)).unwrap().is_ended);
}

/// Events that no driver would put into such an order.
fn any_event() -> impl Strategy<Value = Event> {
    let conn = 0_u64..4;
    prop_oneof![
        conn.clone().prop_map(|number| connect(number, Framing::Lenient)),
        (conn.clone(), any::<String>()).prop_map(|(number, said)| text(number, &said)),
        (conn.clone(), "[a-z \u{e9}]{0,40}").prop_map(|(number, said)| text(
            number,
            &format!(r#"{{"type":"publish","id":1,"room":"lobby","data":"{said}"}}"#)
        )),
        (conn.clone(), 0_usize..3000)
            .prop_map(|(number, bytes)| Event::Backlog { conn: ConnId::new(number), bytes }),
        conn.clone().prop_map(|number| Event::Disconnect { conn: ConnId::new(number) }),
        conn.prop_map(|number| Event::Heard { conn: ConnId::new(number) }),
        Just(Event::Flushed),
        Just(Event::Tick),
    ]
}

/// Answers nothing, whatever it is told.
struct Deaf;

impl Machine for Deaf {
    fn handle(&mut self, _: Timestamp, _: Event, _: &mut Vec<Command>) {}

    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}

proptest! {
    #[test]
    fn whatever_happens_is_written_and_read(events in prop::collection::vec(any_event(), 0..60)) {
        let (shelf, mark) = record_with(Deaf, &events, SECRETS);
        prop_assert_eq!(mark, Mark { events: events.len() as u64, hash: 0 });
        let is_kept = |event: &Event| match event {
            Event::Text { text, .. } => !text.contains('\\') && !text.contains("token"),
            event => !matches!(event, Event::Connect { .. }),
        };
        for (read, written) in entries(&shelf).iter().zip(&events) {
            prop_assert!(read == written || !is_kept(written), "{:?} for {:?}", read, written);
        }
        // A driver that did this was none; and a hub would have answered something.
        let _no_panic = replay::check(&shelf.part(0));
        let log = Log::open(shelf);
        let _no_panic = replay::compare(&mut log.unwrap(), Config::default());
    }

    #[test]
    fn bytes_are_an_error_or_a_recording(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let is_refused = matches!(replay::check(&bytes), Err(Error::Empty | Error::Part { .. }));
        prop_assert!(is_refused);
    }
}
