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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Gap {
    /// The first missing place.
    pub(crate) from: u64,
    /// The last missing place.
    pub(crate) to: u64,
}

/// The users in a room.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Members<'a> {
    /// How often members were told of who is there.
    pub(crate) v: u64,
    /// How many users there are.
    pub(crate) count: usize,
    /// Each of them, if they are not too many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) list: Option<Vec<Present<'a>>>,
}

/// Who has come to a room or has another number of sessions there, and who has gone.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Changes<'a> {
    /// How often members were told of who is there, this time included.
    pub(crate) v: u64,
    /// Who has come, or has another number of sessions there.
    pub(crate) join: Vec<Present<'a>>,
    /// Who has gone.
    pub(crate) leave: Vec<&'a str>,
}

/// A user in a room, and the number of its sessions there.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub(crate) struct Present<'a> {
    /// The user's name.
    pub(crate) user: &'a str,
    /// How many of its sessions are there.
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Reply<'a> {
    /// Who the client is, and what it may send.
    Welcome {
        /// The version of the protocol.
        v: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        /// The client's name.
        user: &'a str,
        /// The secret with which the client can come back to its session.
        session: Ticket,
        /// Whether it has come back to one.
        resumed: bool,
        /// How long the session waits for its client once the connection is lost.
        resume_ms: u64,
        /// The longest message that is taken, in bytes.
        max_bytes: usize,
        /// Whether tokens may be shown, or must be; they are not taken without it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(extend("enum" = ["optional", "required"])))]
        auth: Option<&'a str>,
    },
    /// The client is a member, with a page of the log.
    Joined {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        /// The room.
        room: &'a str,
        /// Which run of the room's log.
        epoch: Epoch,
        /// Where in the log the client stands.
        seq: u64,
        /// Whether the client is given exactly what it missed.
        recovered: bool,
        /// Why not, if the client said where it stood.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(extend("enum" = ["trimmed", "ahead", "epoch_changed", "forbidden"])))]
        reason: Option<&'a str>,
        /// What the client missed and cannot have.
        #[serde(skip_serializing_if = "Option::is_none")]
        gap: Option<Gap>,
        /// Who is in the room, if the client may know.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(with = "Option<Members<'_>>"))]
        members: Option<Box<RawValue>>,
        /// Whether there are entries older than the first one given.
        more: bool,
    },
    /// The client is no longer a member; nothing of the room follows.
    Left {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        /// The room.
        room: &'a str,
        /// Why, if the client did not ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "schema", schemars(extend("enum" = ["kicked", "banned", "forbidden"])))]
        reason: Option<&'a str>,
    },
    /// A request was carried out that appends nothing.
    #[serde(rename = "ack")]
    Done {
        id: Id<'a>,
        /// The room.
        room: &'a str,
    },
    /// Entries were trimmed before the client could be given them.
    Gap {
        /// The room.
        room: &'a str,
        /// Which run of the room's log.
        epoch: Epoch,
        #[serde(flatten)]
        gap: Gap,
        /// Why they are missing.
        #[cfg_attr(feature = "schema", schemars(extend("enum" = ["trimmed"])))]
        reason: &'a str,
    },
    /// Who is in a room.
    #[serde(rename = "presence")]
    Everybody {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        /// The room.
        room: &'a str,
        #[serde(flatten)]
        members: Members<'a>,
    },
    /// Who has come to a room, and who has gone.
    #[serde(rename = "presence")]
    Changes {
        /// The room.
        room: &'a str,
        #[serde(flatten)]
        changes: Changes<'a>,
    },
    /// A page of the log.
    History {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        /// The room.
        room: &'a str,
        /// Which run of the room's log.
        epoch: Epoch,
        /// Whether there are entries older than these.
        more: bool,
    },
    /// A request was refused.
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for people.
        message: Cow<'static, str>,
        /// What it is good for to make the same request again.
        #[cfg_attr(feature = "schema", schemars(extend("enum" = ["never", "later", "now"])))]
        retry: &'static str,
        /// After what time it may be made again.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// The answer to `ping`.
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Id<'a>>,
        /// The server's clock, in milliseconds since 1970.
        ts: u64,
    },
    /// The server closes the connection.
    Bye {
        /// The code that the connection is closed with.
        #[cfg_attr(feature = "schema", schemars(with = "crate::CloseCode"))]
        code: u16,
        /// The code's name.
        reason: &'a str,
        /// When it is useful to come back.
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
    let (data, ts) = data_field(prefix, text)?;
    Some(alloc::format!("{},\"removed\":true{}", &text[..data], &text[ts..]))
}

/// The data of a `message`; nothing if `text` has none.
pub(crate) fn data_of<'a>(prefix: &str, text: &'a str) -> Option<&'a str> {
    let (data, ts) = data_field(prefix, text)?;
    text.get(data + DATA.len()..ts)
}

const DATA: &str = ",\"data\":";

/// Where a `message` has its data, with its name, and where that ends.
fn data_field(prefix: &str, text: &str) -> Option<(usize, usize)> {
    // In a string, the quotes would be escaped; the name and the data are the only ones.
    let data = prefix.len() + text.get(prefix.len()..)?.find(DATA)?;
    Some((data, text.rfind(",\"ts\":")?))
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
