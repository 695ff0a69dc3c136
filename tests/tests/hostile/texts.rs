//! Texts that are frames of WebSocket and no frames of ours: JSON and names meant to do harm.

use roundtable_tests::conformance::{Client, Raw, text};
use serde_json::{Value, json};

use crate::on_each;

#[test]
fn json_that_is_deep_huge_or_double_is_refused_and_the_connection_stays() {
    let publish = |data: &str| {
        format!("{{\"type\":\"publish\",\"id\":1,\"room\":\"lobby\",\"data\":{data}}}")
    };
    let cases = [
        ("arrays in arrays", publish(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)))),
        ("arrays without end", publish(&"[".repeat(30_000))),
        (
            "objects in objects",
            publish(&format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000))),
        ),
        (
            "deep where it is ignored",
            format!("{{\"type\":\"ping\",\"id\":1,\"x\":{}", "[".repeat(30_000)),
        ),
        ("a field twice", "{\"type\":\"ping\",\"id\":1,\"id\":2}".to_owned()),
        ("the type twice", "{\"type\":\"ping\",\"type\":\"bye\"}".to_owned()),
        ("a room twice", publish("1,\"room\":\"other\"")),
        ("a lone surrogate", publish("\"\\ud800\"")),
        ("no JSON behind it", publish("1}{")),
        ("a number without end", publish(&format!("1e{}", "9".repeat(20_000)))),
        ("a line break in a string", publish("\"a\nb\"")),
        ("a long id", format!("{{\"type\":\"ping\",\"id\":\"{}\"}}", "x".repeat(65))),
        ("an id that is an object", "{\"type\":\"ping\",\"id\":{}}".to_owned()),
    ];
    on_each(|name, server| {
        // Who does that twice in a second is told of it once, so each has a connection of its own.
        for (what, frame) in &cases {
            let mut eve = Client::connect(server.addr, "room=");
            eve.say(frame);
            let error = eve.expect("error");
            assert_eq!(error["retry"], "never", "{name}, {what}: {error}");
            assert_eq!(eve.ask(&json!({ "type": "ping", "id": "still here" }))["type"], "pong");
        }
        let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
        let long = "x".repeat(31_000);
        assert_eq!(bob.publish("lobby", &json!(long)), 1, "none of them is published");
        bob.expect_message("bob", &json!(long));
    });
}

/// What a name may not have in it: what is not seen, and what turns the direction of writing.
const HIDDEN: [&str; 8] = [
    "a\u{0}b",
    "a\u{1b}[2Jb",
    "a\nb",
    "a\u{85}b",
    "\u{202e}nna",
    "ann\u{2066}",
    "an\u{200b}n",
    "an\u{feff}n",
];

#[test]
fn names_and_rooms_hide_nothing_and_look_alikes_are_others() {
    on_each(|name, server| {
        let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
        for hidden in HIDDEN {
            let error = bob.ask(&json!({ "type": "join", "id": 1, "room": hidden }));
            assert_eq!(
                (&error["type"], &error["code"]),
                (&json!("error"), &json!("bad_field")),
                "{name}: {error}"
            );
            let mut raw = Raw::upgraded(server.addr, "room=");
            assert_eq!(raw.json()["type"], "welcome");
            raw.write(&text(&json!({ "type": "hello", "id": 2, "name": hidden }).to_string()));
            let error = raw.json();
            assert_eq!(
                (&error["id"], &error["code"]),
                (&json!(2), &json!("bad_field")),
                "{name}: {error}"
            );
        }
        // The first letter is Cyrillic, the name has an accent of its own, and one is wide.
        for alike in ["\u{430}nn", "an\u{301}n", "\u{ff41}nn", "Ann"] {
            let mut other = Client::connect(server.addr, "room=");
            let hello = other.ask(&json!({ "type": "hello", "id": 1, "name": alike }));
            assert_eq!(hello["user"], alike, "{name}: a name of its own");
            let joined = other.ask(&json!({ "type": "join", "id": 2, "room": "lobby" }));
            let names = joined["members"]["list"].as_array().expect("a list");
            let is_there = |user: &str| names.iter().any(|member: &Value| member["user"] == user);
            assert!(is_there("bob") && is_there(alike) && !is_there("ann"), "{name}: {joined}");
        }
    });
}
