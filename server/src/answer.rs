//! How HTTP answers are written. This file does not know what was asked.

use std::fmt::Write as _;

/// A short answer in words, after which the connection ends.
pub(crate) fn plain(status: u16, words: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut all =
        vec![("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")];
    // What stands in `headers` about the connection says more than the usual.
    if !headers.iter().any(|(name, _)| *name == "Connection") {
        all.push(("Connection", "close"));
    }
    all.extend_from_slice(headers);
    whole(status, &all, words.as_bytes())
}

/// An answer with a body.
pub(crate) fn whole(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = head(status, headers);
    // A 304 has no body, and no word of one (RFC 9110 §15.4.5).
    if status != 304 {
        write!(head, "Content-Length: {}\r\n", body.len()).expect("a string takes everything");
    }
    head.push_str("\r\n");
    let mut answer = head.into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// The answer that makes a WebSocket of the connection (RFC 6455 §4.2.2).
pub(crate) fn switching(accept: &str, subprotocol: Option<&str>) -> Vec<u8> {
    let mut headers =
        vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)];
    headers.extend(subprotocol.map(|chosen| ("Sec-WebSocket-Protocol", chosen)));
    let mut head = head(101, &headers);
    head.push_str("\r\n");
    head.into_bytes()
}

/// The same answer to `HEAD`.
pub(crate) fn without_body(mut answer: Vec<u8>) -> Vec<u8> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    answer.truncate(end.map_or(answer.len(), |end| end + 4));
    answer
}

fn head(status: u16, headers: &[(&str, &str)]) -> String {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("a string takes everything");
    }
    head
}

fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => unreachable!("nobody answers with {status}"),
    }
}
