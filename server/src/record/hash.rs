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
//!
//! Their XXH3-64 is the answer's hash; its lower half stands behind the event, 1 in place of 0. An
//! answer with commands makes the running hash the XXH3-64 of what it was before and the answer's
//! hash, 8 bytes each.

use std::borrow::Cow;

use roundtable::{Command, Queue};
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
        if commands.is_empty() {
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
        Command::Drained => out.push(3),
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
