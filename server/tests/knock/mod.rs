//! Requests, and what the front door says to them. This file does not know what it should say.

#![allow(dead_code, reason = "each file of tests uses what it needs")]

use std::net::{IpAddr, Ipv4Addr};

use roundtable_server::{Door, Knock, Readiness, Settings, Whence};

pub(crate) const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

/// Where all requests come from.
pub(crate) const HERE: Whence = Whence::Itself(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

/// A request of these lines.
pub(crate) fn request(lines: &[&str]) -> Vec<u8> {
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

pub(crate) fn plain(first: &str) -> Vec<u8> {
    request(&[first, "Host: chat.example"])
}

/// A handshake for `target`, with further lines.
pub(crate) fn handshake(target: &str, further: &[&str]) -> Vec<u8> {
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
pub(crate) fn knock_at(door: &Door, readiness: Readiness, request: &[u8]) -> Knock {
    let whole = door.knock(readiness, HERE, request);
    let first = (0..=request.len())
        .map(|len| door.knock(readiness, HERE, &request[..len]))
        .find(|knock| *knock != Knock::More);
    assert_eq!(first.as_ref().unwrap_or(&Knock::More), &whole);
    whole
}

#[track_caller]
pub(crate) fn knock(request: &[u8]) -> Knock {
    knock_at(&Door::new(&Settings::default(), None), Readiness::Serving, request)
}

/// An answer that is no upgrade, as its status, its headers and its body.
#[track_caller]
pub(crate) fn parts(knock: Knock) -> (u16, Vec<String>, String) {
    let Knock::Answer(answer) = knock else { panic!("no answer: {knock:?}") };
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines().map(str::to_owned);
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    (status, lines.collect(), body.to_owned())
}

#[track_caller]
pub(crate) fn status(request: &[u8]) -> u16 {
    parts(knock(request)).0
}
