//! Invariant 8 at its bounds: a window is used up to its last byte, and not past it. This
//! file does not know what fills it.

use roundtable::{CloseCode, Command, Config, ConnId, Event, Queue, Recipients};
use serde_json::json;

use crate::generator::Limits;
use crate::table::Table;

/// What a window needs to be filled with small answers.
fn much_asked() -> Config {
    Config {
        message_burst: 100_000,
        byte_burst: u32::MAX - 1,
        max_message_bytes: 256,
        ..Limits::Tiny.config()
    }
}

#[test]
fn a_window_is_filled_to_its_last_byte() {
    let mut table = Table::new(much_asked());
    table.connect(1);
    table.fill(1, much_asked().window_bytes);
    assert_eq!(table.say(1, r#"{"type":"ping","id":"x"}"#), [json!(4001)]);
}

#[test]
fn a_ping_needs_two_bytes_of_the_window() {
    let window = much_asked().window_bytes;
    let conn = ConnId::new(1);
    let ping = Command::Ping { conn };
    let close = Command::Close { conn, code: CloseCode::SlowConsumer, queue: Queue::Drop };
    for (free, told) in [(2, ping), (1, close)] {
        let mut table = Table::new(much_asked());
        table.connect(1);
        table.fill(1, window - free);
        let mut commands = Vec::new();
        let now = table.hub.next_deadline().expect("silence is noticed");
        table.hub.handle(now, Event::Tick, &mut commands);
        assert_eq!(commands, [told], "with {free} bytes free");
    }
}

/// Who wants no echo and is closed by its own `ack` is not on the list that it would be left out of.
#[test]
fn whom_an_ack_closes_is_left_out_of_no_list() {
    let mut table = Table::new(much_asked());
    for client in [1, 2] {
        table.connect(client);
    }
    table.join(2, "a");
    table.say(1, r#"{"type":"join","room":"a","echo":false}"#);
    table.fill(1, much_asked().window_bytes);
    let text = r#"{"type":"publish","id":"x","room":"a","data":1}"#.into();
    let mut commands = Vec::new();
    table.hub.handle(table.now, Event::Text { conn: ConnId::new(1), text }, &mut commands);
    let [Command::Close { code, .. }, Command::Send { to, .. }] = &commands[..] else {
        panic!("{commands:?}")
    };
    assert_eq!(*code, CloseCode::SlowConsumer);
    assert_eq!(*to, Recipients::Many { list: [ConnId::new(2)].into(), except: None });
}

/// Lagging readers are given what fits their windows and the budget, to the last byte.
#[test]
fn who_reads_on_fills_the_window_and_the_budget() {
    const FIT: usize = 14;
    let publish = json!({ "type": "publish", "room": "a", "data": "x".repeat(200) }).to_string();
    let mut frame = 300;
    // The first time tells how long a frame is.
    for _ in 0..2 {
        let tiny = Limits::Tiny.config();
        let window = tiny.reserve_bytes + FIT * frame;
        let budget = 2 * FIT * frame;
        let (history_bytes, history_entries) = (4 * window, 100);
        let config = Config {
            window_bytes: window,
            budget_bytes: budget,
            history_bytes,
            history_entries,
            ..tiny
        };
        let mut table = Table::new(config);
        let flush = |table: &mut Table| {
            let mut commands = Vec::new();
            table.hub.handle(table.now, Event::Flushed, &mut commands);
            commands
        };
        table.connect(0);
        table.say(0, r#"{"type":"join","room":"a","echo":false}"#);
        // From the tenth on, places have two digits.
        for _ in 0..9 {
            table.say(0, &publish);
        }
        for conn in [1, 2] {
            table.connect(conn);
            table.join(conn, "a");
            assert_eq!(flush(&mut table), []);
        }
        for _ in 0..2 * FIT + 6 {
            table.say(0, &publish);
        }
        assert!(table.hub.is_lagging(ConnId::new(1)) && table.hub.is_lagging(ConnId::new(2)));
        let mut given = [0; 2];
        for command in flush(&mut table) {
            let Command::Send { to: Recipients::One(conn), text } = command else {
                panic!("{command:?} to somebody who reads on")
            };
            given[usize::try_from(conn.get() - 1).expect("one of two")] += 1;
            frame = roundtable::frame_len(text.len());
        }
        if window == Limits::Tiny.config().reserve_bytes + FIT * frame {
            return assert_eq!(given, [FIT; 2]);
        }
    }
    panic!("frames of {frame} bytes do not stay as long as they are");
}

#[test]
fn a_hub_tells_what_it_is() {
    let mut table = Table::new(Limits::Tiny.config());
    assert!(table.hub.is_clean());
    let (ann, bob) = (ConnId::new(1), ConnId::new(2));
    table.connect(1);
    assert!(!table.hub.is_clean());
    table.connect(2);
    table.join(1, "a");
    table.join(2, "a");
    let words = format!("{:?}", table.hub);
    assert!(words.starts_with("Hub {") && words.contains("sessions: 2, rooms: 1"), "{words}");
    assert_eq!(table.hub.queued_for(ConnId::new(3)), None);
    let publish = json!({ "type": "publish", "room": "a", "data": "x".repeat(200) }).to_string();
    // Forty of them are more than a window.
    for _ in 0..40 {
        if table.hub.is_lagging(ann) {
            break;
        }
        table.say(2, &publish);
        // Bob takes everything at once.
        let mut commands = Vec::new();
        let left = table.hub.queued_for(ann).expect("ann is there");
        table.hub.handle(table.now, Event::Backlog { conn: ann, bytes: left }, &mut commands);
        table.hub.handle(table.now, Event::Flushed, &mut commands);
    }
    let lagging = [ann, bob, ConnId::new(3)].map(|conn| table.hub.is_lagging(conn));
    assert_eq!(lagging, [true, false, false]);
}

#[test]
fn a_report_wakes_nobody_who_has_nothing_to_read_or_no_more_room() {
    let mut table = Table::new(Limits::Tiny.config());
    for conn in [1, 2] {
        table.connect(conn);
        table.join(conn, "a");
    }
    let (ann, bob) = (ConnId::new(1), ConnId::new(2));
    let publish = json!({ "type": "publish", "room": "a", "data": "x".repeat(200) }).to_string();
    table.say(2, &publish);
    let report = |table: &mut Table, conn, bytes| {
        let mut commands = Vec::new();
        table.hub.handle(table.now, Event::Backlog { conn, bytes }, &mut commands);
        assert_eq!(commands, []);
        let due = table.hub.next_deadline().expect("silence is noticed");
        assert!(due > table.now, "due at {due:?}, for a report of {bytes} bytes by {conn:?}");
        table.hub.handle(table.now, Event::Flushed, &mut commands);
        commands
    };
    // Bob has everything that there is, and less of it is queued.
    for bytes in [200, 100, 0] {
        report(&mut table, bob, bytes);
    }
    while !table.hub.is_lagging(ann) {
        table.say(2, &publish);
        let queued = table.hub.queued_for(ann).expect("ann is there");
        report(&mut table, ann, queued);
        report(&mut table, bob, 0);
    }
    let queued = table.hub.queued_for(ann).expect("ann is there");
    assert_eq!(report(&mut table, ann, queued), []);
}
