//! Invariant 18: every limit holds at the limit, one below it and one above it. This file does not
//! know how limits are kept.

use std::time::Duration;

use roundtable::{Config, ConnId, Event, Name, NameError, Timestamp};
use serde_json::{Value, json};

use crate::generator::Limits;
use crate::table::Table;

#[test]
fn sessions_are_limited() {
    let mut table = Table::new(Config { max_sessions: 3, ..Config::default() });
    for conn in 1..=3 {
        assert_eq!(table.connect(conn)[0]["type"], "welcome");
    }
    assert_eq!(table.connect(4).last(), Some(&json!(1013)));
    table.tell(2, Event::Disconnect { conn: ConnId::new(2) });
    assert_eq!(table.connect(5)[0]["type"], "welcome");
}

#[test]
fn rooms_and_their_members_are_limited() {
    let config =
        Config { max_rooms: 3, rooms_per_session: 2, members_per_room: 2, ..Config::default() };
    let mut table = Table::new(config);
    for conn in 1..=3 {
        table.connect(conn);
    }
    assert_eq!([table.join(1, "a"), table.join(1, "b")], ["joined", "joined"]);
    assert_eq!(table.join(1, "c"), "room_limit");
    // A room that one is in counts once.
    assert_eq!(table.join(1, "b"), "joined");
    assert_eq!(table.join(2, "c"), "joined");
    assert_eq!(table.join(2, "d"), "room_limit");
    assert_eq!(table.join(2, "a"), "joined");
    assert_eq!(table.join(3, "a"), "room_full");
    assert_eq!(table.ask(2, r#"{"type":"leave","id":1,"room":"a"}"#), "left");
    assert_eq!(table.join(3, "a"), "joined");
    // A room where nothing was said goes with its last member, and leaves room for another.
    assert_eq!(table.ask(2, r#"{"type":"leave","id":2,"room":"c"}"#), "left");
    assert_eq!(table.join(2, "d"), "joined");
}

#[test]
fn a_log_keeps_what_fits_its_bytes_and_no_more() {
    let config = Limits::Tiny.config();
    let mut table = Table::new(config.clone());
    table.connect(1);
    table.join(1, "a");
    let publish = json!({ "type": "publish", "id": 1, "room": "a", "data": "x".repeat(190) });
    let mut sizes = Vec::new();
    for head in 1..=60 {
        // An entry's size is that of the text that everybody is sent.
        let told = table.say(1, &publish.to_string());
        sizes.push(told[1].to_string().len());
        let mut commands = Vec::new();
        table.hub.handle(table.now, Event::Flushed, &mut commands);
        let since = json!({ "epoch": told[0]["epoch"], "seq": 0 });
        let newcomer = 100 + head;
        table.connect(newcomer);
        let join = json!({ "type": "join", "id": 1, "room": "a", "since": since });
        let joined = table.say(newcomer, &join.to_string());
        table.say(newcomer, r#"{"type":"bye"}"#);
        let trimmed = joined[0]["gap"]["to"].as_u64().unwrap_or(0);
        let kept: usize = sizes[usize::try_from(trimmed).expect("small")..].iter().sum();
        assert!(kept <= config.history_bytes, "{kept} bytes are kept behind {trimmed}");
        let left_out =
            trimmed.checked_sub(1).map_or(0, |last| sizes[usize::try_from(last).expect("small")]);
        let would_fit = trimmed > 0 && kept + left_out <= config.history_bytes;
        assert!(!would_fit, "{trimmed} would have fitted to {kept} bytes");
    }
}

#[test]
fn messages_and_their_nesting_are_limited() {
    let config = Config { max_message_bytes: 256, max_depth: 4, ..Config::default() };
    let mut table = Table::new(config);
    table.connect(1);
    let of_bytes = |bytes: usize| {
        let frame = r#"{"type":"ping","id":1,"pad":""}"#;
        frame.replace("\"\"}", &format!("\"{}\"}}", "x".repeat(bytes - frame.len())))
    };
    assert_eq!(table.ask(1, &of_bytes(255)), "pong");
    assert_eq!(table.ask(1, &of_bytes(256)), "pong");
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        format!(r#"{{"type":"ping","id":1,"pad":{open}0{close}}}"#)
    };
    assert_eq!(table.ask(1, &nested(3)), "pong");
    assert_eq!(table.ask(1, &nested(4)), "pong");
    assert_eq!(table.ask(1, &nested(5)), "bad_json");
    table.now = table.now + Duration::from_secs(1);
    let ids = |id: Value| json!({ "type": "ping", "id": id }).to_string();
    assert_eq!(table.ask(1, &ids(json!("x".repeat(63)))), "pong");
    assert_eq!(table.ask(1, &ids(json!("x".repeat(64)))), "pong");
    assert_eq!(table.ask(1, &ids(json!("x".repeat(65)))), "bad_field");
    // Refusals without an id are told once a second.
    table.now = table.now + Duration::from_secs(1);
    assert_eq!(table.ask(1, &ids(json!(i64::MIN))), "pong");
    assert_eq!(table.ask(1, &ids(json!(u64::MAX))), "pong");
    assert_eq!(table.ask(1, r#"{"type":"ping","id":18446744073709551616}"#), "bad_field");
    assert_eq!(table.say(1, &of_bytes(257)).last(), Some(&json!(1009)));
}

#[test]
fn names_are_limited() {
    let name = |chars: usize| "\u{fc}".repeat(chars).parse::<Name>();
    assert_eq!(name(0), Err(NameError::Empty));
    assert!(name(1).is_ok() && name(31).is_ok() && name(32).is_ok());
    assert_eq!(name(33), Err(NameError::TooLong(33)));
    assert_eq!(
        NameError::TooLong(33).to_string(),
        "a name has at most 32 characters, this one has 33"
    );
    assert_eq!(NameError::Empty.to_string(), "a name needs at least one visible character");
    for (sign, code) in [('\u{7}', "0007"), ('\u{202e}', "202E"), ('\u{e0001}', "E0001")] {
        let error = format!("a{sign}b").parse::<Name>().expect_err("a sign that is not seen");
        assert_eq!(error.to_string(), format!("a name may not have the character U+{code}"));
    }
    let mut table = Table::new(Config::default());
    table.connect(1);
    assert_eq!(table.join(1, &"r".repeat(32)), "joined");
    assert_eq!(table.join(1, &"r".repeat(33)), "bad_field");
    // A name that is taken makes room for its number.
    for (conn, user) in [(2, "n".repeat(32)), (3, "n".repeat(25) + "-2")] {
        let told = table.connect_as(conn, Some("n".repeat(32).parse().expect("a valid name")));
        assert_eq!(told[0]["user"], json!(user));
    }
}

#[test]
fn rates_are_limited() {
    let config = Config {
        message_burst: 3,
        messages_per_second: 10,
        rate_limit_strikes: 2,
        ..Config::default()
    };
    let mut table = Table::new(config);
    table.connect(1);
    let ping = r#"{"type":"ping","id":1}"#;
    let words: Vec<_> = (0..5).map(|_| table.ask(1, ping)).collect();
    assert_eq!(words, ["pong", "pong", "pong", "rate_limited", "rate_limited"]);
    table.now = table.now + Duration::from_millis(99);
    assert_eq!(table.say(1, ping).last(), Some(&json!(4029)));

    let config = Config {
        byte_burst: 256,
        bytes_per_second: 100,
        max_message_bytes: 256,
        ..Config::default()
    };
    let mut table = Table::new(config);
    table.connect(1);
    let long = format!(r#"{{"type":"ping","id":1,"pad":"{}"}}"#, "x".repeat(225));
    assert_eq!(long.len(), 256);
    assert_eq!(table.ask(1, &long), "pong");
    let refused = table.say(1, ping);
    assert_eq!(
        (&refused[0]["code"], &refused[0]["retry_after_ms"]),
        (&json!("rate_limited"), &json!(220))
    );
    table.now = table.now + Duration::from_millis(219);
    assert_eq!(table.ask(1, ping), "rate_limited");
    table.now = table.now + Duration::from_millis(1);
    assert_eq!(table.ask(1, ping), "pong");
}

#[test]
fn what_a_room_keeps_is_limited() {
    let config = Config { history_entries: 4, recent: 2, message_burst: 100, ..Config::default() };
    let mut table = Table::new(config);
    table.connect(1);
    table.join(1, "a");
    for text in 0..5 {
        let publish = json!({ "type": "publish", "id": 1, "room": "a", "data": text });
        table.say(1, &publish.to_string());
    }
    let history = |table: &mut Table, fields: &str| {
        let told = table.say(1, &format!(r#"{{"type":"history","id":1,"room":"a"{fields}}}"#));
        let items = told[0]["items"].as_array().expect("a page").clone();
        let seqs: Vec<_> = items.iter().filter_map(|item| item["seq"].as_u64()).collect();
        (seqs, told[0]["more"].as_bool().expect("more"))
    };
    assert_eq!(history(&mut table, ""), (vec![4, 5], true));
    assert_eq!(history(&mut table, r#","limit":3"#), (vec![3, 4, 5], true));
    assert_eq!(history(&mut table, r#","limit":4"#), (vec![2, 3, 4, 5], false));
    assert_eq!(history(&mut table, r#","limit":5"#), (vec![2, 3, 4, 5], false));
    table.connect(2);
    let joined = table.say(2, r#"{"type":"join","id":1,"room":"a"}"#);
    assert_eq!(joined[0]["history"].as_array().map(Vec::len), Some(2));
    // An entry is let go when its time is over, and not before.
    table.now = Timestamp::ZERO + Config::default().history_age - Duration::from_nanos(1);
    assert_eq!(history(&mut table, "").0, [4, 5]);
    table.now = Timestamp::ZERO + Config::default().history_age;
    assert_eq!(history(&mut table, ""), (vec![], false));
}

#[test]
fn what_a_room_keeps_is_limited_to_the_byte() {
    for (spare, all_kept) in [(0, true), (1, false)] {
        let mut table = Table::new(Limits::Tiny.config());
        table.connect(1);
        table.join(1, "a");
        let mut say = |bytes: usize| {
            let publish = |pad: usize| {
                json!({ "type": "publish", "room": "a", "data": "x".repeat(pad) }).to_string()
            };
            let head = "{'type':'message','room':'a','seq':10,'from':'guest-123456','data':'',";
            let frame = head.len() + "'ts':1785578400000}".len();
            table.say(1, &publish(bytes - frame));
            table.tell(1, Event::Flushed);
        };
        // The first places have one digit less than the others.
        (0..29).for_each(|_| say(200));
        say(200 + 9 + spare);
        let told = table.say(1, r#"{"type":"history","id":1,"room":"a"}"#);
        let join = json!({
            "type": "join", "id": 1, "room": "a",
            "since": { "epoch": told[0]["epoch"], "seq": 0 },
        });
        table.connect(2);
        let recovered = table.say(2, &join.to_string())[0]["recovered"] == true;
        assert_eq!(recovered, all_kept, "with {spare} bytes too many");
    }
}

/// A field of the configuration with its bounds, both included, when the others are the default.
type Bounds = (&'static str, fn(&mut Config, usize), usize, usize);

#[test]
fn the_configuration_is_limited() {
    const KIB: usize = 1024;
    const COUNT: usize = u32::MAX as usize - 1;
    const SECOND: usize = 1000;
    const LONG: usize = 100 * 24 * 3600 * SECOND;
    fn small(value: usize) -> u32 {
        u32::try_from(value).expect("a small number")
    }
    fn millis(value: usize) -> Duration {
        Duration::from_millis(value as u64)
    }
    let bounds: [Bounds; 47] = [
        ("max_sessions", |config, value| config.max_sessions = value, 1, COUNT),
        (
            "address_connections",
            |config, value| config.address_connections = small(value),
            1,
            COUNT,
        ),
        ("address_burst", |config, value| config.address_burst = small(value), 1, COUNT),
        ("address_per_minute", |config, value| config.address_per_minute = small(value), 1, COUNT),
        ("max_addresses", |config, value| config.max_addresses = value, 1, COUNT),
        ("max_unverified", |config, value| config.max_unverified = value, 1, COUNT),
        ("max_rooms", |config, value| config.max_rooms = value, 1, COUNT),
        ("rooms_per_session", |config, value| config.rooms_per_session = value, 1, 403),
        ("members_per_room", |config, value| config.members_per_room = value, 1, COUNT),
        ("max_message_bytes", |config, value| config.max_message_bytes = value, 256, 65_052),
        ("max_depth", |config, value| config.max_depth = value, 1, 125),
        ("turn_events", |config, value| config.turn_events = value, 1, 196),
        ("turn_bytes", |config, value| config.turn_bytes = value, 1, 96 * KIB),
        ("history_entries", |config, value| config.history_entries = value, 50, COUNT),
        ("tick_work", |config, value| config.tick_work = value, 1, COUNT),
        ("recent", |config, value| config.recent = value, 0, 256),
        ("window_bytes", |config, value| config.window_bytes = value, 224 * KIB, 1024 * KIB),
        ("reserve_bytes", |config, value| config.reserve_bytes = value, 2 * KIB, 36 * KIB),
        ("page_bytes", |config, value| config.page_bytes = value, 32 * KIB + 484, 96 * KIB),
        ("budget_bytes", |config, value| config.budget_bytes = value, 256 * KIB, usize::MAX),
        ("history_bytes", |config, value| config.history_bytes = value, 256 * KIB, usize::MAX),
        ("history_age", |config, value| config.history_age = millis(value), SECOND, LONG),
        ("ping_after", |config, value| config.ping_after = millis(value), SECOND, LONG),
        ("pong_wait", |config, value| config.pong_wait = millis(value), SECOND, LONG),
        ("write_timeout", |config, value| config.write_timeout = millis(value), SECOND, LONG),
        ("stall", |config, value| config.stall = millis(value), SECOND, LONG),
        ("max_keys", |config, value| config.max_keys = value, 1, COUNT),
        ("signal_bytes", |config, value| config.signal_bytes = value, 1, COUNT),
        ("presence_tick", |config, value| config.presence_tick = millis(value), 1, LONG),
        ("presence_list", |config, value| config.presence_list = value, 0, 405),
        ("max_bans", |config, value| config.max_bans = value, 1, COUNT),
        ("waiting_frames", |config, value| config.waiting_frames = value, 1, COUNT),
        ("waiting_bytes", |config, value| config.waiting_bytes = value, 1, COUNT),
        ("sessions_per_user", |config, value| config.sessions_per_user = value, 1, COUNT),
        ("hello_timeout", |config, value| config.hello_timeout = millis(value), SECOND, LONG),
        ("auth_grace", |config, value| config.auth_grace = millis(value), 0, LONG),
        ("key_age", |config, value| config.key_age = millis(value), SECOND, LONG),
        ("signal_ttl", |config, value| config.signal_ttl = millis(value), SECOND, LONG),
        ("resume_window", |config, value| config.resume_window = millis(value), 0, LONG),
        ("presence_linger", |config, value| config.presence_linger = millis(value), 0, LONG),
        ("drain_pace", |config, value| config.drain_pace = millis(value), 0, LONG),
        ("drain_notice", |config, value| config.drain_notice = millis(value), 0, LONG),
        ("drain_spread", |config, value| config.drain_spread = millis(value), 0, LONG),
        ("message_burst", |config, value| config.message_burst = small(value), 1, COUNT),
        (
            "messages_per_second",
            |config, value| config.messages_per_second = small(value),
            1,
            COUNT,
        ),
        ("bytes_per_second", |config, value| config.bytes_per_second = small(value), 1, COUNT),
        ("rate_limit_strikes", |config, value| config.rate_limit_strikes = small(value), 1, COUNT),
    ];
    for (setting, set, least, most) in bounds {
        let with = |value: usize| {
            let mut config = Config::default();
            set(&mut config, value);
            config.validate().map_err(|error| (error.setting(), error.to_string()))
        };
        for good in [least, most] {
            assert_eq!(with(good), Ok(()), "{setting} {good}");
        }
        let below = least.checked_sub(1);
        let above = most.checked_add(1).filter(|_| setting != "rate_limit_strikes");
        for bad in below.into_iter().chain(above) {
            let (named, text) = with(bad).expect_err(&format!("{setting} {bad} is taken"));
            assert!(!named.is_empty() && text.starts_with(named), "{text}");
        }
    }
}

#[test]
fn relations_of_the_configuration_say_what_to_do() {
    let with = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        let error = config.validate().expect_err("a relation is broken");
        (error.setting(), error.to_string(), error.remedy().to_owned())
    };
    let (setting, text, remedy) = with(|config| config.byte_burst = 32 * 1024 - 1);
    assert_eq!(setting, "byte_burst");
    assert_eq!(remedy, "must be at least max_message_bytes, or the longest message never passes");
    assert_eq!(text, format!("byte_burst 32767: {remedy}"));
    let (setting, text, _) = with(|config| config.ping_after = Duration::ZERO);
    assert_eq!((setting, &*text), ("ping_after", "ping_after 0ns: must be from 1s to 100 days"));
    let (setting, ..) = with(|config| config.reserve_bytes = 128 * 1024 + 1);
    assert_eq!(setting, "reserve_bytes");
    let (_, text, _) = with(|config| config.recent = 257);
    assert_eq!(text, "recent 257: must be at most 256");
    let (_, text, _) = with(|config| config.window_bytes = (1 << 30) + 1);
    assert_eq!(text, "window_bytes 1073741825: must be at most 1073741824");
    let lists = |presence_list| {
        let config = Config { presence_list, page_bytes: 640 + 160 * 400, ..Config::default() };
        config.validate().map_err(|error| error.setting())
    };
    assert_eq!([lists(400), lists(401)], [Ok(()), Err("presence_list")]);
}

#[test]
fn a_frame_is_as_long_as_rfc_6455_says() {
    let lengths = [(0, 2), (125, 127), (126, 130), (0xFFFF, 0x1_0003), (0x1_0000, 0x1_000A)];
    for (payload, frame) in lengths {
        assert_eq!(roundtable::frame_len(payload), frame);
    }
}
