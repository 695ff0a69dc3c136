//! From a script's words to a client's texts: fills in ids, epochs and places as clients know them.
//! This file does not know whether what it writes will be accepted.

use serde_json::{Value, json};

use crate::generator::{
    Decision, EpochChoice, Frame, Id, NAMES, SeqChoice, ShownBy, Since, Stands,
};
use crate::known::{Known, LogId, RoomId};

/// What a client knows when it writes: where it stands, and the session and the user that it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) seen: &'a [(RoomId, LogId, u64)],
    pub(crate) session: &'a str,
    pub(crate) user: Option<&'a str>,
}

/// Writes texts, each with an id of its own.
#[derive(Debug, Default)]
pub(crate) struct Render {
    requests: u64,
}

impl Render {
    /// The text of a frame, of a client that knows this.
    pub(crate) fn text(
        &mut self,
        known: &Known,
        Place { seen, session, user }: Place<'_>,
        frame: &Frame,
    ) -> String {
        match frame {
            Frame::Resume { id, whose: _, stands } => {
                let mut fields = json!({ "resume": session });
                match stands {
                    Stands::Seen => fields["since"] = places(known, seen),
                    Stands::Nowhere => fields["since"] = json!({}),
                    Stands::Untold => {}
                }
                self.object("hello", *id, fields)
            }
            Frame::Hello { id, name } => self.object("hello", *id, json!({ "name": name })),
            Frame::Join { id, room, since, echo } => {
                let mut fields = json!({ "room": room });
                if let Some(since) = since {
                    fields["since"] = place(known, seen, room, *since);
                }
                if let Some(echo) = echo {
                    fields["echo"] = json!(echo);
                }
                self.object("join", *id, fields)
            }
            Frame::Leave { id, room } => self.object("leave", *id, json!({ "room": room })),
            Frame::Publish { id, room, letters } => {
                let (serial, room) = (self.requests, json!(room));
                self.requests += 1;
                let id = self.id(*id).map_or(String::new(), |id| format!("\"id\":{id},"));
                let data = "x".repeat(*letters);
                format!("{{\"type\":\"publish\",{id}\"room\":{room},\"data\":\"{serial}{data}\"}}")
            }
            Frame::Keyed { id, room, key, letters } => {
                let data = "k".repeat(*letters);
                let key = format!("k\u{e9}{key}");
                self.object("publish", *id, json!({ "room": room, "key": key, "data": data }))
            }
            Frame::Signal { id, room, letters } => {
                let data = "s".repeat(*letters);
                self.object("signal", *id, json!({ "room": room, "key": "typing", "data": data }))
            }
            Frame::History { id, room, before, limit } => {
                let mut fields = json!({ "room": room });
                if let Some(before) = before {
                    fields["before"] = place(known, seen, room, *before);
                }
                if let Some(limit) = limit {
                    fields["limit"] = json!(limit);
                }
                self.object("history", *id, fields)
            }
            Frame::Presence { id, room } => self.object("presence", *id, json!({ "room": room })),
            Frame::Moderate { id, decision } => {
                let (kind, fields) = moderation(known, user, *decision);
                self.object(kind, *id, fields)
            }
            Frame::Show { id, by } => match by {
                ShownBy::Hello => self.object("hello", *id, json!({ "token": "t" })),
                ShownBy::Auth => self.object("auth", *id, json!({ "token": "t" })),
                ShownBy::Resume => {
                    let since = places(known, seen);
                    let fields = json!({ "token": "t", "resume": session, "since": since });
                    self.object("hello", *id, fields)
                }
            },
            Frame::Ping { id } => self.object("ping", *id, json!({})),
            Frame::Bye => "{\"type\":\"bye\"}".to_owned(),
            Frame::Plain { letters } => format!("{}\r\n", "y ".repeat(*letters / 2)),
            Frame::Odd(text) => (*text).to_owned(),
        }
    }

