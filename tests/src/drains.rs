//! The graceful stop, to the moment: who is told what, and who is closed when. This file does not know
//! how a drain keeps its pace.

use std::time::Duration;

use roundtable::{Command, Config, ConnId, Event, Timestamp};
use serde_json::{Value, json};

use crate::generator::Limits;
use crate::table::Table;

/// Three people in one room who are paced a second each, and of whom the second does not read.
fn crowd() -> Table {
    const HOUR: Duration = Duration::from_hours(1);
    let config = Config {
        drain_pace: Duration::from_secs(1),
        ping_after: HOUR,
        pong_wait: HOUR,
        write_timeout: HOUR,
        history_age: 2 * HOUR,
        presence_tick: HOUR,
        ..Limits::Tiny.config()
    };
    let mut table = Table::new(config);
    for conn in 0..3 {
        table.connect(conn);
        table.join(conn, "a");
    }
    let publish = json!({ "type": "publish", "room": "a", "data": "x".repeat(200) }).to_string();
    while !table.hub.is_lagging(ConnId::new(1)) {
        table.say(0, &publish);
        end_turn(&mut table);
    }
    table
}

/// Everybody but the second takes what they are sent.
fn end_turn(table: &mut Table) {
    let conn = ConnId::new(1);
    let mut commands = Vec::new();
    if let Some(bytes) = table.hub.queued_for(conn) {
        table.hub.handle(table.now, Event::Backlog { conn, bytes }, &mut commands);
    }
    table.hub.handle(table.now, Event::Flushed, &mut commands);
    assert_eq!(commands, [], "nobody reads on");
}

/// Ticks at the next deadline, and says when that was and what came of it.
fn tick(table: &mut Table) -> Option<(Duration, Vec<(u64, Value)>)> {
    table.now = table.hub.next_deadline()?;
    let mut commands = Vec::new();
    table.hub.handle(table.now, Event::Tick, &mut commands);
    end_turn(table);
    let told = commands.into_iter().filter_map(|command| match command {
        Command::Send { to, text } => {
            let conn = to.iter().next().expect("somebody");
            Some((conn.get(), serde_json::from_str(&text).expect("JSON")))
        }
        Command::Close { conn, code, .. } => Some((conn.get(), json!(code.number()))),
        Command::Append { .. } | Command::Drained => None,
        Command::Refuse { .. } | Command::Ping { .. } | Command::Verify { .. } => {
            panic!("{command:?} out of nowhere")
        }
    });
    Some((table.now.since_start(), told.collect()))
}

const DRAIN: Event = Event::Drain { within: Duration::from_mins(1) };

/// A notice at 0, 1 and 2 s, that says when to come back.
fn notices(table: &mut Table) {
    table.tell(0, DRAIN);
    let mut returns = Vec::new();
    for second in 0..3 {
        let (at, told) = tick(table).expect("notices are to be given");
        let [(conn, bye)] = &told[..] else { panic!("not one notice: {told:?}") };
        assert_eq!((at, *conn), (Duration::from_secs(second), second));
        // The last close is planned for 5 s, its span ends at 6 s, and they return in the 3 s behind.
        let after = Duration::from_millis(bye["after_ms"].as_u64().expect("it says when"));
        returns.push(at + after);
    }
    let span = Duration::from_secs(6)..Duration::from_secs(9);
    assert!(returns.iter().all(|at| span.contains(at)), "{returns:?}");
    returns.dedup();
    assert_eq!(returns.len(), 3, "they come back in step");
}

#[test]
fn who_was_not_given_everything_is_closed_at_the_end() {
    let mut table = crowd();
    notices(&mut table);
    let closes: Vec<_> = std::iter::from_fn(|| tick(&mut table)).take(4).collect();
    let close = |second, conn: Option<u64>| {
        (Duration::from_secs(second), Vec::from_iter(conn.map(|conn| (conn, json!(4002)))))
    };
    assert_eq!(closes, [close(3, Some(0)), close(4, None), close(5, Some(2)), close(60, Some(1))]);
}

#[test]
fn who_has_caught_up_is_closed_when_it_is_its_turn() {
    let mut table = crowd();
    notices(&mut table);
    assert_eq!(tick(&mut table).expect("the first close").1, [(0, json!(4002))]);
    table.now = table.now + Duration::from_millis(500);
    let conn = ConnId::new(1);
    let (mut given, mut commands) = (0, Vec::new());
    while table.hub.is_lagging(conn) {
        table.hub.handle(table.now, Event::Flushed, &mut commands);
        table.hub.handle(table.now, Event::Backlog { conn, bytes: 0 }, &mut commands);
        given += commands.len();
        assert!(commands.drain(..).all(|command| matches!(command, Command::Send { .. })));
    }
    assert!(given > 0, "it was given nothing");
    table.hub.handle(table.now, Event::Flushed, &mut commands);
    assert_eq!(commands, []);
    let (at, told) = tick(&mut table).expect("the second close");
    assert_eq!((at, told), (Duration::from_secs(4), vec![(1, json!(4002))]));
}

#[test]
fn a_drain_without_time_does_a_ticks_work_at_a_time() {
    let config = Config { tick_work: 2, ..Config::default() };
    let mut table = Table::new(config);
    for conn in 0..7 {
        table.connect(conn);
    }
    table.tell(0, Event::Drain { within: Duration::ZERO });
    let mut ticks = Vec::new();
    while let Some((at, told)) = tick(&mut table) {
        assert_eq!(at, Duration::ZERO);
        ticks.push(told.len());
    }
    // Seven notices, seven closes.
    assert_eq!(ticks, [2; 7]);
}

#[test]
fn who_comes_while_the_server_stops_is_told_when_to_return() {
    let mut table = crowd();
    table.tell(0, DRAIN);
    table.now = Timestamp::from_millis(2500);
    let told = table.connect(9);
    assert_eq!(told[1], json!(4002));
    let after_ms = told[0]["after_ms"].as_u64().expect("it says when");
    assert!((3500..6500).contains(&after_ms), "{after_ms} ms");
}

#[test]
fn a_drain_keeps_its_pace_whoever_left_before() {
    let mut table = Table::new(Config::default());
    for conn in 0..1000 {
        table.connect(conn);
    }
    for conn in 100..1000 {
        table.tell(conn, Event::Disconnect { conn: ConnId::new(conn) });
    }
    table.tell(0, Event::Drain { within: Duration::from_secs(30) });
    let (mut notices, mut closes) = (Vec::new(), Vec::new());
    while let Some(deadline) = table.hub.next_deadline() {
        let mut commands = Vec::new();
        table.hub.handle(deadline, Event::Tick, &mut commands);
        for command in commands {
            match command {
                Command::Send { .. } => notices.push(deadline),
                Command::Close { .. } => closes.push(deadline),
                Command::Append { .. } | Command::Drained => {}
                Command::Refuse { .. } | Command::Ping { .. } | Command::Verify { .. } => {
                    panic!("{command:?} out of nowhere")
                }
            }
        }
    }
    // A hundred sessions, ten milliseconds for each.
    let every = |from: u64| (0..100).map(|nth| Timestamp::from_millis(from + 10 * nth)).collect();
    let planned: [Vec<_>; 2] = [every(0), every(1000)];
    assert_eq!([notices, closes], planned);
}
