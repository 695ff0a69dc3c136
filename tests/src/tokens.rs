//! Tokens, to the frame, the byte and the session: what waits for a verdict, how many sessions a user
//! has, when a token ends. This file does not know how a token is verified.

use std::time::Duration;

use roundtable::{
    AdminAction, Auth, Claims, Config, ConnId, Event, Grant, Greeting, Peer, Permissions,
    RoomChoice, Timestamp, Verdict,
};
use serde_json::{Value, json};

use crate::ORIGIN;
use crate::table::Table;

fn config() -> Config {
    Config { auth: Auth::Optional, ..Config::default() }
}

fn claims(user: &str) -> Claims {
    Claims {
        user: user.parse().expect("a name"),
        token_id: None,
        expires_ms: None,
        grants: [Grant::member()].into(),
    }
}

/// Connects with a token of `user`, and gives what the client is told.
fn come(table: &mut Table, conn: u64, user: &str) -> Vec<Value> {
    let peer = Peer { claims: Some(Box::new(claims(user))), ..Peer::default() };
    let greeting = Greeting { room: RoomChoice::None, ..Greeting::default() };
    table.tell(conn, Event::Connect { conn: ConnId::new(conn), peer, greeting })
}

fn is_valid(table: &mut Table, conn: u64, claims: Claims) -> Vec<Value> {
    let verdict = Verdict::Valid(Box::new(claims));
    table.tell(conn, Event::Verified { conn: ConnId::new(conn), verdict })
}

fn codes(told: &[Value]) -> Vec<String> {
    let word = |frame: &Value| frame["code"].as_str().or(frame["type"].as_str()).map(str::to_owned);
    told.iter().map(|frame| word(frame).unwrap_or_else(|| frame.to_string())).collect()
}

