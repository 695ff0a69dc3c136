//! What operators are answered, on their own listener.

use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

use roundtable_server::Settings;
use serde_json::{Value, json};

use super::client::serve;
use super::doors::{request, status};
use super::raw::{Raw, frame};
use super::{BACKSTOP, Client, Runtime, settings};
use crate::openmetrics::Exposition;

/// As many as are answered at a time, in each runtime.
const MOST: usize = 8;

/// The settings with a listener for operators, on a port that the system picks.
fn operated() -> Settings {
    Settings { admin_listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..settings() }
}

/// Asks for a path, with further header lines.
fn ask(addr: SocketAddr, path: &str, headers: &str) -> (String, String) {
    let (head, body) = request(addr, &format!("GET {path} HTTP/1.1\r\n{headers}\r\n"));
    (head, String::from_utf8(body).expect("words"))
}

/// Has something done, by the page that is served here.
fn post(addr: SocketAddr, path: &str, body: &str) -> (String, String) {
    let (length, host) = (body.len(), format!("Host: {addr}\r\nOrigin: http://{addr}\r\n"));
    let head = format!(
        "POST {path} HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: {length}\r\n"
    );
    let (head, body) = request(addr, &format!("{head}\r\n{body}"));
    (head, String::from_utf8(body).expect("words"))
}

/// What is told as JSON.
fn told(addr: SocketAddr, path: &str) -> Value {
    let (head, body) = ask(addr, path, &format!("Host: {addr}\r\n"));
    assert_eq!(status(&head), "200", "{path}: {head}");
    serde_json::from_str(&body).expect("JSON")
}

/// Numbers and health, there and nowhere else.
pub fn operators_are_answered_on_a_listener_of_their_own(runtime: Runtime<'_>) {
    let server = serve(runtime, &operated());
    let admin = server.admin.expect("operators have a listener");
    let host = format!("Host: {admin}\r\n");
    for path in ["/", "/metrics", "/healthz", "/readyz", "/state"] {
        let (head, _) = ask(admin, path, &host);
        assert_eq!(status(&head), "200", "{path}: {head}");
    }
    for path in ["/ws", "/app.js", "/session?user=ann"] {
        assert_eq!(status(&ask(admin, path, &host).0), "404", "{path}");
    }
    for path in ["/metrics", "/state", "/session?user=ann"] {
        assert_eq!(status(&ask(server.addr, path, &host).0), "404", "{path}");
    }
    assert_eq!(status(&ask(admin, "/metrics", "Host: chat.example\r\n").0), "421");

    let (_, before) = ask(admin, "/metrics", &host);
    assert!(before.contains("\nroundtable_connections 0\n"), "{before}");
    let (_ann, _) = Client::join(server.addr, "lobby", "ann");
    let (head, after) = ask(admin, "/metrics", &host);
    assert!(after.contains("\nroundtable_connections 1\n"), "{after}");
    assert!(after.ends_with("# EOF\n"), "{after}");
    let is_openmetrics = "content-type: application/openmetrics-text; version=1.0.0";
    assert!(head.to_lowercase().contains(is_openmetrics), "{head}");
    server.shut();
}

