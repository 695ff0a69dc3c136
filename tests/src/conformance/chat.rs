//! What clients that behave may expect.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::serve;
use super::{Client, Runtime, settings};

/// `ann` and `bob` in the lobby.
pub fn two_clients_hear_each_other_and_the_author_is_acknowledged_first(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut ann, joined) = Client::join(server.addr, "lobby", "ann");
    assert_eq!((&joined["seq"], &joined["history"]), (&json!(0), &json!([])), "{joined}");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let data = json!({ "text": "h\u{e9}llo \"you\"", "n": [1, 2.5, null] });
    assert_eq!(ann.publish("lobby", &data), 1);
    let hers = ann.expect_message("ann", &data);
    let his = bob.expect_message("ann", &data);
    assert_eq!(hers, his);
    assert_eq!(his["seq"], 1, "{his}");
    assert_eq!(bob.publish("lobby", &json!("hi")), 2);
    ann.expect_message("bob", &json!("hi"));
    server.shut();
}

/// What is said in one room is not heard in another.
pub fn rooms_are_apart(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut ann, _) = Client::join(server.addr, "den", "ann");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let joined = bob.ask(&json!({ "type": "join", "id": 1, "room": "den" }));
    assert_eq!(joined["type"], "joined", "{joined}");
    ann.publish("den", &json!("both hear this"));
    ann.expect("message");
    bob.expect_message("ann", &json!("both hear this"));
    let left = bob.ask(&json!({ "type": "leave", "id": 2, "room": "den" }));
    assert_eq!(left, json!({ "type": "left", "id": 2, "room": "den" }));
    ann.publish("den", &json!("only she hears this"));
    let refused = bob.ask(&json!({ "type": "publish", "id": 3, "room": "den", "data": 1 }));
    assert_eq!(refused["code"], "not_joined", "{refused}");
    bob.publish("lobby", &json!("still here"));
    bob.expect_message("bob", &json!("still here"));
    server.shut();
}

/// Pages go back in time, and `more` says when to stop.
pub fn history_is_read_by_the_page(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.hub.recent = 3;
    let server = serve(runtime, &settings);
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    for number in 1..=10 {
        ann.publish("lobby", &json!(number));
        ann.expect("message");
    }
    let (mut bob, joined) = Client::join(server.addr, "lobby", "bob");
    assert_eq!(data(&joined["history"]), [8, 9, 10]);
    assert_eq!(joined["more"], true, "{joined}");
    let mut place = json!({ "epoch": joined["epoch"], "seq": 8 });
    let mut pages = Vec::new();
    loop {
        let page = bob.ask(&json!({
            "type": "history", "id": "h", "room": "lobby", "before": place, "limit": 4,
        }));
        assert_eq!(page["type"], "history", "{page}");
        pages.push(data(&page["items"]));
        if page["more"] == false {
            break;
        }
        place["seq"] = page["items"][0]["seq"].clone();
    }
    assert_eq!(pages, [vec![4, 5, 6, 7], vec![1, 2, 3]]);
    server.shut();
}

/// Who comes back is given exactly what was missed.
pub fn since_recovers_what_was_missed(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut ann, joined) = Client::join(server.addr, "lobby", "ann");
    let (bob, _) = Client::join(server.addr, "lobby", "bob");
    drop(bob);
    for number in 1..=5 {
        ann.publish("lobby", &json!(number));
        ann.expect("message");
    }
    let mut bob = Client::connect(server.addr, "room=&name=bob");
    for (seq, missed) in [(0, vec![1, 2, 3, 4, 5]), (3, vec![4, 5]), (5, vec![])] {
        let since = json!({ "epoch": joined["epoch"], "seq": seq });
        let again = bob.ask(&json!({ "type": "join", "id": seq, "room": "lobby", "since": since }));
        assert_eq!(again["recovered"], true, "{again}");
        assert_eq!(data(&again["history"]), missed);
        assert_eq!(again["seq"], 5, "{again}");
        bob.ask(&json!({ "type": "leave", "id": "l", "room": "lobby" }));
    }
    server.shut();
}

/// Who asks for what is not there is told so, and which entries are lost.
pub fn since_tells_of_what_it_cannot_recover(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.hub.history_entries = 4;
    settings.hub.recent = 2;
    let server = serve(runtime, &settings);
    let (mut ann, joined) = Client::join(server.addr, "lobby", "ann");
    for number in 1..=10 {
        ann.publish("lobby", &json!(number));
        ann.expect("message");
    }
    let mut bob = Client::connect(server.addr, "room=&name=bob");
    let table = [
        (json!({ "epoch": "elsewhere", "seq": 9 }), "epoch_changed", vec![9, 10], Value::Null),
        (json!({ "epoch": joined["epoch"], "seq": 11 }), "ahead", vec![9, 10], Value::Null),
        (
            json!({ "epoch": joined["epoch"], "seq": 2 }),
            "trimmed",
            vec![7, 8, 9, 10],
            json!({ "from": 3, "to": 6 }),
        ),
    ];
    for (since, reason, given, gap) in table {
        let again = bob.ask(&json!({ "type": "join", "id": 1, "room": "lobby", "since": since }));
        assert_eq!(again["recovered"], false, "{again}");
        assert_eq!(again["reason"], reason, "{again}");
        assert_eq!(data(&again["history"]), given);
        assert_eq!(again["gap"], gap, "{again}");
        bob.ask(&json!({ "type": "leave", "id": "l", "room": "lobby" }));
    }
    server.shut();
}

