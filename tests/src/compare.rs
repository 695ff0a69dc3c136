//! Holds a hub against the reference after every event. It does not know which of them is right.

use std::collections::BTreeMap;
use std::time::Duration;

use roundtable::{AdminAction, Auth, CloseCode, Command, Config, ConnId, Event, Refusal};
use serde_json::Value;

use crate::clock::Clock;
use crate::driver::Observer;
use crate::reference::{Output, Reference};

/// Looks on while a hub is driven, and drives the reference beside it.
#[derive(Clone, Debug)]
pub struct Compare {
    config: Config,
    wall_clock_ms: u64,
    reference: Reference,
    /// The hub's epochs, sessions and made-up names, and the reference's words for them.
    words: Vec<(String, String)>,
    guests: usize,
    epochs: usize,
    tickets: usize,
    draining: bool,
}

/// What was said to each connection, in order.
type Said = BTreeMap<ConnId, Vec<Value>>;

impl Compare {
    /// For a hub with this configuration and this wall clock.
    pub fn new(config: Config, wall_clock_ms: u64) -> Self {
        let reference = Reference::new(config.clone(), wall_clock_ms);
        Self {
            config,
            wall_clock_ms,
            reference,
            words: Vec::new(),
            guests: 0,
            epochs: 0,
            tickets: 0,
            draining: false,
        }
    }

    fn learn(&mut self, event: &Event, frame: &Value) {
        let nameless = match event {
            Event::Connect { greeting, peer, .. } => {
                let has_token = self.config.auth != Auth::Off && peer.claims.is_some();
                greeting.name.is_none() && !has_token
            }
            _ => false,
        };
        if nameless && frame["type"] == "welcome" {
            self.guests += 1;
            let made_up = frame["user"].as_str().unwrap_or_default().to_owned();
            self.words.push((made_up, format!("guest#{:06}", self.guests)));
        }
        if let Some(ticket) = frame["session"].as_str()
            && !self.words.iter().any(|(word, _)| word == ticket)
        {
            self.tickets += 1;
            self.words.push((ticket.to_owned(), format!("s_session#{:025}", self.tickets)));
        }
        let Some(epoch) = frame["epoch"].as_str() else { return };
        if !self.words.iter().any(|(word, _)| word == epoch) {
            self.epochs += 1;
            self.words.push((epoch.to_owned(), format!("epoch#{:07}", self.epochs)));
        }
    }

    /// The text in the reference's words.
    fn translate(&self, text: &str) -> String {
        self.words.iter().fold(text.to_owned(), |text, (word, meaning)| {
            if text.contains(word) { text.replace(word, meaning) } else { text }
        })
    }

    /// Every text in `value` in the reference's words. No field is called by one of the hub's.
    fn translate_all(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.translate(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.translate_all(item)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| self.translate_all(field));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn translate_event(&self, event: &Event) -> Event {
        match event {
            Event::Text { conn, text } => Event::Text { conn: *conn, text: self.translate(text) },
            Event::Admin { action } => Event::Admin { action: self.translate_action(action) },
            other => other.clone(),
        }
    }

    fn translate_action(&self, action: &AdminAction) -> AdminAction {
        let mut action = action.clone();
        if let AdminAction::Kick { user, .. } | AdminAction::Ban { user, .. } = &mut action {
            *user = self.translate(user.as_str()).parse().expect("a name");
        }
        action
    }
}

impl Observer for Compare {
    const KNOWS_NO_LAGGING: bool = true;

    fn restarted(&mut self) {
        *self = Self::new(self.config.clone(), self.wall_clock_ms);
    }

    fn carried_over(&mut self) {
        self.draining = false;
        self.reference.carried_over();
    }

    fn observe(&mut self, clock: Clock, event: &Event, commands: &[Command]) {
        // The request names only what was known before it.
        let translated = self.translate_event(event);
        let mut said = Said::new();
        for command in commands {
            match command {
                Command::Send { to, text } => {
                    let mut frame = serde_json::from_str(text).expect("the driver checked it");
                    self.learn(event, &frame);
                    self.translate_all(&mut frame);
                    let frame = simplified(frame);
                    for conn in to.iter() {
                        said.entry(conn).or_default().push(frame.clone());
                    }
                }
                Command::Close { conn, code, .. } => {
                    said.entry(*conn).or_default().push(code.number().into());
                }
                Command::Refuse { conn, refusal, retry_after } => {
                    said.entry(*conn).or_default().push(refused(*refusal, *retry_after));
                }
                Command::Verify { conn, .. } => {
                    said.entry(*conn).or_default().push("verify".into());
                }
                Command::Append { .. } | Command::Ping { .. } | Command::Drained => {}
            }
        }
        let mut expected = Said::new();
        for output in self.reference.handle(clock, &translated) {
            let (conn, what) = match output {
                Output::Frame(conn, frame) => (conn, frame),
                Output::Close(conn, code) => (conn, code.into()),
                Output::Refuse(conn, why, wait) => (conn, refused(why, wait)),
                Output::Verify(conn) => (conn, "verify".into()),
            };
            expected.entry(conn).or_default().push(simplified(what));
        }
        for command in commands {
            if let Command::Close { conn, code, .. } = command
                && only_the_hub_knows((*code).number())
            {
                self.reference.gone(*conn);
            }
        }
        self.draining |= matches!(event, Event::Drain { .. });
        // A drain lets go of who is away at its own pace: who may be sent away is its to say.
        let sends_away =
            matches!(event, Event::Text { text, .. } if self.draining && text.contains("\"kick\""));
        for side in [&mut said, &mut expected] {
            side.retain(|_, what| {
                what.retain(|what| !code_of(what).is_some_and(only_the_hub_knows));
                what.retain(|what| {
                    !sends_away || (what["type"] != "ack" && what["code"] != "not_found")
                });
                what.retain(|what| !self.draining || what["type"] != "presence");
                if *event == Event::Tick {
                    // Rooms are told in the order of their places in a table.
                    what.sort_by_key(|what| what["room"].to_string());
                }
                !what.is_empty()
            });
        }
        assert_eq!(
            said, expected,
            "the hub (left) and the reference (right), at {clock:?}: {event:?}"
        );
    }
}

/// A refusal of an upgrade, as a value.
fn refused(why: Refusal, wait: Duration) -> Value {
    format!("{why:?} {wait:?}").into()
}

/// An `error` without its words for people, and users in an order that does not go by made-up names.
fn simplified(mut frame: Value) -> Value {
    if frame["type"] == "error"
        && let Some(fields) = frame.as_object_mut()
    {
        fields.remove("message");
    }
    for list in ["/list", "/join", "/leave", "/members/list"] {
        if let Some(users) = frame.pointer_mut(list).and_then(Value::as_array_mut) {
            users.sort_by_key(Value::to_string);
        }
    }
    frame
}

/// The code of a close or of a `bye`.
fn code_of(what: &Value) -> Option<u16> {
    let code = if what["type"] == "bye" { &what["code"] } else { what };
    code.as_u64().and_then(|code| u16::try_from(code).ok())
}

/// How long it waits, for a word or for a token, and the pace of a drain are the hub's own.
fn only_the_hub_knows(code: u16) -> bool {
    let its_own = [CloseCode::PingTimeout, CloseCode::HelloTimeout, CloseCode::Drain];
    its_own.iter().any(|known| known.number() == code)
}
