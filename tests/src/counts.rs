//! Each limit is counted when it holds somebody up, once, and no other is. This file does not know how
//! limits are kept.

use std::time::Duration;

use roundtable::{Config, ConnId, Event, Levels, Limit};
use serde_json::json;

use crate::table::Table;

/// A table with one client, in no room.
fn table(config: Config) -> Table {
    let mut table = Table::new(config);
    table.connect(1);
    table
}

/// Which limits the hub has counted, and how often each.
fn hit(table: &Table) -> Vec<(&'static str, u64)> {
    let counts = table.hub.totals().counts;
    let all = Limit::ALL.map(|limit| (limit.setting(), counts.limits(limit)));
    all.into_iter().filter(|(_, count)| *count > 0).collect()
}

/// Waits for what is due next.
fn tick(table: &mut Table) {
    table.now = table.hub.next_deadline().expect("something is due");
    table.hub.handle(table.now, Event::Tick, &mut Vec::new());
}

fn publish(letters: usize) -> String {
    json!({ "type": "publish", "room": "a", "data": "x".repeat(letters) }).to_string()
}

fn keyed(key: &str) -> String {
    json!({ "type": "publish", "room": "a", "key": key, "data": 1 }).to_string()
}

const PING: &str = r#"{"type":"ping","id":1}"#;

#[test]
fn limits_of_sessions_and_rooms_are_counted() {
    let mut full = table(Config { max_sessions: 1, ..Config::default() });
    full.connect(2);
    assert_eq!(hit(&full), [("max_sessions", 1)]);
    let mut rooms = table(Config { max_rooms: 1, ..Config::default() });
    rooms.join(1, "a");
    rooms.join(1, "b");
    assert_eq!(hit(&rooms), [("max_rooms", 1)]);
    let mut each = table(Config { rooms_per_session: 1, ..Config::default() });
    each.join(1, "a");
    each.join(1, "b");
    assert_eq!(hit(&each), [("rooms_per_session", 1)]);
    let mut members = table(Config { members_per_room: 1, ..Config::default() });
    members.connect(2);
    members.join(1, "a");
    members.join(2, "a");
    assert_eq!(hit(&members), [("members_per_room", 1)]);
}

#[test]
fn limits_of_what_is_said_are_counted() {
    let mut long = table(Config { max_message_bytes: 256, ..Config::default() });
    long.say(1, &"x".repeat(257));
    assert_eq!(hit(&long), [("max_message_bytes", 1)]);
    let mut signals = table(Config { signal_bytes: 2, ..Config::default() });
    signals.say(1, r#"{"type":"signal","room":"a","key":"k","data":123}"#);
    assert_eq!(hit(&signals), [("signal_bytes", 1)]);
    let mut rate = table(Config { message_burst: 1, rate_limit_strikes: 1, ..Config::default() });
    rate.say(1, PING);
    rate.say(1, PING);
    assert_eq!(hit(&rate), [("messages_per_second", 1)]);
    rate.say(1, PING);
    assert_eq!(hit(&rate), [("messages_per_second", 2), ("rate_limit_strikes", 1)]);
    let mut bytes = table(Config { byte_burst: 256, max_message_bytes: 256, ..Config::default() });
    for _ in 0..2 {
        bytes.say(1, &format!(r#"{{"type":"ping","id":1,"pad":"{}"}}"#, "x".repeat(200)));
    }
    assert_eq!(hit(&bytes), [("bytes_per_second", 1)]);
}

#[test]
fn limits_of_what_is_kept_are_counted() {
    let config = || Config { presence_linger: Duration::ZERO, ..Config::default() };
    let mut entries = table(Config { history_entries: 2, recent: 1, ..config() });
    entries.join(1, "a");
    for _ in 0..5 {
        entries.say(1, &publish(1));
    }
    assert_eq!(hit(&entries), [("history_entries", 3)]);
    let levels = entries.hub.totals().levels;
    assert_eq!((levels.entries, levels.rooms, levels.members, levels.live), (2, 1, 1, 1));
    while entries.hub.totals().levels.entries > 0 {
        tick(&mut entries);
    }
    assert_eq!(hit(&entries)[1], ("history_age", 2));
    assert_eq!(entries.hub.totals().levels.entry_bytes, 0);
    let mut keys = table(Config { max_keys: 1, ..config() });
    keys.join(1, "a");
    for key in ["one", "one", "two"] {
        keys.say(1, &keyed(key));
    }
    assert_eq!(hit(&keys), [("max_keys", 1)]);
    let totals = keys.hub.totals();
    assert_eq!((totals.counts.duplicates, totals.counts.entries, totals.levels.keys), (1, 2, 1));
}

#[test]
fn limits_of_silence_are_counted() {
    let config = Config::default();
    let mut silent = table(config.clone());
    tick(&mut silent);
    tick(&mut silent);
    assert_eq!(hit(&silent), [("pong_wait", 1)]);
    assert_eq!(silent.hub.totals().counts.pings, 1);

    let mut away = table(config.clone());
    away.join(1, "a");
    away.tell(1, Event::Disconnect { conn: ConnId::new(1) });
    let levels = away.hub.totals().levels;
    assert_eq!((levels.connections, levels.detached, levels.members, levels.live), (0, 1, 1, 0));
    while away.hub.next_deadline().is_some() {
        tick(&mut away);
    }
    away.tell(1, Event::Flushed);
    assert_eq!(hit(&away), [("resume_window", 1), ("presence_linger", 1)]);
    assert_eq!(away.hub.totals().levels, Levels::default());

    let mut late = table(config);
    late.now = late.hub.next_deadline().expect("a ping is due") + Duration::from_mins(1);
    late.hub.handle(late.now, Event::Tick, &mut Vec::new());
    assert_eq!(hit(&late), [("stall", 1)]);
}

#[test]
fn who_reads_too_slowly_is_counted() {
    let mut slow =
        table(Config { message_burst: 100_000, byte_burst: 1 << 30, ..Config::default() });
    slow.connect(2);
    slow.join(1, "a");
    slow.join(2, "a");
    // No `Flushed` comes: both windows fill, and both begin to lag with the same message.
    while slow.hub.totals().counts.lagged == 0 {
        slow.say(1, &publish(10_000));
    }
    let totals = slow.hub.totals();
    assert_eq!((totals.counts.lagged, hit(&slow)), (2, vec![("window_bytes", 1)]));
    assert_eq!((totals.levels.members, totals.levels.live), (2, 0));
    assert_eq!(totals.levels.queued_bytes, totals.counts.delivered_bytes);
}
