//! Single frames, and what the client does about them.

use std::time::Duration;

use roundtable::Timestamp;
use serde_json::{Value, json};

use super::super::{Action, Client, End, Entrance, Event, Fault, PATIENCE, Query, Wish};
use crate::chat::frame::Gap;
use crate::chat::news::{Arrival, News};

/// A client whose server is the test.
struct Table {
    client: Client,
    now: Timestamp,
}

impl Table {
    /// One that is in these rooms.
    fn within(rooms: &[&str]) -> Self {
        let rooms: Vec<String> = rooms.iter().map(|room| (*room).to_owned()).collect();
        let wish = Wish { rooms, name: None, entrance: Entrance::Default };
        let mut table = Self { client: Client::new(wish.clone(), 7), now: Timestamp::ZERO };
        let query = Query { name: None, room: Entrance::None };
        assert_eq!(table.tell(Event::Tick), [Action::Connect(query)]);
        table.welcome("s_1");
        for room in &wish.rooms {
            table.frame(&json!({ "type": "joined", "id": table.asked(), "room": room,
                "epoch": "e", "seq": 0, "recovered": false, "more": false, "history": [] }));
        }
        table
    }

    fn tell(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        self.client.handle(self.now, event, &mut actions);
        actions
    }

    fn welcome(&mut self, session: &str) -> Vec<Action> {
        self.frame(&json!({ "type": "welcome", "v": 1, "user": "ann", "session": session,
            "resumed": false, "resume_ms": 1, "max_bytes": 200 }))
    }

    fn frame(&mut self, frame: &Value) -> Vec<Action> {
        self.tell(Event::Frame(&frame.to_string()))
    }

    fn typed(&mut self, line: &str) -> Vec<Action> {
        self.tell(Event::Typed(line))
    }

    /// The id of what is asked.
    fn asked(&self) -> Value {
        let asked = self.client.asked.as_ref().expect("something is asked");
        asked.id.clone().expect("it has an id")
    }

    fn lose(&mut self) {
        let actions = self.tell(Event::Closed { code: 1006, reason: "" });
        assert!(matches!(actions[..], [Action::Tell(News::Lost { .. })]), "{actions:?}");
        self.come_back();
    }

    fn come_back(&mut self) {
        self.now = self.client.next_deadline().expect("it comes back");
        let actions = self.tell(Event::Tick);
        assert!(matches!(actions[..], [Action::Connect(_)]), "{actions:?}");
    }
}

/// The one frame that is sent.
fn sent(actions: &[Action]) -> Value {
    let mut frames = actions.iter().filter_map(|action| match action {
        Action::Send(text) => Some(serde_json::from_str(text).expect("JSON")),
        _ => None,
    });
    let frame = frames.next().unwrap_or_else(|| panic!("nothing is sent: {actions:?}"));
    assert_eq!(frames.next(), None);
    frame
}

fn told(actions: &[Action]) -> Vec<&News> {
    let told = actions.iter().filter_map(|action| match action {
        Action::Tell(news) => Some(news),
        _ => None,
    });
    told.collect()
}

#[test]
fn who_comes_back_says_where_it_stands_and_repeats_with_the_same_key() {
    let mut table = Table::within(&["den", "tea"]);
    table.frame(&json!({ "type": "message", "room": "den", "seq": 1, "from": "bob", "data": "hi",
        "ts": 1 }));
    let first = sent(&table.typed("hello"));
    assert_eq!((&first["type"], &first["data"]), (&json!("publish"), &json!("hello")));
    table.lose();
    let hello = sent(&table.welcome("s_2"));
    let since = json!({ "den": { "epoch": "e", "seq": 1 }, "tea": { "epoch": "e", "seq": 0 } });
    assert_eq!((&hello["resume"], &hello["since"]), (&json!("s_1"), &since));
    let actions = table
        .frame(&json!({ "type": "welcome", "id": hello["id"], "v": 1, "user": "ann",
        "session": "s_1", "resumed": true, "resume_ms": 1, "max_bytes": 200 }));
    let back = News::Welcome { user: "ann".to_owned(), how: Arrival::Resumed };
    assert_eq!(told(&actions), [&back]);
    assert_eq!(sent(&actions), first);
    // The next time it asks for the same session.
    table.lose();
    assert_eq!(sent(&table.welcome("s_3"))["resume"], "s_1");
}

#[test]
fn a_hello_that_is_lost_is_said_again() {
    let mut table = Table::within(&["den"]);
    table.lose();
    assert_eq!(sent(&table.welcome("s_2"))["resume"], "s_1");
    table.lose();
    assert_eq!(sent(&table.welcome("s_3"))["resume"], "s_1");
}

