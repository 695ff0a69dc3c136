//! Bytes as what a client sends. This file knows how the reference reads a frame, and what the two
//! readers must agree on; it does not know what the hub does with a frame.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use roundtable::protocol::{Echo, ErrorCode, Frame, Position, Refusal, Request};
use roundtable::{Config, Name};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::reference::frame::{good_id, key, moderation, name, place, places, read, string};

/// Reads the bytes as a client's frame: what is taken is taken by the reference too, means the
/// same to it, and comes back from its own text; what is refused is refused for the right reason.
///
/// # Panics
///
/// If the readers disagree, or a frame does not come back.
pub fn protocol(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let depth = Config::default().max_depth;
    let value = read(text, depth);
    match (Frame::parse(text, depth), value) {
        (Ok(frame), Ok(value)) => {
            same_meaning(&frame, &value);
            comes_back(&frame, depth);
        }
        (Ok(frame), Err(_)) => panic!("taken, but others cannot read it: {frame:?}"),
        (Err(refusal), Ok(value)) => {
            let expected = fault(&value).unwrap_or("");
            let twice = refusal.code == ErrorCode::BadField && says_something_twice(text);
            assert!(twice || code(&refusal) == expected, "{expected:?}, but {refusal:?}");
            check_words(&refusal);
        }
        (Err(refusal), Err(_)) => {
            assert_eq!(refusal.code, ErrorCode::BadJson, "{refusal:?}");
            assert!(refusal.id.is_none(), "an id of what cannot be read: {refusal:?}");
            check_words(&refusal);
        }
    }
}

/// The frame's text is read as the same frame, and written as the same text.
fn comes_back(frame: &Frame<'_>, depth: usize) {
    let text = frame.to_string();
    let again = Frame::parse(&text, depth);
    let again = again.unwrap_or_else(|refusal| panic!("{text} was not taken: {refusal:?}"));
    assert_eq!(format!("{again:?}"), format!("{frame:?}"), "read from {text}");
    assert_eq!(again.to_string(), text);
}

fn same_meaning(frame: &Frame<'_>, value: &Map<String, Value>) {
    assert_eq!(fault(value), None, "taken: {frame:?}");
    let id = frame.id.map(|id| parsed(id.raw().get()));
    assert_eq!(id, good_id(value).expect("it has no fault"));
    let field = |field: &str| value.get(field).and_then(Value::as_str);
    let kind = field("type").expect("it has no fault");
    match &frame.request {
        Request::Auth { token } => assert_eq!((kind, Some(&**token)), ("auth", field("token"))),
        Request::Hello { name, token, resume, since } => {
            assert_eq!(kind, "hello");
            assert_eq!(token.as_deref(), field("token"));
            assert_eq!(name.as_ref().map(Name::as_str), field("name").map(str::trim));
            assert_eq!(resume.as_deref(), field("resume"));
            let expected = places(value, "since").expect("it has no fault");
            let expected: Option<BTreeMap<_, _>> = expected.map(|of| of.into_iter().collect());
            let found = since.as_ref().map(|places| {
                let place = |(room, at): (&Cow<'_, str>, &Position<'_>)| {
                    (room.to_string(), (at.epoch.to_string(), at.seq))
                };
                places.iter().map(place).collect()
            });
            assert_eq!(found, expected);
        }
        Request::Join { room, since, echo } => {
            assert_eq!(kind, "join");
            assert_eq!(Some(room.as_str()), field("room").map(str::trim));
            same_place(since.as_ref(), value, "since");
            let off = value.get("echo") == Some(&Value::Bool(false));
            assert_eq!(*echo, if off { Echo::Off } else { Echo::On });
        }
        Request::Leave { room } => {
            assert_eq!(kind, "leave");
            assert_eq!(Some(&**room), field("room"));
        }
        Request::Signal { room, key, data } => {
            assert_eq!((kind, Some(&**key)), ("signal", field("key")));
            assert_eq!(Some(&**room), field("room"));
            assert_eq!(parsed(data.get()), value["data"]);
        }
        Request::Publish { room, key, data } => {
            assert_eq!((kind, key.as_deref()), ("publish", field("key")));
            assert_eq!(Some(&**room), field("room"));
            assert_eq!(parsed(data.get()), value["data"]);
        }
        Request::History { room, before, limit } => {
            assert_eq!(kind, "history");
            assert_eq!(Some(&**room), field("room"));
            same_place(before.as_ref(), value, "before");
            assert_eq!(*limit, value.get("limit").and_then(Value::as_u64));
        }
        Request::Presence { room } => {
            assert_eq!((kind, Some(&**room)), ("presence", field("room")));
        }
        Request::Kick { room, user } => {
            assert_eq!(kind, "kick");
            assert_eq!((room.as_str(), user.as_str()), same_pair(value));
        }
        Request::Ban { room, user, span } => {
            assert_eq!(kind, "ban");
            assert_eq!((room.as_str(), user.as_str()), same_pair(value));
            let millis = value.get("for_ms").and_then(Value::as_u64);
            assert_eq!(millis.map(Duration::from_millis), Some(*span));
        }
        Request::Remove { room, seq } => {
            assert_eq!(kind, "remove");
            assert_eq!(Some(room.as_str()), field("room").map(str::trim));
            assert_eq!(value.get("seq"), Some(&Value::from(*seq)));
        }
        Request::Ping => assert_eq!(kind, "ping"),
        Request::Bye => assert_eq!(kind, "bye"),
    }
}