/// A plain WebSocket tool is a chat client.
pub fn plain_text_is_a_message_of_its_own(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    ann.say("\n");
    ann.say("hi there\n");
    ann.expect_message("ann", &json!("hi there"));
    ann.say("  [1, 2]");
    ann.expect_message("ann", &json!("  [1, 2]"));
    server.shut();
}

/// Whoever offers the subprotocol gets it, and speaks it.
pub fn strict_clients_are_told_that_plain_text_is_no_json(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let offer = [("sec-websocket-protocol", "roundtable.v1")];
    let mut ann = Client::connect_with(server.addr, "room=lobby&name=ann", &offer);
    ann.expect("joined");
    ann.say("hi there");
    assert_eq!(ann.expect("error")["code"], "bad_json");
    ann.publish("lobby", &json!(1));
    ann.expect_message("ann", &json!(1));
    server.shut();
}

/// An `error` for each kind of fault.
pub fn what_is_wrong_with_a_frame_is_told_and_the_connection_stays(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    ann.say("{\"type\":");
    assert_eq!(ann.expect("error")["code"], "bad_json");
    for (frame, code) in [
        (json!({ "type": "nonsense", "id": 1 }), "bad_type"),
        (json!({ "type": "join", "id": 2 }), "bad_field"),
        (json!({ "type": "join", "id": 3, "room": "\u{202e}" }), "bad_field"),
        (json!({ "type": "signal", "id": 4, "room": "lobby", "data": 1 }), "bad_field"),
        (json!({ "type": "presence", "id": 5, "room": "den" }), "not_joined"),
    ] {
        let error = ann.ask(&frame);
        assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!(code)), "{error}");
    }
    let pong = ann.ask(&json!({ "type": "ping", "id": "\u{e9}", "unknown": [{}] }));
    assert_eq!(pong["type"], "pong", "{pong}");
    server.shut();
}

/// `echo: false`: acknowledged, heard by others, not by oneself.
pub fn who_wants_no_echo_gets_none(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let mut ann = Client::connect(server.addr, "room=&name=ann");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    ann.ask(&json!({ "type": "join", "id": 1, "room": "lobby", "echo": false }));
    assert_eq!(ann.publish("lobby", &json!("from ann")), 1);
    bob.expect_message("ann", &json!("from ann"));
    bob.say("from bob");
    let message = ann.expect_message("bob", &json!("from bob"));
    assert_eq!(message["seq"], 2, "{message}");
    server.shut();
}

/// `ann`, and `ann` again.
pub fn a_taken_name_gets_a_number(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (ann, _) = Client::join(server.addr, "lobby", "ann");
    let (mut other, _) = Client::join(server.addr, "lobby", "ann");
    assert_eq!((&*ann.user, &*other.user), ("ann", "ann-2"));
    let mut third = Client::connect(server.addr, "room=");
    let refused = third.ask(&json!({ "type": "hello", "id": 1, "name": "ann" }));
    assert_eq!(refused["code"], "bad_field", "{refused}");
    let renamed = third.ask(&json!({ "type": "hello", "id": 2, "name": " eve " }));
    assert_eq!((&renamed["type"], &renamed["user"]), (&json!("welcome"), &json!("eve")));
    third.ask(&json!({ "type": "join", "id": 3, "room": "lobby" }));
    third.say("it is me");
    other.expect_message("eve", &json!("it is me"));
    server.shut();
}

/// A client that says `bye` is closed with 1000.
pub fn bye_is_answered_by_a_normal_close(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    ann.send(&json!({ "type": "bye" }));
    assert_eq!(ann.closed(), (Some(1000), 1000));
    server.shut();
}

/// A graceful stop: notice, what was published before, a close, and `run` returns.
pub fn a_drain_says_when_to_come_back_and_ends(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.drain_within = Duration::from_secs(10);
    settings.hub.drain_pace = Duration::from_millis(100);
    let server = serve(runtime, &settings);
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    ann.publish("lobby", &json!("the last word"));
    server.stop();
    for client in [&mut ann, &mut bob] {
        client.expect_message("ann", &json!("the last word"));
        let bye = client.expect("bye");
        assert_eq!((&bye["code"], &bye["reason"]), (&json!(4002), &json!("drain")), "{bye}");
        assert!(bye["after_ms"].is_u64(), "{bye}");
    }
    assert_eq!(ann.closed(), (None, 4002));
    assert_eq!(bob.closed(), (None, 4002));
    server.join();
}

/// Many at once: everybody hears everything in one order, and the server lets them go.
pub fn a_crowd_hears_everything_and_leaves(runtime: Runtime<'_>) {
    const CROWD: usize = 60;
    let server = serve(runtime, &settings());
    let mut crowd: Vec<Client> = (0..CROWD)
        .map(|number| Client::join(server.addr, "lobby", &format!("c{number}")).0)
        .collect();
    for (number, client) in crowd.iter_mut().enumerate() {
        client.say(&format!("from {number}"));
    }
    let heard = |client: &mut Client| -> Vec<Value> {
        (0..CROWD).map(|_| client.expect("message")).collect()
    };
    let first = heard(&mut crowd[0]);
    for client in &mut crowd[1..] {
        assert_eq!(heard(client), first);
    }
    let places: Vec<u64> = first.iter().filter_map(|message| message["seq"].as_u64()).collect();
    assert_eq!(places, (1..=CROWD as u64).collect::<Vec<_>>());
    server.shut();
}

fn data(items: &Value) -> Vec<i64> {
    let items = items.as_array().expect("a page");
    items.iter().filter_map(|item| item["data"].as_i64()).collect()
}
