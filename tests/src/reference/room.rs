//! A room of the reference: what is kept of its log. It does not know who is in it.

use roundtable::Timestamp;
use serde_json::{Value, json};

use super::presence::Presence;

#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) name: String,
    pub(super) epoch: String,
    pub(super) head: u64,
    pub(super) kept: Vec<Entry>,
    pub(super) presence: Presence,
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    /// Nobody where an operator says it.
    pub(super) from: Option<String>,
    pub(super) what: What,
    pub(super) ts: u64,
    pub(super) at: Timestamp,
}

/// What stands at a place.
#[derive(Clone, Debug)]
pub(super) enum What {
    Data(Value),
    Removed,
    /// That what stood there was removed.
    Removes(u64),
}

impl Room {
    /// Appends an entry, and gives it its place.
    pub(super) fn append(&mut self, entry: Entry, most: usize) -> Entry {
        self.head += 1;
        let entry = Entry { seq: self.head, ..entry };
        self.kept.push(entry.clone());
        if self.kept.len() > most {
            self.kept.remove(0);
        }
        entry
    }

    /// The table of `since`: what a newcomer is given, and with which news.
    pub(super) fn entrance(&self, since: Option<(String, u64)>, recent: usize) -> Value {
        let tail = self.head + 1 - self.kept.len() as u64;
        let fresh = |reason: Option<&str>| {
            let older = self.kept.len().saturating_sub(recent);
            let mut joined = json!({
                "recovered": false, "more": older > 0, "history": items(&self.kept[older..]),
            });
            if let Some(reason) = reason {
                joined["reason"] = json!(reason);
            }
            joined
        };
        let Some((epoch, seq)) = since else { return fresh(None) };
        if epoch != self.epoch {
            fresh(Some("epoch_changed"))
        } else if seq > self.head {
            fresh(Some("ahead"))
        } else if seq + 1 >= tail {
            let seen = self.kept.iter().filter(|entry| entry.seq <= seq).count();
            json!({ "recovered": true, "more": seen > 0, "history": items(&self.kept[seen..]) })
        } else {
            json!({
                "recovered": false, "reason": "trimmed", "gap": { "from": seq + 1, "to": tail - 1 },
                "more": false, "history": items(&self.kept),
            })
        }
    }
}

fn items(entries: &[Entry]) -> Vec<Value> {
    entries.iter().map(Entry::item).collect()
}

impl Entry {
    pub(super) fn item(&self) -> Value {
        let mut item = json!({ "seq": self.seq, "ts": self.ts });
        if let Some(from) = &self.from {
            item["from"] = json!(from);
        }
        match &self.what {
            What::Data(data) => item["data"] = data.clone(),
            What::Removed => item["removed"] = json!(true),
            What::Removes(seq) => item["removes"] = json!(seq),
        }
        item
    }
}
