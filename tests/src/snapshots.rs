//! What a hub keeps, written down and read back: what it is for those who come back, and what is
//! refused. That nothing is lost on the way, crowds show (`driver/restart.rs`).

use std::time::Duration;

use roundtable::{AfterDrain, Command, Config, ConnId, Event, Hub, RestoreError, Snapshot};
use serde_json::{Value, json};

use crate::ORIGIN;
use crate::table::Table;

const SECOND: Duration = Duration::from_secs(1);

fn keeping() -> Config {
    Config { after_drain: AfterDrain::Wait, ..Config::default() }
}

/// Two in the lobby, one of them in another room, too, where a key was used.
fn snapshot() -> (Snapshot, Value) {
    let mut table = Table::new(keeping());
    table.connect_as(1, "ann".parse().ok());
    table.connect_as(2, "bob".parse().ok());
    table.join(1, "lobby");
    table.join(2, "lobby");
    table.say(1, r#"{"type":"publish","room":"lobby","data":1,"key":"k"}"#);
    table.join(2, "tea");
    table.say(2, r#"{"type":"publish","room":"tea","data":2}"#);
    let snapshot = table.hub.snapshot(table.now);
    let value = serde_json::to_value(&snapshot).expect("plain data");
    (snapshot, value)
}

fn restore(value: &Value) -> Result<Hub, RestoreError> {
    Hub::restore(keeping(), serde_json::from_value(value.clone()).expect("a snapshot"))
}

fn token(user: &str) -> Value {
    let claims = json!({ "user": user, "token_id": null, "expires_ms": null, "grants": [] });
    json!({ "claims": claims, "told": false })
}

#[test]
fn what_contradicts_itself_is_refused() {
    let (_, whole) = snapshot();
    assert!(restore(&whole).is_ok());
    let sets = [
        ("/epochs", json!(1_u64 << 53), "it counts more than there can be"),
        ("/begun", json!(1_u64 << 53), "it counts more than there can be"),
        ("/rooms/0/head", json!(1_u64 << 53), "a place in a log is not there"),
        ("/rooms/0/head", json!(0), "a place in a log is not there"),
        ("/rooms/0/told/version", json!(1_u64 << 53), "a place in a log is not there"),
        ("/rooms/0/name", json!("tea"), "two rooms have the same name or slot"),
        ("/rooms/0/slot", json!(7), "a session is in a room that is not there"),
        ("/free_rooms", json!([0]), "two rooms have the same name or slot"),
        ("/free_rooms", json!([9]), "two rooms have the same name or slot"),
        ("/free_sessions", json!([2, 2]), "two sessions have the same name or slot"),
        ("/sessions/0/slot", json!(1), "two sessions have the same name or slot"),
        ("/sessions/0/slot", json!(9), "two sessions have the same name or slot"),
        ("/rooms/0/entries/0/text", json!("x"), "an entry is too short for its room"),
        ("/sessions/0/token", token("eve"), "a session has another name than its token"),
        ("/sessions/0/user", json!("bob"), "two sessions have the same name or slot"),
        ("/sessions/0/memberships", json!([]), "a session is in no room"),
        ("/sessions/1/memberships/1/room", json!(0), "a session is in a room twice"),
        ("/sessions/1/memberships/0/place", json!(1), "two members have the same place"),
        ("/sessions/0/memberships/0/place", json!(2), "a place among members is empty"),
        ("/sessions/0/memberships/0/read", json!(2), "a place in a log is not there"),
        ("/free_addresses", json!([1]), "two addresses have the same key or slot"),
    ];
    for (place, value, why) in sets {
        let mut wrong = whole.clone();
        *wrong.pointer_mut(place).unwrap_or_else(|| panic!("{place} in {whole}")) = value;
        let error = restore(&wrong).expect_err(place);
        assert_eq!(error, RestoreError::Contradiction(why), "{place}");
        assert_eq!(error.to_string(), format!("the snapshot contradicts itself: {why}"));
    }
    let mut twice = whole.clone();
    let key = twice["keys"][0].clone();
    twice["keys"].as_array_mut().expect("keys").push(key);
    assert_eq!(restore(&twice).err(), Some(RestoreError::Contradiction("a key is kept twice")));
    let mut more = whole.clone();
    let entry = more["rooms"][0]["entries"][0].clone();
    more["rooms"][0]["entries"].as_array_mut().expect("entries").push(entry);
    let why = RestoreError::Contradiction("a log keeps more than it ever had");
    assert_eq!(restore(&more).err(), Some(why));
}

#[test]
fn a_configuration_that_is_not_valid_restores_nothing() {
    let (snapshot, _) = snapshot();
    let error = Hub::restore(Config { tick_work: 0, ..keeping() }, snapshot).unwrap_err();
    assert!(matches!(&error, RestoreError::Config(_)), "{error}");
    assert!(error.to_string().contains("tick_work"), "{error}");
}

#[test]
fn time_goes_on_by_the_wall_clock_and_never_back() {
    let (snapshot, _) = snapshot();
    let hub = Hub::restore(keeping(), snapshot).unwrap();
    let since_start = |ms| hub.moment(ORIGIN.wall_clock_ms + ms).since_start();
    assert_eq!(since_start(90_000), Duration::from_secs(90));
    assert_eq!(hub.moment(ORIGIN.wall_clock_ms - 1), hub.now());
    assert_eq!(hub.moment(0), hub.now());
}

/// With narrower limits than the hub had that made it, nothing breaks: what is too much goes when
/// there is something new.
#[test]
fn limits_may_be_narrower_than_before() {
    let (snapshot, _) = snapshot();
    let config = Config {
        history_entries: 1,
        recent: 1,
        max_rooms: 1,
        rooms_per_session: 1,
        members_per_room: 1,
        max_keys: 1,
        resume_window: SECOND,
        presence_linger: SECOND,
        history_age: SECOND,
        ..keeping()
    };
    let mut hub = Hub::restore(config, snapshot).unwrap();
    assert_eq!(hub.next_deadline().map(|at| at <= hub.now() + SECOND), Some(true));
    let mut now = hub.now();
    let mut commands = Vec::new();
    for _ in 0..1000 {
        let Some(due) = hub.next_deadline() else { break };
        now = now.max(due);
        hub.handle(now, Event::Tick, &mut commands);
    }
    assert!(commands.is_empty());
    assert!(now.since_start() < Duration::from_mins(6), "{now:?}");
    assert!(hub.is_clean());
}

#[test]
fn a_drain_that_keeps_sessions_ends_when_nobody_is_connected() {
    let mut table = Table::new(keeping());
    table.connect_as(1, "ann".parse().ok());
    table.connect_as(2, "bob".parse().ok());
    table.join(1, "lobby");
    table.join(2, "lobby");
    table.tell(2, Event::Disconnect { conn: ConnId::new(2) });
    let mut commands = Vec::new();
    table.hub.handle(table.now, Event::Drain { within: Duration::ZERO }, &mut commands);
    table.hub.handle(table.now, Event::Tick, &mut commands);
    assert_eq!(commands.last(), Some(&Command::Drained), "{commands:?}");
    let value = serde_json::to_value(table.hub.snapshot(table.now)).unwrap();
    assert_eq!(value["sessions"].as_array().map(Vec::len), Some(2), "{value}");
    assert_eq!(value["sessions"][0]["user"], "ann");
}

/// A snapshot that any bytes change is refused, or restores a hub that lives on.
#[test]
fn a_changed_snapshot_is_refused_or_harmless() {
    let (_, whole) = snapshot();
    let text = whole.to_string();
    let (mut taken, mut refused) = (0, 0);
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut bytes = text.clone().into_bytes();
        let at = rng.usize(0..bytes.len());
        bytes[at] = b"0123456789[]{},\"truefalsn"[rng.usize(0..25)];
        *if crate::restored::restored(&bytes) { &mut taken } else { &mut refused } += 1;
    }
    assert!(taken > 1000 && refused > 1000, "{taken}, {refused}");
}
