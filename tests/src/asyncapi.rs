//! The protocol as an `AsyncAPI` document, made from the types that frames are read into and
//! written from; and whether it is true of what clients and hubs say. This file does not know when
//! which frame is sent.
//!
//! `UPDATE_EXPECT=1 cargo test -p roundtable-tests --lib asyncapi` writes `docs/asyncapi.json`.

use std::collections::BTreeMap;

use expect_test::expect_file;
use jsonschema::Validator;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use roundtable::protocol::schema::Schemas;
use roundtable::protocol::{Frame, SUBPROTOCOL};
use roundtable::{Command, Config, ConnId, Event, Hub, Machine, Origin, Snapshot, Timestamp};
use serde_json::{Map, Value, json};

use crate::ORIGIN;
use crate::driver::Driver;
use crate::generator::Limits;
use crate::odd::ODD;
use crate::strategy::{Readers, scripts};
use crate::subject::Subject;

/// The frames of one side, by their `type`.
type Forms = BTreeMap<String, Vec<Value>>;

/// The two sides' schemas, ready to hold frames against.
#[derive(Debug)]
struct Validators {
    requests: BTreeMap<String, Validator>,
    replies: BTreeMap<String, Validator>,
}

/// A hub of which every frame is held against its schema, and every frame that it can read.
#[derive(Debug)]
struct Watched {
    hub: Hub,
    validators: Validators,
    /// How many frames of each kind were seen, for each side.
    requests: BTreeMap<String, usize>,
    replies: BTreeMap<String, usize>,
}

impl Validators {
    fn new() -> Self {
        let Schemas { requests, replies, definitions } = Schemas::generate();
        let compile = |forms: Forms| {
            forms.into_iter().map(|(kind, forms)| {
                let schema = json!({
                    "$schema": "http://json-schema.org/draft-07/schema#",
                    "anyOf": forms,
                    "components": { "schemas": &definitions },
                });
                (kind, jsonschema::draft7::new(&schema).expect("a schema"))
            })
        };
        Self { requests: compile(requests).collect(), replies: compile(replies).collect() }
    }
}

/// The `type` of a frame, if it is one of those that `validators` know and as they say.
fn find(validators: &BTreeMap<String, Validator>, frame: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(frame).map_err(|error| error.to_string())?;
    let kind = value["type"].as_str().ok_or("no type")?;
    let validator = validators.get(kind).ok_or("not a type that is known")?;
    validator.validate(&value).map_err(|error| error.to_string())?;
    Ok(kind.to_owned())
}

fn check(validators: &BTreeMap<String, Validator>, frame: &str) -> String {
    find(validators, frame).unwrap_or_else(|error| panic!("{error}\n  {frame}"))
}

impl Machine for Watched {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        if let Event::Text { text, .. } = &event
            && Frame::parse(text, Config::default().max_depth).is_ok()
        {
            *self.requests.entry(check(&self.validators.requests, text)).or_default() += 1;
        }
        let before = commands.len();
        self.hub.handle(now, event, commands);
        for command in &commands[before..] {
            if let Command::Send { text, .. } = command {
                *self.replies.entry(check(&self.validators.replies, text)).or_default() += 1;
            }
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.hub.next_deadline()
    }

    fn hub(&self) -> Option<&Hub> {
        Some(&self.hub)
    }
}

impl Subject for Watched {
    fn begin(config: Config, origin: Origin) -> Self {
        Self {
            hub: Hub::begin(config, origin),
            validators: Validators::new(),
            requests: BTreeMap::new(),
            replies: BTreeMap::new(),
        }
    }

    fn queued_for(&self, conn: ConnId) -> Option<usize> {
        self.hub.queued_for(conn)
    }

    fn is_clean(&self) -> bool {
        self.hub.is_clean()
    }

    fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.hub.snapshot(now)
    }

    fn carry_over(&mut self, config: &Config, snapshot: Snapshot, was_draining: bool) {
        self.hub.carry_over(config, snapshot, was_draining);
    }
}

