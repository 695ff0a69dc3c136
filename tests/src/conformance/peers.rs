//! Peers that are broken, slow or hostile, and what others notice of them: nothing.

use std::time::{Duration, Instant};

use async_tungstenite::tungstenite::Message;
use serde_json::{Value, json};

use super::client::serve;
use super::raw::{Raw, frame, text};
use super::{Client, Runtime, settings};

const CONTINUATION: u8 = 0x00;
const LAST: u8 = 0x80;
const TEXT: u8 = 0x01;
const PING: u8 = 0x09;

/// RFC 6455 §5.4: control frames may come between the fragments of a message.
pub fn fragments_make_one_message_and_pings_are_answered_between_them(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let mut raw = Raw::upgraded(server.addr, "room=lobby&name=ann");
    raw.json();
    raw.json();
    raw.write(&frame(TEXT, true, "h\u{e9}".as_bytes().split_at(2).0));
    raw.write(&frame(LAST | PING, true, b"still there?"));
    let pong = raw.frame().expect("a pong");
    assert_eq!((pong.opcode, &*pong.payload), (10, &b"still there?"[..]));
    raw.write(&frame(CONTINUATION, true, b""));
    raw.write(&frame(LAST | CONTINUATION, true, "h\u{e9}llo".as_bytes().split_at(2).1));
    assert_eq!(raw.json()["data"], "h\u{e9}llo");
    server.shut();
}

/// `roundtable.v1` is text.
pub fn a_binary_message_closes_with_1003(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    ann.write(Message::binary(vec![1, 2, 3]));
    assert_eq!(ann.closed(), (Some(1003), 1003));
    server.shut();
}

/// The longest message passes, one byte more does not.
pub fn a_message_that_is_too_long_closes_with_1009(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.hub.max_message_bytes = 1000;
    let server = serve(runtime, &settings);
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    ann.say(&format!("{:1000}", "{\"type\":\"ping\"}"));
    ann.expect("pong");
    let mut raw = Raw::upgraded(server.addr, "room=&name=bob");
    // Whether a peer that breaks the rules at once is still welcomed is a race.
    assert_eq!(raw.json()["type"], "welcome");
    raw.write(&text(&"x".repeat(1001)));
    assert_eq!(raw.close_code(), 1009);
    ann.say("still here");
    ann.expect_message("ann", &json!("still here"));
    server.shut();
}

/// RFC 6455 §8.1.
pub fn what_is_no_utf8_closes_with_1007(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let mut raw = Raw::upgraded(server.addr, "room=");
    assert_eq!(raw.json()["type"], "welcome");
    raw.write(&frame(LAST | TEXT, true, &[0xC3, 0x28]));
    assert_eq!(raw.close_code(), 1007);
    server.shut();
}

/// RFC 6455 §5.1.
pub fn an_unmasked_frame_closes_with_1002(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let mut raw = Raw::upgraded(server.addr, "room=");
    assert_eq!(raw.json()["type"], "welcome");
    raw.write(&frame(LAST | TEXT, false, b"hello"));
    assert_eq!(raw.close_code(), 1002);
    server.shut();
}

/// What came before the end of a connection is answered before it, whoever ends it.
pub fn what_was_said_before_a_close_is_answered_before_it(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (unmasked, close) = (frame(LAST | TEXT, false, b"hi"), frame(0x88, true, b"\x03\xE8"));
    for (end, code) in [(unmasked, 1002), (close, 1000)] {
        let mut raw = Raw::upgraded(server.addr, "room=lobby&name=ann");
        assert_eq!(raw.json()["type"], "welcome");
        assert_eq!(raw.json()["type"], "joined");
        raw.write(&[text("last words"), end].concat());
        let answer = raw.frame().expect("an answer");
        assert_eq!(answer.opcode, 1, "{code} comes too early");
        assert!(String::from_utf8_lossy(&answer.payload).contains("last words"));
        assert_eq!(raw.close_code(), code);
    }
    server.shut();
}

/// A peer whose machine has vanished: its socket takes bytes, but nothing answers.
pub fn a_half_open_peer_is_closed_with_4000(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.hub.ping_after = Duration::from_secs(1);
    settings.hub.pong_wait = Duration::from_secs(1);
    let server = serve(runtime, &settings);
    // A client that behaves answers pings while it reads, and is not closed.
    let mut ann = Client::connect(server.addr, "room=lobby&name=ann");
    ann.expect("joined");
    let start = Instant::now();
    let mut silent = Raw::upgraded(server.addr, "room=lobby&name=bob");
    let mut pings = 0;
    let reader = std::thread::spawn(move || {
        assert_eq!(silent.json()["type"], "welcome");
        assert_eq!(silent.json()["type"], "joined");
        while let Some(frame) = silent.any_frame() {
            match frame.opcode {
                9 => pings += 1,
                8 => return (pings, u16::from_be_bytes([frame.payload[0], frame.payload[1]])),
                _ => {}
            }
        }
        panic!("no close before the end")
    });
    // Reading until the other is gone keeps her alive all the while.
    while !reader.is_finished() {
        match ann.read() {
            Some(Message::Ping(_)) => {}
            other => panic!("expected pings, got {other:?}"),
        }
    }
    let (pings, code) = reader.join().expect("a reader that does not fail");
    assert_eq!((pings, code), (1, 4000));
    let silence = start.elapsed();
    assert!(silence >= Duration::from_millis(1900), "closed after {silence:?}");
    ann.say("still here");
    ann.expect_message("ann", &json!("still here"));
    server.shut();
}

