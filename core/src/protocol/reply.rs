//! What the server says, and how it is written down.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::error_code::ErrorCode;
use super::request::Id;
use crate::log::Epoch;
use crate::ticket::Ticket;

/// Entries that a reader is not given, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Gap {
    /// The first missing place.
    pub(crate) from: u64,
    /// The last missing place.
    pub(crate) to: u64,
}

/// The users in a room.
#[derive(Debug, Serialize)]
pub(crate) struct Members<'a> {
    /// How often members were told of who is there.
    pub(crate) v: u64,
    pub(crate) count: usize,
    /// Each of them, if they are not too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<Vec<Present<'a>>>,
}

/// Who has come to a room or has another number of sessions there, and who has gone.
#[derive(Debug, Serialize)]
pub(crate) struct Changes<'a> {
    pub(crate) v: u64,
    pub(crate) join: Vec<Present<'a>>,
    pub(crate) leave: Vec<&'a str>,
}

/// A user in a room, and the number of its sessions there.
#[derive(Debug, Serialize)]
pub(crate) struct Present<'a> {
    pub(crate) user: &'a str,
    pub(crate) n: u32,
}

impl Members<'_> {
    /// As JSON.
    pub(crate) fn raw(&self) -> Box<RawValue> {
        to_raw_value(self).expect("names and numbers are JSON")
    }
}

/// A frame to a client, but for `message` and `ack`, of which there are far more than of all others.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Reply<'a> {
    /// Who the client is, and what it may send.
    Welcome {
        v: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        user: &'a str,
        session: Ticket,
        resumed: bool,
        resume_ms: u64,
        max_bytes: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        auth: Option<&'a str>,
    },
    /// The client is a member, with a page of the log.
    Joined {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        room: &'a str,
        epoch: Epoch,
        seq: u64,
        recovered: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        gap: Option<Gap>,
        /// [`Members`].
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<Box<RawValue>>,
        more: bool,
    },
    /// The client is no longer a member; nothing of the room follows.
    Left {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        room: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// A request was carried out that appends nothing.
    #[serde(rename = "ack")]
    Done { id: Id<'a>, room: &'a str },
    /// Entries were trimmed before the client could be given them.
    Gap {
        room: &'a str,
        epoch: Epoch,
        #[serde(flatten)]
        gap: Gap,
        reason: &'a str,
    },
    /// Who is in a room.
    #[serde(rename = "presence")]
    Everybody {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        room: &'a str,
        #[serde(flatten)]
        members: Members<'a>,
    },
    /// Who has come to a room, and who has gone.
    #[serde(rename = "presence")]
    Changes {
        room: &'a str,
        #[serde(flatten)]
        changes: Changes<'a>,
    },
    /// A page of the log.
    History {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        room: &'a str,
        epoch: Epoch,
        more: bool,
    },
    /// A request was refused.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        code: ErrorCode,
        message: Cow<'static, str>,
        retry: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The answer to `ping`.
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        ts: u64,
    },
    /// The server closes the connection.
    Bye {
        code: u16,
        reason: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
}

impl Reply<'_> {
    /// What a signal says to others.
    pub(crate) fn signal(room: &str, from: &str, key: &str, data: &str, ttl_ms: u64) -> String {
        let (room, from, key) = (json_string(room), json_string(from), json_string(key));
        alloc::format!(
            "{{\"type\":\"signal\",\"room\":{room},\"from\":{from},\"key\":{key},\"data\":{data},\
             \"ttl_ms\":{ttl_ms}}}"
        )
    }

    /// The frame's text.
    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("a reply has no map with other keys than strings")
    }

    /// The frame's text, with `page` as its last field `field`.
    pub(crate) fn text_with(&self, field: &str, page: &Page) -> String {
        let mut text = self.text();
        text.truncate(text.len() - 1);
        text.reserve(page.items.len() + field.len() + 8);
        write!(text, ",\"{field}\":[{}]}}", page.items).expect("a string takes everything");
        text
    }
}

/// Entries of a log, as the items of a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    items: String,
}

impl Page {
    /// An empty one with room for items of `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { items: String::with_capacity(bytes) }
    }

    /// What `item` adds to a page, in bytes: itself, its brace, and a comma.
    pub(crate) fn item_bytes(item: &str) -> usize {
        item.len() + 2
    }

    /// Adds the item whose text, from behind its opening brace, is `item`.
    pub(crate) fn push(&mut self, item: &str) {
        if !self.items.is_empty() {
            self.items.push(',');
        }
        self.items.push('{');
        self.items.push_str(item);
    }
}