/// The document, for people and for generators of clients.
fn document() -> Value {
    let Schemas { requests, replies, definitions } = Schemas::generate();
    let mut messages = Map::new();
    messages.extend(requests.into_iter().map(|(kind, forms)| message("client", &kind, forms)));
    messages.extend(replies.into_iter().map(|(kind, forms)| message("server", &kind, forms)));
    let in_channel: Map<_, _> = messages
        .keys()
        .map(|key| (key.clone(), json!({ "$ref": format!("#/components/messages/{key}") })))
        .collect();
    let operation = |action: &str, side: &str, summary: &str| {
        let refs =
            |key: &String| json!({ "$ref": format!("#/channels/{SUBPROTOCOL}/messages/{key}") });
        let keys = messages.keys().filter(|key| key.starts_with(side));
        json!({
            "action": action,
            "summary": summary,
            "channel": { "$ref": format!("#/channels/{SUBPROTOCOL}") },
            "messages": keys.map(refs).collect::<Vec<_>>(),
        })
    };
    let receive = operation("receive", "client.", "What a client says.");
    let send = operation("send", "server.", "What a client is told.");
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Roundtable",
            "version": "1",
            "description": "What clients and server say to each other. In what order, and what it \
                means, is in protocol.md. Further fields and types may come: who does not know \
                them ignores them.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": { "host": "localhost:8080", "protocol": "ws" },
        },
        "channels": {
            SUBPROTOCOL: {
                "address": "/ws",
                "title": "A connection",
                "summary": "One WebSocket text frame is exactly one JSON object.",
                "messages": in_channel,
                "bindings": { "ws": binding() },
            },
        },
        "operations": { "receive": receive, "send": send },
        "components": { "messages": messages, "schemas": definitions },
    })
}

/// What the upgrade request may carry.
fn binding() -> Value {
    json!({
        "bindingVersion": "0.1.0",
        "method": "GET",
        "query": {
            "type": "object",
            "properties": {
                "name": {
                    "description": "The wished name.",
                    "$ref": "#/components/schemas/Name",
                },
                "room": {
                    "description": "The room to join at once; none if it is empty.",
                    "type": "string",
                },
                "token": { "description": "A token.", "type": "string" },
            },
        },
        "headers": {
            "type": "object",
            "properties": {
                "Sec-WebSocket-Protocol": {
                    "description": "Without it, plain text is taken too.",
                    "type": "string",
                    "const": SUBPROTOCOL,
                },
                "Authorization": {
                    "description": "A token.",
                    "type": "string",
                    "pattern": "^Bearer ",
                },
            },
        },
    })
}

/// The message of one `type`, with its key.
fn message(side: &str, kind: &str, mut forms: Vec<Value>) -> (String, Value) {
    let payload = match &mut forms[..] {
        [only] => only.take(),
        _ => json!({ "anyOf": forms }),
    };
    (format!("{side}.{kind}"), json!({ "name": kind, "payload": payload }))
}

#[test]
fn the_document_is_current() {
    let text = serde_json::to_string_pretty(&document()).expect("JSON") + "\n";
    expect_file!["../../docs/asyncapi.json"].assert_eq(&text);
}

#[test]
fn it_is_true_of_what_crowds_and_hubs_say() {
    let mut runner = TestRunner::deterministic();
    let (mut requests, mut replies) = (BTreeMap::new(), BTreeMap::new());
    for limits in Limits::ALL {
        let strategy = scripts(limits, Readers::Any, 150);
        let mut watched = Watched::begin(limits.config(), ORIGIN);
        for _ in 0..100 {
            let script = strategy.new_tree(&mut runner).expect("no script is rejected").current();
            watched.hub = Hub::begin(limits.config(), ORIGIN);
            (watched, ()) = Driver::new(watched, limits.config(), ()).play(&script);
        }
        for (sum, seen) in [(&mut requests, watched.requests), (&mut replies, watched.replies)] {
            for (kind, count) in seen {
                *sum.entry(kind).or_insert(0) += count;
            }
        }
    }
    let Validators { requests: known_requests, replies: known_replies } = Validators::new();
    assert!(requests.keys().eq(known_requests.keys()), "{requests:?}");
    assert!(replies.keys().eq(known_replies.keys()), "{replies:?}");
}

#[test]
fn it_is_true_of_the_examples() {
    let validators = Validators::new();
    let document = include_str!("../../docs/protocol.md");
    let mut count = 0;
    for line in document.lines().filter(|line| !line.contains("xxxx…")) {
        if let Some(frame) = line.strip_prefix("< ").filter(|frame| frame.starts_with('{')) {
            check(&validators.replies, frame);
            count += 1;
        } else if let Some(frame) = line.strip_prefix("> ")
            && Frame::parse(frame, Config::default().max_depth).is_ok()
        {
            check(&validators.requests, frame);
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn what_the_hub_cannot_read_is_not_as_it_says() {
    let validators = Validators::new();
    let max_depth = Config::default().max_depth;
    let refused = ODD.iter().filter(|text| Frame::parse(text, max_depth).is_err());
    // How deep a frame is nested is none of a schema's business.
    for text in refused.filter(|text| !text.contains("[[[")) {
        let found = find(&validators.requests, text);
        assert!(found.is_err(), "{text}");
    }
}
