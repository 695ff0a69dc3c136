//! From a script's words to a client's texts: fills in ids, epochs and places as clients know them.
//! This file does not know whether what it writes will be accepted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::generator::{EpochChoice, Frame, Id, SeqChoice, Since};

/// What clients were told of rooms, all of them together.
#[derive(Debug, Default)]
pub struct Known {
    rooms: BTreeMap<String, Room>,
    requests: u64,
}

#[derive(Debug, Default)]
struct Room {
    /// The epochs in the order in which they appeared.
    epochs: Vec<String>,
    /// The newest place that anybody was told of in the last of them.
    head: u64,
}

impl Known {
    /// Takes note of a text that some client was sent.
    pub fn learn(&mut self, frame: &Value) {
        let Some(name) = frame["room"].as_str() else { return };
        let room = self.rooms.entry(name.to_owned()).or_default();
        if let Some(epoch) = frame["epoch"].as_str()
            && !room.epochs.iter().any(|known| known == epoch)
        {
            room.epochs.push(epoch.to_owned());
            room.head = 0;
        }
        if let Some(seq) = frame["seq"].as_u64() {
            room.head = room.head.max(seq);
        }
    }

    /// The text of a frame. Each id is given once.
    pub fn render(&mut self, frame: &Frame) -> String {
        match frame {
            Frame::Hello { id, name } => self.object("hello", *id, json!({ "name": name })),
            Frame::Join { id, room, since, echo } => {
                let mut fields = json!({ "room": room });
                if let Some(since) = since {
                    fields["since"] = self.place(room, *since);
                }
                if let Some(echo) = echo {
                    fields["echo"] = json!(echo);
                }
                self.object("join", *id, fields)
            }
            Frame::Leave { id, room } => self.object("leave", *id, json!({ "room": room })),
            Frame::Publish { id, room, letters } => {
                let serial = self.requests;
                let data = json!(format!("{serial}{}", "x".repeat(*letters)));
                self.object("publish", *id, json!({ "room": room, "data": data }))
            }
            Frame::History { id, room, before, limit } => {
                let mut fields = json!({ "room": room });
                if let Some(before) = before {
                    fields["before"] = self.place(room, *before);
                }
                if let Some(limit) = limit {
                    fields["limit"] = json!(limit);
                }
                self.object("history", *id, fields)
            }
            Frame::Ping { id } => self.object("ping", *id, json!({})),
            Frame::Bye => "{\"type\":\"bye\"}".to_owned(),
            Frame::Plain { letters } => format!("{}\r\n", "y ".repeat(*letters / 2)),
            Frame::Odd(text) => (*text).to_owned(),
        }
    }

    fn object(&mut self, kind: &str, id: Id, mut fields: Value) -> String {
        self.requests += 1;
        fields["type"] = json!(kind);
        match id {
            Id::None => {}
            Id::Number => fields["id"] = json!(self.requests),
            Id::Text => fields["id"] = json!(format!("\"r\\{}\u{e9}", self.requests)),
        }
        fields.to_string()
    }

    fn place(&self, room: &str, since: Since) -> Value {
        let known = self.rooms.get(room.trim());
        let epochs = known.map_or(&[][..], |room| &room.epochs);
        let epoch = match since.epoch {
            EpochChoice::Last => epochs.last(),
            EpochChoice::Before => epochs.iter().rev().nth(1),
            EpochChoice::Foreign => None,
        };
        let head = known.map_or(0, |room| room.head);
        let seq = match since.seq {
            SeqChoice::Zero => 0,
            SeqChoice::Behind(distance) => head.saturating_sub(distance.into()),
            SeqChoice::Ahead(distance) => head + u64::from(distance),
        };
        json!({ "epoch": epoch.map_or("nowhere", String::as_str), "seq": seq })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_clients_were_told() {
        let mut known = Known::default();
        known.learn(&json!({ "type": "joined", "room": "den", "epoch": "e1", "seq": 7 }));
        known.learn(&json!({ "type": "joined", "room": "den", "epoch": "e2", "seq": 2 }));
        known.learn(&json!({ "type": "message", "room": "den", "seq": 3 }));
        let since = Some(Since { epoch: EpochChoice::Last, seq: SeqChoice::Behind(2) });
        let text =
            known.render(&Frame::Join { id: Id::Number, room: "den", since, echo: Some(false) });
        let expected = json!({
            "type": "join", "id": 1, "room": "den", "echo": false,
            "since": { "epoch": "e2", "seq": 1 },
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    }
}