#[test]
fn a_session_that_is_gone_is_followed_by_joins_with_since() {
    let mut table = Table::within(&["den", "tea"]);
    table.lose();
    let hello = sent(&table.welcome("s_2"));
    let refused = json!({ "type": "error", "id": hello["id"], "code": "unsupported",
        "message": "", "retry": "never" });
    let join = sent(&table.frame(&refused));
    assert_eq!((&join["type"], &join["room"]), (&json!("join"), &json!("den")));
    assert_eq!(join["since"], json!({ "epoch": "e", "seq": 0 }));
    let next = table.frame(&json!({ "type": "joined", "id": join["id"], "room": "den",
        "epoch": "f", "seq": 1, "recovered": false, "reason": "epoch_changed", "more": false,
        "history": [{ "seq": 1, "from": "bob", "data": "anew", "ts": 1 }] }));
    assert!(matches!(told(&next)[..], [News::Restarted { .. }, News::Entry { .. }]), "{next:?}");
    assert_eq!(sent(&next)["room"], "tea");
}

#[test]
fn close_codes_say_whether_to_come_back() {
    for code in [1001, 1006, 1012, 1013, 4000, 4002, 4010, 4029] {
        let mut table = Table::within(&["den"]);
        let actions = table.tell(Event::Closed { code, reason: "why" });
        assert!(matches!(told(&actions)[..], [News::Lost { .. }]), "{code}: {actions:?}");
        table.come_back();
    }
    for code in [1002, 1009, 4501, 4503, 4504] {
        let mut table = Table::within(&["den"]);
        let why = format!("the server closed the connection: {code} why");
        let actions = table.tell(Event::Closed { code, reason: "why" });
        assert_eq!(actions, [Action::End(End::Badly(why))]);
        assert_eq!(table.client.next_deadline(), None);
    }
}

#[test]
fn a_bye_says_why_and_when() {
    let mut table = Table::within(&["den"]);
    table.frame(&json!({ "type": "bye", "code": 4002, "reason": "drain", "after_ms": 60_000 }));
    let actions = table.tell(Event::Closed { code: 1006, reason: "" });
    let [News::Lost { why, wait }] = told(&actions)[..] else { panic!("{actions:?}") };
    assert_eq!(why, "4002 drain");
    assert!(*wait > Duration::from_mins(1), "{wait:?}");
}

#[test]
fn what_a_draining_server_refuses_is_for_the_next_one() {
    let mut table = Table::within(&["den"]);
    let first = sent(&table.typed("hello"));
    let refused = json!({ "type": "error", "id": first["id"], "code": "draining",
        "message": "the server stops", "retry": "later" });
    assert_eq!(table.frame(&refused), []);
    assert_eq!(table.typed("and more"), []);
    table.lose();
    let hello = sent(&table.welcome("s_2"));
    let join = sent(&table.frame(&json!({ "type": "welcome", "id": hello["id"], "v": 1,
        "user": "ann", "session": "s_2", "resumed": false, "max_bytes": 200 })));
    let actions = table.frame(&json!({ "type": "joined", "id": join["id"], "room": "den",
        "epoch": "f", "seq": 0, "recovered": false, "reason": "epoch_changed", "more": false,
        "history": [] }));
    assert_eq!(sent(&actions), first);
}

#[test]
fn a_gap_is_told_and_nothing_is_told_twice() {
    let mut table = Table::within(&["den"]);
    let message = |seq: u64| {
        json!({ "type": "message", "room": "den", "seq": seq, "from": "bob",
        "data": seq, "ts": 1 })
    };
    assert_eq!(table.frame(&message(1)).len(), 1);
    let gap = json!({ "type": "gap", "room": "den", "epoch": "e", "from": 2, "to": 4,
        "reason": "trimmed" });
    let news = News::Gap { room: "den".to_owned(), gap: Gap { from: 2, to: 4 } };
    assert_eq!(table.frame(&gap), [Action::Tell(news)]);
    assert_eq!(table.frame(&message(5)).len(), 1);
    assert_eq!(table.frame(&message(5)), []);
}

#[test]
fn what_is_refused_is_told_with_what_it_was() {
    let mut table = Table::within(&["den"]);
    let first = sent(&table.typed("hello"));
    assert_eq!(table.typed("second"), []);
    let refused = json!({ "type": "error", "id": first["id"], "code": "forbidden",
        "message": "no", "retry": "never" });
    let actions = table.frame(&refused);
    assert!(matches!(told(&actions)[..], [News::Refused { what: Some(_), .. }]), "{actions:?}");
    assert_eq!(sent(&actions)["data"], "second");
    let ack = json!({ "type": "ack", "id": table.asked(), "room": "den", "epoch": "e", "seq": 1 });
    table.frame(&ack);
    let ping = sent(&table.tell(Event::EndOfInput));
    assert_eq!(ping["type"], "ping");
    let actions = table.frame(&json!({ "type": "pong", "id": ping["id"], "ts": 1 }));
    assert_eq!(sent(&actions), json!({ "type": "bye" }));
    let actions = table.tell(Event::Closed { code: 1000, reason: "normal" });
    assert_eq!(actions, [Action::End(End::Refused(1))]);
}

#[test]
fn unknown_commands_and_what_is_too_long_are_not_sent() {
    let mut table = Table::within(&["den"]);
    let long = "x".repeat(300);
    for line in ["/fly", "/kick", "{nonsense", &long] {
        let actions = table.typed(line);
        assert!(matches!(told(&actions)[..], [News::Trouble(_)]), "{line}: {actions:?}");
        assert_eq!(actions.len(), 1, "{actions:?}");
    }
    assert_eq!(sent(&table.typed("//fly"))["data"], "/fly");
}