#[test]
fn so_many_frames_wait_for_a_verdict_and_not_one_more() {
    let ping = |id: usize| json!({ "type": "ping", "id": id }).to_string();
    let mut table = Table::new(Config { waiting_frames: 2, ..config() });
    table.connect(1);
    assert_eq!(table.say(1, r#"{"type":"hello","id":1,"token":"t"}"#), [] as [Value; 0]);
    assert_eq!([2, 3].map(|id| codes(&table.say(1, &ping(id)))), [vec![], vec![] as Vec<String>]);
    assert_eq!(codes(&table.say(1, &ping(4))), ["overloaded"]);
    let told = is_valid(&mut table, 1, claims("ann"));
    assert_eq!(codes(&told), ["welcome", "pong", "pong"]);
    let ids: Vec<&Value> = told.iter().map(|frame| &frame["id"]).collect();
    assert_eq!(ids, [1, 2, 3]);
}

#[test]
fn so_many_bytes_wait_for_a_verdict_and_not_one_more() {
    let ping = json!({ "type": "ping", "id": 2 }).to_string();
    for (bytes, told) in [(2 * ping.len(), 0), (2 * ping.len() - 1, 1)] {
        let mut table = Table::new(Config { waiting_bytes: bytes, ..config() });
        table.connect(1);
        table.say(1, r#"{"type":"hello","id":1,"token":"t"}"#);
        assert_eq!(table.say(1, &ping).len(), 0);
        assert_eq!(table.say(1, &ping).len(), told, "{bytes}");
    }
}

#[test]
fn a_user_has_so_many_sessions_and_not_one_more() {
    let mut table = Table::new(Config { sessions_per_user: 2, ..config() });
    assert_eq!(codes(&come(&mut table, 1, "ann")), ["welcome"]);
    assert_eq!(codes(&come(&mut table, 2, "ann")), ["welcome"]);
    assert_eq!(codes(&come(&mut table, 3, "ann")), ["bye", "1013"]);
    assert_eq!(codes(&come(&mut table, 4, "bob")), ["welcome"]);
    // By a frame, it is an error, and a session that lost its connection gives way.
    table.connect(5);
    table.say(5, r#"{"type":"hello","id":1,"token":"t"}"#);
    assert_eq!(codes(&is_valid(&mut table, 5, claims("ann"))), ["session_limit"]);
    assert_eq!(table.join(1, "lobby"), "joined");
    table.tell(1, Event::Disconnect { conn: ConnId::new(1) });
    table.say(5, r#"{"type":"hello","id":2,"token":"t"}"#);
    assert_eq!(codes(&is_valid(&mut table, 5, claims("ann"))), ["welcome"]);
}

#[test]
fn a_token_ends_to_the_millisecond_and_its_session_after_the_grace() {
    let mut table = Table::new(Config { auth_grace: Duration::from_secs(5), ..config() });
    table.connect(1);
    table.say(1, r#"{"type":"hello","id":1,"token":"t"}"#);
    let ends = ORIGIN.wall_clock_ms + 10_000;
    is_valid(&mut table, 1, Claims { expires_ms: Some(ends), ..claims("ann") });
    let tick = |table: &mut Table, millis| {
        table.now = Timestamp::from_millis(millis);
        codes(&table.tell(1, Event::Tick))
    };
    assert_eq!(table.hub.next_deadline(), Some(Timestamp::from_millis(10_000)));
    assert_eq!(tick(&mut table, 9_999), [] as [&str; 0]);
    assert_eq!(tick(&mut table, 10_000), ["token_expired"]);
    assert_eq!(table.hub.next_deadline(), Some(Timestamp::from_millis(15_000)));
    assert_eq!(tick(&mut table, 14_999), [] as [&str; 0]);
    assert_eq!(tick(&mut table, 15_000), ["bye", "4010"]);
}

#[test]
fn a_token_that_is_over_is_no_token() {
    for (left, answer) in [(0, "token_expired"), (1, "welcome")] {
        let mut table = Table::new(config());
        table.connect(1);
        table.say(1, r#"{"type":"hello","id":1,"token":"t"}"#);
        let ends = ORIGIN.wall_clock_ms + left;
        let told = is_valid(&mut table, 1, Claims { expires_ms: Some(ends), ..claims("ann") });
        assert_eq!(codes(&told), [answer], "{left}");
    }
}

#[test]
fn who_must_show_a_token_has_so_long_for_it() {
    let config = Config { auth: Auth::Required, hello_timeout: Duration::from_secs(3), ..config() };
    let mut table = Table::new(config);
    table.connect(1);
    assert_eq!(table.join(1, "lobby"), "unauthorized");
    assert_eq!(table.hub.next_deadline(), Some(Timestamp::from_millis(3000)));
    table.now = Timestamp::from_millis(2999);
    assert_eq!(table.ask(1, r#"{"type":"ping","id":1}"#), "pong");
    table.now = Timestamp::from_millis(3000);
    assert_eq!(codes(&table.tell(1, Event::Tick)), ["bye", "4502"]);
}

#[test]
fn before_the_token_nothing_is_done_but_what_needs_none() {
    let mut table = Table::new(Config { auth: Auth::Required, ..config() });
    table.connect(1);
    for (kind, fields) in [
        ("join", r#""room":"lobby""#),
        ("leave", r#""room":"lobby""#),
        ("publish", r#""room":"lobby","data":1"#),
        ("signal", r#""room":"lobby","key":"k","data":1"#),
        ("history", r#""room":"lobby""#),
        ("presence", r#""room":"lobby""#),
        ("kick", r#""room":"lobby","user":"bob""#),
        ("ban", r#""room":"lobby","user":"bob","for_ms":1"#),
        ("remove", r#""room":"lobby","seq":1"#),
    ] {
        let frame = format!(r#"{{"type":"{kind}","id":1,{fields}}}"#);
        assert_eq!(codes(&table.say(1, &frame)), ["unauthorized"], "{kind}");
    }
    assert_eq!(codes(&table.say(1, r#"{"type":"ping","id":2}"#)), ["pong"]);
    assert_eq!(codes(&table.say(1, r#"{"type":"bye"}"#)), ["bye", "1000"]);
}

#[test]
fn a_token_that_is_over_lets_nobody_in_and_ends_a_session_before_its_timer_does() {
    let ends = |millis| Claims { expires_ms: Some(ORIGIN.wall_clock_ms + millis), ..claims("ann") };
    let mut table = Table::new(Config { auth_grace: Duration::from_secs(5), ..config() });
    let peer = Peer { claims: Some(Box::new(ends(0))), ..Peer::default() };
    let greeting = Greeting::default();
    let told = table.tell(1, Event::Connect { conn: ConnId::new(1), peer, greeting });
    assert_eq!(codes(&told), ["bye", "4010"]);
    table.connect(2);
    table.say(2, r#"{"type":"hello","id":1,"token":"t"}"#);
    is_valid(&mut table, 2, ends(10_000));
    table.now = Timestamp::from_millis(14_999);
    assert_eq!(codes(&table.say(2, r#"{"type":"ping","id":2}"#)), ["pong"]);
    table.now = Timestamp::from_millis(15_000);
    assert_eq!(codes(&table.say(2, r#"{"type":"ping","id":3}"#)), ["bye", "4010"]);
}

#[test]
fn what_came_behind_a_second_token_waits_for_that_one() {
    let mut table = Table::new(config());
    table.connect(1);
    for frame in [
        r#"{"type":"hello","id":1,"token":"t"}"#,
        r#"{"type":"auth","id":2,"token":"u"}"#,
        r#"{"type":"ping","id":3}"#,
    ] {
        assert_eq!(table.say(1, frame), [] as [Value; 0]);
    }
    assert_eq!(codes(&is_valid(&mut table, 1, claims("ann"))), ["welcome"]);
    assert_eq!(codes(&is_valid(&mut table, 1, claims("ann"))), ["welcome", "pong"]);
}

#[test]
fn who_is_revoked_while_away_has_nothing_to_come_back_to() {
    let mut table = Table::new(config());
    let welcome = come(&mut table, 1, "ann");
    let session = welcome[0]["session"].as_str().expect("a secret").to_owned();
    assert_eq!(table.join(1, "lobby"), "joined");
    table.tell(1, Event::Disconnect { conn: ConnId::new(1) });
    let action = AdminAction::RevokeUser { user: "ann".parse().expect("a name") };
    table.tell(1, Event::Admin { action });
    come(&mut table, 2, "ann");
    let resume = json!({ "type": "hello", "id": 1, "resume": session }).to_string();
    let told = table.say(2, &resume);
    assert_eq!((&told[0]["type"], &told[0]["resumed"]), (&json!("welcome"), &json!(false)));
}

#[test]
fn a_drain_takes_nobody_back_and_nothing_away() {
    let mut table = Table::new(config());
    let all = Grant { can: Permissions::ALL, ..Grant::member() };
    table.connect(1);
    table.say(1, r#"{"type":"hello","id":1,"token":"t"}"#);
    let welcome = is_valid(&mut table, 1, Claims { grants: [all].into(), ..claims("ann") });
    let session = welcome[0]["session"].as_str().expect("a secret").to_owned();
    assert_eq!(table.join(1, "lobby"), "joined");
    table.connect(2);
    table.tell(1, Event::Drain { within: Duration::from_mins(1) });
    let remove = r#"{"type":"remove","id":2,"room":"lobby","seq":1}"#;
    assert_eq!(codes(&table.say(1, remove)), ["draining"]);
    assert_eq!(table.ask(2, r#"{"type":"hello","id":3,"resume":"s_0"}"#), "draining");
    let resume = json!({ "type": "hello", "id": 4, "token": "t", "resume": session });
    assert_eq!(table.say(2, &resume.to_string()), [] as [Value; 0]);
    assert_eq!(codes(&is_valid(&mut table, 2, claims("ann"))), ["draining"]);
}
