//! The contract of the hub, a test for each line, by its name.

mod driver;

use std::time::Duration;

use driver::{Driver, Step, script};
use proptest::prelude::*;
use roundtable::{
    Command, Config, ConfigError, ConnId, Entropy, Event, Greeting, Hub, Origin, Peer, PlainText,
    Timestamp, frame_len,
};

const ORIGIN: Origin = Origin { seed: 7, wall_clock_ms: 1_785_578_400_000 };

/// Limits that a short script reaches.
fn tight() -> Config {
    Config {
        max_message_bytes: 1024,
        turn_bytes: 1,
        turn_events: 1,
        page_bytes: 2048,
        presence_list: 8,
        reserve_bytes: 2048,
        window_bytes: 6144,
        history_bytes: 6144,
        history_entries: 8,
        recent: 4,
        message_burst: 1000,
        max_rooms: 3,
        rooms_per_session: 2,
        ..Config::default()
    }
}

fn connect(hub: &mut Hub, number: u64, commands: &mut Vec<Command>) {
    let peer = Peer { entropy: Entropy::new(number.into()), claims: None, address: None };
    let greeting = Greeting::default();
    let event = Event::Connect { conn: ConnId::new(number), peer, greeting };
    hub.handle(Timestamp::ZERO, event, commands);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn contract_1_pure(steps in script(200)) {
        let run = || {
            let mut driver = Driver::new(tight(), ORIGIN);
            driver.play(&steps);
            driver.log
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn contract_2_total_for_whatever_peers_send(
        texts in prop::collection::vec((0_u64..3, any::<String>()), 0..50),
        frames in prop::collection::vec((0_u64..3, driver::frame_like()), 0..50),
    ) {
        let mut hub = Hub::new(tight(), ORIGIN).unwrap();
        let mut commands = Vec::new();
        connect(&mut hub, 0, &mut commands);
        connect(&mut hub, 1, &mut commands);
        for (number, text) in texts.into_iter().chain(frames) {
            let conn = ConnId::new(number);
            hub.handle(Timestamp::ZERO, Event::Text { conn, text }, &mut commands);
        }
    }

    #[test]
    fn contract_3_self_contained(steps in script(200)) {
        // The driver knows nothing but the commands, and checks that each names who is connected.
        Driver::new(tight(), ORIGIN).play(&steps);
    }

    #[test]
    fn contract_5_deadlines_are_never_late(steps in script(200)) {
        let mut driver = Driver::new(tight(), ORIGIN);
        driver.after_tick = |hub, now, before| {
            let due = hub.next_deadline().filter(|deadline| *deadline <= now);
            assert!(due.is_none() || due != before, "a tick at {now:?} left {due:?} as it was");
        };
        driver.play(&steps);
    }

    #[test]
    fn contract_5_a_tick_with_nothing_due_changes_nothing(steps in script(100)) {
        let mut driver = Driver::new(tight(), ORIGIN);
        for step in &steps {
            driver.step(step);
            let (deadline, mut commands) = (driver.hub.next_deadline(), Vec::new());
            if deadline.is_none_or(|deadline| deadline > driver.now) {
                driver.hub.handle(driver.now, Event::Tick, &mut commands);
                prop_assert_eq!(&commands, &[]);
                prop_assert_eq!(driver.hub.next_deadline(), deadline);
            }
        }
    }

    #[test]
    fn contract_7_bounded_memory(steps in script(300)) {
        let mut driver = Driver::new(tight(), ORIGIN);
        for step in &steps {
            driver.step(step);
            prop_assert!(driver.largest_queue() <= tight().window_bytes);
        }
    }

    #[test]
    fn contract_8_non_interference(steps in script(200)) {
        let heard_by_others = |first: Step| {
            // Long spans, so that the one who does not read is not closed.
            let long = Duration::from_hours(10_000 / 24);
            let config = Config { write_timeout: long, ping_after: long, ..tight() };
            let mut driver = Driver::new(config, ORIGIN);
            driver.step(&Step::Connect(0));
            driver.step(&first);
            let others = steps.iter().filter(|step| !step.is_by(0));
            others.for_each(|step| driver.step(step));
            prop_assert!(!driver.closed.contains(&ConnId::new(1)));
            driver.heard.remove(&ConnId::new(1));
            Ok(driver.heard)
        };
        prop_assert_eq!(heard_by_others(Step::Read(0))?, heard_by_others(Step::Stall(0))?);
    }

    #[test]
    fn contract_9_clean(steps in script(200)) {
        let mut driver = Driver::new(tight(), ORIGIN);
        driver.play(&steps);
        driver.everybody_leaves();
        driver.wait(Duration::from_hours(1));
        prop_assert!(driver.hub.is_clean(), "{:?}", driver.hub);
        prop_assert_eq!(driver.hub.next_deadline(), None);
    }
}

#[test]
#[should_panic(expected = "time runs backwards")]
fn contract_2_a_driver_may_not_run_time_backwards() {
    let mut hub = Hub::new(Config::default(), ORIGIN).unwrap();
    hub.handle(Timestamp::from_millis(2), Event::Tick, &mut Vec::new());
    hub.handle(Timestamp::from_millis(1), Event::Tick, &mut Vec::new());
}

#[test]
#[should_panic(expected = "connects twice")]
fn contract_2_a_driver_may_not_connect_twice() {
    let mut hub = Hub::new(Config::default(), ORIGIN).unwrap();
    connect(&mut hub, 1, &mut Vec::new());
    connect(&mut hub, 1, &mut Vec::new());
}

#[test]
#[should_panic(expected = "more than it was sent")]
fn contract_2_a_driver_may_not_report_more_than_was_sent() {
    let mut hub = Hub::new(Config::default(), ORIGIN).unwrap();
    connect(&mut hub, 1, &mut Vec::new());
    let event = Event::Backlog { conn: ConnId::new(1), bytes: 1 << 20 };
    hub.handle(Timestamp::ZERO, event, &mut Vec::new());
}

#[test]
fn contract_4_forgotten_on_close() {
    let mut hub = Hub::new(Config::default(), ORIGIN).unwrap();
    let (conn, mut commands) = (ConnId::new(1), Vec::new());
    connect(&mut hub, 1, &mut commands);
    hub.handle(Timestamp::ZERO, Event::Binary { conn }, &mut commands);
    assert!(matches!(commands.last(), Some(Command::Close { .. })));
    commands.clear();
    let late = [
        Event::Text { conn, text: "late".into() },
        Event::Binary { conn },
        Event::Heard { conn },
        Event::Backlog { conn, bytes: 5 },
        Event::Disconnect { conn },
        Event::Flushed,
    ];
    for event in late {
        hub.handle(Timestamp::ZERO, event, &mut commands);
    }
    assert_eq!(commands, []);
    assert!(hub.is_clean());
}

#[test]
fn contract_6_bounded_work() {
    let stall = Duration::from_mins(1);
    let config = Config { tick_work: 10, stall, ..Config::default() };
    let mut hub = Hub::new(config, ORIGIN).unwrap();
    let mut commands = Vec::new();
    for number in 0..1000 {
        connect(&mut hub, number, &mut commands);
    }
    let late = Timestamp::ZERO + Duration::from_secs(28);
    let mut pings = 0;
    while hub.next_deadline().is_some_and(|deadline| deadline <= late) {
        commands.clear();
        hub.handle(late, Event::Tick, &mut commands);
        assert!(commands.len() <= 10, "{} commands of one tick", commands.len());
        let is_ping = |command: &&Command| matches!(command, Command::Ping { .. });
        pings += commands.iter().filter(is_ping).count();
    }
    assert_eq!(pings, 1000);
}

#[test]
fn the_levels_of_a_turn_are_judged_together() {
    let [ann, bob] = [1, 2].map(ConnId::new);
    let config = Config { budget_bytes: 6144, ..tight() };
    // Ann has read everything by the time that bob, who is reported first, makes it too much.
    for (ann_reads, closed) in [(true, None), (false, Some(ann))] {
        let mut hub = Hub::new(config.clone(), ORIGIN).unwrap();
        let mut commands = Vec::new();
        connect(&mut hub, 1, &mut commands);
        connect(&mut hub, 2, &mut commands);
        let mut hand_in = |event| {
            commands.clear();
            hub.handle(Timestamp::ZERO, event, &mut commands);
            let sent = commands.iter().map(|command| match command {
                Command::Send { text, .. } => frame_len(text.len()),
                _ => 0,
            });
            let close = commands.iter().find_map(|command| match command {
                Command::Close { conn, .. } => Some(*conn),
                _ => None,
            });
            (sent.sum::<usize>(), close)
        };
        hand_in(Event::Flushed);
        let text = format!("{{\"type\":\"ping\",\"id\":\"{}\"}}", "i".repeat(64));
        let ping = |conn| Event::Text { conn, text: text.clone() };
        let hers: usize = (0..40).map(|_| hand_in(ping(ann)).0).sum();
        hand_in(Event::Backlog { conn: ann, bytes: hers });
        hand_in(Event::Flushed);
        let his: usize = (0..20).map(|_| hand_in(ping(bob)).0).sum();
        assert!(hers + his > config.budget_bytes, "{hers} and {his}");
        let mut closes = vec![hand_in(Event::Backlog { conn: bob, bytes: his }).1];
        if ann_reads {
            closes.push(hand_in(Event::Backlog { conn: ann, bytes: 0 }).1);
        }
        closes.push(hand_in(Event::Flushed).1);
        assert_eq!(closes.into_iter().flatten().next(), closed);
    }
}

#[test]
fn a_configuration_is_checked_and_says_what_to_do() {
    let check = |set: fn(&mut Config), expected: &str| {
        let mut config = Config::default();
        set(&mut config);
        let error: ConfigError = Hub::new(config, ORIGIN).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    assert_eq!(Config::default().validate(), Ok(()));
    assert_eq!(tight().validate(), Ok(()));
    check(|c| c.ping_after = Duration::ZERO, "ping_after 0ns: must be from 1s to 100 days");
    check(|c| c.presence_tick = Duration::ZERO, "presence_tick 0ns: must be from 1ms to 100 days");
    check(
        |c| c.drain_pace = Duration::from_hours(2401),
        "drain_pace 8643600s: must be at most 100 days",
    );
    check(|c| c.max_sessions = 0, "max_sessions 0: must be at least 1");
    check(|c| c.max_depth = 1000, "max_depth 1000: must be at most 125");
    check(|c| c.recent = 1000, "recent 1000: must be at most 256");
    check(
        |c| c.byte_burst = 10,
        "byte_burst 10: must be at least max_message_bytes, or the longest message never passes",
    );
    check(
        |c| c.page_bytes = 1024,
        "page_bytes 1024: must hold the longest message: at least max_message_bytes and 1 KiB",
    );
    check(
        |c| c.presence_list = 406,
        "presence_list 406: must be at most (page_bytes - 640) / 160: a list is no longer than a page",
    );
    check(
        |c| c.history_bytes = 1024,
        "history_bytes 1024: must be at least window_bytes, or a reader is told of a gap that it \
         could have read",
    );
    check(|c| c.budget_bytes = 1, "budget_bytes 1: must be at least window_bytes");
    check(|c| c.reserve_bytes = 1, "reserve_bytes 1: must be at least 2048");
    check(
        |c| c.turn_events = 10_000,
        "window_bytes 262144: less reserve_bytes must hold a turn and a page: turn_bytes, \
         max_message_bytes, 480 bytes for each of turn_events, and page_bytes",
    );
    let refuse = Config { plain_text: PlainText::Refuse, ..Config::default() };
    assert_eq!(refuse.validate(), Ok(()));
}

#[test]
fn who_is_in_all_rooms_may_fill_the_window_with_the_news_of_it() {
    let config = |rooms| Config {
        rooms_per_session: rooms,
        window_bytes: Config::default().reserve_bytes + 400 * 640,
        ..Config::default()
    };
    assert_eq!(config(400).validate(), Ok(()));
    assert_eq!(config(401).validate().map_err(|error| error.setting()), Err("rooms_per_session"));
}
