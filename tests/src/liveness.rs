//! Silence, to the moment: when somebody is pinged, when an absence of the hub's own is forgiven, how
//! much one tick does. This file does not know timers.

use std::time::Duration;

use roundtable::{CloseCode, Command, Config, ConnId, Event, Queue, Timestamp};

use crate::table::Table;

/// Later than anything that is waited for.
const FAR: Timestamp = Timestamp::new(Duration::from_hours(1));

fn seated(config: Config, count: u64) -> Table {
    let mut table = Table::new(config);
    for conn in 0..count {
        table.connect(conn);
    }
    table
}

fn tick(table: &mut Table, now: Timestamp) -> Vec<Command> {
    let mut commands = Vec::new();
    table.now = now;
    table.hub.handle(now, Event::Tick, &mut commands);
    commands
}

/// Ticks at every deadline before `end` until something is commanded, and counts the ticks.
fn tick_until_told(table: &mut Table, end: Timestamp) -> (Vec<Command>, u32) {
    for ticks in 1.. {
        let Some(now) = table.hub.next_deadline().filter(|now| *now < end) else { break };
        let commands = tick(table, now);
        if !commands.is_empty() {
            return (commands, ticks);
        }
    }
    (Vec::new(), 0)
}

#[test]
fn pings_come_after_a_silence_that_is_drawn_anew_each_time() {
    const SESSIONS: usize = 200;
    const PINGS: usize = 3;
    let mut table = seated(Config::default(), SESSIONS as u64);
    let mut heard = vec![Timestamp::ZERO; SESSIONS];
    let mut silences = vec![Vec::new(); SESSIONS];
    while silences.iter().any(|silences| silences.len() < PINGS) {
        let now = table.hub.next_deadline().expect("silence is noticed");
        for command in tick(&mut table, now) {
            let Command::Ping { conn } = command else { panic!("{command:?} out of nowhere") };
            let session = usize::try_from(conn.get()).expect("small");
            silences[session].push(now.saturating_since(heard[session]));
            heard[session] = now;
            table.hub.handle(now, Event::Heard { conn }, &mut Vec::new());
        }
    }
    // 25 s, give or take a tenth; a twentieth of the span at either end is not missed by all.
    let (least, most) = (Duration::from_millis(22_500), Duration::from_millis(27_500));
    let (early, late) = (Duration::from_millis(22_750), Duration::from_millis(27_250));
    let all = || silences.iter().flatten();
    assert!(all().all(|silence| (least..=most).contains(silence)));
    assert!(all().any(|silence| *silence < early), "nobody was pinged early");
    assert!(all().any(|silence| *silence > late), "nobody was pinged late");
    let varied = silences.iter().filter(|silences| silences.windows(2).any(|two| two[0] != two[1]));
    assert_eq!(varied.count(), SESSIONS, "a session's silences are all alike");
}

#[test]
fn the_next_ping_comes_a_silence_after_the_answer_however_long_that_might_have_taken() {
    let (after, wait) = (Duration::from_secs(1), Duration::from_secs(20));
    let mut table = seated(Config { ping_after: after, pong_wait: wait, ..Config::default() }, 1);
    let conn = ConnId::new(0);
    let mut heard = Timestamp::ZERO;
    for answer_after in [0, 300, 5000].map(Duration::from_millis) {
        let (pings, _) = tick_until_told(&mut table, FAR);
        assert_eq!(pings, [Command::Ping { conn }]);
        let silence = table.now.saturating_since(heard);
        assert!((after * 9 / 10..=after * 11 / 10).contains(&silence), "{silence:?}");
        heard = table.now + answer_after;
        assert_eq!(tick_until_told(&mut table, heard).0, []);
        table.hub.handle(heard, Event::Heard { conn }, &mut Vec::new());
    }
    // Who never answers is waited for no longer than that, and not looked at all the time.
    assert_eq!(tick_until_told(&mut table, FAR).0, [Command::Ping { conn }]);
    let missing = table.now + wait;
    let (commands, ticks) = tick_until_told(&mut table, FAR);
    let close = Command::Close { conn, code: CloseCode::PingTimeout, queue: Queue::Flush };
    assert_eq!((table.now, commands.last()), (missing, Some(&close)));
    assert!(ticks <= 23, "{ticks} ticks");
}

#[test]
fn a_hub_that_was_away_for_longer_than_the_stall_closes_nobody() {
    let config = Config::default();
    let conn = ConnId::new(0);
    let close = Command::Close { conn, code: CloseCode::PingTimeout, queue: Queue::Flush };
    for (late, is_forgiven) in [(Duration::ZERO, false), (Duration::from_nanos(1), true)] {
        let mut table = seated(config.clone(), 1);
        let pinged = table.hub.next_deadline().expect("silence is noticed");
        assert_eq!(tick(&mut table, pinged), [Command::Ping { conn }]);
        let commands = tick(&mut table, pinged + config.pong_wait + config.stall + late);
        if is_forgiven {
            // What it might have answered to a ping from before, nobody read.
            assert_eq!(commands, [Command::Ping { conn }]);
        } else {
            assert_eq!(commands.last(), Some(&close));
        }
    }
}

#[test]
fn a_tick_does_its_share_and_asks_to_come_back() {
    let mut table = seated(Config { tick_work: 2, ..Config::default() }, 7);
    let all_are_due = Timestamp::from_millis(27_500);
    let mut pings = Vec::new();
    while table.hub.next_deadline().is_some_and(|due| due <= all_are_due) {
        pings.push(tick(&mut table, all_are_due).len());
    }
    assert_eq!(pings, [2, 2, 2, 1]);
}
