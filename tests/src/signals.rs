//! Signals, to the byte and to the last recipient: who is given one, and what it is counted as. This
//! file does not know logs.

use roundtable::{Command, Config, ConnId, Event};
use serde_json::json;

use crate::generator::Limits;
use crate::table::Table;

const ROOM: &str = "lobby";

fn config() -> Config {
    Config { message_burst: 100_000, byte_burst: u32::MAX - 1, ..Limits::Tiny.config() }
}

/// A room with the connections from 1 to `members`.
fn room(config: Config, members: u64) -> Table {
    let mut table = Table::new(config);
    for conn in 1..=members {
        table.connect(conn);
        assert_eq!(table.join(conn, ROOM), "joined");
    }
    table
}

fn signal(data: &str) -> String {
    json!({ "type": "signal", "id": 1, "room": ROOM, "key": "k", "data": data }).to_string()
}

/// Who is given what `author` signals.
fn given(table: &mut Table, author: u64) -> Vec<u64> {
    let event = Event::Text { conn: ConnId::new(author), text: signal("x") };
    let mut commands = Vec::new();
    table.hub.handle(table.now, event, &mut commands);
    let sends = commands.iter().filter_map(|command| match command {
        Command::Send { to, text } if text.contains("\"signal\"") => Some(to),
        _ => None,
    });
    sends.flat_map(|to| to.iter().map(ConnId::get).collect::<Vec<_>>()).collect()
}

#[test]
fn a_signal_is_as_long_as_it_may_be_and_not_longer() {
    let most = config().signal_bytes;
    let mut table = room(config(), 1);
    // Its quotes count, since they come and go.
    for (letters, answer) in [(0, "ack"), (most - 2, "ack"), (most - 1, "too_large")] {
        assert_eq!(table.ask(1, &signal(&"x".repeat(letters))), answer, "{letters}");
    }
}

#[test]
fn what_a_signal_takes_is_counted_for_each_who_is_given_it() {
    // What a frame with a page takes beside the page.
    const FRAME_BYTES: usize = 1024;
    let budget = config().window_bytes;
    let mut table = room(Config { budget_bytes: budget, ..config() }, 4);
    table.say(1, &json!({ "type": "publish", "room": ROOM, "data": "x" }).to_string());
    let history = json!({ "type": "history", "id": 1, "room": ROOM }).to_string();
    let item = table.say(4, &history)[0]["items"][0].to_string().len() + 1;
    for signals in 0..200 {
        let queued = (1..=4).map(|conn| table.hub.queued_for(ConnId::new(conn)).expect("it is"));
        let fits = queued.sum::<usize>() + FRAME_BYTES + item <= budget;
        assert_eq!(table.ask(4, &history) == "history", fits, "after {signals} signals");
        if !fits {
            assert!(signals > 3, "there was no room from the beginning");
            return;
        }
        assert_eq!(given(&mut table, 1), [2, 3, 4]);
    }
    panic!("the budget is never used up");
}

#[test]
fn who_has_no_room_is_left_out_and_so_is_the_author() {
    let mut table = room(Config { budget_bytes: 1 << 20, ..config() }, 4);
    table.fill(3, config().window_bytes);
    for (author, others) in [(1, [2, 4]), (2, [1, 4]), (4, [1, 2])] {
        assert_eq!(given(&mut table, author), others);
    }
}
