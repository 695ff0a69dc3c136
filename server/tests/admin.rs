//! What the operator's face of the front door answers, whole and byte by byte.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use roundtable::{
    CloseCode, Config, ConnId, Event, Greeting, Hub, Machine as _, Origin, Peer, RoomChoice,
    RunAhead, Timestamp,
};
use roundtable_server::admin::{AdminToken, MOST_CLOSINGS, MOST_ROOMS, Question, Told, Whose};
use roundtable_server::metrics::Measured;
use roundtable_server::record::{Options, Recordable, Redaction};
use roundtable_server::{AdminDoor, Asked, Readiness, Settings};
use serde_json::{Value, json};

const TOKEN: &str = "0123456789abcdef";

/// What the door makes of a request, which is the same whether it comes at once or a byte at a time.
fn knock(token: Option<&str>, readiness: Readiness, request: &str) -> Asked {
    let token = token.map(|token| AdminToken::new(token).unwrap());
    let door = AdminDoor::new(&Settings::default(), token);
    let bytes = request.as_bytes();
    let whole = door.knock(readiness, bytes);
    let mut pieces = (1..=bytes.len()).map(|len| door.knock(readiness, &bytes[..len]));
    assert_eq!(pieces.find(|asked| *asked != Asked::More).unwrap_or(Asked::More), whole);
    whole
}

/// The status of what is answered, or 200 where the owner is asked.
fn status(asked: &Asked) -> u16 {
    match asked {
        Asked::Answer(answer) => {
            let text = String::from_utf8_lossy(answer);
            text.split(' ').nth(1).unwrap().parse().unwrap()
        }
        Asked::Owner(_) => 200,
        Asked::More => panic!("the request is whole"),
    }
}

/// What is said in an answer.
fn words(asked: &Asked) -> (String, String) {
    let Asked::Answer(answer) = asked else { panic!("{asked:?} is no answer") };
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_owned(), body.to_owned())
}

/// What the door makes of JSON that is posted as it should be, but for these header lines.
fn post(path: &str, headers: &str, body: &str) -> Asked {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost:9090\r\n{headers}");
    let head = if headers.to_lowercase().contains("content-type") {
        head
    } else {
        format!("{head}Content-Type: application/json\r\n")
    };
    let is_framed = ["content-length", "transfer-encoding", "x-unframed"];
    let is_framed = is_framed.iter().any(|of| headers.to_lowercase().contains(of));
    let head = if is_framed { head } else { format!("{head}Content-Length: {length}\r\n") };
    knock(None, Readiness::Serving, &format!("{head}\r\n{body}"))
}

fn open(head: &str) -> u16 {
    status(&knock(None, Readiness::Serving, &format!("{head}\r\n\r\n")))
}

#[test]
fn numbers_and_health_are_there_and_nothing_else() {
    let host = "HTTP/1.1\r\nHost: localhost";
    let metrics = knock(None, Readiness::Serving, &format!("GET /metrics {host}\r\n\r\n"));
    assert_eq!(metrics, Asked::Owner(Question::Metrics));
    for (path, expected) in [
        ("/metrics?x=1", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/metrics/", 404),
        ("/", 200),
        ("/state", 200),
        ("/kick", 405),
        ("/recording/start", 405),
        ("/recording/stop", 405),
        ("/page.js", 404),
        ("/ws", 404),
        ("/../metrics", 404),
    ] {
        assert_eq!(open(&format!("GET {path} {host}")), expected, "{path}");
    }
    for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(open(&format!("{method} /metrics {host}")), 405, "{method}");
    }
    let draining = |path: &str| {
        status(&knock(None, Readiness::Draining, &format!("GET {path} {host}\r\n\r\n")))
    };
    assert_eq!([draining("/readyz"), draining("/healthz"), draining("/metrics")], [503, 200, 200]);
}

