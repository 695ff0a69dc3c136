//! A hub on a table: what the fast tests say to it, and what it answers. This file does not know what
//! is tested.

use roundtable::{
    Command, Config, ConnId, Event, Framing, Greeting, Hub, Peer, RoomChoice, Timestamp,
};
use serde_json::{Value, json};

use crate::ORIGIN;

/// A hub and whoever talks to it.
pub(crate) struct Table {
    pub(crate) hub: Hub,
    pub(crate) now: Timestamp,
}

impl Table {
    pub(crate) fn new(config: Config) -> Self {
        Self { hub: Hub::new(config, ORIGIN).expect("a valid configuration"), now: Timestamp::ZERO }
    }

    /// What `conn` is told about `event`, closes as their codes.
    pub(crate) fn tell(&mut self, conn: u64, event: Event) -> Vec<Value> {
        let (mut commands, mut told) = (Vec::new(), Vec::new());
        self.hub.handle(self.now, event, &mut commands);
        for command in commands {
            match command {
                Command::Send { to, text } if to.iter().any(|to| to.get() == conn) => {
                    told.push(serde_json::from_str(&text).expect("JSON"));
                }
                Command::Close { conn: of, code, .. } if of.get() == conn => {
                    told.push(json!(code.number()));
                }
                Command::Send { .. } | Command::Close { .. } => {}
                Command::Ping { .. } | Command::Drained => panic!("{command:?} out of nowhere"),
            }
        }
        told
    }

    pub(crate) fn connect(&mut self, conn: u64) -> Vec<Value> {
        let framing = Framing::Strict;
        let greeting = Greeting { name: None, room: RoomChoice::None, framing };
        self.tell(conn, Event::Connect { conn: ConnId::new(conn), peer: Peer::default(), greeting })
    }

    pub(crate) fn say(&mut self, conn: u64, text: &str) -> Vec<Value> {
        self.tell(conn, Event::Text { conn: ConnId::new(conn), text: text.to_owned() })
    }

    /// The one word that says how a request went: its error's code, its close, or its kind.
    pub(crate) fn ask(&mut self, conn: u64, text: &str) -> String {
        let told = self.say(conn, text);
        let last = told.last().unwrap_or_else(|| panic!("no answer to {text}"));
        let word = last["code"].as_str().or(last["type"].as_str());
        word.map_or_else(|| last.to_string(), str::to_owned)
    }

    pub(crate) fn join(&mut self, conn: u64, room: &str) -> String {
        self.ask(conn, &json!({ "type": "join", "id": 1, "room": room }).to_string())
    }
}
