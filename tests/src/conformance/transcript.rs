//! What a run of a case came to, in a form in which two runs can be compared: for each connection
//! what its hub was told and what it commanded, and every byte that its client was sent. This file
//! does not know which runtime ran, and judges nothing.
//!
//! Connections stand in the order in which they came. Masked are the values that depend on time
//! (`ts`, `after_ms`, `retry_after_ms`), on chance outside of the hub (a session's secret, the answer
//! to a client's random key), and on the number that a runtime gives a connection (the made-up part
//! of a name). Nothing else is: an epoch is drawn from the seed, and is the same in two runs.

use std::sync::mpsc;

use roundtable::{Command, ConnId, Event};

use super::servers::Note;
use super::{Case, Start};
use crate::proxy::{Fault, Proxy};

/// What a run came to.
#[derive(Debug)]
pub struct Transcript {
    /// As the hub's machine had it, one for each `Connect`.
    pub told: Vec<Told>,
    /// As clients had it, one for each socket, upgraded or not.
    pub sent: Vec<Vec<String>>,
    /// How often the hub said that its drain was over.
    pub drained: usize,
}

/// One connection, as the hub's machine had it.
#[derive(Debug)]
pub struct Told {
    conn: ConnId,
    /// The events that it caused. Signs of life and levels of queues are left out, since they are
    /// about time and sockets; and what comes behind the hub's `Close`, which the hub ignores.
    pub events: Vec<String>,
    /// What was commanded for it, but for pings.
    pub commands: Vec<String>,
    is_closed: bool,
}

/// Plays a case against a runtime, with a network in between that listens and does nothing else.
pub fn play(case: Case, start: Start) -> Transcript {
    let (ear, notes) = mpsc::channel();
    let (tap, sent) = mpsc::channel();
    case(&|settings| {
        let server = start(settings, Some(ear.clone()));
        let proxy = Proxy::start_overheard(server.addr, Fault::None, 0, Some(tap.clone()));
        server.behind_proxy(proxy)
    });
    drop((ear, tap));
    let mut transcript = Transcript { told: Vec::new(), sent: Vec::new(), drained: 0 };
    for note in notes {
        transcript.note(&note);
    }
    let mut streams: Vec<Vec<u8>> = Vec::new();
    for (number, bytes) in sent {
        let index = usize::try_from(number).expect("few connections");
        streams.resize_with(streams.len().max(index + 1), Vec::new);
        streams[index].extend(bytes);
    }
    transcript.sent = streams.iter().map(|stream| lines(stream)).collect();
    transcript
}

impl Transcript {
    fn note(&mut self, note: &Note) {
        match &note.event {
            Event::Connect { conn, peer: _, greeting } => {
                let events = vec![format!("connect {greeting:?}")];
                let commands = Vec::new();
                self.told.push(Told { conn: *conn, events, commands, is_closed: false });
            }
            Event::Text { conn, text } => self.event(*conn, format!("text {}", masked(text))),
            Event::Binary { conn } => self.event(*conn, "binary".to_owned()),
            Event::Disconnect { conn } => self.event(*conn, "disconnect".to_owned()),
            Event::Heard { .. }
            | Event::Backlog { .. }
            | Event::Flushed
            | Event::Verified { .. }
            | Event::Admin { .. }
            | Event::Tick
            | Event::Drain { .. } => {}
        }
        for command in &note.commands {
            match command {
                Command::Send { to, text } => {
                    to.iter().for_each(|conn| self.find(conn).commands.push(masked(text)));
                }
                Command::Close { conn, code, queue } => {
                    let told = self.find(*conn);
                    told.commands.push(format!("close {} {queue:?}", code.number()));
                    told.is_closed = true;
                }
                Command::Refuse { .. } => panic!("loopback is held to no limit"),
                Command::Append { .. } | Command::Ping { .. } | Command::Verify { .. } => {}
                Command::Drained => self.drained += 1,
            }
        }
    }

    fn event(&mut self, conn: ConnId, event: String) {
        let told = self.find(conn);
        if !told.is_closed {
            told.events.push(event);
        }
    }

