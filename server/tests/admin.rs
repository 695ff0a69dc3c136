//! What the operator's face of the front door answers, whole and byte by byte.

use roundtable_server::admin::{AdminToken, Question};
use roundtable_server::{AdminDoor, Asked, Readiness, Settings};

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
        ("/", 404),
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
    for path in ["/metrics", "/healthz", "/readyz"] {
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
        for path in ["/metrics", "/healthz", "/readyz", "/nowhere"] {
            assert_eq!(with(&line, path), 401, "{path} {line}");
        }
    }
    assert_eq!(with("", &format!("/metrics?token={TOKEN}")), 401);
    let twice = format!("Authorization: Bearer {TOKEN}\r\nAuthorization: Bearer {TOKEN}\r\n");
    assert_eq!(with(&twice, "/metrics"), 400);
}