/// The room and the user that a frame names.
fn same_pair(value: &Map<String, Value>) -> (&str, &str) {
    let of = |field: &str| value.get(field).and_then(Value::as_str).expect("a name").trim();
    (of("room"), of("user"))
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("a part of what was read")
}

fn same_place(position: Option<&Position<'_>>, value: &Map<String, Value>, field: &str) {
    let expected = place(value, field).expect("it has no fault");
    let found = position.map(|position| (position.epoch.to_string(), position.seq));
    assert_eq!(found, expected);
}

/// Why the reference would not take the frame, whatever the hub's state.
fn fault(frame: &Map<String, Value>) -> Option<&'static str> {
    let read = || {
        good_id(frame)?;
        let kind = string(frame, "type")?;
        match kind {
            "hello" => {
                if frame.contains_key("name") {
                    name(frame, "name")?;
                }
                if frame.contains_key("token") {
                    string(frame, "token")?;
                }
                if frame.contains_key("resume") {
                    string(frame, "resume")?;
                }
                places(frame, "since").map(drop)
            }
            "ping" | "bye" => Ok(()),
            "join" => {
                name(frame, "room")?;
                place(frame, "since")?;
                let good = frame.get("echo").is_none_or(Value::is_boolean);
                if good { Ok(()) } else { Err(("bad_field", None)) }
            }
            "leave" | "presence" => string(frame, "room").map(drop),
            "publish" | "signal" => {
                string(frame, "room")?;
                let key = key(frame)?;
                let good = frame.contains_key("data") && (key.is_some() || kind == "publish");
                if good { Ok(()) } else { Err(("bad_field", None)) }
            }
            "history" => {
                string(frame, "room")?;
                place(frame, "before")?;
                let limit = frame.get("limit");
                let good = limit.is_none_or(|limit| limit.as_u64().is_some_and(|limit| limit > 0));
                if good { Ok(()) } else { Err(("bad_field", None)) }
            }
            "auth" => string(frame, "token").map(drop),
            "kick" | "ban" | "remove" => moderation(frame, kind).map(drop),
            _ => Err(("bad_type", None)),
        }
    };
    read().err().map(|(code, _)| code)
}

fn code(refusal: &Refusal<'_>) -> String {
    let code = serde_json::to_value(refusal.code).expect("a code has a name");
    code.as_str().expect("a name").to_owned()
}

/// What is said to people is short, whatever was sent.
fn check_words(refusal: &Refusal<'_>) {
    let words = &refusal.message;
    assert!(!words.is_empty() && words.len() < 256, "{refusal:?}");
}

/// Whether a field stands twice in the frame or in a place within it, which a JSON value hides.
fn says_something_twice(text: &str) -> bool {
    let Ok(Fields(fields)) = serde_json::from_str(text) else { return false };
    let keys: BTreeSet<&String> = fields.iter().map(|(key, _)| key).collect();
    let mut places = fields.iter().filter(|(key, _)| key == "since" || key == "before");
    keys.len() < fields.len() || places.any(|(_, place)| is_place_twice(place.get()))
}

/// Whether something stands twice in a place, or in one of the places of several rooms.
fn is_place_twice(text: &str) -> bool {
    let Ok(Fields(fields)) = serde_json::from_str(text) else { return false };
    says_something_twice(text) || fields.iter().any(|(_, place)| says_something_twice(place.get()))
}

/// An object's fields, each as often as it stands there.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(Fields(Vec::new()))
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self, A::Error> {
        while let Some(field) = map.next_entry()? {
            self.0.push(field);
        }
        Ok(self)
    }
}