/// What every `message` of a room begins with. What follows is also an item of a page, but for its
/// opening brace.
pub(crate) fn message_prefix(room: &str) -> String {
    let room = json_string(room);
    alloc::format!("{MESSAGE},\"room\":{room},")
}

/// What a `message` begins with, and what an entry begins with that tells of a removal. They are
/// equally long: what follows a room's prefix is an item of a page in both.
const MESSAGE: &str = "{\"type\":\"message\"";
const REMOVED: &str = "{\"type\":\"removed\"";
const _: () = assert!(MESSAGE.len() == REMOVED.len(), "a page cuts both at the same place");

/// Writes into `out`, which is emptied first, that the entry at `removed` has been removed.
pub(crate) fn write_removed(
    out: &mut String,
    prefix: &str,
    seq: u64,
    from: Option<&str>,
    removed: u64,
    ts: u64,
) {
    out.clear();
    out.push_str(REMOVED);
    out.push_str(&prefix[MESSAGE.len()..]);
    write!(out, "\"seq\":{seq}").expect("a string takes everything");
    if let Some(from) = from {
        out.push_str(",\"from\":");
        push_json_string(out, from);
    }
    write!(out, ",\"removes\":{removed},\"ts\":{ts}}}").expect("a string takes everything");
}

/// A `message` with a mark in the place of its data; nothing if `text` has no data.
pub(crate) fn without_data(prefix: &str, text: &str) -> Option<String> {
    // In a string, the quotes would be escaped; the name and the data are the only ones.
    let data = prefix.len() + text.get(prefix.len()..)?.find(",\"data\":")?;
    let ts = text.rfind(",\"ts\":")?;
    Some(alloc::format!("{},\"removed\":true{}", &text[..data], &text[ts..]))
}

/// Writes a `message` into `out`, which is emptied first.
pub(crate) fn write_message(
    out: &mut String,
    prefix: &str,
    seq: u64,
    from: &str,
    data: &str,
    ts: u64,
) {
    let mut digits = itoa::Buffer::new();
    out.clear();
    out.push_str(prefix);
    out.push_str("\"seq\":");
    out.push_str(digits.format(seq));
    out.push_str(",\"from\":");
    push_json_string(out, from);
    out.push_str(",\"data\":");
    out.push_str(data);
    out.push_str(",\"ts\":");
    out.push_str(digits.format(ts));
    out.push('}');
}

/// What every `ack` of a room has between its `id` and its `seq`.
pub(crate) fn ack_middle(room: &str, epoch: Epoch) -> String {
    alloc::format!(",\"room\":{},\"epoch\":\"{epoch}\",\"seq\":", json_string(room))
}

/// Writes an `ack` into `out`, which is emptied first: a `publish` was appended.
pub(crate) fn write_ack(out: &mut String, id: &RawValue, middle: &str, seq: u64, repeat: Repeat) {
    out.clear();
    out.push_str("{\"type\":\"ack\",\"id\":");
    out.push_str(id.get());
    out.push_str(middle);
    out.push_str(itoa::Buffer::new().format(seq));
    out.push_str(match repeat {
        Repeat::First => "}",
        Repeat::Duplicate => ",\"duplicate\":true}",
    });
}

/// Whether a `publish` was appended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It has been now.
    First,
    /// It had been.
    Duplicate,
}

/// `text` as a JSON string.
pub(crate) fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_json_string(&mut out, text);
    out
}

/// Appends `text` as a JSON string.
fn push_json_string(out: &mut String, text: &str) {
    let is_escaped = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    // Counting them all takes no branch for each.
    let is_plain = text.bytes().filter(is_escaped).count() == 0;
    if is_plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::to_string(text).expect("a string is JSON"));
    }
}

impl Serialize for Id<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw().serialize(serializer)
    }
}

impl Serialize for Ticket {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Epoch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_written_as_serde_writes_it() {
        for first in '\0'..='\u{100}' {
            for text in [String::from(first), alloc::format!("a{first}b")] {
                let written = serde_json::to_string(&text).expect("a string is JSON");
                assert_eq!(json_string(&text), written);
            }
        }
    }
}
