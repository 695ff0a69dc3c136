//! What the reference knows of keys and of signals.

use roundtable::{Action, Timestamp};
use serde_json::{Map, Value, json};

use super::Reference;
use super::frame::{Refusal, key, string, with_id};

/// What was published under a key.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    epoch: String,
    author: String,
    key: String,
    seq: u64,
    data: Value,
    at: Timestamp,
}

impl Reference {
    /// Publishes what was not published under this key before.
    pub(super) fn publish_once(
        &mut self,
        me: usize,
        id: Option<Value>,
        name: &str,
        key: &str,
        data: &Value,
    ) -> Result<(), Refusal> {
        if self.draining {
            return Err(("draining", None));
        }
        let session = &self.sessions[me];
        session.membership(name).ok_or(("not_joined", None))?;
        self.hold(me, Action::Publish, name)?;
        let (conn, author) = (session.conn, session.owner_of_keys());
        let room = self.room(name).expect("members hold their room");
        let (epoch, seq) = (room.epoch.clone(), room.head + 1);
        let (now, age) = (self.now, self.config.key_age);
        self.keys.retain(|keyed| keyed.at + age > now);
        let same = |of: &&Keyed| of.epoch == epoch && of.author == author && of.key == key;
        if let Some(keyed) = self.keys.iter().find(same) {
            if keyed.data != *data {
                return Err(("key_conflict", None));
            }
            if id.is_some() {
                let ack = json!({
                    "type": "ack", "room": name, "epoch": epoch, "seq": keyed.seq,
                    "duplicate": true,
                });
                self.say(conn, with_id(ack, id));
            }
            return Ok(());
        }
        if self.keys.len() >= self.config.max_keys {
            self.keys.remove(0);
        }
        let (key, data) = (key.to_owned(), data.clone());
        self.keys.push(Keyed { epoch, author, key, seq, data: data.clone(), at: now });
        self.publish(me, id, name, &data)
    }

    /// Tells all others in the room.
    pub(super) fn signal(
        &mut self,
        me: usize,
        id: Option<Value>,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let room = string(frame, "room")?.trim().to_owned();
        let data = frame.get("data").ok_or(("bad_field", None))?;
        let key = key(frame)?.ok_or(("bad_field", None))?;
        if data.to_string().len() > self.config.signal_bytes {
            return Err(("too_large", None));
        }
        let author = &self.sessions[me];
        author.membership(&room).ok_or(("not_joined", None))?;
        self.hold(me, Action::Signal, &room)?;
        let (conn, ttl) = (author.conn, self.config.signal_ttl.as_millis());
        let signal = json!({
            "type": "signal", "room": room, "from": author.user, "key": key, "data": data,
            "ttl_ms": u64::try_from(ttl).expect("short"),
        });
        for index in 0..self.sessions.len() {
            let other = &self.sessions[index];
            if index != me && other.is_connected() && other.membership(&room).is_some() {
                self.say(other.conn, signal.clone());
            }
        }
        if id.is_some() {
            self.say(conn, with_id(json!({ "type": "ack", "room": room }), id));
        }
        Ok(())
    }
}