/// One reader stops; the others chat on as if nothing were. Later it reads on, and is given
/// everything or told what is missing.
pub fn a_reader_that_stops_holds_up_nobody_and_reads_on_later(runtime: Runtime<'_>) {
    const MESSAGES: u64 = 2000;
    let mut settings = settings();
    settings.wire.sndbuf = 16 * 1024;
    settings.wire.frame_burst = 1_000_000;
    settings.hub.write_timeout = Duration::from_mins(10);
    let server = serve(runtime, &settings);
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let mut stopped = Raw::upgraded(server.addr, "room=lobby&name=stopped");
    assert_eq!(stopped.json()["type"], "welcome");
    assert_eq!(stopped.json()["type"], "joined");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    // Far more than sockets, the window and the log hold together.
    let filler = "x".repeat(8000);
    for number in 1..=MESSAGES {
        let data = json!([number, filler]);
        ann.send(&json!({ "type": "publish", "room": "lobby", "data": data }));
        for reader in [&mut ann, &mut bob] {
            assert_eq!(reader.expect_message("ann", &data)["seq"], number);
        }
    }
    let mut cursor = 0;
    let mut gaps = 0;
    while cursor < MESSAGES {
        let frame = stopped.json();
        match frame["type"].as_str() {
            Some("message") => {
                assert_eq!(frame["seq"], cursor + 1);
                assert_eq!(frame["data"][0], cursor + 1);
                cursor += 1;
            }
            Some("gap") => {
                assert_eq!(frame["from"], cursor + 1, "{frame}");
                cursor = place(&frame, "to");
                gaps += 1;
            }
            _ => panic!("expected a message or a gap, got {frame}"),
        }
    }
    assert!(gaps > 0, "the log was trimmed past the reader");
    ann.say("and on it goes");
    assert_eq!(stopped.json()["data"], "and on it goes");
    server.shut();
}

/// RFC 6455 §7.1.1 asks the server to close first, and a peer that does not answer is not waited for.
pub fn a_peer_that_never_answers_the_close_is_gone_after_a_while(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let mut raw = Raw::upgraded(server.addr, "room=&name=ann");
    assert_eq!(raw.json()["type"], "welcome");
    raw.write(&text("{\"type\":\"bye\"}"));
    assert_eq!(raw.close_code(), 1000);
    assert!(raw.is_over(), "nothing follows a close");
    server.shut();
}

/// Frames that never become a message are counted all the same.
pub fn a_flood_of_empty_fragments_is_closed(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.wire.frame_burst = 100;
    settings.wire.frames_per_second = 50;
    let server = serve(runtime, &settings);
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let mut flood = Raw::upgraded(server.addr, "room=");
    assert_eq!(flood.json()["type"], "welcome");
    flood.write(&frame(TEXT, true, b""));
    let fragments = frame(CONTINUATION, true, b"").repeat(200);
    // The server may hang up in the middle of it.
    flood.try_write(&fragments);
    assert_eq!(flood.close_code(), 4029);
    ann.say("still here");
    ann.expect_message("ann", &json!("still here"));
    server.shut();
}

/// A message has to end some time.
pub fn a_message_that_is_never_finished_is_closed(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.wire.message_timeout = Duration::from_secs(1);
    let server = serve(runtime, &settings);
    let mut raw = Raw::upgraded(server.addr, "room=");
    assert_eq!(raw.json()["type"], "welcome");
    raw.write(&frame(TEXT, true, b"to be continued"));
    assert_eq!(raw.close_code(), 1002);
    server.shut();
}

/// A connection that is cut is noticed at once, and its session waits.
pub fn a_lost_session_is_come_back_to(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let mut ann = Raw::upgraded(server.addr, "room=lobby&name=ann");
    let (welcome, joined) = (ann.json(), ann.json());
    ann.finish();
    while ann.frame().is_some() {}
    assert_eq!(bob.publish("lobby", &json!("where are you?")), 1);
    bob.expect_message("bob", &json!("where are you?"));
    let mut again = Client::connect(server.addr, "room=");
    let since = json!({ "lobby": { "epoch": joined["epoch"], "seq": joined["seq"] } });
    let hello = json!({ "type": "hello", "resume": welcome["session"], "since": since });
    again.send(&hello);
    let told = again.expect("welcome");
    let is_ann = told["resumed"] == true && told["user"] == "ann";
    assert!(is_ann && told["session"] == welcome["session"], "{told}");
    let joined = again.expect("joined");
    assert_eq!(joined["recovered"], true, "{joined}");
    assert_eq!(joined["history"][0]["data"], "where are you?", "{joined}");
    again.publish("lobby", &json!("here"));
    bob.expect_message("ann", &json!("here"));
    // Who takes the session over ends the connection that has it.
    let mut third = Client::connect(server.addr, "room=");
    third.send(&hello);
    assert_eq!(third.expect("welcome")["resumed"], true);
    again.expect_message("ann", &json!("here"));
    assert_eq!(again.expect("bye")["code"], 4503);
    server.shut();
}

fn place(frame: &Value, field: &str) -> u64 {
    frame[field].as_u64().expect("a place")
}
