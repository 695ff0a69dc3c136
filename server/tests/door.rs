//! What the front door answers, whole and byte by byte.

use roundtable::{Framing, Greeting, RoomChoice};
use roundtable_server::{Codec, Door, Input, Knock, Readiness, Settings};

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// A request of these lines.
fn request(lines: &[&str]) -> Vec<u8> {
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

fn plain(first: &str) -> Vec<u8> {
    request(&[first, "Host: chat.example"])
}

/// A handshake for `target`, with further lines.
fn handshake(target: &str, further: &[&str]) -> Vec<u8> {
    let first = format!("GET {target} HTTP/1.1");
    let mut lines = vec![
        first.as_str(),
        "Host: chat.example",
        "Upgrade: WebSocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Version: 13",
        KEY,
    ];
    lines.extend(further);
    request(&lines)
}

/// Knocks with all at once and byte by byte, which must come to the same.
#[track_caller]
fn knock_at(door: &Door, readiness: Readiness, request: &[u8]) -> Knock {
    let whole = door.knock(readiness, request);
    let first = (0..=request.len())
        .map(|len| door.knock(readiness, &request[..len]))
        .find(|knock| *knock != Knock::More);
    assert_eq!(first.as_ref().unwrap_or(&Knock::More), &whole);
    whole
}

#[track_caller]
fn knock(request: &[u8]) -> Knock {
    knock_at(&Door::new(&Settings::default()), Readiness::Serving, request)
}

/// An answer that is no upgrade, as its status, its headers and its body.
#[track_caller]
fn parts(knock: Knock) -> (u16, Vec<String>, String) {
    let Knock::Answer(answer) = knock else { panic!("no answer: {knock:?}") };
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines().map(str::to_owned);
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    (status, lines.collect(), body.to_owned())
}

#[track_caller]
fn status(request: &[u8]) -> u16 {
    parts(knock(request)).0
}

#[track_caller]
fn greeting(request: &[u8]) -> Greeting {
    match knock(request) {
        Knock::Upgrade { greeting, consumed, .. } => {
            assert_eq!(consumed, request.len());
            greeting
        }
        other => panic!("no upgrade: {other:?}"),
    }
}

#[test]
fn the_handshake_is_answered_as_in_the_rfc() {
    let Knock::Upgrade { response, greeting, .. } = knock(&handshake("/ws", &[])) else {
        panic!("no upgrade")
    };
    // The key and its answer are the example of RFC 6455 §1.3.
    let expected = request(&[
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    ]);
    assert_eq!(response, expected);
    assert_eq!(greeting, Greeting::default());
}

#[test]
fn the_subprotocol_is_echoed_and_extensions_are_not() {
    let offers = [
        "Sec-WebSocket-Protocol: chat, roundtable.v1",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
    ];
    let Knock::Upgrade { response, greeting, .. } = knock(&handshake("/ws", &offers)) else {
        panic!("no upgrade")
    };
    let response = String::from_utf8(response).unwrap();
    assert!(response.contains("Sec-WebSocket-Protocol: roundtable.v1\r\n"), "{response}");
    assert!(!response.contains("Extensions"), "{response}");
    assert_eq!(greeting.framing, Framing::Strict);
    let other = handshake("/ws", &["Sec-WebSocket-Protocol: chat, roundtable.v10"]);
    let Knock::Upgrade { response, greeting, .. } = knock(&other) else { panic!("no upgrade") };
    assert!(!String::from_utf8(response).unwrap().contains("Protocol:"));
    assert_eq!(greeting.framing, Framing::Lenient);
}

#[test]
fn the_url_says_who_and_where() {
    let wish = |target: &str| {
        let greeting = greeting(&handshake(target, &[]));
        (greeting.room, greeting.name.map(|name| name.to_string()))
    };
    let named = |room: &str| RoomChoice::Named(room.parse().unwrap());
    assert_eq!(wish("/ws?room=lobby&name=ann"), (named("lobby"), Some("ann".into())));
    assert_eq!(wish("/ws?name=J%C3%BCrg+M&x=1"), (RoomChoice::Default, Some("Jürg M".into())));
    assert_eq!(wish("/ws?room=&name="), (RoomChoice::None, None));
    assert_eq!(wish("/ws?"), (RoomChoice::Default, None));
    assert_eq!(wish("http://chat.example/ws?room=a"), (named("a"), None));
}

#[test]
fn a_bad_name_is_refused_in_words() {
    let cases = [
        ("name=%20", "name: a name needs at least one visible character\n"),
        ("room=a%0Ab", "room: a name may not have the character U+000A\n"),
        ("name=%E2%80%AEnna", "name: a name may not have the character U+202E\n"),
    ];
    for (query, words) in cases {
        let (status, _, body) = parts(knock(&handshake(&format!("/ws?{query}"), &[])));
        assert_eq!((status, &*body), (400, words));
    }
}

#[test]
fn a_first_frame_right_behind_the_head_is_read() {
    let head = handshake("/ws", &[]);
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let bytes = [&*head, &frame].concat();
    let Knock::Upgrade { consumed, .. } = knock(&head) else { panic!("no upgrade") };
    let door = Door::new(&Settings::default());
    let Knock::Upgrade { consumed: with_frame, .. } = door.knock(Readiness::Serving, &bytes) else {
        panic!("no upgrade")
    };
    assert_eq!((consumed, with_frame), (head.len(), head.len()));
    let (mut codec, mut inputs) = (Codec::new(&Settings::default()), Vec::new());
    codec.feed(roundtable::Timestamp::ZERO, &bytes[with_frame..], &mut inputs);
    assert_eq!(inputs, [Input::Text("hi".into())]);
}

#[test]
fn what_is_no_websocket_is_told_what_is_wanted() {
    let keyless = ["GET /ws HTTP/1.1", "Host: a", "Upgrade: websocket", "Connection: Upgrade"];
    let with = |further: &[&str]| request(&[&keyless[..], further].concat());
    let old = [
        plain("GET /ws HTTP/1.1"),
        request(&["GET /ws HTTP/1.0", "Upgrade: websocket", "Connection: Upgrade"]),
        with(&["Sec-WebSocket-Version: 8", KEY]),
        with(&[KEY]),
    ];
    for request in old {
        let (status, headers, _) = parts(knock(&request));
        assert_eq!(status, 426);
        for header in
            ["Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
        {
            assert!(headers.iter().any(|found| found == header), "{header} is not in {headers:?}");
        }
    }
    let version = "Sec-WebSocket-Version: 13";
    assert_eq!(status(&with(&[version])), 400);
    assert_eq!(status(&with(&[version, "Sec-WebSocket-Key: c2hvcnQ="])), 400);
    assert_eq!(status(&with(&[version, KEY, KEY])), 400);
}

#[test]
fn pages_from_elsewhere_may_not_connect() {
    let from = |origin: &str| handshake("/ws", &[&format!("Origin: {origin}")]);
    for own in ["http://chat.example", "https://chat.example", "HTTPS://Chat.Example"] {
        assert_eq!(greeting(&from(own)), Greeting::default(), "{own}");
    }
    let foreign = [
        "null",
        "",
        "chat.example",
        "//chat.example",
        "https://chat.example.evil",
        "https://evil-chat.example",
        "https://evil.chat.example",
        "https://chat.example:8080",
        "https://chat.example@evil",
        "https://user@chat.example",
        "https://chat.example/",
        "https://chat.example https://evil",
        "file://chat.example",
        "chrome-extension://chat.example",
    ];
    for origin in foreign {
        assert_eq!(status(&from(origin)), 403, "{origin}");
    }
    let twice = handshake("/ws", &["Origin: https://chat.example", "Origin: https://evil"]);
    assert_eq!(status(&twice), 400);
    let nameless = handshake("/ws", &["Origin: http://"]);
    let nameless = String::from_utf8(nameless).unwrap().replace("Host: chat.example", "Host:");
    assert_eq!(status(nameless.as_bytes()), 403);
}

#[test]
fn allowed_origins_may_connect() {
    let mut settings = Settings::default();
    let from = |origin: &str| handshake("/ws", &[&format!("Origin: {origin}")]);
    settings.allow_origin = "https://a.example,http://b.example:8080".parse().unwrap();
    let door = Door::new(&settings);
    let is_open = |door: &Door, origin: &str| {
        matches!(knock_at(door, Readiness::Serving, &from(origin)), Knock::Upgrade { .. })
    };
    assert!(is_open(&door, "https://a.example"));
    assert!(is_open(&door, "http://b.example:8080"));
    assert!(is_open(&door, "https://chat.example"));
    assert!(!is_open(&door, "http://a.example"));
    assert!(!is_open(&door, "http://b.example"));
    settings.allow_origin = "*".parse().unwrap();
    assert!(is_open(&Door::new(&settings), "null"));
}

#[test]
fn the_page_and_its_parts_are_served() {
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
        ("/?room=lobby", "text/html; charset=utf-8"),
    ] {
        let (status, headers, body) = parts(knock(&plain(&format!("GET {path} HTTP/1.1"))));
        assert_eq!(status, 200, "{path}");
        let has = |line: &str| headers.iter().any(|found| found.starts_with(line));
        assert!(has(&format!("Content-Type: {kind}")), "{headers:?}");
        assert!(has(&format!("Content-Length: {}", body.len())), "{headers:?}");
        assert!(has("Content-Security-Policy: default-src 'none'; script-src 'self'"));
        assert!(has("X-Content-Type-Options: nosniff"));
        assert!(has("Connection: close"));
    }
}

#[test]
fn whatever_the_page_loads_is_there() {
    let mut paths = vec!["/".to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next) {
        let (status, _, text) = parts(knock(&plain(&format!("GET {path} HTTP/1.1"))));
        assert_eq!(status, 200, "{path}");
        for word in text.split(['"', '\'', '(', ')']) {
            let is_part = matches!(word.rsplit_once('.'), Some((_, "js" | "css" | "svg")));
            let part = format!("/{}", word.trim_start_matches(['.', '/']));
            if is_part && !paths.contains(&part) {
                paths.push(part);
            }
        }
        next += 1;
    }
    paths.sort();
    let parts = ["/", "/app.js", "/connection.js", "/favicon.svg", "/style.css", "/timeline.js"];
    assert_eq!(paths, parts);
}

#[test]
fn an_asset_that_is_known_is_not_sent_again() {
    let (_, headers, _) = parts(knock(&plain("GET /app.js HTTP/1.1")));
    let tag = headers.iter().find_map(|header| header.strip_prefix("ETag: ")).unwrap();
    let asked = |tags: &str| {
        let condition = format!("If-None-Match: {tags}");
        parts(knock(&request(&["GET /app.js HTTP/1.1", "Host: a", &condition])))
    };
    for known in [tag.to_owned(), format!("\"old\", W/{tag}"), "*".to_owned()] {
        let (status, headers, body) = asked(&known);
        assert_eq!((status, &*body), (304, ""), "{known}");
        assert!(!headers.iter().any(|header| header.starts_with("Content-Length")));
    }
    assert_eq!(asked("\"old\"").0, 200);
}

#[test]
fn head_is_get_without_the_body() {
    for path in ["/", "/healthz", "/nothing"] {
        let (get, headers, _) = parts(knock(&plain(&format!("GET {path} HTTP/1.1"))));
        let expected = (get, headers, String::new());
        assert_eq!(parts(knock(&plain(&format!("HEAD {path} HTTP/1.1")))), expected);
    }
}

#[test]
fn other_methods_are_told_which_ones_are_answered() {
    for (first, allow) in [
        ("POST / HTTP/1.1", "Allow: GET, HEAD"),
        ("OPTIONS * HTTP/1.1", "Allow: GET, HEAD"),
        ("CONNECT chat.example:443 HTTP/1.1", "Allow: GET, HEAD"),
        ("HEAD /ws HTTP/1.1", "Allow: GET"),
        ("POST /ws HTTP/1.1", "Allow: GET"),
    ] {
        let (status, headers, _) = parts(knock(&plain(first)));
        assert_eq!(status, 405, "{first}");
        assert!(headers.iter().any(|header| header == allow), "{first}: {headers:?}");
    }
    let form = request(&["POST / HTTP/1.1", "Host: a", "Content-Length: 3"]);
    assert_eq!(status(&[&*form, b"a=b"].concat()), 405);
}

#[test]
fn what_is_not_there_is_not_found() {
    for path in ["/nothing", "/ws/", "/../Cargo.toml", "/index.html"] {
        assert_eq!(status(&plain(&format!("GET {path} HTTP/1.1"))), 404, "{path}");
    }
}

#[test]
fn http_1_0_is_answered_and_http_2_is_not() {
    assert_eq!(status(&request(&["GET /healthz HTTP/1.0"])), 200);
    assert_eq!(status(&request(&["PRI * HTTP/2.0"])), 505);
}

#[test]
fn what_could_hide_another_request_is_refused() {
    for line in ["Content-Length: 5", "Content-Length: +0", "Transfer-Encoding: chunked"] {
        assert_eq!(status(&request(&["GET / HTTP/1.1", "Host: a", line])), 400, "{line}");
        assert_eq!(status(&handshake("/ws", &[line])), 400, "{line}");
    }
    assert_eq!(status(&request(&["GET / HTTP/1.1", "Host: a", "Content-Length: 0"])), 200);
    assert_eq!(status(&request(&["GET / HTTP/1.1"])), 400);
    assert_eq!(status(&request(&["GET / HTTP/1.1", "Host: a", "Host: b"])), 400);
    assert_eq!(status(&request(&["GET / HTTP/1.0", "Host: a", "Host: b"])), 400);
    assert_eq!(status(&request(&["GET / HTTP/1.1", "Host: a", " folded: b"])), 400);
    assert_eq!(status(&request(&["GET / HTTP/1.1", "Host : a"])), 400);
}

#[test]
fn a_head_may_be_long_but_not_too_long() {
    let of = |len: usize| {
        let head = request(&["GET /healthz HTTP/1.1", "Host: a", "X: "]);
        let filled = "x".repeat(len - head.len());
        request(&["GET /healthz HTTP/1.1", "Host: a", &format!("X: {filled}")])
    };
    assert_eq!(status(&of(8192)), 200);
    assert_eq!(status(&of(8193)), 431);
    let many: Vec<String> = (0..65).map(|number| format!("X-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(status(&request(&[&["GET / HTTP/1.1", "Host: a"], &*many].concat())), 431);
    assert_eq!(knock(&of(8193)[..8191]), Knock::More);
}

#[test]
fn noise_is_no_request() {
    assert_eq!(status(b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"), 400);
    assert_eq!(status(b"hello\r\n\r\n"), 400);
    assert_eq!(knock(b""), Knock::More);
}

#[test]
fn while_draining_nobody_new_is_let_in() {
    let door = Door::new(&Settings::default());
    let asked = |request: &[u8]| parts(knock_at(&door, Readiness::Draining, request));
    for request in [handshake("/ws", &[]), plain("GET /readyz HTTP/1.1")] {
        let (status, headers, _) = asked(&request);
        assert_eq!(status, 503);
        assert!(headers.iter().any(|header| header == "Retry-After: 5"), "{headers:?}");
    }
    assert_eq!(asked(&plain("GET /healthz HTTP/1.1")).0, 200);
    assert_eq!(asked(&plain("GET / HTTP/1.1")).0, 200);
    assert_eq!(status(&plain("GET /readyz HTTP/1.1")), 200);
}

#[test]
fn a_late_head_and_a_full_house_have_their_answers() {
    assert_eq!(parts(Knock::Answer(Door::timeout_answer())).0, 408);
    let (status, headers, _) = parts(Knock::Answer(Door::full_answer()));
    assert_eq!(status, 503);
    assert!(headers.iter().any(|header| header == "Retry-After: 5"));
}
