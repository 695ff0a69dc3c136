//! What the server's frames say, as far as somebody at a terminal wants to know. This file does not
//! know what is done about it.

use serde::Deserialize;
use serde_json::Value;

/// A frame of the server, with the `id` of the request that it answers.
#[derive(Debug, Deserialize)]
pub(super) struct Frame {
    pub(super) id: Option<Value>,
    #[serde(flatten)]
    pub(super) body: Body,
}

/// What a frame says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Body {
    Welcome(Welcome),
    Joined(Joined),
    Left {
        room: String,
        reason: Option<String>,
    },
    Message {
        room: String,
        #[serde(flatten)]
        entry: Entry,
    },
    Removed {
        room: String,
        #[serde(flatten)]
        entry: Entry,
    },
    Gap {
        room: String,
        #[serde(flatten)]
        gap: Gap,
    },
    History {
        room: String,
        items: Vec<Entry>,
    },
    Presence {
        room: String,
        #[serde(flatten)]
        news: Presence,
    },
    Ack {},
    Error(Refusal),
    Pong {},
    Bye {
        code: u16,
        reason: Option<String>,
        after_ms: Option<u64>,
    },
    /// A signal, or what a later server says.
    #[serde(other)]
    Other,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Welcome {
    pub(super) user: String,
    /// The secret that brings the session back.
    pub(super) session: Option<String>,
    #[serde(default)]
    pub(super) resumed: bool,
    pub(super) max_bytes: Option<usize>,
    /// Whether the server takes tokens.
    pub(super) auth: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Joined {
    pub(super) room: String,
    pub(super) epoch: String,
    pub(super) seq: u64,
    pub(super) reason: Option<String>,
    pub(super) gap: Option<Gap>,
    pub(super) members: Option<Presence>,
    #[serde(default)]
    pub(super) history: Vec<Entry>,
}

/// What stands at one place of a log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) data: Value,
    #[serde(default)]
    pub(super) removed: bool,
    /// The place whose data it takes away.
    pub(super) removes: Option<u64>,
}

/// Places that cannot be given, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Gap {
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Who is in a room, or who came and went.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Presence {
    pub(super) count: Option<u64>,
    pub(super) list: Option<Vec<Present>>,
    pub(super) join: Option<Vec<Present>>,
    pub(super) leave: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Present {
    pub(super) user: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
    pub(super) retry_after_ms: Option<u64>,
}

impl Frame {
    /// Reads a frame; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_frame_is_another_one() {
        let frame = Frame::parse(r#"{"type":"later","id":7,"room":[]}"#).expect("a frame");
        assert!(matches!(frame.body, Body::Other));
        assert_eq!(frame.id, Some(7.into()));
        let ack = r#"{"type":"ack","id":"a","room":"den","epoch":"e","seq":1,"later":{}}"#;
        assert!(matches!(Frame::parse(ack).expect("a frame").body, Body::Ack {}));
    }

    #[test]
    fn what_is_no_frame_is_none() {
        for text in ["", "hello", "[]", "{}", r#"{"type":"message"}"#, r#"{"type":7}"#] {
            assert!(Frame::parse(text).is_none(), "{text}");
        }
    }
}
