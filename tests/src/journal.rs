//! Whether a hub could be had back at any moment: what it told to write down is kept beside it, and says
//! the same as a snapshot. This file shares no code with the one that applies it but the format.

use std::time::Duration;

use roundtable::{Batch, Config, Hub, Recovery, Snapshot, Tails, Timestamp};
use serde_json::Value;

/// What a hub told to write down.
#[derive(Debug)]
pub(crate) struct Journal {
    recovery: Recovery,
}

impl Journal {
    /// Begins with what a hub keeps, if it tells what changes.
    pub(crate) fn of(hub: Option<&Hub>, config: &Config) -> Option<Self> {
        let hub = hub.filter(|_| config.journal)?;
        Some(Self { recovery: Recovery::of(hub.snapshot(hub.now())) })
    }

    pub(crate) fn append(&mut self, batch: &Batch) {
        let text = serde_json::to_string(batch).expect("a batch is plain data");
        let read: Batch = serde_json::from_str(&text).expect("what was written");
        assert_eq!(read, *batch);
        self.recovery.apply(read).expect("what a hub has told");
    }

    /// All that was told so far has been sent.
    pub(crate) fn settle(&mut self) {
        self.recovery.settle();
    }

    /// What is written down otherwise than the hub keeps it.
    pub(crate) fn differs(&self, hub: &Hub, config: &Config, now: Timestamp) -> Option<String> {
        let kept = hub.snapshot(now);
        let found = self.recovery.clone().finish(Tails::Whole);
        let (mine, theirs) = (plain(&found, config, now), plain(&kept, config, now));
        // A session that has joined nothing is not written down, and needs no number of its own.
        let names = ["epochs", "rooms", "sessions", "keys", "bans"];
        let name = names.into_iter().find(|name| mine[*name] != theirs[*name]);
        if let Some(name) = name {
            return Some(format!(
                "{name} are written down as {}, and are {}",
                mine[name], theirs[name]
            ));
        }
        // Nobody is said to have read what it was not given.
        let reads = |value: &Value| -> Vec<u64> {
            let places = list(&value["sessions"]).iter().flat_map(|of| list(&of["memberships"]));
            places.map(|of| of["read"].as_u64().expect("a place")).collect()
        };
        let (found, kept) = (value(&found), value(&kept));
        let begun = found["begun"].as_u64().expect("a count");
        if list(&found["sessions"]).iter().any(|of| of["id"].as_u64() >= Some(begun)) {
            return Some(format!("the next session is called like one that is there: {found}"));
        }
        let ahead = reads(&found).into_iter().zip(reads(&kept)).any(|(mine, theirs)| mine > theirs);
        ahead.then(|| format!("somebody has read too much: {found}, and not {kept}"))
    }
}

fn value(snapshot: &Snapshot) -> Value {
    serde_json::to_value(snapshot).expect("a snapshot is plain data")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn moment(value: &Value) -> Timestamp {
    let span: Duration = serde_json::from_value(value.clone()).expect("a moment");
    Timestamp::new(span)
}

/// What must be the same: without timers, rates and places among others, and without what is over.
fn plain(snapshot: &Snapshot, config: &Config, now: Timestamp) -> Value {
    let mut plain = value(snapshot);
    let members: Vec<u64> = list(&plain["sessions"])
        .iter()
        .flat_map(|of| list(&of["memberships"]))
        .map(|of| of["room"].as_u64().expect("a slot"))
        .collect();
    let rooms = plain["rooms"].as_array_mut().expect("a list");
    for room in rooms.iter_mut() {
        remove(room, &["armed", "told", "telling_armed"]);
        let entries = room["entries"].as_array_mut().expect("a list");
        entries.retain(|entry| moment(&entry["at"]) + config.history_age > now);
    }
    rooms.retain(|room| {
        let slot = room["slot"].as_u64().expect("a slot");
        members.contains(&slot) || !list(&room["entries"]).is_empty()
    });
    for session in plain["sessions"].as_array_mut().expect("a list") {
        remove(session, &["armed", "messages", "bytes", "strikes", "refused", "since"]);
        for membership in session["memberships"].as_array_mut().expect("a list") {
            remove(membership, &["place", "told", "read"]);
        }
    }
    let keys = plain["keys"].as_array_mut().expect("a list");
    keys.retain(|pair| moment(&pair[1]["at"]) + config.key_age > now);
    let gone = keys.len().saturating_sub(config.max_keys);
    keys.drain(..gone);
    let bans = plain["bans"].as_array_mut().expect("a list");
    bans.retain(|pair| moment(&pair[1]) > now);
    plain
}

fn remove(value: &mut Value, names: &[&str]) {
    let fields = value.as_object_mut().expect("an object");
    for name in names {
        assert!(fields.remove(*name).is_some(), "no {name} in {fields:?}");
    }
}
