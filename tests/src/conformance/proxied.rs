//! Servers behind something that says whom it speaks for. This file does not know how it is said in
//! other ways than to the letter.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use roundtable_server::Settings;

use super::client::serve;
use super::doors::status;
use super::raw::{Raw, text, upgrade};
use super::{Runtime, settings};

/// A PROXY header of version 2 (its section 2.2) for a client at `from`.
pub fn proxy_header(from: IpAddr) -> Vec<u8> {
    let (family, addresses) = match from {
        IpAddr::V4(ip) => (0x11, [ip.octets(), [10, 0, 0, 1]].concat()),
        IpAddr::V6(ip) => (0x21, [ip.octets(), [0xFD; 16]].concat()),
    };
    // Two ports, and a field that means nothing here (PP2_TYPE_NOOP).
    let rest = [&addresses[..], &[0x10, 0x01, 0, 80], &[0x04, 0, 2, 0, 0]].concat();
    header(0x21, family, &rest)
}

/// A PROXY header by which the proxy speaks for itself.
fn local_header() -> Vec<u8> {
    header(0x20, 0, &[])
}

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short one").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, rest].concat()
}

/// An upgrade with further lines.
fn upgrade_with(lines: &str) -> Vec<u8> {
    upgrade("room=lobby").replace("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n")).into_bytes()
}

/// Sends all at once, and gives the answer's status, with what keeps the connection.
fn knock(addr: SocketAddr, bytes: &[u8]) -> (Raw, String) {
    let mut raw = Raw::connect(addr);
    raw.write(bytes);
    let head = raw.answer_head();
    (raw, status(&head).to_owned())
}

/// Limits by address hold each client that a proxy names, if it is believed, wherever that client is;
/// and others only themselves.
pub fn a_proxy_that_is_believed_says_who_its_clients_are(runtime: Runtime<'_>) {
    let mut settings = settings();
    settings.hub.address_connections = 1;
    settings.trust_proxy = "127.0.0.0/8".parse().expect("a network");
    let server = serve(runtime, &settings);
    let mut inside = Vec::new();
    for (lines, expected) in [
        ("X-Forwarded-For: 192.0.2.1", "101"),
        ("X-Forwarded-For: 192.0.2.1", "429"),
        ("X-Forwarded-For: 192.0.2.7, 192.0.2.1", "429"),
        ("X-Forwarded-For: 192.0.2.2", "101"),
        ("Forwarded: for=\"192.0.2.2:4711\"", "429"),
        ("Forwarded: for=\"[2001:db8::1]\"", "101"),
        ("X-Forwarded-For: 2001:db8::2", "429"),
        ("Forwarded: for=192.0.2.3\r\nX-Forwarded-For: 192.0.2.4", "400"),
        // A client of the proxy's own machine, and one of whom nothing is known.
        ("X-Forwarded-For: 127.0.0.9", "101"),
        ("X-Forwarded-For: 127.0.0.9", "429"),
        ("X-Forwarded-For: unknown", "101"),
        ("Forwarded: for=unknown", "429"),
        // Who names nobody is no proxy.
        ("X-Other: 192.0.2.1", "101"),
        ("X-Other: 192.0.2.1", "101"),
    ] {
        let (raw, status) = knock(server.addr, &upgrade_with(lines));
        assert_eq!(status, expected, "{lines}");
        inside.push(raw);
    }
    server.shut();
    settings.trust_proxy = "192.0.2.0/24".parse().expect("a network");
    settings.limit_loopback = true;
    let server = serve(runtime, &settings);
    let (_inside, status) = knock(server.addr, &upgrade_with("X-Forwarded-For: 192.0.2.1"));
    assert_eq!(status, "101");
    for lines in ["X-Forwarded-For: 192.0.2.2", "Forwarded: for=192.0.2.3"] {
        assert_eq!(knock(server.addr, &upgrade_with(lines)).1, "429", "{lines}");
    }
    server.shut();
}

