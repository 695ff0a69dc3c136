//! The hot paths of the hub, each as a crowd and a step that is walked many times. This file does
//! not know how steps are counted.

use std::hint::black_box;
use std::time::Duration;

use bench::{SEATED, hub, say, seat};
use roundtable::protocol::Frame;
use roundtable::{ConnId, Event, Greeting, Hub, Peer, RoomChoice};

/// 64 bytes of text.
const TEXT: &str = "0123456789012345678901234567890123456789012345678901234567890123";

/// Runs a step so many times, under a counter.
type Counter = fn(u64, &mut dyn FnMut(u64));

/// One hot path.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    /// How many steps are counted.
    pub(crate) steps: u64,
    /// Makes a crowd ready, and hands its steps over.
    prepare: fn(u64, Counter),
}

impl Path {
    pub(crate) fn walk(&self, counter: Counter) {
        (self.prepare)(self.steps, counter);
    }
}

/// Each path that is counted.
pub(crate) const PATHS: &[Path] = &[
    Path { name: "publish to 1000, plain text", steps: 200, prepare: plain_to_1000 },
    Path { name: "publish to 1000, JSON with an id", steps: 200, prepare: json_to_1000 },
    Path { name: "publish in 1000 rooms of 10", steps: 5000, prepare: rooms_of_10 },
    Path { name: "connect and join", steps: 1000, prepare: connect_and_join },
    Path { name: "catch up 250 entries", steps: 20, prepare: catch_up },
    Path { name: "idle tick with 1000 connected", steps: 1000, prepare: idle_tick },
    Path { name: "parse a publish frame", steps: 1000, prepare: parse },
];

pub(crate) fn find(name: &str) -> &'static Path {
    let path = PATHS.iter().find(|path| path.name == name);
    path.unwrap_or_else(|| panic!("no path is called {name}"))
}

fn plain_to_1000(steps: u64, counter: Counter) {
    publish(steps, counter, 1000, 1, |_| TEXT.to_owned());
}

fn json_to_1000(steps: u64, counter: Counter) {
    publish(steps, counter, 1000, 1, frame);
}

fn rooms_of_10(steps: u64, counter: Counter) {
    publish(steps, counter, 10_000, 1000, frame);
}

fn frame(room: u64) -> String {
    format!(r#"{{"type":"publish","id":1,"room":"room {room}","data":"{TEXT}"}}"#)
}

/// Everybody talks in turn, each in its room. The logs are full, and the lists of recipients made,
/// before it counts.
fn publish(steps: u64, counter: Counter, sessions: u64, rooms: u64, text: fn(u64) -> String) {
    let mut hub = hub();
    seat(&mut hub, sessions, rooms);
    let mut commands = Vec::new();
    let texts: Vec<String> = (0..rooms).map(text).collect();
    let mut step = |number: u64| {
        commands.clear();
        let text = &texts[usize::try_from(number % rooms).expect("a room")];
        say(&mut hub, SEATED, number % sessions, text, black_box(&mut commands));
    };
    (0..300.max(rooms)).for_each(&mut step);
    counter(steps, &mut step);
}

/// Connects with a name and a room, of whose log a page of fifty entries comes along.
fn connect_and_join(steps: u64, counter: Counter) {
    let mut hub = hub();
    seat(&mut hub, 1000, 100);
    let mut commands = Vec::new();
    for number in 0..5000 {
        commands.clear();
        say(&mut hub, SEATED, number % 1000, TEXT, &mut commands);
    }
    counter(steps, &mut |number| {
        commands.clear();
        let room = RoomChoice::Named(format!("room {}", number % 100).parse().expect("a name"));
        let name = format!("newcomer {number}").parse().expect("a name");
        let greeting = Greeting { name: Some(name), room, ..Greeting::default() };
        let conn = ConnId::new(1_000_000 + number);
        hub.handle(
            SEATED,
            Event::Connect { conn, peer: Peer::default(), greeting },
            black_box(&mut commands),
        );
        hub.handle(SEATED, Event::Flushed, black_box(&mut commands));
    });
}

/// Each step one of many readers, whose window was full, has room again and reads 250 entries on.
fn catch_up(steps: u64, counter: Counter) {
    let (mut hub, mut commands) = (hub(), Vec::new());
    let (talker, last) = (ConnId::new(steps), ConnId::new(steps - 1));
    seat(&mut hub, steps + 1, 1);
    let mut publish = |hub: &mut Hub| {
        commands.clear();
        let event = Event::Text { conn: talker, text: TEXT.to_owned() };
        hub.handle(SEATED, event, &mut commands);
    };
    // The turn does not end before the windows are full.
    while !hub.is_lagging(last) {
        publish(&mut hub);
    }
    let mut commands = Vec::new();
    for conn in (0..steps).map(ConnId::new) {
        let bytes = hub.queued_for(conn).expect("a reader");
        hub.handle(SEATED, Event::Backlog { conn, bytes }, &mut commands);
    }
    hub.handle(SEATED, Event::Flushed, &mut commands);
    (1..250).for_each(|_| publish(&mut hub));
    counter(steps, &mut |reader| {
        commands.clear();
        let conn = ConnId::new(reader);
        hub.handle(SEATED, Event::Backlog { conn, bytes: 0 }, black_box(&mut commands));
        hub.handle(SEATED, Event::Flushed, black_box(&mut commands));
        assert_eq!(commands.len(), 250, "one for each entry");
    });
}

/// A second passes in which nothing is due.
fn idle_tick(steps: u64, counter: Counter) {
    let mut hub = hub();
    seat(&mut hub, 1000, 1);
    let mut commands = Vec::new();
    let now = SEATED + Duration::from_secs(1);
    counter(steps, &mut |_| hub.handle(now, Event::Tick, black_box(&mut commands)));
    assert!(commands.is_empty(), "nothing was due");
}

fn parse(steps: u64, counter: Counter) {
    let text = frame(7);
    counter(steps, &mut |_| {
        let frame = Frame::parse(black_box(&text), 32);
        assert!(black_box(frame).is_ok(), "a valid frame");
    });
}
