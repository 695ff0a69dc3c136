//! What is said in a room of the reference, and read there. It does not know keys.

use roundtable::{Action, ConnId};
use serde_json::{Map, Value, json};

use super::Reference;
use super::frame::{Refusal, place, string, with_id};
use super::room::{Entry, What};
use super::session::Session;

impl Reference {
    /// Appends an entry, and tells everybody.
    pub(super) fn publish(
        &mut self,
        me: usize,
        id: Option<Value>,
        name: &str,
        data: &Value,
    ) -> Result<(), Refusal> {
        if self.draining {
            return Err(("draining", None));
        }
        let (ts, at) = (self.wall_ms(), self.now);
        let session = &self.sessions[me];
        let (conn, from) = (session.conn, session.user.clone());
        session.membership(name).ok_or(("not_joined", None))?;
        self.hold(me, Action::Publish, name)?;
        let most = self.config.history_entries;
        let room = self.rooms.iter_mut().find(|room| room.name == name);
        let room = room.expect("members hold their room");
        let (from, what) = (Some(from), What::Data(data.clone()));
        let entry = room.append(Entry { seq: 0, from, what, ts, at }, most);
        if id.is_some() {
            let ack = json!({ "type": "ack", "room": name, "epoch": room.epoch, "seq": room.head });
            self.say(conn, with_id(ack, id));
        }
        let mut message = entry.item();
        message["type"] = json!("message");
        message["room"] = json!(name);
        self.tell_entry(name, Some(conn), &message);
        Ok(())
    }

    /// Answers `history`.
    pub(super) fn history(
        &mut self,
        me: usize,
        id: Option<Value>,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let name = string(frame, "room")?.trim().to_owned();
        let before = place(frame, "before")?;
        let limit = match frame.get("limit") {
            None => self.config.recent as u64,
            Some(limit) => limit.as_u64().filter(|limit| *limit > 0).ok_or(("bad_field", None))?,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(self.config.history_entries);
        let session = &self.sessions[me];
        session.membership(&name).ok_or(("not_joined", None))?;
        self.hold(me, Action::History, &name)?;
        let room = self.room(&name).expect("members hold their room");
        let older: Vec<&Entry> = match &before {
            Some((epoch, _)) if *epoch != room.epoch => Vec::new(),
            Some((_, seq)) => room.kept.iter().filter(|entry| entry.seq < *seq).collect(),
            None => room.kept.iter().collect(),
        };
        let skipped = older.len().saturating_sub(limit);
        let items: Vec<Value> = older[skipped..].iter().map(|entry| entry.item()).collect();
        let history = json!({
            "type": "history", "room": name, "epoch": room.epoch,
            "items": items, "more": skipped > 0,
        });
        self.say(session.conn, with_id(history, id));
        Ok(())
    }

    /// Tells the members of an entry, but for an author who does not want to hear itself.
    pub(super) fn tell_entry(&mut self, name: &str, author: Option<ConnId>, entry: &Value) {
        let wants = |of: &&Session| {
            let wants_echo = |echo: bool| echo || Some(of.conn) != author;
            of.is_connected() && of.membership(name).is_some_and(|place| wants_echo(place.echo))
        };
        let members: Vec<ConnId> = self.sessions.iter().filter(wants).map(|of| of.conn).collect();
        for member in members {
            self.say(member, entry.clone());
        }
    }
}
