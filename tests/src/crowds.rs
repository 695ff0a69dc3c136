//! Presence, to the byte and to the last member: what a crowd that joins at once costs, and where
//! names give way to a number. This file does not know how differences are folded.

use std::time::Duration;

use roundtable::{Command, Config, ConnId, Event};
use serde_json::json;

use crate::generator::Limits;
use crate::table::Table;

const ROOM: &str = "lobby";

/// The bytes of all frames to everybody while so many people join a room within a second, and until
/// all are told of each other.
fn bytes_of_a_crowd(people: u64) -> usize {
    let mut table = Table::new(Config::default());
    let mut bytes = 0;
    let mut hand_in = |table: &mut Table, event: Event| {
        let mut commands = Vec::new();
        table.hub.handle(table.now, event, &mut commands);
        for command in &commands {
            if let Command::Send { to, text } = command {
                bytes += to.iter().count() * text.len();
            }
        }
    };
    let join = json!({ "type": "join", "id": 1, "room": ROOM }).to_string();
    for conn in 1..=people {
        table.now = roundtable::Timestamp::new(
            Duration::from_secs(1) * u32::try_from(conn).unwrap() / u32::try_from(people).unwrap(),
        );
        if table.hub.next_deadline().is_some_and(|at| at <= table.now) {
            hand_in(&mut table, Event::Tick);
        }
        table.connect(conn);
        hand_in(&mut table, Event::Text { conn: ConnId::new(conn), text: join.clone() });
        hand_in(&mut table, Event::Flushed);
        hand_in(&mut table, Event::Flushed);
    }
    table.now = table.now + Duration::from_secs(1);
    hand_in(&mut table, Event::Tick);
    bytes
}

#[test]
fn a_crowd_that_joins_at_once_costs_each_the_same() {
    let (few, many) = (bytes_of_a_crowd(1000) / 1000, bytes_of_a_crowd(10_000) / 10_000);
    // The lists of the first two hundred are spread over more people.
    assert!(many <= few, "{few} bytes each of 1,000, {many} each of 10,000");
    assert!(many < 1000, "{many} bytes each");
}

/// What the newcomer is told of who is there.
fn told(most: usize, people: u64) -> (u64, Option<usize>) {
    let mut table = Table::new(Config { presence_list: most, ..Config::default() });
    for conn in 1..people {
        table.connect(conn);
        assert_eq!(table.join(conn, ROOM), "joined");
    }
    table.connect(people);
    let join = json!({ "type": "join", "id": 1, "room": ROOM }).to_string();
    let joined = &table.say(people, &join)[0]["members"];
    let list = joined.get("list").map(|list| list.as_array().expect("a list").len());
    (joined["count"].as_u64().expect("a number"), list)
}

#[test]
fn up_to_so_many_are_told_by_name() {
    assert_eq!([told(3, 2), told(3, 3), told(3, 4)], [(2, Some(2)), (3, Some(3)), (4, None)]);
    assert_eq!(told(0, 1), (1, None));
}

/// A room of a few, all of whom are told of each other when a second has passed.
fn told_room(config: Config) -> Table {
    let mut table = Table::new(config);
    for conn in 1..=3 {
        table.connect(conn);
        assert_eq!(table.join(conn, ROOM), "joined");
    }
    table.now = table.now + Duration::from_secs(1);
    table
}

#[test]
fn what_is_told_of_who_is_there_is_counted_for_each_who_is_told() {
    let mut table = told_room(Config::default());
    table.tell(1, Event::Tick);
    let each = (1..=3).map(|conn| table.hub.queued_for(ConnId::new(conn)).expect("it is there"));
    let each: usize = each.sum();
    let debug = format!("{:?}", table.hub);
    assert!(debug.contains(&format!("queued: {each},")), "{each}: {debug}");
}

#[test]
fn who_is_owed_a_list_and_asks_for_it_is_given_it_once() {
    let config = Limits::Tiny.config();
    let config = Config { message_burst: 100_000, byte_burst: u32::MAX - 1, ..config };
    let full = config.window_bytes - config.reserve_bytes;
    let ask = json!({ "type": "presence", "id": 1, "room": ROOM }).to_string();
    for asks in [false, true] {
        let mut table = told_room(config.clone());
        table.tell(1, Event::Tick);
        for _ in 0..2 {
            table.tell(1, Event::Flushed);
        }
        table.fill(1, full);
        table.tell(1, Event::Flushed);
        table.tell(1, Event::Backlog { conn: ConnId::new(1), bytes: full });
        table.tell(1, Event::Flushed);
        table.connect(4);
        assert_eq!(table.join(4, ROOM), "joined");
        table.now = table.now + Duration::from_secs(1);
        assert_eq!(table.tell(1, Event::Tick), [json!(null); 0], "there is no room for it");
        table.tell(1, Event::Backlog { conn: ConnId::new(1), bytes: 0 });
        if asks {
            assert_eq!(table.ask(1, &ask), "presence");
        }
        let owed = table.tell(1, Event::Flushed).len();
        assert_eq!(owed, usize::from(!asks), "it asks: {asks}");
    }
}

#[test]
fn a_list_that_just_fits_is_given_and_one_byte_more_is_not() {
    let config = Limits::Tiny.config();
    let config = Config { message_burst: 100_000, byte_burst: u32::MAX - 1, ..config };
    let ask = json!({ "type": "presence", "id": 1, "room": ROOM }).to_string();
    let list = told_room(config.clone()).say(1, &ask)[0].to_string();
    let list = roundtable::frame_len(list.len());
    let data = config.window_bytes - config.reserve_bytes;
    for (free, answer) in [(list, "presence"), (list - 1, "overloaded")] {
        let mut table = told_room(config.clone());
        table.fill(1, data - free);
        assert_eq!(table.ask(1, &ask), answer, "{free} bytes");
    }
}
