//! How the reference reads a frame: into a JSON value, field by field. It does not know what is done
//! with it.

use std::time::Duration;

use roundtable::{AdminAction, Name};
use serde_json::{Map, Value, json};

/// Why a request is refused: the code, and how long to wait.
pub(crate) type Refusal = (&'static str, Option<u64>);

pub(crate) fn read(text: &str, max_depth: usize) -> Result<Map<String, Value>, Refusal> {
    match serde_json::from_str(text) {
        Ok(Value::Object(frame)) if depth(&Value::Object(frame.clone())) <= max_depth => Ok(frame),
        _ => Err(("bad_json", None)),
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

pub(crate) fn good_id(frame: &Map<String, Value>) -> Result<Option<Value>, Refusal> {
    match frame.get("id") {
        None => Ok(None),
        Some(Value::String(id)) if id.len() <= 64 => Ok(Some(json!(id))),
        Some(Value::Number(id)) if id.is_i64() || id.is_u64() => Ok(Some(json!(id))),
        Some(_) => Err(("bad_field", None)),
    }
}

pub(crate) fn with_id(mut frame: Value, id: Option<Value>) -> Value {
    if let Some(id) = id {
        frame["id"] = id;
    }
    frame
}

pub(crate) fn string<'a>(frame: &'a Map<String, Value>, field: &str) -> Result<&'a str, Refusal> {
    frame.get(field).and_then(Value::as_str).ok_or(("bad_field", None))
}

pub(crate) fn name(frame: &Map<String, Value>, field: &str) -> Result<String, Refusal> {
    let name = string(frame, field)?.parse::<Name>().map_err(|_| ("bad_field", None))?;
    Ok(name.to_string())
}

pub(crate) fn place(
    frame: &Map<String, Value>,
    field: &str,
) -> Result<Option<(String, u64)>, Refusal> {
    let Some(place) = frame.get(field) else { return Ok(None) };
    let epoch = place["epoch"].as_str().ok_or(("bad_field", None))?;
    let seq = place["seq"].as_u64().ok_or(("bad_field", None))?;
    Ok(Some((epoch.to_owned(), seq)))
}

/// Places in rooms, by the rooms' names.
pub(crate) type Places = Vec<(String, (String, u64))>;

pub(crate) fn places(frame: &Map<String, Value>, field: &str) -> Result<Option<Places>, Refusal> {
    let Some(rooms) = frame.get(field) else { return Ok(None) };
    let rooms = rooms.as_object().ok_or(("bad_field", None))?;
    let named = |room: &String| {
        let place = place(rooms, room)?.ok_or(("bad_field", None))?;
        Ok((room.trim().to_owned(), place))
    };
    rooms.keys().map(named).collect::<Result<_, Refusal>>().map(Some)
}

pub(crate) fn key(frame: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    if !frame.contains_key("key") {
        return Ok(None);
    }
    let key = string(frame, "key")?;
    if (1..=64).contains(&key.len()) { Ok(Some(key.to_owned())) } else { Err(("bad_field", None)) }
}

/// What a moderator asks for.
pub(crate) fn moderation(frame: &Map<String, Value>, kind: &str) -> Result<AdminAction, Refusal> {
    const MOST_MS: u64 = 100 * 24 * 60 * 60 * 1000;
    let name = |field: &str| Ok(name(frame, field)?.parse().expect("a name"));
    let number = |field: &str| frame.get(field).and_then(Value::as_u64).ok_or(("bad_field", None));
    let room = name("room")?;
    match kind {
        "remove" => Ok(AdminAction::Remove { room, seq: number("seq")? }),
        "ban" => {
            let span = Duration::from_millis(number("for_ms")?);
            let short = span <= Duration::from_millis(MOST_MS);
            let user = name("user")?;
            if short { Ok(AdminAction::Ban { room, user, span }) } else { Err(("bad_field", None)) }
        }
        _ => Ok(AdminAction::Kick { room: Some(room), user: name("user")? }),
    }
}
