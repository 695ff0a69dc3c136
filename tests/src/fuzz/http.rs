//! Bytes as what comes in at the front door. This file knows HTTP/1.1 as a careful proxy does, line
//! by line, and nothing of what is behind the door.

use std::net::{IpAddr, Ipv4Addr};

use roundtable_server::{Door, Knock, Readiness, Settings, Whence};
use tungstenite::handshake::derive_accept_key;

/// The most that the door reads, the least that may be set: longer heads cost the fuzzer time.
const HEAD_BYTES: usize = 512;

/// A proxy that is believed.
const HERE: Whence = Whence::Itself(IpAddr::V4(Ipv4Addr::LOCALHOST));

/// Knocks with the bytes behind the first, which says whether the server drains: whole and byte by
/// byte, the answer is the same, it is a proper answer, and nobody is let in whose request another
/// reader could read differently.
///
/// # Panics
///
/// If the door answers differently, improperly, or to the wrong people.
pub fn http(bytes: &[u8]) {
    let Some((flags, head)) = bytes.split_first() else { return };
    let readiness = if flags & 1 == 0 { Readiness::Serving } else { Readiness::Draining };
    let mut settings = Settings::default();
    settings.wire.head_bytes = HEAD_BYTES;
    settings.trust_proxy = "127.0.0.0/8".parse().expect("a network");
    let door = Door::new(&settings, None);
    let whole = door.knock(readiness, HERE, head);
    let longest = head.len().min(HEAD_BYTES + 1);
    let first = (0..=longest)
        .map(|len| door.knock(readiness, HERE, &head[..len]))
        .find(|knock| *knock != Knock::More);
    assert_eq!(first.unwrap_or(Knock::More), whole, "byte by byte (left) and whole (right)");
    match whole {
        Knock::More => assert!(head.len() < HEAD_BYTES, "asks for more than it reads"),
        Knock::Answer(answer) => check_answer(head, &answer),
        Knock::Upgrade { response, consumed, whence, .. } => {
            assert_eq!(readiness, Readiness::Serving, "let in while draining");
            let is_named = head.to_ascii_lowercase().windows(9).any(|word| word == b"forwarded");
            assert!(whence == HERE || is_named, "{whence:?} comes out of nothing");
            check_upgrade(&head[..consumed], &response);
        }
    }
}

/// A head's first line, and its fields with their names in small letters.
struct Head<'a> {
    first: &'a str,
    fields: Vec<(String, &'a str)>,
}

impl<'a> Head<'a> {
    /// Reads a whole head strictly: every line ends with CR LF and is a field of one line.
    fn read(bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).expect("a head in ASCII, or nearly");
        let head = text.strip_suffix("\r\n\r\n").expect("an empty line behind the head");
        let mut lines = head.split("\r\n");
        let first = lines.next().expect("a first line");
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line}"));
            let is_token =
                |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&byte);
            assert!(!name.is_empty() && name.bytes().all(is_token), "a field's name: {line:?}");
            let is_bad = |byte: u8| byte.is_ascii_control() && byte != b'\t';
            assert!(!value.bytes().any(is_bad), "a field's value: {line:?}");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']))
        });
        Self { first, fields: fields.collect() }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(found, _)| found == name).map(|(_, value)| *value)
    }

    /// The value of a field that stands there once.
    fn only(&self, name: &str) -> Option<&'a str> {
        let mut all = self.all(name);
        let value = all.next();
        assert_eq!(all.next(), None, "{name} stands there twice");
        value
    }

    fn has(&self, name: &str, token: &str) -> bool {
        let mut tokens = self.all(name).flat_map(|value| value.split(','));
        tokens.any(|found| found.trim_matches([' ', '\t']).eq_ignore_ascii_case(token))
    }
}

fn split(answer: &[u8]) -> (Head<'_>, &[u8]) {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an end of the head");
    let (head, body) = answer.split_at(end + 4);
    (Head::read(head), body)
}

fn check_answer(request: &[u8], answer: &[u8]) {
    let (head, body) = split(answer);
    let status = head.first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status: u16 = status.and_then(|status| status.parse().ok()).expect("a status");
    let known = [200, 304, 400, 403, 404, 405, 426, 431, 503, 505];
    assert!(known.contains(&status), "status {status}");
    assert!(head.has("connection", "close"), "the connection goes on: {:?}", head.fields);
    let length = head.only("content-length").map(|length| length.parse().expect("a length"));
    if status == 304 {
        assert_eq!((length, body), (None, &b""[..]), "a 304 has no body");
    } else if body.is_empty() && request.trim_ascii_start().starts_with(b"HEAD ") {
        assert_ne!(length, None);
    } else {
        assert_eq!(length, Some(body.len()), "the body's length");
    }
    if status == 405 {
        assert!(head.has("allow", "GET"), "405 says what is allowed");
    }
    if status == 503 {
        assert!(head.only("retry-after").is_some(), "503 says when to come back");
    }
}

/// Who is let in has asked for it in so many words, once each, and nothing can hide behind.
fn check_upgrade(request: &[u8], response: &[u8]) {
    // Empty lines may stand before a request (RFC 9112 §2.2).
    let mut rest = request;
    while let Some(stripped) = rest.strip_prefix(b"\r\n") {
        rest = stripped;
    }
    let lossy = String::from_utf8_lossy(rest);
    let asked = Head::read(lossy.as_bytes());
    assert!(asked.first.starts_with("GET ") && asked.first.ends_with(" HTTP/1.1"));
    assert!(asked.only("host").is_some_and(|host| !host.contains(['/', '@', ',', ' '])));
    assert!(asked.all("content-length").all(|length| length == "0"), "a body could hide there");
    assert_eq!(asked.all("transfer-encoding").next(), None, "a body could hide there");
    assert!(asked.has("upgrade", "websocket") && asked.has("connection", "upgrade"));
    assert_eq!(asked.only("sec-websocket-version"), Some("13"));
    let key = asked.only("sec-websocket-key").expect("a key");
    if let Some(origin) = asked.only("origin") {
        let own = origin.split_once("://").map(|(_, authority)| authority.to_ascii_lowercase());
        assert_eq!(own, asked.only("host").map(str::to_ascii_lowercase), "a foreign page");
    }
    let (head, body) = split(response);
    assert_eq!(head.first, "HTTP/1.1 101 Switching Protocols");
    assert!(
        body.is_empty() && head.has("upgrade", "websocket") && head.has("connection", "upgrade")
    );
    assert_eq!(head.only("sec-websocket-accept"), Some(&*derive_accept_key(key.as_bytes())));
    if let Some(chosen) = head.only("sec-websocket-protocol") {
        assert!(asked.has("sec-websocket-protocol", chosen), "{chosen} was not offered");
    }
    assert_eq!(head.all("sec-websocket-extensions").next(), None, "no extension is spoken");
}