#[test]
fn commands_go_to_the_room_where_lines_go() {
    let mut table = Table::within(&["den", "tea"]);
    for (line, expected) in [
        ("/who", json!({ "type": "presence", "room": "den" })),
        ("/history 3", json!({ "type": "history", "room": "den", "limit": 3 })),
        ("/kick bob", json!({ "type": "kick", "room": "den", "user": "bob" })),
        ("/ban bob 10m", json!({ "type": "ban", "room": "den", "user": "bob", "for_ms": 600_000 })),
        ("/remove 7", json!({ "type": "remove", "room": "den", "seq": 7 })),
        ("/leave tea", json!({ "type": "leave", "room": "tea" })),
    ] {
        let mut found = sent(&table.typed(line));
        let ack = json!({ "type": "ack", "id": found["id"].take(), "room": "den" });
        found.as_object_mut().expect("an object").remove("id");
        assert_eq!(found, expected, "{line}");
        table.frame(&ack);
    }
    let moved = News::Current { room: "tea".to_owned() };
    assert_eq!(table.typed("/room tea"), [Action::Tell(moved)]);
    assert_eq!(sent(&table.typed("hello"))["room"], "tea");
}

#[test]
fn lines_behind_a_join_go_to_the_new_room() {
    let mut table = Table::within(&["den"]);
    let join = sent(&table.typed("/join tea"));
    assert_eq!(table.typed("hello"), []);
    let actions = table.frame(&json!({ "type": "joined", "id": join["id"], "room": "tea",
        "epoch": "e", "seq": 0, "recovered": false, "more": false, "history": [] }));
    assert_eq!(sent(&actions)["room"], "tea");
}

#[test]
fn typed_frames_are_sent_as_they_are() {
    let mut table = Table::within(&["den"]);
    let frame = r#"{"type":"signal", "room":"den","key":"typing","data":true}"#;
    assert_eq!(table.typed(frame), [Action::Send(frame.to_owned())]);
    let ping = r#"{"type":"ping","id":7}"#;
    assert_eq!(table.typed(ping), [Action::Send(ping.to_owned())]);
    // It has an answer, and what follows waits for that.
    assert_eq!(table.typed("hello"), []);
    let actions = table.frame(&json!({ "type": "pong", "id": 7, "ts": 1 }));
    assert_eq!(sent(&actions)["data"], "hello");
}

#[test]
fn a_token_that_is_over_gives_way_to_a_fresh_one() {
    let mut table = Table::within(&["den"]);
    let over = json!({ "type": "error", "code": "token_expired", "message": "", "retry": "never" });
    let actions = table.frame(&over);
    assert!(actions.contains(&Action::AskForToken), "{actions:?}");
    let auth = sent(&table.tell(Event::Token(Some("fresh".to_owned()))));
    assert_eq!((&auth["type"], &auth["token"]), (&json!("auth"), &json!("fresh")));
}

#[test]
fn who_is_kicked_says_nothing_there_any_more() {
    let mut table = Table::within(&["den"]);
    let left = json!({ "type": "left", "room": "den", "reason": "kicked" });
    let reason = Some("kicked".to_owned());
    let news = News::Left { room: "den".to_owned(), reason };
    assert_eq!(table.frame(&left), [Action::Tell(news)]);
    assert!(matches!(told(&table.typed("hello"))[..], [News::Trouble(_)]));
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for_for_ever() {
    let mut table = Table::within(&["den"]);
    table.typed("hello");
    table.tell(Event::EndOfInput);
    table.tell(Event::Closed { code: 1006, reason: "" });
    table.now = table.now + PATIENCE;
    let actions = table.tell(Event::Tick);
    assert!(matches!(&actions[..], [Action::End(End::Badly(why))] if why.contains("1 line")));
}

#[test]
fn where_nobody_ever_answered_that_is_the_end() {
    let mut client = Client::new(Wish::default(), 7);
    let mut actions = Vec::new();
    client.handle(Timestamp::ZERO, Event::Tick, &mut actions);
    let fault = Fault::Passing(None);
    actions.clear();
    client.handle(Timestamp::ZERO, Event::Unreachable { why: "no", fault }, &mut actions);
    assert_eq!(actions, [Action::End(End::Badly("no".to_owned()))]);
}

#[test]
fn who_was_there_tries_again_where_that_is_worth_it() {
    let mut table = Table::within(&["den"]);
    table.lose();
    let after = Duration::from_secs(40);
    let fault = Fault::Passing(Some(after));
    let actions = table.tell(Event::Unreachable { why: "full", fault });
    assert!(
        matches!(told(&actions)[..], [News::Lost { wait, .. }] if *wait >= after),
        "{actions:?}"
    );
    table.come_back();
    let actions = table.tell(Event::Unreachable { why: "401", fault: Fault::Ours });
    assert_eq!(actions, [Action::End(End::Badly("401".to_owned()))]);
}
