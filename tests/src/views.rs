//! What a hub shows to who looks after it: rooms by their members, sessions by their names, whom the
//! last event closed. This file does not know how that is found.

use roundtable::{
    AddressKey, AdminAction, CloseCode, Config, ConnId, Event, Framing, Greeting, Name, Peer,
    RoomChoice,
};
use serde_json::json;

use crate::table::Table;

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn busiest(table: &Table, most: usize) -> Vec<(String, u64)> {
    let rooms = table.hub.busiest(most);
    rooms.into_iter().map(|room| (room.name.to_string(), room.members)).collect()
}

#[test]
fn the_busiest_rooms_have_the_most_members_and_then_the_first_names() {
    let mut table = Table::new(Config::default());
    for (conn, rooms) in [(1, "dbca"), (2, "cb"), (3, "be")] {
        table.connect(conn);
        for room in rooms.chars() {
            table.join(conn, &room.to_string());
        }
    }
    let expected = [("b", 3), ("c", 2), ("a", 1), ("d", 1), ("e", 1)];
    let expected = expected.map(|(room, members)| (room.to_owned(), members));
    for most in 0..=6 {
        assert_eq!(busiest(&table, most), expected[..most.min(5)], "{most}");
    }
    table.say(1, r#"{"type":"publish","room":"b","data":1}"#);
    let of_b = &table.hub.busiest(1)[0];
    assert_eq!((of_b.live, of_b.head, of_b.entries), (3, 1, 1));
    assert_eq!(of_b.bytes, table.hub.totals().levels.entry_bytes);
}

#[test]
fn a_session_is_found_by_its_connection_and_by_its_name() {
    let mut table = Table::new(Config {
        message_burst: 100_000,
        byte_burst: 1 << 30,
        sessions_per_user: 3,
        ..Config::default()
    });
    let peer = Peer { address: Some(AddressKey::new(7)), ..Peer::default() };
    let greeting =
        Greeting { name: Some(name("ann")), room: RoomChoice::None, framing: Framing::Strict };
    table.tell(1, Event::Connect { conn: ConnId::new(1), peer, greeting });
    table.join(1, "tea");
    table.join(1, "ale");
    table.tell(1, Event::Flushed);
    let ann = table.hub.session(ConnId::new(1)).expect("she is connected");
    assert_eq!((ann.user.as_str(), ann.connected, ann.queued_bytes), ("ann", true, 0));
    assert_eq!(ann.address, Some(AddressKey::new(7)));
    let stands = |table: &Table| {
        let ann = table.hub.sessions_of(&name("ann"), 9).pop().expect("she is known");
        ann.rooms
            .into_iter()
            .map(|of| (of.room.to_string(), of.live, of.behind))
            .collect::<Vec<_>>()
    };
    assert_eq!(stands(&table), [("tea".to_owned(), true, 0), ("ale".to_owned(), true, 0)]);
    let shown = serde_json::to_value(&ann).expect("JSON");
    let place = |room| json!({ "room": room, "live": true, "behind": 0 });
    let expected = json!({
        "user": "ann", "conn": "1", "connected": true, "queued_bytes": 0,
        "rooms": [place("tea"), place("ale")],
    });
    assert_eq!(shown, expected);

    // No `Flushed` comes: her window fills.
    let text = json!({ "type": "publish", "room": "tea", "data": "x".repeat(10_000) }).to_string();
    while table.hub.totals().counts.lagged == 0 {
        table.say(1, &text);
    }
    table.say(1, &text);
    assert_eq!(stands(&table), [("tea".to_owned(), false, 2), ("ale".to_owned(), true, 0)]);
    assert!(table.hub.session(ConnId::new(1)).expect("she is connected").queued_bytes > 100_000);

    table.tell(1, Event::Disconnect { conn: ConnId::new(1) });
    assert_eq!(table.hub.session(ConnId::new(1)), None);
    let ann = table.hub.sessions_of(&name("ann"), 9).pop().expect("she may come back");
    assert_eq!((ann.connected, ann.queued_bytes, ann.address), (false, 0, None));
    assert_eq!(stands(&table), [("tea".to_owned(), false, 2), ("ale".to_owned(), false, 0)]);
    assert_eq!(table.hub.sessions_of(&name("ann"), 0), []);
    assert_eq!(table.hub.sessions_of(&name("bob"), 9), []);
}

#[test]
fn whom_an_event_closed_is_shown_until_the_next_one() {
    let mut table = Table::new(Config::default());
    for (conn, user) in [(1, "ann"), (2, "bob")] {
        table.connect_as(conn, Some(name(user)));
    }
    table.join(1, "tea");
    table.join(1, "ale");
    let closed = |table: &Table| {
        let of = |closed: &roundtable::Closed| {
            let room = closed.room.as_ref().map(ToString::to_string);
            (closed.conn.get(), closed.user.to_string(), room, closed.code)
        };
        table.hub.closed().iter().map(of).collect::<Vec<_>>()
    };
    let kick = |user| Event::Admin { action: AdminAction::Kick { room: None, user: name(user) } };
    table.tell(1, kick("ann"));
    let expected = (1, "ann".to_owned(), Some("tea".to_owned()), CloseCode::Kicked);
    assert_eq!(closed(&table), [expected]);
    table.tell(2, kick("bob"));
    assert_eq!(closed(&table), [(2, "bob".to_owned(), None, CloseCode::Kicked)]);
    table.tell(2, Event::Flushed);
    assert_eq!(closed(&table), []);
}
