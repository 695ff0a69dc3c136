//! Silence, to the moment: when somebody is pinged, when an absence of the hub's own is forgiven, how
//! much one tick does. This file does not know timers.

use std::time::Duration;

use roundtable::{CloseCode, Command, Config, ConnId, Event, Queue, Timestamp};

use crate::table::Table;

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