    fn object(&mut self, kind: &str, id: Id, mut fields: Value) -> String {
        self.requests += 1;
        fields["type"] = json!(kind);
        if let Some(id) = self.id(id) {
            fields["id"] = id;
        }
        fields.to_string()
    }

    /// The id of the last request.
    fn id(&self, id: Id) -> Option<Value> {
        match id {
            Id::None => None,
            Id::Number => Some(json!(self.requests)),
            Id::Text => Some(json!(format!("\"r\\{}\u{e9}", self.requests))),
        }
    }
}

/// The type and the fields of what a moderator wants. What only an operator can decide is no frame.
fn moderation(known: &Known, user: Option<&str>, decision: Decision) -> (&'static str, Value) {
    let named = |client: u16| user.unwrap_or(NAMES[usize::from(client) % NAMES.len()]);
    match decision {
        Decision::Kick { client, room } => ("kick", json!({ "room": room, "user": named(client) })),
        Decision::Ban { client, room, span } => {
            let millis = u64::try_from(span.as_millis()).expect("short");
            ("ban", json!({ "room": room, "user": named(client), "for_ms": millis }))
        }
        Decision::Remove { room, behind } => {
            let head = known.find_room(room.trim()).map_or(0, |room| known.head(room));
            ("remove", json!({ "room": room, "seq": head.saturating_sub(behind.into()) }))
        }
        Decision::RevokeUser { client } => ("revoke", json!({ "user": named(client) })),
        Decision::RevokeToken { .. } => ("revoke", json!({})),
    }
}

fn places(known: &Known, seen: &[(RoomId, LogId, u64)]) -> Value {
    let place = |(room, log, seq): &(RoomId, LogId, u64)| {
        let place = json!({ "epoch": known.epoch(*log), "seq": seq });
        (known.name(*room).to_owned(), place)
    };
    seen.iter().map(place).collect()
}

fn place(known: &Known, seen: &[(RoomId, LogId, u64)], room: &str, since: Since) -> Value {
    let Some(room) = known.find_room(room.trim()) else {
        return json!({ "epoch": "nowhere", "seq": 0 });
    };
    let stands = seen.iter().find(|(of, _, _)| *of == room);
    let log = match since.epoch {
        EpochChoice::Seen => stands.map(|(_, log, _)| *log).or(known.last_log(room)),
        EpochChoice::Last => known.last_log(room),
        EpochChoice::Before => known.log_before(room),
        EpochChoice::Foreign => None,
    };
    let head = known.head(room);
    let seq = match since.seq {
        SeqChoice::Seen => stands.map_or(0, |(_, _, seq)| *seq),
        SeqChoice::Zero => 0,
        SeqChoice::Behind(distance) => head.saturating_sub(distance.into()),
        SeqChoice::Ahead(distance) => head + u64::from(distance),
    };
    json!({ "epoch": log.map_or("nowhere", |log| known.epoch(log)), "seq": seq })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_clients_were_told() {
        let mut known = Known::default();
        let den = known.room("den");
        let first = known.log(den, "e1");
        known.seen(den, 7);
        known.log(den, "e2");
        known.seen(den, 3);
        let join = |epoch, seq| {
            let since = Some(Since { epoch, seq });
            Frame::Join { id: Id::Number, room: "den", since, echo: Some(false) }
        };
        let mut render = Render::default();
        let text = render.text(
            &known,
            Place { seen: &[], session: "", user: None },
            &join(EpochChoice::Last, SeqChoice::Behind(2)),
        );
        let expected = json!({
            "type": "join", "id": 1, "room": "den", "echo": false,
            "since": { "epoch": "e2", "seq": 1 },
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        let seen = [(den, first, 5)];
        let text = render.text(
            &known,
            Place { seen: &seen, session: "", user: None },
            &join(EpochChoice::Seen, SeqChoice::Seen),
        );
        let since = json!({ "epoch": "e1", "seq": 5 });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["since"], since);
    }
}
