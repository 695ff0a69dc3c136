//! How a client's frame is written. This file does not know how it is read.

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::reply::json_string;
use super::request::{Echo, Frame, Places, Position, Request};

/// The frame as a client sends it: `Frame::parse` reads the same frame back.
///
/// ```
/// use roundtable::protocol::Frame;
///
/// let text = r#"{ "room": "lobby", "type": "publish", "data": {"n": 1.0}, "colour": "red" }"#;
/// let frame = Frame::parse(text, 32).unwrap();
/// assert_eq!(frame.to_string(), r#"{"type":"publish","room":"lobby","data":{"n": 1.0}}"#);
/// ```
impl fmt::Display for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"type\":\"{}\"", kind(&self.request))?;
        if let Some(id) = self.id {
            write!(f, ",\"id\":{}", id.raw())?;
        }
        match &self.request {
            Request::Hello { name, token, resume, since } => {
                if let Some(name) = name {
                    string(f, "name", name.as_str())?;
                }
                if let Some(token) = token {
                    string(f, "token", token)?;
                }
                if let Some(resume) = resume {
                    string(f, "resume", resume)?;
                }
                if let Some(since) = since {
                    places(f, "since", since)?;
                }
            }
            Request::Auth { token } => string(f, "token", token)?,
            Request::Join { room, since, echo } => {
                string(f, "room", room.as_str())?;
                position(f, "since", since.as_ref())?;
                if *echo == Echo::Off {
                    f.write_str(",\"echo\":false")?;
                }
            }
            Request::Leave { room } | Request::Presence { room } => string(f, "room", room)?,
            Request::Publish { room, key, data } => {
                string(f, "room", room)?;
                if let Some(key) = key {
                    string(f, "key", key)?;
                }
                write!(f, ",\"data\":{data}")?;
            }
            Request::Signal { room, key, data } => {
                string(f, "room", room)?;
                string(f, "key", key)?;
                write!(f, ",\"data\":{data}")?;
            }
            Request::History { room, before, limit } => {
                string(f, "room", room)?;
                position(f, "before", before.as_ref())?;
                if let Some(limit) = limit {
                    write!(f, ",\"limit\":{limit}")?;
                }
            }
            Request::Kick { room, user } => {
                string(f, "room", room.as_str())?;
                string(f, "user", user.as_str())?;
            }
            Request::Ban { room, user, span } => {
                string(f, "room", room.as_str())?;
                string(f, "user", user.as_str())?;
                write!(f, ",\"for_ms\":{}", span.as_millis())?;
            }
            Request::Remove { room, seq } => {
                string(f, "room", room.as_str())?;
                write!(f, ",\"seq\":{seq}")?;
            }
            Request::Ping | Request::Bye => {}
        }
        f.write_str("}")
    }
}

fn kind(request: &Request<'_>) -> &'static str {
    match request {
        Request::Hello { .. } => "hello",
        Request::Auth { .. } => "auth",
        Request::Join { .. } => "join",
        Request::Leave { .. } => "leave",
        Request::Publish { .. } => "publish",
        Request::Signal { .. } => "signal",
        Request::History { .. } => "history",
        Request::Presence { .. } => "presence",
        Request::Kick { .. } => "kick",
        Request::Ban { .. } => "ban",
        Request::Remove { .. } => "remove",
        Request::Ping => "ping",
        Request::Bye => "bye",
    }
}

fn string(f: &mut fmt::Formatter<'_>, field: &str, text: &str) -> fmt::Result {
    write!(f, ",\"{field}\":{}", json_string(text))
}

fn position(
    f: &mut fmt::Formatter<'_>,
    field: &str,
    position: Option<&Position<'_>>,
) -> fmt::Result {
    let Some(position) = position else { return Ok(()) };
    write!(f, ",\"{field}\":{}", object(position))
}

fn places(f: &mut fmt::Formatter<'_>, field: &str, places: &Places<'_>) -> fmt::Result {
    write!(f, ",\"{field}\":{{")?;
    for (index, (room, position)) in places.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(f, "{comma}{}:{}", json_string(room), object(position))?;
    }
    f.write_str("}")
}

fn object(Position { epoch, seq }: &Position<'_>) -> String {
    format!("{{\"epoch\":{},\"seq\":{seq}}}", json_string(epoch))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_frame_is_written_as_it_is_read() {
        for text in [
            r#"{"type":"hello"}"#,
            r#"{"type":"hello","id":-7,"name":"\"quoted\\"}"#,
            r#"{"type":"hello","name":"ann","token":"eyJ.\"x","resume":"s_5"}"#,
            r#"{"type":"auth","id":2,"token":"eyJ"}"#,
            r#"{"type":"hello","resume":"s_5","since":{}}"#,
            r#"{"type":"hello","resume":"","since":{"a":{"epoch":"k","seq":4},"b\"":{"epoch":"","seq":0}}}"#,
            r#"{"type":"join","id":"r\u00e9","room":"lobby"}"#,
            r#"{"type":"join","room":"lobby","since":{"epoch":"k\n","seq":41},"echo":false}"#,
            r#"{"type":"leave","id":5,"room":""}"#,
            r#"{"type":"publish","id":6,"room":"büro 7","data":[1.0e3, "\u00e9"]}"#,
            r#"{"type":"publish","room":"lobby","data":null}"#,
            r#"{"type":"publish","room":"lobby","key":"01J9Z8","data":1}"#,
            r#"{"type":"signal","id":8,"room":"lobby","key":"typing","data":true}"#,
            r#"{"type":"history","id":7,"room":"den","before":{"epoch":"","seq":0},"limit":50}"#,
            r#"{"type":"presence","id":7,"room":"den"}"#,
            r#"{"type":"kick","id":1,"room":"lobby","user":"eve"}"#,
            r#"{"type":"ban","room":"lobby","user":"eve","for_ms":8640000000}"#,
            r#"{"type":"remove","room":"lobby","seq":5}"#,
            r#"{"type":"ping","id":18446744073709551615}"#,
            r#"{"type":"bye"}"#,
        ] {
            let frame = Frame::parse(text, 32).unwrap_or_else(|refusal| panic!("{refusal:?}"));
            let written = frame.to_string();
            assert_eq!(written, text);
            let again = Frame::parse(&written, 32).unwrap();
            assert_eq!(format!("{again:?}"), format!("{frame:?}"));
        }
    }
}