    fn find(&mut self, conn: ConnId) -> &mut Told {
        let mut connections = self.told.iter_mut();
        connections.find(|told| told.conn == conn).expect("nobody is named before its `Connect`")
    }
}

/// The answer to the request, a line each; behind an upgrade the frames, but for pings.
fn lines(stream: &[u8]) -> Vec<String> {
    let end = stream.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|end| end + 4);
    let (head, mut rest) = stream.split_at(end.unwrap_or(stream.len()));
    let mut lines: Vec<String> = String::from_utf8_lossy(head).lines().map(field).collect();
    if !head.starts_with(b"HTTP/1.1 101 ") {
        lines.push(String::from_utf8_lossy(rest).into_owned());
        return lines;
    }
    while let Some((opcode, payload, behind)) = frame(rest) {
        rest = behind;
        match opcode {
            1 => lines.push(masked(&String::from_utf8_lossy(payload))),
            8 if payload.len() == 2 => {
                lines.push(format!("close {}", u16::from_be_bytes([payload[0], payload[1]])));
            }
            9 => {}
            opcode => lines.push(format!("opcode {opcode}: {payload:?}")),
        }
    }
    if !rest.is_empty() {
        lines.push(format!("part of a frame: {rest:?}"));
    }
    lines
}

/// One field of a head.
fn field(line: &str) -> String {
    match line.split_once(": ") {
        Some((name, _)) if name.eq_ignore_ascii_case("sec-websocket-accept") => {
            format!("{name}: _")
        }
        _ => line.to_owned(),
    }
}

/// RFC 6455 §5.2, as far as servers use it: the opcode, the payload, and what is behind the frame.
fn frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, len], rest) = bytes.split_first_chunk()?;
    let (len, rest) = match len {
        126 => rest
            .split_first_chunk()
            .map(|(len, rest)| (u64::from(u16::from_be_bytes(*len)), rest))?,
        127 => rest.split_first_chunk().map(|(len, rest)| (u64::from_be_bytes(*len), rest))?,
        len => (u64::from(len), rest),
    };
    let (payload, behind) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    Some((first & 15, payload, behind))
}

/// A frame of the protocol as it is, byte for byte, but for the values that are masked.
fn masked(text: &str) -> String {
    let mut masked = text.to_owned();
    for key in ["ts", "after_ms", "retry_after_ms", "session", "resume"] {
        let key = format!("\"{key}\":");
        let mut from = 0;
        while let Some(at) = masked[from..].find(&key) {
            let start = from + at + key.len();
            let len = masked[start..].find([',', '}']).unwrap_or(masked.len() - start);
            masked.replace_range(start..start + len, "_");
            from = start;
        }
    }
    let made_up = "\"guest-";
    if let Some(at) = masked.find(made_up) {
        let start = at + made_up.len();
        let len = masked[start..].find('"').unwrap_or(masked.len() - start);
        masked.replace_range(start..start + len, "_");
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_depends_on_time_and_chance_is_masked_and_nothing_else() {
        let text = r#"{"user":"guest-x1y2z3","ts":12,"data":{"ts":"a"},"seq":3,"after_ms":7}"#;
        let expected = r#"{"user":"guest-_","ts":_,"data":{"ts":_},"seq":3,"after_ms":_}"#;
        assert_eq!(masked(text), expected);
        assert_eq!(masked(r#"{"epoch":"k3Tq","from":"ann"}"#), r#"{"epoch":"k3Tq","from":"ann"}"#);
    }

    #[test]
    fn a_stream_is_read_as_lines_and_what_is_cut_off_is_told() {
        let stream = b"HTTP/1.1 101 x\r\nSec-WebSocket-Accept: abc\r\nA: b\r\n\r\n\
            \x89\x00\x81\x02hi\x8a\x01p\x88\x02\x03\xe8\x81\x05hel";
        let head = ["HTTP/1.1 101 x", "Sec-WebSocket-Accept: _", "A: b", ""];
        let frames = ["hi", "opcode 10: [112]", "close 1000"];
        let cut = "part of a frame: [129, 5, 104, 101, 108]";
        assert_eq!(lines(stream), [&head[..], &frames[..], &[cut]].concat());
    }
}
