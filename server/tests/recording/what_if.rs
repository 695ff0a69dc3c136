//! The same traffic under other limits.

use std::collections::BTreeSet;

use roundtable::{Config, ConnId, Event, Framing, Hub, Machine as _, Timestamp};
use roundtable_server::record::Recorder;
use roundtable_server::replay::{Log, compare};

use super::shelf::Shelf;
use super::{ORIGIN, SECRETS, connect, text};

/// One speaks, one reads, and one does not read at all for a while: its queue grows by all that is
/// sent to it, up to the window.
fn recorded(config: &Config, messages: u64) -> Shelf {
    let shelf = Shelf::default();
    let hub = Hub::new(config.clone(), ORIGIN).unwrap();
    let mut recorder = Recorder::new(hub, config.clone(), ORIGIN, shelf.clone(), SECRETS).unwrap();
    let (mut commands, slow) = (Vec::new(), ConnId::new(3));
    let mut queued = 0;
    for number in 1..=3 {
        recorder.handle(Timestamp::ZERO, connect(number, Framing::Strict), &mut commands);
    }
    let data = "x".repeat(1000);
    let said = format!(r#"{{"type":"publish","room":"lobby","data":"{data}"}}"#);
    for turn in 0..messages {
        let now = Timestamp::from_millis(turn * 200);
        recorder.handle(now, text(1, &said), &mut commands);
        for command in commands.drain(..) {
            if let roundtable::Command::Send { to, text } = command
                && to.iter().any(|conn| conn == slow)
            {
                queued += roundtable::frame_len(text.len());
            }
        }
        recorder.handle(now, Event::Backlog { conn: slow, bytes: queued }, &mut commands);
        recorder.handle(now, Event::Flushed, &mut commands);
    }
    drop(recorder);
    shelf
}

fn wide() -> Config {
    Config {
        max_message_bytes: 2048,
        write_timeout: std::time::Duration::from_hours(1),
        ..narrow()
    }
}

fn narrow() -> Config {
    Config {
        max_message_bytes: 2048,
        turn_bytes: 1024,
        turn_events: 4,
        page_bytes: 4096,
        presence_list: 20,
        reserve_bytes: 2048,
        ..Config::default()
    }
}

#[test]
fn under_the_same_limits_everybody_fares_the_same() {
    let shelf = recorded(&wide(), 50);
    let comparison = compare(&mut Log::open(shelf).unwrap(), wide()).unwrap();
    assert_eq!(comparison.recorded, comparison.otherwise);
    assert!(comparison.recorded.lagged.is_empty() && comparison.spared.is_empty());
}

#[test]
fn a_narrow_window_lags_who_was_live() {
    let shelf = recorded(&wide(), 50);
    let config = Config { window_bytes: 16 * 1024, rooms_per_session: 16, ..wide() };
    let comparison = compare(&mut Log::open(shelf).unwrap(), config).unwrap();
    assert!(comparison.recorded.lagged.is_empty(), "{comparison:?}");
    assert_eq!(comparison.otherwise.lagged, BTreeSet::from([ConnId::new(3)]));
    let table = comparison.to_string();
    assert!(table.contains("lagged                     0           1    1 (#3)"), "{table}");
}

#[test]
fn a_short_patience_cuts_who_was_waited_for() {
    let shelf = recorded(&wide(), 200);
    let config =
        Config { message_burst: 1, messages_per_second: 1, rate_limit_strikes: 1, ..wide() };
    let comparison = compare(&mut Log::open(shelf).unwrap(), config).unwrap();
    assert_eq!(comparison.recorded.closed, [].into());
    let closed = BTreeSet::from([ConnId::new(1)]);
    assert_eq!(comparison.otherwise.closed, [(4029, closed)].into());
}

#[test]
fn who_was_cut_alone_as_recorded_is_left_out_from_there_on() {
    let strict =
        Config { message_burst: 1, messages_per_second: 1, rate_limit_strikes: 1, ..wide() };
    let shelf = recorded(&strict, 200);
    let comparison = compare(&mut Log::open(shelf).unwrap(), wide()).unwrap();
    assert_eq!(comparison.spared, BTreeSet::from([ConnId::new(1)]));
    assert_eq!(comparison.recorded.closed.keys().collect::<Vec<_>>(), [&4029]);
    assert_eq!(comparison.otherwise.closed, [].into());
}
