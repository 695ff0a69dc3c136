//! Both servers speak TLS, and whoever does not, or not on, keeps nobody waiting.

mod secure;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use roundtable_server::Settings;
use roundtable_tests::conformance::servers::{on_smol, on_threads};
use roundtable_tests::conformance::{BACKSTOP, Runtime, frame, proxy_header, settings, upgrade};
use rustls::SupportedProtocolVersion;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::{TLS12, TLS13};

use secure::{Secure, file, shake_hands};

fn secure() -> Settings {
    let (tls_cert, tls_key) = (Some(file("first.pem")), Some(file("first.key.pem")));
    Settings { tls_cert, tls_key, ..settings() }
}

fn plain(addr: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(addr).expect("a server");
    socket.set_read_timeout(Some(BACKSTOP)).expect("a time-out");
    socket
}

fn connect(addr: SocketAddr, version: &'static SupportedProtocolVersion) -> Secure {
    shake_hands(plain(addr), version)
}

/// Comes into the lobby, and reads until it is there.
fn join(addr: SocketAddr, version: &'static SupportedProtocolVersion) -> Secure {
    let mut stream = connect(addr, version);
    stream.write_all(upgrade("room=lobby").as_bytes()).expect("room");
    until(&mut stream, "\"joined\"");
    stream
}

fn say(stream: &mut Secure, words: &str) {
    stream.write_all(&frame(0x81, true, words.as_bytes())).expect("room");
}

fn until(stream: &mut impl Read, wanted: &str) {
    let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&all).contains(wanted) {
        let count = stream.read(&mut bytes).expect(wanted);
        assert!(count > 0, "{wanted} is not in {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&bytes[..count]);
        // What is wanted may lie across two reads, and is short.
        all.drain(..all.len().saturating_sub(8192));
    }
}

#[test]
fn runtime_smol_speaks_tls() {
    check(&on_smol);
}

#[test]
fn runtime_std_speaks_tls() {
    check(&on_threads);
}

fn check(runtime: Runtime<'_>) {
    people_chat_and_the_page_comes(runtime);
    a_certificate_is_read_again_and_nobody_is_dropped(runtime);
    who_is_silent_or_speaks_no_tls_is_gone(runtime);
    a_slow_reader_holds_up_nobody_and_reads_on(runtime);
    a_proxy_header_comes_off_before_the_handshake(runtime);
}

fn people_chat_and_the_page_comes(runtime: Runtime<'_>) {
    let server = runtime(&secure());
    let (mut ann, mut bob) = (join(server.addr, &TLS12), join(server.addr, &TLS13));
    say(&mut ann, "hello from ann");
    until(&mut bob, "hello from ann");
    say(&mut bob, "hello from bob");
    until(&mut ann, "hello from bob");
    let mut page = connect(server.addr, &TLS13);
    page.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("room");
    let mut answer = String::new();
    // Without a word of farewell, this would be an error.
    page.read_to_string(&mut answer).expect("an end that is told");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("</html>"), "{answer}");
    for (origin, expected) in [("https://localhost", "101"), ("http://localhost", "403")] {
        let mut stream = connect(server.addr, &TLS13);
        let with_origin = format!("\r\nOrigin: {origin}\r\n\r\n");
        let request = upgrade("").replace("\r\n\r\n", &with_origin);
        stream.write_all(request.as_bytes()).expect("room");
        until(&mut stream, &format!("HTTP/1.1 {expected} "));
    }
    // The peer closes, and is answered; then the end is told.
    say(&mut ann, "the last word");
    ann.write_all(&frame(0x88, true, &1000_u16.to_be_bytes())).expect("room");
    ann.read_to_end(&mut Vec::new()).expect("an end that is told");
    server.shut();
}

