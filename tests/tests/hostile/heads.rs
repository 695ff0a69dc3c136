//! Requests that never end, or are not what they seem.

use std::time::{Duration, Instant};

use roundtable_tests::conformance::servers::RUNTIMES;
use roundtable_tests::conformance::{Raw, settings, upgrade};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{BUSY, on_each, percentile, tell};

/// Peers that never come to the end of their request.
const PEERS: usize = 1000;

/// What a newcomer may wait meanwhile.
const PROMISED: Duration = Duration::from_millis(50);

/// Both ends of a connection are in this process.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("a process may raise its own limit");
}

#[test]
fn a_thousand_heads_that_never_end_keep_no_newcomer_waiting() {
    raise_descriptors();
    let crowded = RUNTIMES.map(|(name, start)| {
        let mut settings = settings();
        settings.wire.head_timeout = Duration::from_secs(3);
        let server = start(&settings, None);
        let mut peers: Vec<Raw> = (0..PEERS).map(|_| Raw::connect(server.addr)).collect();
        // A third is silent, one stops in the middle, and one goes on byte by byte.
        for peer in peers.iter_mut().skip(1).step_by(3) {
            peer.write(b"GET /ws HTTP/1.1\r\nHost: local");
        }
        let mut spans: Vec<Duration> = (0..20)
            .map(|_| {
                for peer in peers.iter_mut().skip(2).step_by(3) {
                    // Its time may be over on a machine that is slow.
                    peer.try_write(b"G");
                }
                let start = Instant::now();
                let mut newcomer = Raw::upgraded(server.addr, "room=");
                assert_eq!(newcomer.json()["type"], "welcome");
                start.elapsed()
            })
            .collect();
        let (half, most) = (percentile(&mut spans, 50), percentile(&mut spans, 100));
        tell(&format!(
            "{name}: beside {PEERS} heads, newcomers are in after {half:.1?}, at most {most:.1?}"
        ));
        assert!(half < PROMISED * BUSY, "{name}: {half:?}");
        (server, peers)
    });
    for (server, peers) in crowded {
        for mut peer in peers {
            let (head, _) = peer.answer();
            assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        }
        server.shut();
    }
}

/// What is behind a request is never taken for another one.
#[test]
fn a_head_that_is_not_to_the_letter_has_one_answer_and_ends_the_connection() {
    let good = upgrade("room=");
    let with = |line: &str| good.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
    let many: Vec<String> = (0..70).map(|number| format!("X-{number}: 1")).collect();
    let cases = [
        ("too long", with(&format!("X: {}", "x".repeat(9000))), 431),
        ("many headers", with(&many.join("\r\n")), 431),
        ("bare LF", good.replace("\r\n", "\n"), 400),
        ("one bare LF", with("X: 1\nY: 2"), 400),
        ("a folded line", with("X: 1\r\n Transfer-Encoding: chunked"), 400),
        ("a body", with("Content-Length: 44"), 400),
        ("chunks", with("Transfer-Encoding: chunked"), 400),
        ("two hosts", with("Host: evil.example"), 400),
        ("a host with a user", good.replace("localhost", "user@localhost"), 400),
        ("no host", good.replace("Host: localhost\r\n", ""), 400),
        ("a short key", good.replace("AAECAwQFBgcICQoLDA0ODw==", "AAEC"), 400),
        ("no key", good.replace("Sec-WebSocket-Key", "X-Key"), 400),
        ("two keys", with("Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw=="), 400),
        ("HTTP/1.0", good.replace("HTTP/1.1", "HTTP/1.0"), 426),
        ("HTTP/2", good.replace("HTTP/1.1", "HTTP/2.0"), 505),
        ("an old version", good.replace("Version: 13", "Version: 8"), 426),
        ("POST", good.replace("GET", "POST"), 405),
        ("a foreign origin", with("Origin: https://evil.example"), 403),
        ("the origin null", with("Origin: null"), 403),
        ("a look-alike", with("Origin: http://localhost.evil.example"), 403),
        ("another look-alike", with("Origin: http://loca\u{4cf}host"), 403),
        ("an origin with a user", with("Origin: http://localhost@evil.example"), 403),
        ("its own origin with a user", with("Origin: http://user@localhost"), 403),
        ("two origins", with("Origin: http://localhost\r\nOrigin: null"), 400),
    ];
    on_each(|name, server| {
        for (what, head, expected) in &cases {
            let mut raw = Raw::connect(server.addr);
            let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            raw.try_write(format!("{head}{smuggled}").as_bytes());
            let (head, body) = raw.answer();
            assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{name}, {what}: {head}");
            let body = String::from_utf8_lossy(&body);
            assert!(!body.contains("HTTP/1.1 "), "{name}, {what}: two answers: {body}");
        }
        for line in ["X: 1", "Origin: http://localhost", "Origin: https://localhost"] {
            let mut raw = Raw::connect(server.addr);
            raw.write(with(line).as_bytes());
            raw.expect_upgrade();
        }
    });
}

/// RFC 7692 §5: an offer is declined by not being answered, and what comes compressed all the same
/// breaks the rules.
#[test]
fn compression_is_declined() {
    on_each(|name, server| {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, \
                     permessage-deflate\r\n\r\n";
        let head = upgrade("room=").replace("\r\n\r\n", &format!("\r\n{offer}"));
        let mut raw = Raw::connect(server.addr);
        raw.write(head.as_bytes());
        let accepted = raw.expect_upgrade();
        assert!(!accepted.to_lowercase().contains("extensions"), "{name}: {accepted}");
        assert_eq!(raw.json()["type"], "welcome");
        // RSV1 is the bit of a compressed message.
        raw.write(&[0xC1, 0x80, 0, 0, 0, 0]);
        assert_eq!(raw.close_code(), 1002, "{name}");
    });
}
