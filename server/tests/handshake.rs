//! Who may open a WebSocket, and what its URL says.

mod knock;

use roundtable::{Framing, Greeting, RoomChoice};
use roundtable_server::{Codec, Door, Input, Knock, Readiness, Settings};

use knock::{HERE, KEY, handshake, knock, knock_at, parts, plain, request, status};

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
    for others in ["chat, roundtable.v10", "ROUNDTABLE.V1", "\"roundtable.v1\"", ""] {
        let other = handshake("/ws", &[&format!("Sec-WebSocket-Protocol: {others}")]);
        let Knock::Upgrade { response, greeting, .. } = knock(&other) else { panic!("no upgrade") };
        assert!(!String::from_utf8(response).unwrap().contains("Protocol:"), "{others}");
        assert_eq!(greeting.framing, Framing::Lenient, "{others}");
    }
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
    assert_eq!(wish("/ws?room"), (RoomChoice::None, None));
    assert_eq!(wish("/ws?room=a&room=%62%26%3D"), (named("b&="), None));
    // What is no UTF-8 or no encoding is read as browsers read it.
    assert_eq!(wish("/ws?room=%FF&name=5%"), (named("\u{FFFD}"), Some("5%".into())));
    let longest = "ü".repeat(32);
    assert_eq!(wish(&format!("/ws?room={}", "%C3%BC".repeat(32))), (named(&longest), None));
    assert_eq!(wish("/ws?"), (RoomChoice::Default, None));
    assert_eq!(wish("http://chat.example/ws?room=a"), (named("a"), None));
}

#[test]
fn a_bad_name_is_refused_in_words() {
    let empty = "a name needs at least one visible character";
    let of = |code: &str| format!("a name may not have the character U+{code}");
    let long = "a name has at most 32 characters, this one has 33".to_owned();
    let cases = [
        ("name=%20", format!("name: {empty}\n")),
        ("room=+&name=ann", format!("room: {empty}\n")),
        ("name=ann&room=%E3%80%80", format!("room: {empty}\n")),
        (&format!("name={}", "x".repeat(33)), format!("name: {long}\n")),
        (&format!("room={}", "%C3%BC".repeat(33)), format!("room: {long}\n")),
        ("room=a%00b", format!("room: {}\n", of("0000"))),
        ("room=a%0Ab", format!("room: {}\n", of("000A"))),
        ("room=a%7Fb", format!("room: {}\n", of("007F"))),
        ("name=a%C2%85b", format!("name: {}\n", of("0085"))),
        ("name=%E2%80%AEnna", format!("name: {}\n", of("202E"))),
        ("name=ann%E2%81%A6", format!("name: {}\n", of("2066"))),
    ];
    for (query, words) in cases {
        let (status, _, body) = parts(knock(&handshake(&format!("/ws?{query}"), &[])));
        assert_eq!((status, body), (400, words), "{query}");
    }
}

#[test]
fn a_first_frame_right_behind_the_head_is_read() {
    let head = handshake("/ws", &[]);
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    let bytes = [&*head, &frame].concat();
    let Knock::Upgrade { consumed, .. } = knock(&head) else { panic!("no upgrade") };
    let door = Door::new(&Settings::default(), None);
    let Knock::Upgrade { consumed: with_frame, .. } = door.knock(Readiness::Serving, HERE, &bytes)
    else {
        panic!("no upgrade")
    };
    assert_eq!((consumed, with_frame), (head.len(), head.len()));
    let settings = Settings::default();
    let (mut codec, mut inputs) = (Codec::new(&settings), Vec::new());
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
    assert_eq!(status(&with(&[version, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===="])), 400);
}

#[test]
fn what_may_stand_there_once_must_not_stand_there_twice() {
    for line in ["Host: chat.example", "Sec-WebSocket-Version: 13", KEY] {
        let (status, _, body) = parts(knock(&handshake("/ws", &[line])));
        assert_eq!(status, 400, "{line}");
        assert!(line.starts_with(body.trim_end_matches(" stands there twice\n")), "{body}");
    }
    let origin = "Origin: https://chat.example";
    for second in [origin, "Origin: https://evil.example", "Origin: null"] {
        assert_eq!(status(&handshake("/ws", &[origin, second])), 400, "{second}");
    }
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
        "https://evil#chat.example",
        "https://evil?chat.example",
        "https://evil/chat.example",
        "https://evil\\chat.example",
        "https://chat.example#evil",
        "https://chat.example.",
        "https://chat.example:443",
        "https://evil-chat.example",
        "https://evil.chat.example",
        "https://chat.example:8080",
        "https://chat.example@evil",
        "https://user@chat.example",
        "https://chat.example/",
        "https://chat.example https://evil",
        "file://chat.example",
        "chrome-extension://chat.example",
        "https://https://chat.example",
        "https://chat.example\u{A0}",
    ];
    for origin in foreign {
        assert_eq!(status(&from(origin)), 403, "{origin}");
    }
    let nameless = handshake("/ws", &["Origin: http://"]);
    let nameless = String::from_utf8(nameless).unwrap().replace("Host: chat.example", "Host:");
    assert_eq!(status(nameless.as_bytes()), 403);
}

#[test]
fn the_port_is_part_of_where_a_page_is_from() {
    let from = |origin: &str| {
        let head = String::from_utf8(handshake("/ws", &[&format!("Origin: {origin}")])).unwrap();
        head.replace("Host: chat.example", "Host: 127.0.0.1:8080").into_bytes()
    };
    assert_eq!(greeting(&from("http://127.0.0.1:8080")), Greeting::default());
    for origin in [
        "http://127.0.0.1",
        "http://127.0.0.1:80",
        "http://127.0.0.1:08080",
        "http://127.0.0.1:8080.evil.example",
        "http://127.0.0.1:8080@evil.example",
        "http://evil.example#127.0.0.1:8080",
        "http://evil.example:8080",
        "http://localhost:8080",
        "ws://127.0.0.1:8080",
    ] {
        assert_eq!(status(&from(origin)), 403, "{origin}");
    }
}

#[test]
fn allowed_origins_may_connect() {
    let mut settings = Settings::default();
    let from = |origin: &str| handshake("/ws", &[&format!("Origin: {origin}")]);
    settings.allow_origin = "https://a.example,http://b.example:8080".parse().unwrap();
    let door = Door::new(&settings, None);
    let is_open = |door: &Door, origin: &str| {
        matches!(knock_at(door, Readiness::Serving, &from(origin)), Knock::Upgrade { .. })
    };
    assert!(is_open(&door, "https://a.example"));
    assert!(is_open(&door, "http://b.example:8080"));
    assert!(is_open(&door, "https://chat.example"));
    assert!(!is_open(&door, "http://a.example"));
    assert!(!is_open(&door, "http://b.example"));
    settings.allow_origin = "*".parse().unwrap();
    assert!(is_open(&Door::new(&settings, None), "null"));
}