#[test]
fn what_is_no_request_is_refused() {
    assert_eq!(open("GET /metrics"), 400);
    assert_eq!(open("GET /metrics HTTP/1.1"), 400);
    assert_eq!(open("GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost"), 400);
    assert_eq!(open("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1"), 400);
    assert_eq!(open("GET /metrics HTTP/1.1\nHost: localhost"), 400);
    let long = "a".repeat(Settings::default().wire.head_bytes);
    assert_eq!(open(&format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {long}")), 431);
    let half = "GET /metrics HTTP/1.1\r\nHost: local";
    assert_eq!(knock(None, Readiness::Serving, half), Asked::More);
}

#[test]
fn without_a_token_the_listener_is_asked_by_its_address() {
    let by = |host: &str| open(&format!("GET /metrics HTTP/1.1\r\nHost: {host}"));
    for host in
        ["localhost", "LocalHost:9090", "127.0.0.1", "127.0.0.1:9090", "[::1]", "[::1]:9090"]
    {
        assert_eq!(by(host), 200, "{host}");
    }
    for host in [
        "chat.example",
        "chat.example:9090",
        "localhost.chat.example",
        "127.0.0.1.chat.example",
        "127.0.0.1:9090.chat.example",
        "[::1].chat.example",
        "::1",
        "0x7f000001",
        "",
    ] {
        assert_eq!(by(host), 421, "{host}");
    }
    assert_eq!(open("GET /metrics HTTP/1.0"), 200);
}

#[test]
fn with_a_token_nothing_is_told_without_it() {
    let with = |line: &str, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: chat.example\r\n{line}\r\n");
        status(&knock(Some(TOKEN), Readiness::Serving, &head))
    };
    for path in ["/metrics", "/healthz", "/readyz", "/state", "/session?user=ann"] {
        assert_eq!(with(&format!("Authorization: Bearer {TOKEN}\r\n"), path), 200, "{path}");
        assert_eq!(with(&format!("authorization: bearer {TOKEN}\r\n"), path), 200, "{path}");
    }
    for line in [
        String::new(),
        format!("Authorization: {TOKEN}\r\n"),
        format!("Authorization: Basic {TOKEN}\r\n"),
        format!("Authorization: Bearer {TOKEN}0\r\n"),
        format!("Authorization: Bearer {}\r\n", &TOKEN[1..]),
        "Authorization: Bearer \r\n".to_owned(),
    ] {
        for path in
            ["/metrics", "/healthz", "/readyz", "/state", "/session?conn=1", "/kick", "/nowhere"]
        {
            assert_eq!(with(&line, path), 401, "{path} {line}");
        }
    }
    assert_eq!(with("", &format!("/metrics?token={TOKEN}")), 401);
    let twice = format!("Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n");
    assert_eq!(with(&twice, "/metrics"), 400);
}

#[test]
fn the_page_is_one_file_and_runs_nothing_else() {
    let page = knock(None, Readiness::Serving, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (head, body) = words(&page);
    assert!(head.contains("Content-Type: text/html; charset=utf-8"), "{head}");
    let policy = head.lines().find_map(|line| line.strip_prefix("Content-Security-Policy: "));
    let policy = policy.expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(policy.contains("connect-src 'self'") && policy.contains("frame-ancestors 'none'"));
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let leads_elsewhere = |link: &str| !link.starts_with("data:");
    assert!(!body.contains("src=\"") && !body.contains("@import") && !body.contains("url("));
    assert!(!body.split("href=\"").skip(1).any(leads_elsewhere), "{body}");
    // It is there for who has a token to give, and tells nothing.
    let with_token = "GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n";
    assert_eq!(knock(Some(TOKEN), Readiness::Serving, with_token), page);
    let rebound = "GET / HTTP/1.1\r\nHost: chat.example\r\n\r\n";
    assert_eq!(status(&knock(None, Readiness::Serving, rebound)), 421);
}

#[test]
fn a_session_is_asked_for_by_a_name_or_by_a_connection() {
    let ask = |query: &str| {
        let head = format!("GET /session{query} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        knock(None, Readiness::Serving, &head)
    };
    let of_ann = Question::Session(Whose::User("ann b".parse().unwrap()));
    assert_eq!(ask("?user=ann+b"), Asked::Owner(of_ann.clone()));
    assert_eq!(ask("?user=ann%20b&x=1"), Asked::Owner(of_ann));
    let conn = ConnId::new(u64::MAX);
    assert_eq!(
        ask("?conn=18446744073709551615"),
        Asked::Owner(Question::Session(Whose::Conn(conn)))
    );
    for wrong in [
        "",
        "?",
        "?user=",
        "?user=a%E2%80%AEb",
        "?conn=",
        "?conn=-1",
        "?conn=x",
        "?name=ann",
        "?user=ann&conn=1",
        "?user=ann&user=bob",
        "?conn=18446744073709551616",
    ] {
        assert_eq!(status(&ask(wrong)), 400, "{wrong}");
    }
}

#[test]
fn what_is_to_be_done_is_read_to_its_end() {
    let ann = "ann".parse().unwrap();
    let kick = |room: Option<&str>| {
        let room = room.map(|room| room.parse().unwrap());
        Asked::Owner(Question::Kick { room, user: Clone::clone(&ann) })
    };
    assert_eq!(post("/kick", "", r#"{"user":"ann"}"#), kick(None));
    assert_eq!(post("/kick", "", r#"{"user":"ann","room":null}"#), kick(None));
    assert_eq!(post("/kick", "", r#"{"user":"ann","room":"tea"}"#), kick(Some("tea")));
    let utf8 = "Content-Type: Application/JSON; charset=utf-8\r\n";
    assert_eq!(post("/kick", utf8, r#"{"user":"ann"}"#), kick(None));
    // What comes behind the body is nobody's.
    assert_eq!(post("/kick", "Content-Length: 14\r\n", r#"{"user":"ann"}GET / HT"#), kick(None));
    assert_eq!(post("/recording/start", "", ""), Asked::Owner(Question::StartRecording));
    assert_eq!(post("/recording/stop", "", "{}"), Asked::Owner(Question::StopRecording));
    assert_eq!(post("/kick", "Content-Length: 15\r\n", r#"{"user":"ann"}"#), Asked::More);
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"user":1}"#,
        r#"{"user":""}"#,
        r#"{"room":"tea"}"#,
        r#"{"user":"ann","all":true}"#,
        r#"{"user":"ann"} x"#,
        r#"{"user":"a\u202eb"}"#,
        r#"{"user":"ann","user":"bob"}"#,
        "user=ann",
    ] {
        let asked = post("/kick", "", body);
        assert_eq!(status(&asked), 400, "{body}");
        assert!(words(&asked).1.starts_with("the body: "), "{body}: {asked:?}");
    }
}

#[test]
fn a_body_has_a_length_and_a_limit() {
    let most = format!(r#"{{"user":"ann"{}}}"#, " ".repeat(4096 - 14));
    assert_eq!(most.len(), 4096);
    assert_eq!(status(&post("/kick", "", &most)), 200);
    assert_eq!(status(&post("/kick", "", &format!("{most} "))), 413);
    // It is refused before any of it is read.
    for (line, expected) in [
        ("Content-Length: 4097", 413),
        ("Content-Length: 99999999999999999999999", 413),
        ("X-Unframed: 1", 411),
        ("Transfer-Encoding: chunked", 411),
        ("Transfer-Encoding: chunked\r\nContent-Length: 14", 411),
        ("Content-Length: ", 400),
        ("Content-Length: +14", 400),
        ("Content-Length: 14\r\nContent-Length: 14", 400),
        ("Content-Length: 14, 14", 400),
    ] {
        assert_eq!(status(&post("/kick", &format!("{line}\r\n"), "")), expected, "{line}");
    }
    for path in ["/kick", "/recording/start", "/recording/stop"] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
            let asked = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let asked = knock(None, Readiness::Serving, &asked);
            assert_eq!(status(&asked), 405, "{method} {path}");
            assert!(words(&asked).0.contains("\r\nAllow: POST"), "{asked:?}");
        }
    }
    assert_eq!(status(&post("/state", "", "")), 405);
}

#[test]
fn the_page_of_another_site_does_nothing_here() {
    let by = |headers: &str| status(&post("/kick", headers, r#"{"user":"ann"}"#));
    assert_eq!(by(""), 200);
    assert_eq!(by("Origin: http://localhost:9090\r\n"), 200);
    assert_eq!(by("Origin: https://LOCALHOST:9090\r\n"), 200);
    for origin in [
        "null",
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:9090",
        "http://evil.example",
        "http://localhost:9090.evil.example",
        "ftp://localhost:9090",
        "",
    ] {
        assert_eq!(by(&format!("Origin: {origin}\r\n")), 403, "{origin}");
    }
    let twice = "Origin: http://localhost:9090\r\nOrigin: http://evil.example\r\n";
    assert_eq!(by(twice), 400);
    // What a form can send, and what a page can without being asked first.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "",
    ] {
        assert_eq!(by(&format!("Content-Type: {kind}\r\n")), 415, "{kind}");
    }
    let rebound = "POST /kick HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\
                   Content-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"user\":\"ann\"}";
    assert_eq!(status(&knock(None, Readiness::Serving, rebound)), 421);
    assert_eq!(status(&knock(Some(TOKEN), Readiness::Serving, rebound)), 401);
    // With a token, too, a page is asked where it comes from.
    let line = format!("Authorization: Bearer {TOKEN}\r\nContent-Type");
    let with = rebound.replace("Content-Type", &line);
    assert_eq!(status(&knock(Some(TOKEN), Readiness::Serving, &with)), 200);
    let elsewhere = with.replace("Host: evil", "Host: good");
    assert_eq!(status(&knock(Some(TOKEN), Readiness::Serving, &elsewhere)), 403);
}

/// A hub, and who drives it.
struct Desk {
    machine: Measured<Recordable<Hub>>,
    now: Timestamp,
}

impl Desk {
    fn new(config: Config) -> Self {
        Self::of(config, None)
    }

    fn recorded_in(folder: Option<&Path>) -> Self {
        Self::of(Config::default(), folder)
    }

    fn of(config: Config, folder: Option<&Path>) -> Self {
        let hub = Hub::new(config, Origin { seed: 1, wall_clock_ms: 0 }).unwrap();
        let options = Options { redaction: Redaction::Secrets, part_bytes: 1 << 20 };
        let machine = Recordable::new(hub, folder.map(Path::to_owned), options);
        Self { machine: Measured::new(machine, RunAhead::Zero), now: Timestamp::ZERO }
    }

    fn handle(&mut self, event: Event) {
        self.machine.handle(self.now, event, &mut Vec::new());
    }

    fn connect(&mut self, conn: u64, name: &str, room: &str) {
        let room = RoomChoice::Named(room.parse().unwrap());
        let greeting = Greeting { name: name.parse().ok(), room, ..Greeting::default() };
        let (conn, peer) = (ConnId::new(conn), Peer::default());
        self.handle(Event::Connect { conn, peer, greeting });
    }

    fn ask(&mut self, question: &Question) -> Told {
        let told = question.answer(self.now, &mut self.machine);
        question.event().into_iter().for_each(|event| self.handle(event));
        told
    }

    /// The status, and the body as JSON or as words.
    fn asked(&mut self, question: &Question) -> (u16, Value) {
        let answer = Asked::Answer(AdminDoor::answer(&self.ask(question), &Arc::default()));
        let (head, body) = words(&answer);
        let is_json = head.contains("\r\nContent-Type: application/json\r\n");
        let body = if is_json { serde_json::from_str(&body).unwrap() } else { body.into() };
        (status(&answer), body)
    }

    fn state(&mut self) -> Value {
        let (status, state) = self.asked(&Question::State);
        assert_eq!(status, 200);
        state
    }
}

fn kick(user: &str, room: Option<&str>) -> Question {
    Question::Kick { room: room.map(|room| room.parse().unwrap()), user: user.parse().unwrap() }
}

#[test]
fn what_there_is_and_who_was_closed_is_told() {
    let mut desk = Desk::new(Config { max_sessions: 2, ..Config::default() });
    desk.connect(7, "ann", "tea");
    desk.connect(8, "bob", "tea");
    desk.now = Timestamp::from_millis(1500);
    desk.connect(9, "carl", "tea");
    desk.now = Timestamp::from_millis(2000);
    desk.handle(Event::Binary { conn: ConnId::new(7) });
    desk.now = Timestamp::from_millis(3000);
    let state = desk.state();
    assert_eq!(state["up_ms"], 3000);
    assert_eq!(state["levels"]["connections"], 1);
    assert_eq!(state["counts"]["connects"], 3);
    assert_eq!(state["recording"], json!(null));
    let tea =
        json!({ "name": "tea", "members": 1, "live": 1, "head": 0, "entries": 0, "bytes": 0 });
    assert_eq!(state["busiest"], json!([tea]));
    let closed = |ago: u64, conn: &str, user: Option<&str>, code: CloseCode| {
        let (room, reason) = (user.map(|_| "tea"), code.reason());
        let code = code.number();
        json!({ "ago_ms": ago, "conn": conn, "user": user, "room": room, "code": code,
                "reason": reason })
    };
    let expected = [
        closed(1000, "7", Some("ann"), CloseCode::NoBinary),
        closed(1500, "9", None, CloseCode::TryLater),
    ];
    assert_eq!(state["closes"], json!(expected));
    #[cfg(target_os = "linux")]
    assert!(state["resident_bytes"].as_u64().unwrap() > 100_000, "{state}");
}

#[test]
fn the_latest_closes_are_kept_and_not_all() {
    let mut desk = Desk::new(Config::default());
    let most = u64::try_from(MOST_CLOSINGS).unwrap();
    for conn in 0..=most {
        desk.connect(conn, "ann", "tea");
        desk.handle(Event::Binary { conn: ConnId::new(conn) });
    }
    let state = desk.state();
    let closes = state["closes"].as_array().unwrap();
    let conns: Vec<&str> = closes.iter().map(|of| of["conn"].as_str().unwrap()).collect();
    let expected: Vec<String> = (1..=most).rev().map(|conn| conn.to_string()).collect();
    assert_eq!(conns, expected);
}

#[test]
fn rooms_are_looked_at_once_a_second() {
    let mut desk = Desk::new(Config::default());
    let names = |state: &Value| state["busiest"].as_array().unwrap().len();
    desk.connect(0, "ann", "tea");
    assert_eq!(names(&desk.state()), 1);
    for conn in 1..30 {
        desk.connect(conn, "ann", &format!("room {conn}"));
    }
    desk.now = desk.now + Duration::from_millis(999);
    assert_eq!(names(&desk.state()), 1);
    desk.now = desk.now + Duration::from_millis(1);
    assert_eq!(names(&desk.state()), MOST_ROOMS);
}

#[test]
fn who_is_kicked_was_there() {
    let mut desk = Desk::new(Config::default());
    desk.connect(1, "ann", "tea");
    desk.connect(2, "bob", "tea");
    let of = |user: &str| Question::Session(Whose::User(user.parse().unwrap()));
    let (found, ann) = desk.asked(&of("ann"));
    assert_eq!(found, 200);
    let place = json!({ "room": "tea", "live": true, "behind": 0 });
    let ann = &ann["sessions"][0];
    assert_eq!((&ann["conn"], &ann["rooms"]), (&json!("1"), &json!([place])));
    assert_eq!((&ann["connected"], &ann["address"]), (&json!(true), &json!(null)));
    let by_conn = Question::Session(Whose::Conn(ConnId::new(1)));
    assert_eq!(&desk.asked(&by_conn).1["sessions"][0], ann);

    assert_eq!(desk.asked(&kick("ann", Some("ale"))).0, 404);
    assert_eq!(desk.asked(&kick("carl", None)).0, 404);
    assert_eq!(desk.asked(&kick("ann", Some("tea"))), (200, json!({ "kicked": 1 })));
    assert_eq!(desk.asked(&of("ann")).1["sessions"][0]["rooms"], json!([]));
    assert_eq!(desk.asked(&kick("ann", Some("tea"))).0, 404);
    assert_eq!(desk.asked(&kick("ann", None)), (200, json!({ "kicked": 1 })));
    assert_eq!(desk.asked(&of("ann")).0, 404);
    assert_eq!(desk.asked(&by_conn).0, 404);
    assert_eq!(desk.asked(&of("bob")).0, 200);
    let state = desk.state();
    assert_eq!(state["closes"][0]["reason"], "kicked");
    assert_eq!(state["closes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_recording_is_begun_and_ended_and_its_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::recorded_in(Some(folder.path()));
    assert_eq!(desk.asked(&Question::StopRecording), (409, "no recording is being made\n".into()));
    let (status, begun) = desk.asked(&Question::StartRecording);
    let file = begun["file"].as_str().expect("a file");
    assert!(status == 200 && Path::new(file).starts_with(folder.path()), "{status} {file}");
    assert_eq!(desk.state()["recording"], file);
    assert_eq!(desk.asked(&Question::StartRecording).0, 409);
    desk.connect(7, "ann", "tea");
    assert_eq!(desk.asked(&Question::StopRecording), (200, begun.clone()));
    assert_eq!(desk.state()["recording"], json!(null));
}

#[test]
fn without_a_place_for_recordings_none_is_made() {
    let (status, words) = Desk::recorded_in(None).asked(&Question::StartRecording);
    assert_eq!(status, 409);
    assert_eq!(words, "nobody has said where to: --record-dir DIR does\n");
}
