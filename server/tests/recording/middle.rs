//! Recordings that begin and end while people are connected.

use std::time::Duration;

use roundtable::{
    AddressKey, AdminAction, Auth, Command, Config, ConnId, Entropy, Event, Framing, Hub, Machine,
    Peer, Switch, Ticket, Timestamp, Verdict,
};
use roundtable_server::record::{Options, Recordable, Recorder};
use roundtable_server::replay::{self, Log, Report, compare};

use super::shelf::Shelf;
use super::{DATA, ORIGIN, SECRETS, config, connect, day, entries, text};

/// Hands each of these events to a machine, a millisecond apart.
fn hand(machine: &mut impl Machine, from: u64, events: &[Event]) -> Vec<Command> {
    let mut commands = Vec::new();
    for (millis, event) in (from..).zip(events) {
        machine.handle(Timestamp::from_millis(millis), event.clone(), &mut commands);
    }
    commands
}

/// Records these events behind those.
fn record_behind(before: &[Event], events: &[Event], options: Options, config: Config) -> Shelf {
    let (shelf, at) = (Shelf::default(), before.len() as u64);
    let mut recorder = Recorder::idle(Hub::new(config, ORIGIN).unwrap());
    hand(&mut recorder, 1, before);
    recorder.start(shelf.clone(), options).unwrap();
    hand(&mut recorder, 1 + at, events);
    recorder.stop().unwrap();
    assert!(!recorder.is_recording());
    // What happens behind the end is not told.
    hand(&mut recorder, 1000, &[Event::Tick]);
    shelf
}

fn played(shelf: &Shelf) -> Report {
    let report = replay::play(&mut Log::open(shelf.clone()).unwrap(), |_| Ok(())).unwrap();
    assert_eq!(report.difference, None);
    assert!(report.is_ended && report.torn.is_none(), "{report:?}");
    report
}

fn holds(shelf: &Shelf, text: &str) -> bool {
    let parts = (0..shelf.count()).map(|number| shelf.part(number));
    parts.into_iter().any(|part| part.windows(text.len()).any(|at| at == text.as_bytes()))
}

#[test]
fn a_recording_may_begin_and_end_between_any_two_events() {
    let day = day();
    for options in [SECRETS, DATA] {
        for start in 0..=day.len() {
            for end in start..=day.len() {
                let shelf = record_behind(&day[..start], &day[start..end], options, config());
                assert_eq!(played(&shelf).events, (end - start) as u64, "{start} to {end}");
            }
        }
    }
}

#[test]
fn an_image_tells_nothing_that_is_masked() {
    let day = day();
    let ticket = Ticket { place: 0, secret: Entropy::new(1) };
    for (options, tells_gossip) in [(SECRETS, true), (DATA, false)] {
        let shelf = record_behind(&day[..9], &day[9..], options, config());
        assert_eq!(holds(&shelf, "gossip"), tells_gossip);
        assert!(!holds(&shelf, "SECRET") && !holds(&shelf, &ticket.to_string()));
        let secret = ticket.secret.bits().to_be_bytes();
        assert!(!shelf.part(0).windows(16).any(|bytes| bytes == secret));
    }
}

#[test]
fn it_goes_on_in_parts_and_the_next_one_begins_anew() {
    let day = day();
    let mut recorder = Recorder::idle(Hub::new(config(), ORIGIN).unwrap());
    hand(&mut recorder, 1, &day[..3]);
    let shelves = [Shelf::default(), Shelf::default()];
    for (from, shelf) in [100, 5000].into_iter().zip(&shelves) {
        recorder.start(shelf.clone(), Options { part_bytes: 4096, ..SECRETS }).unwrap();
        let twice = recorder.start(Shelf::default(), SECRETS).unwrap_err();
        assert_eq!(twice.to_string(), "a recording is being made");
        let talk: Vec<Event> = (0..100).flat_map(|_| [text(2, "gossip"), Event::Flushed]).collect();
        hand(&mut recorder, from, &talk);
        recorder.stop().unwrap();
        assert!(shelf.count() > 1);
        assert_eq!(played(shelf).events, 200);
    }
    assert_ne!(played(&shelves[0]).hash, played(&shelves[1]).hash);
    assert_eq!(played(&shelves[1]).span, Duration::from_millis(5199 - 299));
}

