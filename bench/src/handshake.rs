//! The upgrade (RFC 6455 §4), as bytes: both ends of it. This file knows no sockets.

use std::io;

use tungstenite::handshake::derive_accept_key;

/// The key of every client: nobody caches what goes over loopback.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The most header lines.
const MOST_HEADERS: usize = 32;

/// The request of a client for `path`, with its query.
pub fn request(host: &str, path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
    .into_bytes()
}

/// Where the server's answer ends in `bytes`; none, if it is not all there.
///
/// # Errors
///
/// If the answer is no upgrade, or the key is not the answer to this client's.
pub fn accepted(bytes: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let status = answer.parse(bytes).map_err(|error| refused(&error.to_string()))?;
    let httparse::Status::Complete(end) = status else { return Ok(None) };
    if answer.code != Some(101) {
        return Err(refused(&format!("it answered {}", answer.code.unwrap_or_default())));
    }
    let key = header(answer.headers, "sec-websocket-accept");
    if key != Some(derive_accept_key(KEY.as_bytes()).as_bytes()) {
        return Err(refused("its key is wrong"));
    }
    Ok(Some(end))
}

/// The answer to a client's request at the front of `bytes`, and where the request ends; none, if it
/// is not all there.
///
/// # Errors
///
/// If the request asks for no upgrade.
pub fn answer(bytes: &[u8]) -> io::Result<Option<(Vec<u8>, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(bytes).map_err(|error| refused(&error.to_string()))?;
    let httparse::Status::Complete(end) = status else { return Ok(None) };
    let key = header(request.headers, "sec-websocket-key").ok_or_else(|| refused("no key"))?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key)
    );
    Ok(Some((answer.into_bytes(), end)))
}

fn header<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a [u8]> {
    let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    found.map(|header| header.value)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the upgrade failed: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree_and_wait_for_the_whole_head() {
        let request = request("127.0.0.1:1", "/ws?room=a");
        assert!(answer(&request[..request.len() - 1]).expect("a beginning").is_none());
        let (mut answer, end) = answer(&request).expect("a request").expect("a whole one");
        assert_eq!(end, request.len());
        assert_eq!(accepted(&answer[..answer.len() - 1]).expect("a beginning"), None);
        let end = answer.len();
        answer.extend_from_slice(&[0x81, 0]);
        assert_eq!(accepted(&answer).expect("an upgrade"), Some(end));
    }

    #[test]
    fn what_is_no_upgrade_is_refused() {
        assert!(accepted(b"HTTP/1.1 503 Busy\r\n\r\n").is_err());
        assert!(accepted(b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: no\r\n\r\n").is_err());
        assert!(accepted(b"\x81\x00hello").is_err());
        assert!(answer(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").is_err());
    }
}
