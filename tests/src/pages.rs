//! Pages of a log, to the byte: how much a newcomer, a reader that comes back and a `history` are
//! given; and what may be queued for all of them. This file does not know logs.

use roundtable::{Config, ConnId, Event};
use serde_json::{Value, json};

use crate::generator::Limits;
use crate::table::Table;

/// Entries of one length in a room.
const SAID: usize = 9;

/// A room with [`SAID`] entries under `config`, and one connection in it.
fn room(config: Config) -> Table {
    let mut table = Table::new(config);
    table.connect(1);
    assert_eq!(table.join(1, "lobby"), "joined");
    let data = "x".repeat(300);
    for _ in 0..SAID {
        table.say(1, &json!({ "type": "publish", "room": "lobby", "data": data }).to_string());
    }
    table
}

fn config(page_bytes: usize) -> Config {
    Config { page_bytes, presence_list: 0, max_message_bytes: 512, ..Config::default() }
}

fn history(table: &mut Table, conn: u64, limit: usize) -> Value {
    let ask = json!({ "type": "history", "id": 1, "room": "lobby", "limit": limit });
    table.say(conn, &ask.to_string()).pop().expect("an answer")
}

/// The places of a page.
fn places(page: &Value) -> Vec<u64> {
    let items = page.as_array().expect("a page");
    items.iter().map(|item| item["seq"].as_u64().expect("a place")).collect()
}

#[test]
fn a_page_is_as_full_as_it_may_be_and_not_fuller() {
    let one = history(&mut room(config(4096)), 1, 1)["items"][0].to_string().len();
    // The comma counts for each.
    let most = 4 * (one + 1);
    for (bytes, count) in [(most - 1, 3), (most, 4), (most + 1, 4)] {
        let mut table = room(config(bytes));
        let newest: Vec<_> = (10 - count..10).collect();
        assert_eq!(places(&history(&mut table, 1, SAID)["items"]), newest);

        table.connect(2);
        let joined = table.say(2, r#"{"type":"join","room":"lobby"}"#);
        assert_eq!(places(&joined[0]["history"]), newest);
        let epoch = joined[0]["epoch"].as_str().expect("an epoch");

        table.connect(3);
        let since =
            json!({ "type": "join", "room": "lobby", "since": { "epoch": epoch, "seq": 0 } });
        let recovered = table.say(3, &since.to_string());
        assert_eq!(places(&recovered[0]["history"]), (1..=count).collect::<Vec<_>>());
        assert_eq!(recovered[0]["seq"], json!(count));
    }
}

#[test]
fn what_is_queued_for_others_takes_from_the_budget_no_more_than_itself() {
    let much_asked =
        Config { message_burst: 100_000, byte_burst: u32::MAX - 1, ..Config::default() };
    let mut table = room(much_asked);
    for conn in 2..6 {
        table.connect(conn);
        table.fill(conn, 200_000);
    }
    assert_eq!(places(&history(&mut table, 1, SAID)["items"]).len(), SAID);
}

#[test]
fn what_is_queued_may_use_the_budget_up_and_not_a_byte_more() {
    let config = Limits::Tiny.config();
    let config = Config { message_burst: 100_000, byte_burst: u32::MAX - 1, ..config };
    for (more, closed) in [(0, vec![]), (1, vec![json!(4003)])] {
        let mut table = Table::new(config.clone());
        let queued = [(1, 4000), (2, config.budget_bytes - 4000 + more)];
        for (conn, bytes) in queued {
            table.connect(conn);
            table.fill(conn, bytes);
        }
        table.tell(1, Event::Flushed);
        for (conn, bytes) in queued {
            table.tell(1, Event::Backlog { conn: ConnId::new(conn), bytes });
        }
        // Whoever has most queued goes.
        let told = table.tell(1, Event::Flushed);
        assert_eq!(told.into_iter().filter(Value::is_number).collect::<Vec<_>>(), closed);
    }
}