/// With tokens, moderators, addresses and keys: all that a mask must keep alike.
#[test]
fn what_is_masked_in_an_image_is_masked_alike_in_what_follows() {
    let config = Config { auth: Auth::Optional, ..config() };
    let claims = |user: &str| {
        let claims = format!(
            r#"{{"user":"{user}","token_id":null,"expires_ms":null,"grants":[{{"pattern":"*","can":["join","publish","history","moderate"]}}]}}"#
        );
        Box::new(serde_json::from_str(&claims).unwrap())
    };
    let at = |number| match connect(number, Framing::Strict) {
        Event::Connect { conn, greeting, .. } => {
            let address = Some(AddressKey::new(9));
            let entropy = Entropy::new(number.into());
            Event::Connect { conn, peer: Peer { entropy, claims: None, address }, greeting }
        }
        _ => unreachable!("it connects"),
    };
    let [one, two] = [1, 2].map(ConnId::new);
    let ticket = Ticket { place: 1, secret: Entropy::new(2) };
    let publish = r#"{"type":"publish","id":4,"room":"lobby","data":"gossip","key":"k"}"#;
    let before = [
        at(1),
        at(2),
        at(3),
        text(2, publish),
        Event::Disconnect { conn: two },
        Event::Flushed,
        // It waits for the verdict, and so does what comes behind it.
        text(3, r#"{"type":"leave","room":"lobby"}"#),
    ];
    let waiting = Event::Connect {
        conn: ConnId::new(5),
        peer: Peer { entropy: Entropy::new(5), claims: None, address: Some(AddressKey::new(8)) },
        greeting: roundtable::Greeting { room: roundtable::RoomChoice::None, ..Default::default() },
    };
    let before = [
        &before[..],
        &[
            waiting,
            text(5, r#"{"type":"hello","id":1,"token":"SECRET"}"#),
            text(5, r#"{"type":"join","id":2,"room":"lobby"}"#),
            text(5, "{broken gossip"),
        ],
    ]
    .concat();
    let resume = format!(r#"{{"type":"hello","id":1,"resume":"{ticket}"}}"#);
    let after = [
        Event::Verified { conn: ConnId::new(5), verdict: Verdict::Valid(claims("eve")) },
        at(6),
        text(6, r#"{"type":"leave","id":9,"room":"lobby"}"#),
        Event::Connect {
            conn: ConnId::new(7),
            peer: Peer { entropy: Entropy::new(7), claims: None, address: None },
            greeting: roundtable::Greeting {
                room: roundtable::RoomChoice::None,
                ..Default::default()
            },
        },
        text(7, &resume),
        text(7, publish),
        text(7, &publish.replace("gossip", "gosling")),
        text(5, r#"{"type":"remove","id":3,"room":"lobby","seq":1}"#),
        text(5, r#"{"type":"history","id":4,"room":"lobby"}"#),
        Event::Disconnect { conn: one },
        Event::Admin { action: AdminAction::Kick { room: None, user: "eve".parse().unwrap() } },
        Event::Flushed,
    ];
    for options in [SECRETS, DATA] {
        let mut hub = Hub::new(config.clone(), ORIGIN).unwrap();
        hand(&mut hub, 1, &before);
        let told: Vec<String> = hand(&mut hub, 100, &after)
            .iter()
            .filter_map(|command| match command {
                Command::Send { text, .. } => Some(text.to_string()),
                _ => None,
            })
            .collect();
        for wanted in ["\"resumed\":true", "\"duplicate\":true", "key_conflict", "\"removes\":1"] {
            assert!(told.iter().any(|text| text.contains(wanted)), "{wanted}: {told:?}");
        }
        let shelf = record_behind(&before, &after, options, config.clone());
        played(&shelf);
        assert!(!holds(&shelf, "SECRET") && !holds(&shelf, &ticket.to_string()));
        assert_eq!(holds(&shelf, "gossip"), options.redaction == SECRETS.redaction);
    }
}

#[test]
fn other_limits_begin_with_the_image_too() {
    let talk: Vec<Event> = (0..20).map(|_| text(2, "gossip")).collect();
    let generous = Config { message_burst: 100, ..config() };
    let shelf = record_behind(&day()[..3], &talk, SECRETS, generous.clone());
    let alike = compare(&mut Log::open(shelf.clone()).unwrap(), generous).unwrap();
    assert_eq!(alike.recorded, alike.otherwise);
    let strict = Config { messages_per_second: 1, ..config() };
    let comparison = compare(&mut Log::open(shelf).unwrap(), strict).unwrap();
    assert_eq!(comparison.recorded.closed, [].into());
    assert_eq!(comparison.otherwise.closed, [(4029, [ConnId::new(2)].into())].into());
}

#[test]
fn a_machine_without_a_hub_is_not_recorded_from_its_middle() {
    let mut recorder = Recorder::idle(super::Deaf);
    let error = recorder.start(Shelf::default(), SECRETS).unwrap_err();
    assert_eq!((error.to_string().as_str(), recorder.is_recording()), ("there is no hub", false));
}

#[test]
fn where_the_disk_is_full_none_begins_and_the_machine_goes_on() {
    let shelf = Shelf::with_room(1600);
    let mut recorder = Recorder::idle(Hub::new(config(), ORIGIN).unwrap());
    hand(&mut recorder, 1, &day()[..3]);
    assert!(recorder.start(shelf.clone(), SECRETS).is_err() && !recorder.is_recording());
    assert_eq!(hand(&mut recorder, 10, &[text(2, "on it goes")]).len(), 1);
    assert!(matches!(replay::check(&shelf.part(0)), Err(replay::Error::Empty)));
}

#[test]
fn an_image_that_no_hub_has_made_is_refused() {
    let shelf = record_behind(&day()[..9], &day()[9..], SECRETS, config());
    // The mark behind the image is what the next one is told for: nothing of it fits.
    let bytes = shelf.part(0);
    for end in 0..bytes.len() {
        match replay::check(&bytes[..end]) {
            Ok(report) => assert_eq!(report.difference, None, "at {end}"),
            Err(replay::Error::Empty) => {}
            Err(error) => panic!("at {end}: {error}"),
        }
    }
}

#[test]
fn a_recording_of_the_format_before_is_read() {
    let bytes: &[u8] = include_bytes!("format-4.rec");
    let (mut log, mut items) = (Log::open(bytes).unwrap(), 0);
    while log.next().unwrap().is_some() {
        items += 1;
    }
    assert!(items > 20 && !log.head().image && log.torn().is_none(), "{items}");
}

#[test]
fn an_operator_is_told_which_file_it_is_or_why_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let hub = || Hub::new(config(), ORIGIN).unwrap();
    let mut machine = Recordable::new(hub(), Some(folder.path().to_owned()), SECRETS);
    let at = Timestamp::from_millis;
    assert_eq!(machine.record(at(0), Switch::Off).unwrap_err(), "no recording is being made");
    hand(&mut machine, 1, &day()[..3]);
    let name = machine.record(at(1000), Switch::On).unwrap();
    assert_eq!(name, folder.path().join("roundtable-20260801T100001Z.rec").to_str().unwrap());
    assert_eq!(machine.recording().as_ref(), Some(&name));
    let error = machine.record(at(1000), Switch::On).unwrap_err();
    assert_eq!(error, format!("a recording is being made: {name}"));
    hand(&mut machine, 1000, &day()[3..]);
    assert_eq!(machine.record(at(2000), Switch::Off).as_ref(), Ok(&name));
    assert_eq!(machine.recording(), None);
    let report = replay::check(&std::fs::read(&name).unwrap()).unwrap();
    assert_eq!((report.difference, report.events), (None, day().len() as u64 - 3));
    // What is there is another recording, and is kept.
    let error = machine.record(at(1999), Switch::On).unwrap_err();
    assert!(error.starts_with(&format!("{name}: File exists")), "{error}");

    let mut machine = Recordable::new(hub(), None, SECRETS);
    let error = machine.record(at(0), Switch::On).unwrap_err();
    assert_eq!(error, "nobody has said where to: --record-dir DIR does");
    let mut bare = hub();
    let error = bare.record(at(0), Switch::On).unwrap_err();
    assert_eq!(error, "this machine is not one that can be recorded");
}

/// What was recorded begins with what happened behind the image.
#[test]
fn nothing_that_was_before_is_an_event_of_it() {
    let shelf = record_behind(&day()[..5], &day()[5..7], SECRETS, config());
    assert_eq!(entries(&shelf), &day()[5..7]);
}
