//! A hub on a table: what the fast tests say to it, and what it answers. This file does not know what
//! is tested.

use roundtable::{
    Command, Config, ConnId, Event, Framing, Greeting, Hub, Name, Peer, RoomChoice, Timestamp,
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
                Command::Append { .. }
                | Command::Send { .. }
                | Command::Close { .. }
                | Command::Verify { .. } => {}
                Command::Refuse { .. } | Command::Ping { .. } | Command::Drained => {
                    panic!("{command:?} out of nowhere")
                }
            }
        }
        told
    }

    pub(crate) fn connect(&mut self, conn: u64) -> Vec<Value> {
        self.connect_as(conn, None)
    }

    pub(crate) fn connect_as(&mut self, conn: u64, name: Option<Name>) -> Vec<Value> {
        let framing = Framing::Strict;
        let greeting = Greeting { name, room: RoomChoice::None, framing };
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

    /// Lets small answers pile up until so many bytes are queued for `conn`.
    pub(crate) fn fill(&mut self, conn: u64, bytes: usize) {
        let queued = |table: &Self| table.hub.queued_for(ConnId::new(conn)).expect("it is there");
        let ping = |pad: usize| json!({ "type": "ping", "id": "x".repeat(pad) }).to_string();
        let mut ask = |pad: usize| {
            let before = queued(self);
            assert_eq!(self.ask(conn, &ping(pad)), "pong");
            (queued(self) - before, bytes - queued(self))
        };
        // No `Flushed` comes. An answer is as much longer as the number that it gives back.
        let (shortest, mut free) = ask(1);
        while free > 2 * (shortest + 60) {
            free = ask(60).1;
        }
        while free > shortest + 61 {
            free = ask(1).1;
        }
        assert_eq!(ask(free - shortest + 1).1, 0);
    }
}