fn a_certificate_is_read_again_and_nobody_is_dropped(runtime: Runtime<'_>) {
    let folder = tempfile::tempdir().expect("a folder");
    let [certificate, key] = ["cert", "key"].map(|name| folder.path().join(name));
    let put = |name: &str, at: &Path| fs::copy(file(name), at).expect("room");
    put("first.pem", &certificate);
    put("first.key.pem", &key);
    let (tls_cert, tls_key) = (Some(certificate.clone()), Some(key.clone()));
    let server = runtime(&Settings { tls_cert, tls_key, ..settings() });
    let shown = |stream: &Secure| {
        stream.conn.peer_certificates().expect("a certificate")[0].clone().into_owned()
    };
    let [first, second] = ["first.pem", "second.pem"]
        .map(|name| CertificateDer::from_pem_file(file(name)).expect("one"));
    let mut ann = join(server.addr, &TLS13);
    assert_eq!(shown(&ann), first);
    put("second.key.pem", &key);
    server.reload();
    assert_eq!(shown(&join(server.addr, &TLS13)), first, "a wrong pair is not taken up");
    put("second.pem", &certificate);
    server.reload();
    let mut bob = join(server.addr, &TLS12);
    assert_eq!(shown(&bob), second);
    say(&mut bob, "hello from bob");
    until(&mut ann, "hello from bob");
    server.shut();
}

fn who_is_silent_or_speaks_no_tls_is_gone(runtime: Runtime<'_>) {
    let mut settings = secure();
    settings.wire.head_timeout = Duration::from_millis(100);
    settings.admin_listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = runtime(&settings);
    let ended = |mut socket: TcpStream| {
        let mut bytes = Vec::new();
        // What the server has not read may make this a reset.
        let _reset = socket.read_to_end(&mut bytes);
        assert!(!bytes.starts_with(b"HTTP"), "it is answered: {bytes:?}");
    };
    ended(plain(server.addr));
    let mut half = plain(server.addr);
    half.write_all(b"\x16\x03\x01\x02\x00\x01").expect("room");
    ended(half);
    let mut request = plain(server.addr);
    request.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("room");
    ended(request);
    drop(join(server.addr, &TLS13));
    // Operators are told of the one whose first byte was none of TLS.
    let mut operator = plain(server.admin.expect("operators have a listener"));
    operator.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("room");
    let mut told = String::new();
    operator.read_to_string(&mut told).expect("an answer");
    assert!(told.contains("\nroundtable_tls_failures_total 1\n"), "{told}");
    server.shut();
}

fn a_slow_reader_holds_up_nobody_and_reads_on(runtime: Runtime<'_>) {
    let mut settings = secure();
    settings.wire.sndbuf = 8192;
    settings.wire.close_timeout = Duration::from_secs(10);
    let server = runtime(&settings);
    let mut slow = join(server.addr, &TLS13);
    let [mut ann, mut bob] = [join(server.addr, &TLS13), join(server.addr, &TLS12)];
    let filler = "x".repeat(4000);
    for number in 0..300 {
        say(&mut ann, &format!("number {number}: {filler}"));
        // All of it: what ann says comes back to her, too.
        until(&mut bob, &format!("number {number}:"));
        until(&mut ann, &format!("number {number}:"));
    }
    say(&mut ann, "the end of it");
    until(&mut slow, "the end of it");
    server.shut();
}

fn a_proxy_header_comes_off_before_the_handshake(runtime: Runtime<'_>) {
    let trust_proxy = "127.0.0.0/8".parse().expect("a network");
    let mut settings = Settings { proxy_protocol: true, trust_proxy, ..secure() };
    settings.hub.address_connections = 1;
    let server = runtime(&settings);
    let mut inside = Vec::new();
    for (from, version, expected) in [
        ("192.0.2.1", &TLS12, "\"joined\""),
        ("192.0.2.1", &TLS13, "HTTP/1.1 429 "),
        ("192.0.2.2", &TLS13, "\"joined\""),
    ] {
        let mut socket = plain(server.addr);
        // The hello comes right behind it.
        socket.write_all(&proxy_header(from.parse().expect("an address"))).expect("room");
        let mut stream = shake_hands(socket, version);
        stream.write_all(upgrade("room=lobby").as_bytes()).expect("room");
        until(&mut stream, expected);
        inside.push(stream);
    }
    // A handshake without it is none.
    let mut socket = plain(server.addr);
    socket.write_all(b"\x16\x03\x01\x02\x00\x01").expect("room");
    let mut answer = Vec::new();
    // What the server has not read may make this a reset.
    let _reset = socket.read_to_end(&mut answer);
    assert_eq!(answer, b"");
    server.shut();
}
