//! Lines of plain text: how long one may be, as what it becomes. This file does not know rooms.

use std::time::Duration;

use roundtable::{Config, ConnId, Event, Framing, Greeting, Peer, RoomChoice};
use serde_json::json;

use crate::table::Table;

#[test]
fn a_line_is_as_long_as_its_json_may_be_and_not_longer() {
    let most = 512;
    let mut table = Table::new(Config { max_message_bytes: most, ..Config::default() });
    let greeting = Greeting { name: None, room: RoomChoice::Default, framing: Framing::Lenient };
    let connect = Event::Connect { conn: ConnId::new(1), peer: Peer::default(), greeting };
    assert_eq!(table.tell(1, connect).len(), 2, "`welcome` and `joined`");
    // Two quotes, and a backslash for each letter that needs one.
    for (letters, answer) in [("x", "message"), ("\t", "too_large")] {
        let fits = "x".repeat(most - 3);
        assert_eq!(table.ask(1, &format!("{fits}{letters}")), answer);
    }
    // A refusal without an `id` is told once a second.
    table.now = table.now + Duration::from_secs(1);
    let told = table.say(1, &"x".repeat(most - 1));
    assert_eq!(told[0]["code"], json!("too_large"));
}