/// What clients do is counted, by the hub and around it: known things, known numbers.
pub fn what_clients_do_is_counted(runtime: Runtime<'_>) {
    let server = serve(runtime, &operated());
    let admin = server.admin.expect("operators have a listener");
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    let publish = json!({ "type": "publish", "id": 1, "room": "lobby", "data": "hi" });
    assert_eq!(ann.ask(&publish)["type"], "ack");
    bob.expect_message("ann", &json!("hi"));
    let elsewhere = json!({ "type": "leave", "id": 2, "room": "nowhere" });
    assert_eq!(bob.ask(&elsewhere)["code"], "not_joined");
    let (head, _) = request(server.addr, "GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(status(&head), "404");
    let mut carl = Raw::upgraded(server.addr, "room=");
    assert_eq!(carl.json()["type"], "welcome");
    carl.write(&frame(0x81, false, b"not masked"));
    assert_eq!(carl.close_code(), 1002);

    let (_, told) = ask(admin, "/metrics", &format!("Host: {admin}\r\n"));
    let told = Exposition::parse(&told);
    let number = |name: &str| told.value(&format!("roundtable_{name}"), &[]).to_string();
    assert_eq!(number("connects_total"), "3");
    assert_eq!(number("texts_total"), "2");
    assert_eq!(number("entries_total"), "1");
    assert_eq!(number("rooms"), "1");
    assert_eq!(number("log_entries"), "1");
    // Three are welcomed, two join; then an `ack`, a message for two, and an error.
    assert_eq!(number("deliveries_total"), "9");
    let of = |name: &str, label: &str, is: &str| {
        told.value(&format!("roundtable_{name}"), &[(label, is)]).to_string()
    };
    assert_eq!(of("members", "state", "live"), "2");
    assert_eq!(of("errors_total", "code", "not_joined"), "1");
    assert_eq!(of("http_answers_total", "status", "404"), "1");
    assert_eq!(of("broken_rules_total", "code", "1002"), "1");
    assert_eq!(number("accept_failures_total"), "0");
    // Each text led to something that was offered; who looks for the last one may be early.
    assert!(["1", "2"].contains(&&*number("delivery_seconds_count")), "{told:?}");
    let turns = told.value("roundtable_turn_seconds_count", &[]);
    assert!(turns >= 3.0, "{turns} turns");
    for system in ["process_resident_bytes", "process_open_files", "process_threads"] {
        assert_ne!(number(system), "0", "{system}");
    }
    server.shut();
}

/// When all places are taken, operators are told so, and are answered still.
pub fn that_no_place_is_left_is_counted(runtime: Runtime<'_>) {
    let mut settings = operated();
    settings.wire.max_connections = 1;
    let server = serve(runtime, &settings);
    let admin = server.admin.expect("operators have a listener");
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let (began, mut waits) = (Instant::now(), 0.0);
    // The place is taken just before, or just after, its client has joined.
    while waits < 1.0 {
        assert!(began.elapsed() < BACKSTOP, "nobody has counted it");
        let (_, told) = ask(admin, "/metrics", &format!("Host: {admin}\r\n"));
        waits = Exposition::parse(&told).value("roundtable_accept_waits_total", &[]);
    }
    assert!(waits < 2.0, "{waits} for one place");
    assert_eq!(ann.ask(&json!({ "type": "ping", "id": 1 }))["type"], "pong");
    server.shut();
}

/// Where there is a token, nothing is told without it.
pub fn operators_show_the_token_where_there_is_one(runtime: Runtime<'_>) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    writeln!(file, "0123456789abcdef").expect("room on the disk");
    let settings = Settings { admin_token_file: Some(file.path().to_owned()), ..operated() };
    let server = serve(runtime, &settings);
    let admin = server.admin.expect("operators have a listener");
    let asked = |path: &str, header: &str| ask(admin, path, &format!("Host: chat\r\n{header}")).0;
    for (header, expected) in [
        ("", "401"),
        ("Authorization: Bearer 0123456789abcdeF\r\n", "401"),
        ("Authorization: Basic 0123456789abcdef\r\n", "401"),
        ("Authorization: Bearer 0123456789abcdef\r\n", "200"),
    ] {
        for path in ["/metrics", "/healthz"] {
            assert_eq!(status(&asked(path, header)), expected, "{path} {header}");
        }
    }
    // A URL is written into logs.
    assert_eq!(status(&asked("/metrics?token=0123456789abcdef", "")), "401");
    server.shut();
}

/// Where somebody stands is told, and who is kicked is gone: from a room, or altogether.
pub fn operators_look_somebody_up_and_kick(runtime: Runtime<'_>) {
    let server = serve(runtime, &operated());
    let admin = server.admin.expect("operators have a listener");
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let (mut bob, _) = Client::join(server.addr, "lobby", "bob");
    assert_eq!(ann.ask(&json!({ "type": "join", "id": 1, "room": "tea" }))["type"], "joined");
    assert_eq!(bob.ask(&json!({ "type": "ping", "id": 1 }))["type"], "pong");

    let state = told(admin, "/state");
    assert_eq!(state["levels"]["connections"], 2);
    assert_eq!(state["counts"]["connects"], 2);
    let rooms = state["busiest"].as_array().expect("rooms").iter();
    let rooms: Vec<_> = rooms.map(|room| (&room["name"], &room["members"])).collect();
    assert_eq!(rooms, [(&json!("lobby"), &json!(2)), (&json!("tea"), &json!(1))]);
    assert_eq!(state["closes"], json!([]));
    assert_ne!(state["resident_bytes"], 0);

    let found = told(admin, "/session?user=ann");
    let session = &found["sessions"][0];
    let stands = |room: &str| json!({ "room": room, "live": true, "behind": 0 });
    assert_eq!(session["rooms"], json!([stands("lobby"), stands("tea")]));
    assert_eq!((&session["user"], &session["connected"]), (&json!("ann"), &json!(true)));
    let conn = session["conn"].as_str().expect("digits").to_owned();
    assert_eq!(told(admin, &format!("/session?conn={conn}"))["sessions"][0]["user"], "ann");

    let (head, body) = post(admin, "/kick", r#"{"user":"ann","room":"lobby"}"#);
    assert_eq!((status(&head), &*body), ("200", "{\"kicked\":1}\n"), "{head}");
    assert_eq!(ann.expect("left")["reason"], "kicked");
    let session = &told(admin, "/session?user=ann")["sessions"][0];
    assert_eq!(session["rooms"], json!([stands("tea")]));
    assert_eq!(status(&post(admin, "/kick", r#"{"user":"ann","room":"lobby"}"#).0), "404");

    let (head, body) = post(admin, "/kick", r#"{"user":"ann"}"#);
    assert_eq!((status(&head), &*body), ("200", "{\"kicked\":1}\n"), "{head}");
    assert_eq!(ann.closed(), (Some(4504), 4504));
    let host = format!("Host: {admin}\r\n");
    assert_eq!(status(&ask(admin, "/session?user=ann", &host).0), "404");
    assert_eq!(status(&post(admin, "/kick", r#"{"user":"ann"}"#).0), "404");
    let closes = told(admin, "/state")["closes"].clone();
    assert_eq!(closes.as_array().map(Vec::len), Some(1), "{closes}");
    let close = &closes[0];
    assert_eq!((&close["user"], &close["conn"]), (&json!("ann"), &json!(conn)));
    assert_eq!((&close["room"], &close["code"]), (&json!("tea"), &json!(4504)));
    assert_eq!(close["reason"], "kicked");
    assert_eq!(bob.ask(&json!({ "type": "ping", "id": 2 }))["type"], "pong");
    server.shut();
}

/// What is to be done comes behind the head, now or later, and not for ever.
pub fn what_operators_want_done_is_read_to_its_end(runtime: Runtime<'_>) {
    let server = serve(runtime, &operated());
    let admin = server.admin.expect("operators have a listener");
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let body = r#"{"user":"ann"}"#;
    let head = |lines: &str| {
        format!(
            "POST /kick HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\n{lines}\r\n"
        )
    };
    let length = format!("Content-Length: {}\r\n", body.len());
    for (lines, expected) in [
        ("Content-Length: 4097\r\n", "413"),
        ("", "411"),
        ("Transfer-Encoding: chunked\r\n", "411"),
        (&format!("{length}Origin: http://evil.example\r\n"), "403"),
        (&format!("{length}Origin: null\r\n"), "403"),
    ] {
        // Nothing of the body is waited for.
        let (answer, _) = request(admin, &head(lines));
        assert_eq!(status(&answer), expected, "{lines}: {answer}");
    }
    for path in ["/recording/start", "/recording/stop"] {
        let (answer, words) = post(admin, path, "");
        assert_eq!(status(&answer), "409", "{answer}");
        assert_eq!(words, "this machine is not one that can be recorded\n");
    }
    assert_eq!(ann.ask(&json!({ "type": "ping", "id": 1 }))["type"], "pong");

    let mut raw = Raw::connect(admin);
    for byte in head(&length).bytes().chain(body.bytes()) {
        raw.write(&[byte]);
    }
    let (answer, _) = raw.answer();
    assert_eq!(status(&answer), "200", "{answer}");
    assert_eq!(ann.closed(), (Some(4504), 4504));
    server.shut();
}

/// Some may knock and say nothing: another one is answered beside them, and clients are, too, when
/// nobody else is.
pub fn operators_who_say_nothing_hold_up_nobody(runtime: Runtime<'_>) {
    let server = serve(runtime, &operated());
    let admin = server.admin.expect("operators have a listener");
    let mut silent: Vec<Raw> = (1..MOST).map(|_| Raw::connect(admin)).collect();
    let host = format!("Host: {admin}\r\n");
    assert_eq!(status(&ask(admin, "/metrics", &host).0), "200");
    silent.push(Raw::connect(admin));
    let (ann, _) = Client::join(server.addr, "lobby", "ann");
    assert_eq!(ann.user, "ann");
    // One of them gives way.
    silent.pop();
    assert_eq!(status(&ask(admin, "/metrics", &host).0), "200");
    server.shut();
}
