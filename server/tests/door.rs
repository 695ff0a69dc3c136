//! What the front door answers, whole and byte by byte.

mod knock;

use proptest::prelude::*;
use roundtable_server::{Door, Knock, Readiness, Settings, Whence};

use knock::{HERE, handshake, knock, knock_at, parts, plain, request, status};

#[test]
fn a_host_is_a_host_and_a_port() {
    let on = |host: &str| request(&["GET /healthz HTTP/1.1", &format!("Host: {host}")]);
    for host in ["chat.example", "chat_1:8080", "127.0.0.1:1", "[::1]:8080", "xn--bcher-kva.de", ""]
    {
        assert_eq!(status(&on(host)), 200, "{host}");
    }
    for host in ["user@chat.example", "a b", "a, b", "a/b", "a#b", "a?b", "a\\b", "bücher.de"] {
        assert_eq!(status(&on(host)), 400, "{host}");
    }
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
    let parts = [
        "/",
        "/app.js",
        "/favicon.svg",
        "/line.js",
        "/moderation.js",
        "/people.js",
        "/presence.js",
        "/roundtable.js",
        "/sayings.js",
        "/session.js",
        "/style.css",
        "/timeline.js",
    ];
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
    for (expected, head) in [
        (405, plain("HEAD /ws HTTP/1.1")),
        (400, request(&["HEAD / HTTP/1.1", "Host: a", "Content-Length: 1"])),
        (400, request(&["HEAD / HTTP/1.1"])),
    ] {
        let (status, _, body) = parts(knock(&head));
        assert_eq!((status, &*body), (expected, ""), "{}", head.escape_ascii());
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
    for line in [
        "Content-Length: 5",
        "Content-Length: +0",
        "Content-Length: 0\u{A0}",
        "Content-Length: 0, 5",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length:",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "transfer-encoding:\tchunked",
        "Transfer-Encoding : chunked",
        "X: 1\r\n folded: b",
        "X: 1\r\n\tTransfer-Encoding: chunked",
        "X: 1\nY: 2",
        "X: 1\rY: 2",
        "X: 1\0",
        "X\0: 1",
        "X: 1\r\n\nY: 2",
    ] {
        let page = request(&["GET / HTTP/1.1", "Host: a", line]);
        assert_eq!(status(&page), 400, "{}", line.escape_debug());
        assert_eq!(status(&handshake("/ws", &[line])), 400, "{}", line.escape_debug());
    }
    assert_eq!(status(&request(&["GET / HTTP/1.1", "Host: a", "Content-Length: 0"])), 200);
    assert_eq!(status(&request(&["GET / HTTP/1.1"])), 400);
    assert_eq!(status(&request(&["GET / HTTP/1.1", "Host: a", "Host: b"])), 400);
    assert_eq!(status(&request(&["GET / HTTP/1.0", "Host: a", "Host: b"])), 400);
    for whole in [
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(status(whole.as_bytes()), 400, "{}", whole.escape_debug());
    }
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
    let door = Door::new(&Settings::default(), None);
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

/// A request that may be good, with some bytes changed.
fn bent_requests() -> impl Strategy<Value = Vec<u8>> {
    let good = prop_oneof![
        Just(handshake("/ws?name=ann", &["Origin: https://chat.example"])),
        Just(plain("GET / HTTP/1.1")),
    ];
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b" \t\r\n\0:,/?%0".to_vec())];
    let bends = prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), byte), 0..5);
    (good, bends).prop_map(|(mut request, bends)| {
        for (index, adds, byte) in bends {
            let at = index.index(request.len());
            request.splice(at..at + usize::from(!adds), [byte]);
        }
        request
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_answered_the_same_whole_and_byte_by_byte(
        request in prop_oneof![
            4 => bent_requests(),
            1 => prop::collection::vec(any::<u8>(), 0..100),
        ],
    ) {
        match knock(&request) {
            Knock::More => {}
            Knock::Upgrade { response, consumed, .. } => {
                prop_assert!(response.starts_with(b"HTTP/1.1 101 "));
                prop_assert!(request[..consumed].ends_with(b"\r\n\r\n"));
            }
            answer @ Knock::Answer(_) => {
                let (status, headers, body) = parts(answer);
                prop_assert!((200..=505).contains(&status));
                let length = format!("Content-Length: {}", body.len());
                prop_assert!(headers.contains(&length), "{:?}", headers);
                let ends = ["Connection: close", "Connection: Upgrade, close"];
                prop_assert!(headers.iter().any(|header| ends.contains(&&**header)));
            }
        }
    }
}

#[test]
fn a_proxy_that_is_believed_says_who_knocks() {
    let settings =
        |trusted: &str| Settings { trust_proxy: trusted.parse().unwrap(), ..Settings::default() };
    let whence = |trusted: &str, lines: &[&str]| {
        let door = Door::new(&settings(trusted), None);
        match knock_at(&door, Readiness::Serving, &handshake("/ws", lines)) {
            Knock::Upgrade { whence, .. } => Ok(whence),
            answer => Err(parts(answer).0),
        }
    };
    let named = Ok(Whence::Named([198, 51, 100, 7].into()));
    let (one, other) = ("Forwarded: for=198.51.100.7", "x-forwarded-for: 198.51.100.7");
    for lines in [&[one][..], &[other], &[one, other], &[other, "X-Forwarded-For: 192.0.2.1"]] {
        assert_eq!(whence("192.0.2.0/24", lines), named, "{lines:?}");
        assert_eq!(whence("198.51.100.0/24", lines), Ok(HERE), "{lines:?}");
    }
    assert_eq!(whence("192.0.2.0/24", &[]), Ok(HERE));
    assert_eq!(whence("192.0.2.0/24", &[one, "X-Forwarded-For: 198.51.100.8"]), Err(400));
}

#[test]
fn the_examples_of_whose_address_counts_are_what_is_done() {
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let document = std::fs::read_to_string(document).unwrap();
    let (_, table) =
        document.split_once("\n| peer, with `trust_proxy = [\"10.0.0.0/8\"]` |").unwrap();
    let trust_proxy = "10.0.0.0/8".parse().unwrap();
    let door = Door::new(&Settings { trust_proxy, ..Settings::default() }, None);
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| !line.is_empty()).collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let code = |cell: usize| cells[cell].strip_prefix('`')?.split('`').next();
        let peer = Whence::Itself(code(1).unwrap().parse().unwrap());
        let headers: &[&str] = match cells[2] {
            "none" => &[],
            "any" => &["X-Forwarded-For: 198.51.100.9"],
            _ => &[code(2).unwrap()],
        };
        let knock = door.knock(Readiness::Serving, peer, &handshake("/ws", headers));
        let Knock::Upgrade { whence, .. } = knock else { panic!("{row}: {knock:?}") };
        assert_eq!(whence.ip().to_string(), code(3).unwrap(), "{row}");
    }
}