/// Where each connection begins with a PROXY header.
fn with_headers() -> Settings {
    let trust_proxy = "127.0.0.0/8, 10.0.0.0/8".parse().expect("networks");
    let mut settings = Settings { proxy_protocol: true, trust_proxy, ..settings() };
    settings.hub.address_connections = 1;
    settings
}

/// A PROXY header says who the client is, and comes off before the request, however it arrives.
pub fn a_proxy_header_says_who_the_client_is(runtime: Runtime<'_>) {
    let server = serve(runtime, &with_headers());
    let mut inside = Vec::new();
    for (from, lines, expected) in [
        ("192.0.2.1", "X-Other: 1", "101"),
        ("192.0.2.1", "X-Other: 1", "429"),
        ("2001:db8::1", "X-Other: 1", "101"),
        ("2001:db8::2", "X-Other: 1", "429"),
        ("127.0.0.9", "X-Other: 1", "101"),
        ("127.0.0.9", "X-Other: 1", "429"),
        // Whom it names is a client, who is believed nothing, or another proxy.
        ("192.0.2.1", "X-Forwarded-For: 192.0.2.2", "429"),
        ("10.0.0.2", "X-Forwarded-For: 192.0.2.1", "429"),
        ("10.0.0.2", "X-Forwarded-For: 192.0.2.2", "101"),
    ] {
        let header = proxy_header(from.parse().expect("an address"));
        let (raw, status) = knock(server.addr, &[header, upgrade_with(lines)].concat());
        assert_eq!(status, expected, "{from}, {lines}");
        inside.push(raw);
    }
    // The proxy looks after our health, or connects for itself: as often as it likes.
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(knock(server.addr, &[&local_header()[..], request].concat()).1, "200");
    for _ in 0..2 {
        let (raw, status) = knock(server.addr, &[local_header(), upgrade_with("X: 1")].concat());
        assert_eq!(status, "101");
        inside.push(raw);
    }
    let mut slow = Raw::connect(server.addr);
    let header = proxy_header("192.0.2.3".parse().expect("an address"));
    for byte in [header, upgrade("room=lobby&name=eve").into_bytes(), text("hello")].concat() {
        slow.write(&[byte]);
    }
    slow.expect_upgrade();
    assert_eq!(slow.json()["user"], "eve");
    assert_eq!(slow.json()["type"], "joined");
    assert_eq!(slow.json()["data"], "hello");
    server.shut();
}

/// Who begins with anything else, or has nobody's trust, is gone without an answer; who does not go on
/// is told so.
pub fn without_its_proxy_header_a_connection_ends(runtime: Runtime<'_>) {
    let mut settings = with_headers();
    settings.wire.head_timeout = Duration::from_millis(500);
    let server = serve(runtime, &settings);
    let request = upgrade("room=lobby").into_bytes();
    let mut longest = header(0x21, 0x11, &[]);
    longest[14..16].copy_from_slice(&[0xFF, 0xFF]);
    for beginning in [
        request.clone(),
        b"PROXY TCP4 192.0.2.1 10.0.0.1 4097 80\r\n".to_vec(),
        header(0x21, 0x11, &[192, 0, 2, 1]),
        longest,
    ] {
        let mut raw = Raw::connect(server.addr);
        // It may be over before all of it is sent.
        raw.try_write(&[beginning, request.clone()].concat());
        assert!(raw.is_over(), "it is answered");
    }
    let from = "192.0.2.1".parse().expect("an address");
    for some in [0, 5, 20] {
        let mut late = Raw::connect(server.addr);
        late.write(&proxy_header(from)[..some]);
        assert_eq!(status(&late.answer().0), "408", "after {some} bytes");
    }
    server.shut();
    settings.trust_proxy = "192.0.2.0/24".parse().expect("a network");
    let server = serve(runtime, &settings);
    let mut stranger = Raw::connect(server.addr);
    stranger.try_write(&[proxy_header(from), request].concat());
    assert!(stranger.is_over(), "it is answered");
    assert!(Raw::connect(server.addr).is_over(), "it is waited for");
    server.shut();
}
