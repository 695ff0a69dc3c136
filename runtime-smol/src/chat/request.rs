//! What is asked of the server, one thing after the other, and what may be asked again when the
//! connection was lost before the answer. This file does not know what the answers mean.

use roundtable::protocol::{Frame, Request as Asked};
use roundtable::{Config, Timestamp};
use serde_json::{Value, json};

/// One thing that is asked.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) what: What,
    /// By what the answer is known; without it there is none.
    pub(super) id: Option<Value>,
    /// The frame.
    pub(super) text: String,
    pub(super) state: State,
    /// When it first went out.
    pub(super) sent_at: Option<Timestamp>,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum What {
    Publish {
        room: String,
        text: String,
    },
    Join {
        room: String,
    },
    /// A room that was wished from the start on.
    Enter {
        room: String,
    },
    /// A room of before, which the session does not have.
    Rejoin {
        room: String,
    },
    Leave,
    Who,
    History,
    /// Something whose answer says nothing but that it is done.
    Moderate {
        what: String,
    },
    /// Whether everything was heard that the server had to say.
    Barrier,
    /// A frame as it was typed.
    Typed {
        repeat: Repeat,
    },
}

/// Whether it may be asked again where nobody knows if it was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Always,
    /// Where the server still knows its key.
    ByKey,
    Never,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits until it may be sent.
    Ready,
    Sent,
    /// The connection was lost before the answer.
    Unsure,
}

impl Request {
    /// Asks for `what` with this frame, whose answer is known by `id`.
    pub(super) fn new(what: What, id: String, mut frame: Value) -> Self {
        frame["id"] = id.into();
        let (id, text) = (Some(frame["id"].clone()), frame.to_string());
        Self { what, id, text, state: State::Ready, sent_at: None }
    }

    /// A frame as it was typed.
    ///
    /// # Errors
    ///
    /// One line, if it is not one JSON object.
    pub(super) fn typed(text: &str) -> Result<Self, String> {
        let object: Value = serde_json::from_str(text).map_err(|error| format!("{error}"))?;
        let (id, repeat) = match Frame::parse(text, Config::default().max_depth) {
            // What only a later server knows is for that to judge.
            Err(_) => (object.get("id").cloned(), Repeat::Never),
            Ok(frame) => (object.get("id").cloned(), Repeat::of(&frame.request)),
        };
        let (text, what) = (text.to_owned(), What::Typed { repeat });
        Ok(Self { what, id, text, state: State::Ready, sent_at: None })
    }

    pub(super) fn join(what: What, id: String, room: &str, since: Option<(&str, u64)>) -> Self {
        let mut frame = json!({ "type": "join", "room": room });
        if let Some((epoch, seq)) = since {
            frame["since"] = json!({ "epoch": epoch, "seq": seq });
        }
        Self::new(what, id, frame)
    }

    pub(super) fn is_publish(&self) -> bool {
        matches!(self.what, What::Publish { .. })
    }

    pub(super) fn repeat(&self) -> Repeat {
        match &self.what {
            What::Publish { .. } => Repeat::ByKey,
            What::Typed { repeat } => *repeat,
            What::Join { .. }
            | What::Enter { .. }
            | What::Rejoin { .. }
            | What::Leave
            | What::Who
            | What::History
            | What::Moderate { .. }
            | What::Barrier => Repeat::Always,
        }
    }

    /// What it is called where it is refused.
    pub(super) fn name(&self) -> Option<String> {
        match &self.what {
            What::Publish { text, .. } => Some(text.clone()),
            What::Join { room } | What::Enter { room } | What::Rejoin { room } => {
                Some(format!("/join {room}"))
            }
            What::Moderate { what } => Some(what.clone()),
            What::Leave => Some("/leave".to_owned()),
            What::Who => Some("/who".to_owned()),
            What::History => Some("/history".to_owned()),
            What::Barrier | What::Typed { .. } => None,
        }
    }
}

impl Repeat {
    fn of(request: &Asked<'_>) -> Self {
        match request {
            Asked::Publish { key: Some(_), .. } => Self::ByKey,
            Asked::Publish { key: None, .. } | Asked::Signal { .. } | Asked::Bye => Self::Never,
            Asked::Hello { .. }
            | Asked::Auth { .. }
            | Asked::Join { .. }
            | Asked::Leave { .. }
            | Asked::History { .. }
            | Asked::Presence { .. }
            | Asked::Kick { .. }
            | Asked::Ban { .. }
            | Asked::Remove { .. }
            | Asked::Ping => Self::Always,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_frame_says_whether_it_may_be_asked_again() {
        for (text, id, repeat) in [
            (r#"{"type":"publish","room":"a","data":1,"id":7}"#, Some(7.into()), Repeat::Never),
            (r#"{"type":"publish","room":"a","data":1,"key":"k"}"#, None, Repeat::ByKey),
            (r#"{"type":"ping","id":"p"}"#, Some("p".into()), Repeat::Always),
            (r#"{"type":"later","id":"p"}"#, Some("p".into()), Repeat::Never),
        ] {
            let request = Request::typed(text).expect("a frame");
            assert_eq!((request.id.as_ref(), request.repeat()), (id.as_ref(), repeat), "{text}");
            assert_eq!(request.text, text);
        }
        assert!(Request::typed(r#"{"type":"#).is_err());
    }
}
