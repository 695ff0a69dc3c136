//! What the HTTP front door answers, as seen from a socket.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;

use super::client::serve;
use super::raw::{Raw, frame, text, upgrade};
use super::{Client, Runtime, settings};

/// Sends a whole request and reads the answer to its end.
pub(super) fn request(addr: SocketAddr, request: &str) -> (String, Vec<u8>) {
    let mut raw = Raw::connect(addr);
    raw.write(request.as_bytes());
    raw.answer()
}

pub(super) fn status(head: &str) -> &str {
    head.split(' ').nth(1).expect("a status line")
}

/// A table of requests and statuses.
pub fn the_front_door_answers_each_request_as_it_deserves(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let host = "Host: localhost\r\n";
    for (line, headers, expected) in [
        ("GET / HTTP/1.1", host, "200"),
        ("HEAD / HTTP/1.1", host, "200"),
        ("GET /healthz HTTP/1.1", host, "200"),
        ("GET /readyz HTTP/1.1", host, "200"),
        ("GET /nowhere HTTP/1.1", host, "404"),
        ("POST / HTTP/1.1", host, "405"),
        ("DELETE /ws HTTP/1.1", host, "405"),
        ("GET /ws HTTP/1.1", host, "426"),
        ("GET /ws?room=%E2%80%AE HTTP/1.1", WEBSOCKET, "400"),
        ("(no request)", "", "400"),
        ("GET / HTTP/1.1", "Host: localhost\r\nContent-Length: 5\r\n", "400"),
    ] {
        let (head, body) = request(server.addr, &format!("{line}\r\n{headers}\r\n"));
        assert_eq!(status(&head), expected, "{line}: {head}");
        assert_eq!(line.starts_with("HEAD"), body.is_empty(), "{line}: {head}");
        let lines = head.to_lowercase();
        let mut fields = lines.lines();
        let closes = fields.any(|line| line.starts_with("connection:") && line.contains("close"));
        assert!(closes, "{line}: {head}");
        if expected == "405" {
            assert!(lines.contains("allow: "), "{line}: {head}");
        }
        if expected == "426" {
            assert!(lines.contains("upgrade: websocket"), "{line}: {head}");
        }
    }
    let old = format!("GET /ws HTTP/1.1\r\n{}\r\n", WEBSOCKET.replace(": 13", ": 12"));
    let (head, _) = request(server.addr, &old);
    assert_eq!(status(&head), "426", "{head}");
    assert!(head.to_lowercase().contains("sec-websocket-version: 13"), "{head}");
    server.shut();
}

const WEBSOCKET: &str = "Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n";

/// Somebody else's page may not use a visitor's browser to come in.
pub fn a_foreign_origin_is_refused(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    for origin in ["http://evil.example", "http://localhost.evil.example", "null"] {
        let head = format!("GET /ws HTTP/1.1\r\n{WEBSOCKET}Origin: {origin}\r\n\r\n");
        let (head, _) = request(server.addr, &head);
        assert_eq!(status(&head), "403", "{origin}: {head}");
    }
    let mut own = Raw::connect(server.addr);
    let head = format!("GET /ws HTTP/1.1\r\n{WEBSOCKET}Origin: http://localhost\r\n\r\n");
    own.write(head.as_bytes());
    own.expect_upgrade();
    assert_eq!(own.json()["type"], "welcome");
    server.shut();
}

/// A head has a limit in bytes and one in time.
pub fn a_head_that_is_too_long_or_late_is_refused(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.wire.head_timeout = Duration::from_secs(1);
    let server = serve(runtime, &settings);
    let mut late = Raw::connect(server.addr);
    late.write(b"GET / HTTP/1.1\r\nHost: local");
    let mut long = Raw::connect(server.addr);
    let line = "a".repeat(settings.wire.head_bytes);
    // The server may have refused it before all of it is sent.
    long.try_write(
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {line}\r\n\r\n").as_bytes(),
    );
    let (head, _) = long.answer();
    assert_eq!(status(&head), "431", "{head}");
    let (head, _) = late.answer();
    assert_eq!(status(&head), "408", "{head}");
    server.shut();
}

/// So many connections of an address at a time, and so many new ones: others are told so before the
/// upgrade, and nothing else, whatever they have said already.
pub fn an_address_has_so_many_connections(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.limit_loopback = true;
    settings.hub.address_connections = 2;
    settings.hub.address_burst = 3;
    settings.hub.address_per_minute = 1;
    let server = serve(runtime, &settings);
    let refused = |words: &str| {
        let mut raw = Raw::connect(server.addr);
        let ping = frame(0x89, true, b"are you there");
        raw.write(&[upgrade("room=").as_bytes(), &ping, &text("hello")].concat());
        let (head, body) = raw.answer();
        assert_eq!(status(&head), "429", "{head}");
        assert_eq!(String::from_utf8_lossy(&body), words);
        let after = head.to_lowercase();
        let after = after.lines().find_map(|line| line.strip_prefix("retry-after: "));
        after.expect("when to try again").parse::<u64>().expect("seconds")
    };
    let mut ann = Client::connect(server.addr, "room=");
    let mut bob = Client::connect(server.addr, "room=");
    assert_eq!(refused("too many connections from your address\n"), 10);
    ann.send(&json!({ "type": "bye" }));
    assert_eq!(ann.closed().1, 1000);
    let mut carl = Client::connect(server.addr, "room=");
    let wait = refused("too many new connections from your address\n");
    assert!((1..=60).contains(&wait), "{wait} s");
    for client in [&mut bob, &mut carl] {
        assert_eq!(client.ask(&json!({ "type": "ping", "id": 1 }))["type"], "pong");
    }
    server.shut();
}

/// Nobody has to wait for the answer before the first frame.
pub fn a_first_frame_right_behind_the_request_is_taken(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let mut raw = Raw::connect(server.addr);
    let mut bytes = upgrade("room=lobby&name=ann").into_bytes();
    bytes.extend(text("first"));
    bytes.extend(text("second"));
    raw.write(&bytes);
    raw.expect_upgrade();
    assert_eq!(raw.json()["user"], "ann");
    assert_eq!(raw.json()["type"], "joined");
    assert_eq!(raw.json()["data"], "first");
    assert_eq!(raw.json()["data"], "second");
    server.shut();
}

/// However the bytes arrive.
pub fn the_same_bytes_one_at_a_time_are_taken_too(runtime: Runtime<'_>) {
    let server = serve(runtime, &settings());
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let mut raw = Raw::connect(server.addr);
    for byte in upgrade("room=lobby&name=ann").bytes() {
        raw.write(&[byte]);
    }
    raw.expect_upgrade();
    for byte in text("slowly") {
        raw.write(&[byte]);
    }
    bob.expect_message("ann", &json!("slowly"));
    server.shut();
}
