//! A hash of the commands, the same on every platform. This file does not know what is masked.
//!
//! The commands that answer an event are written down one after the other, numbers little-endian:
//!
//! | command | bytes |
//! |---|---|
//! | `Send` | 0; the number of recipients, 8; each recipient in order, 8; the text's length, 8; the text |
//! | `Ping` | 1; the connection, 8 |
//! | `Close` | 2; the connection, 8; the code, 2; 0 to flush, 1 to drop |
//! | `Drained` | 3 |
//! | `Verify` | 4; the connection, 8; the token's length, 8 |
//! | `Refuse` | 5; the connection, 8; the refusal in its order, 1; the nanoseconds to wait, 8 |
//!
//! `Append` is left out: it tells a driver what to keep, and nobody anything.
//!
//! Their XXH3-64 is the answer's hash; its lower half stands behind the event, 1 in place of 0. An
//! answer with commands makes the running hash the XXH3-64 of what it was before and the answer's
//! hash, 8 bytes each.

use std::borrow::Cow;

use roundtable::{Command, Queue, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64;

use super::format::Mark;

/// The running hash, and how many events went into it.
#[derive(Debug, Default)]
pub(crate) struct Running {
    mark: Mark,
    /// Where commands are written down, kept for its memory.
    scratch: Vec<u8>,
}

impl Running {
    /// What it has come to.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Takes the answer to one event, each text as `text` has it, and returns its short hash.
    pub(crate) fn take<'a>(
        &mut self,
        commands: &'a [Command],
        text: impl Fn(&'a str) -> Cow<'a, str>,
    ) -> u32 {
        self.mark.events += 1;
        if commands.iter().all(|command| matches!(command, Command::Append { .. })) {
            return 0;
        }
        self.scratch.clear();
        for command in commands {
            write(command, &text, &mut self.scratch);
        }
        let answer = xxh3_64(&self.scratch);
        let (mut both, hash) = ([0; 16], self.mark.hash);
        both[..8].copy_from_slice(&hash.to_le_bytes());
        both[8..].copy_from_slice(&answer.to_le_bytes());
        self.mark.hash = xxh3_64(&both);
        let [a, b, c, d, ..] = answer.to_le_bytes();
        u32::from_le_bytes([a, b, c, d]).max(1)
    }
}

fn write<'a>(command: &'a Command, mask: impl Fn(&'a str) -> Cow<'a, str>, out: &mut Vec<u8>) {
    match command {
        Command::Send { to, text } => {
            out.push(0);
            let count_at = out.len();
            out.extend_from_slice(&[0; 8]);
            let mut count = 0_u64;
            for conn in to.iter() {
                out.extend_from_slice(&conn.get().to_le_bytes());
                count += 1;
            }
            out[count_at..count_at + 8].copy_from_slice(&count.to_le_bytes());
            let text = mask(text);
            out.extend_from_slice(&(text.len() as u64).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        Command::Ping { conn } => {
            out.push(1);
            out.extend_from_slice(&conn.get().to_le_bytes());
        }
        Command::Close { conn, code, queue } => {
            out.push(2);
            out.extend_from_slice(&conn.get().to_le_bytes());
            out.extend_from_slice(&code.number().to_le_bytes());
            out.push(match queue {
                Queue::Flush => 0,
                Queue::Drop => 1,
            });
        }
        // It follows from the events, and is nothing that a peer is told.
        Command::Append { .. } => {}
        Command::Drained => out.push(3),
        Command::Refuse { conn, refusal, retry_after } => {
            out.push(5);
            out.extend_from_slice(&conn.get().to_le_bytes());
            out.push(match refusal {
                Refusal::TooManyConnections => 0,
                Refusal::TooFast => 1,
                Refusal::TooManyAddresses => 2,
                Refusal::TooManyUnverified => 3,
            });
            let nanos = u64::try_from(retry_after.as_nanos()).unwrap_or(u64::MAX);
            out.extend_from_slice(&nanos.to_le_bytes());
        }
        // The recording holds the token masked: it is the same length, and other bytes.
        Command::Verify { conn, token } => {
            out.push(4);
            out.extend_from_slice(&conn.get().to_le_bytes());
            out.extend_from_slice(&(token.len() as u64).to_le_bytes());
        }
    }
}

/// A text to a client; of an `error`, without the words for people: they quote what was wrong.
pub(crate) fn without_words(text: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Told<'a> {
        #[serde(rename = "type")]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    match serde_json::from_str(text) {
        Ok(Told { kind, message: Some(message) }) if kind == "error" => {
            let start = message.get().as_ptr() as usize - text.as_ptr() as usize;
            let end = start + message.get().len();
            Cow::Owned([&text[..start], &text[end..]].concat())
        }
        _ => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use roundtable::{CloseCode, ConnId, Recipients};

    use super::*;

    fn conn(number: u64) -> ConnId {
        ConnId::new(number)
    }

    /// Whoever changes this changes the version of the format.
    #[test]
    fn the_hash_of_this_version_stays_what_it_is() {
        let to = Recipients::Many { list: [1, 2, 3].map(conn).into(), except: Some(conn(2)) };
        let commands = [
            Command::Send { to, text: "hello".into() },
            Command::Ping { conn: conn(1) },
            Command::Close { conn: conn(3), code: CloseCode::Normal, queue: Queue::Drop },
            Command::Drained,
        ];
        let mut running = Running::default();
        assert_eq!(running.take(&[], Cow::Borrowed), 0);
        let answer = running.take(&commands, Cow::Borrowed);
        assert_eq!(running.scratch.len(), 1 + 8 + 16 + 8 + 5 + 9 + 12 + 1);
        assert_eq!(answer, 949_594_190);
        assert_eq!(running.mark(), Mark { events: 2, hash: 10_276_004_641_024_689_050 });
    }

    #[test]
    fn every_part_of_a_command_counts() {
        let to = |list: &[u64]| Recipients::Many {
            list: list.iter().copied().map(conn).collect(),
            except: None,
        };
        let send = |list: &[u64], text: &str| Command::Send { to: to(list), text: text.into() };
        let refuse = |refusal, secs| {
            let retry_after = Duration::from_secs(secs);
            vec![Command::Refuse { conn: conn(1), refusal, retry_after }]
        };
        let answers = [
            refuse(Refusal::TooFast, 1),
            refuse(Refusal::TooFast, 2),
            refuse(Refusal::TooManyConnections, 1),
            refuse(Refusal::TooManyAddresses, 1),
            refuse(Refusal::TooManyUnverified, 1),
            vec![send(&[1, 2], "a")],
            vec![send(&[2, 1], "a")],
            vec![send(&[1, 2], "b")],
            vec![send(&[1], "a"), send(&[2], "a")],
            vec![Command::Ping { conn: conn(1) }],
            vec![Command::Close { conn: conn(1), code: CloseCode::Normal, queue: Queue::Drop }],
            vec![Command::Close { conn: conn(1), code: CloseCode::Normal, queue: Queue::Flush }],
            vec![Command::Close { conn: conn(1), code: CloseCode::TooBig, queue: Queue::Flush }],
        ];
        let hash = |commands: &Vec<Command>| Running::default().take(commands, Cow::Borrowed);
        let found: std::collections::BTreeSet<u32> = answers.iter().map(hash).collect();
        assert_eq!(found.len(), answers.len());
    }

    #[test]
    fn only_the_words_of_an_error_are_left_out() {
        let error =
            r#"{"type":"error","id":1,"code":"bad_json","message":"x \" y","retry":"never"}"#;
        let without = r#"{"type":"error","id":1,"code":"bad_json","message":,"retry":"never"}"#;
        assert_eq!(without_words(error), without);
        let other = r#"{"type":"message","message":"kept"}"#;
        assert_eq!(without_words(other), other);
    }
}
