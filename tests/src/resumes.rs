//! Coming back, to the moment and to the bit of the secret: the oracle goes by what the hub says of
//! it, and would not miss a hub that lets nobody back. This file does not know what a client missed.

use std::time::Duration;

use roundtable::{Config, ConnId, Entropy, Event, Framing, Greeting, Peer, RoomChoice};
use serde_json::{Value, json};

use crate::table::Table;

const NANO: Duration = Duration::from_nanos(1);

/// Connects with a secret of its own, to no room. Returns the ticket.
fn arrive(table: &mut Table, conn: u64) -> String {
    let greeting = Greeting { name: None, room: RoomChoice::None, framing: Framing::Strict };
    let peer = Peer { entropy: Entropy::new(1 << 64 | u128::from(conn)), ..Peer::default() };
    let told = table.tell(conn, Event::Connect { conn: ConnId::new(conn), peer, greeting });
    told[0]["session"].as_str().expect("a welcome with a ticket").to_owned()
}

fn vanish(table: &mut Table, conn: u64) {
    table.tell(conn, Event::Disconnect { conn: ConnId::new(conn) });
}

/// What `conn` is answered that comes back with `ticket`.
fn resume(table: &mut Table, conn: u64, ticket: &str) -> Vec<Value> {
    table.say(conn, &json!({ "type": "hello", "resume": ticket }).to_string())
}

fn is_back(told: &[Value]) -> bool {
    told[0]["resumed"] == json!(true)
}

#[test]
fn a_client_may_come_back_until_the_window_is_over() {
    let window = Duration::from_secs(20);
    for (late, comes_back) in [(window.saturating_sub(NANO), true), (window, false)] {
        let presence_tick = window;
        let config = Config { resume_window: window, presence_tick, ..Config::default() };
        let mut table = Table::new(config);
        let ticket = arrive(&mut table, 1);
        assert_eq!(table.join(1, "lobby"), "joined");
        vanish(&mut table, 1);
        table.now = table.now + late;
        arrive(&mut table, 2);
        let told = resume(&mut table, 2, &ticket);
        assert_eq!(is_back(&told), comes_back, "{told:?}");
        assert_eq!(told[0]["session"] == json!(ticket), comes_back);
        assert_eq!(told.len(), if comes_back { 2 } else { 1 }, "`joined` for its room");
    }
}

#[test]
fn nobody_comes_back_with_another_secret_or_to_another_place() {
    let mut table = Table::new(Config::default());
    let ticket = arrive(&mut table, 1);
    table.join(1, "lobby");
    vanish(&mut table, 1);
    arrive(&mut table, 2);
    let end = ticket.len() - 1;
    let other_place = ticket.replacen("s_0000000", "s_0000001", 1);
    let other_low = format!("{}{}", &ticket[..end], if ticket.ends_with('0') { '1' } else { '0' });
    let other_high = ticket.replacen("0000000000001", "0000000000003", 1);
    for wrong in [other_place, other_low, other_high, "s_".to_owned()] {
        assert_ne!(wrong, ticket);
        assert!(!is_back(&resume(&mut table, 2, &wrong)), "{wrong}");
    }
    assert!(is_back(&resume(&mut table, 2, &ticket)));
}

#[test]
fn there_is_nothing_to_come_back_to_without_rooms_or_without_a_window() {
    let mut table = Table::new(Config::default());
    let ticket = arrive(&mut table, 1);
    vanish(&mut table, 1);
    arrive(&mut table, 2);
    assert!(!is_back(&resume(&mut table, 2, &ticket)), "it was in no room");

    let mut table = Table::new(Config { resume_window: Duration::ZERO, ..Config::default() });
    let ticket = arrive(&mut table, 1);
    table.join(1, "lobby");
    arrive(&mut table, 2);
    assert!(!is_back(&resume(&mut table, 2, &ticket)), "nor does it take over");
    vanish(&mut table, 1);
    assert!(!is_back(&resume(&mut table, 2, &ticket)));
    vanish(&mut table, 2);
    assert!(table.hub.is_clean(), "nothing is kept of whom nobody can come back to");
}

#[test]
fn a_name_is_kept_for_a_while_and_claimed_again() {
    let linger = Duration::from_secs(5);
    let config = Config { presence_linger: linger, ..Config::default() };
    let name = |text: &str| Some(text.parse().expect("a name"));
    let user = |told: &[Value]| told[0]["user"].as_str().expect("a welcome").to_owned();
    for (late, others_get) in [(linger.saturating_sub(NANO), "ann-2"), (linger, "ann")] {
        let mut table = Table::new(config.clone());
        let ticket = table.connect_as(1, name("ann"))[0]["session"].clone();
        table.join(1, "lobby");
        vanish(&mut table, 1);
        table.now = table.now + late;
        assert_eq!(user(&table.connect_as(2, name("ann"))), others_get);
        arrive(&mut table, 3);
        let back = resume(&mut table, 3, ticket.as_str().expect("a ticket"));
        let (own, next) = if others_get == "ann" { ("ann-2", "ann-2-2") } else { ("ann", "ann-3") };
        assert_eq!(user(&back), own);
        assert_eq!(user(&table.connect_as(4, name(own))), next, "the name is had again");
    }
}

#[test]
fn a_server_that_stops_keeps_no_name_for_who_is_away() {
    let mut table = Table::new(Config::default());
    table.connect_as(1, Some("ann".parse().expect("a name")));
    table.join(1, "lobby");
    arrive(&mut table, 2);
    vanish(&mut table, 1);
    let within = Duration::from_secs(30);
    let (mut commands, drain) = (Vec::new(), Event::Drain { within });
    table.hub.handle(table.now, drain, &mut commands);
    let told = table.say(2, r#"{"type":"hello","name":"ann"}"#);
    assert_eq!(told[0]["user"], json!("ann"), "{told:?}");
}

#[test]
fn a_second_connection_takes_over_and_the_first_is_closed() {
    let mut table = Table::new(Config::default());
    let ticket = arrive(&mut table, 1);
    table.join(1, "lobby");
    arrive(&mut table, 2);
    let event = Event::Text {
        conn: ConnId::new(2),
        text: json!({ "type": "hello", "resume": ticket }).to_string(),
    };
    let told = table.tell(1, event);
    let [bye, close] = &told[..] else { panic!("{told:?}") };
    assert_eq!((bye["type"].as_str(), bye["code"].as_u64()), (Some("bye"), Some(4503)));
    assert_eq!(*close, json!(4503));
    assert_eq!(table.join(2, "lobby"), "joined");
}

#[test]
fn who_lost_the_connection_first_gives_way_when_there_are_too_many() {
    let mut table = Table::new(Config { max_sessions: 3, ..Config::default() });
    let tickets: Vec<_> = (1..=3)
        .map(|conn| {
            let ticket = arrive(&mut table, conn);
            table.join(conn, "lobby");
            ticket
        })
        .collect();
    for conn in [2, 1] {
        vanish(&mut table, conn);
        table.now = table.now + Duration::from_secs(1);
    }
    arrive(&mut table, 4);
    assert!(!is_back(&resume(&mut table, 4, &tickets[1])), "it gave way");
    assert!(is_back(&resume(&mut table, 4, &tickets[0])));
    arrive(&mut table, 5);
    let greeting = Greeting { name: None, room: RoomChoice::None, framing: Framing::Strict };
    let connect = Event::Connect { conn: ConnId::new(6), peer: Peer::default(), greeting };
    assert_eq!(table.tell(6, connect).last(), Some(&json!(1013)), "everybody is connected");
}
