//! Who is in a room, as clients are told: by a list, and by differences that they fold. This file does
//! not know when the hub tells.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::serve;
use super::{Client, Runtime};

/// Users with the number of their sessions, folded as `docs/protocol.md` says.
#[derive(Debug, Default, PartialEq)]
struct People(BTreeMap<String, u64>);

impl People {
    fn fold(&mut self, told: &Value) {
        if let Some(list) = told["list"].as_array() {
            self.0.clear();
            self.add(list);
        }
        for gone in told["leave"].as_array().into_iter().flatten() {
            self.0.remove(gone.as_str().expect("a name"));
        }
        self.add(told["join"].as_array().map_or(&[][..], Vec::as_slice));
    }

    fn add(&mut self, users: &[Value]) {
        for user in users {
            let name = user["user"].as_str().expect("a name").to_owned();
            self.0.insert(name, user["n"].as_u64().expect("a number"));
        }
    }

    /// Folds what `client` is told until these are there.
    fn until(&mut self, client: &mut Client, wanted: &[&str]) {
        while !self.0.keys().eq(wanted) {
            self.fold(&client.expect("presence"));
        }
    }
}

/// Somebody comes, says goodbye, or is lost: the others know it.
pub fn who_comes_and_goes_is_told(runtime: Runtime<'_>) {
    let mut settings = super::settings();
    settings.hub.presence_tick = Duration::from_millis(20);
    settings.hub.presence_linger = Duration::from_millis(20);
    let server = serve(runtime, &settings);
    let (mut ann, joined) = Client::join(server.addr, "lobby", "ann");
    let mut people = People::default();
    people.fold(&joined["members"]);
    people.until(&mut ann, &["ann"]);
    let (mut bob, joined) = Client::join(server.addr, "lobby", "bob");
    assert_eq!(joined["members"]["count"], 2, "{joined}");
    people.until(&mut ann, &["ann", "bob"]);
    bob.send(&json!({ "type": "bye" }));
    people.until(&mut ann, &["ann"]);
    let (eve, _) = Client::join(server.addr, "lobby", "eve");
    people.until(&mut ann, &["ann", "eve"]);
    drop(eve);
    people.until(&mut ann, &["ann"]);
    let all = ann.ask(&json!({ "type": "presence", "id": 1, "room": "lobby" }));
    assert_eq!(all["list"], json!([{ "user": "ann", "n": 1 }]), "{all}");
    server.shut();
}
