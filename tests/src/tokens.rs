//! Tokens, to the frame, the byte and the session: what waits for a verdict, how many sessions a user
//! has, when a token ends. This file does not know how a token is verified.

use std::time::Duration;

use roundtable::{
    Auth, Claims, Config, ConnId, Event, Grant, Greeting, Peer, RoomChoice, Timestamp, Verdict,
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
