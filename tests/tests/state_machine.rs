//! A hub beside the reference, transition by transition. The reference goes ahead and says what can
//! happen next; the hub follows, and after each step everybody must have been told as much, and
//! stand where the reference says. A failure is shrunk to the few steps that it takes, which stay
//! possible ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use roundtable::{AddressKey, Auth, Command, ConnId, Event, Hub, Peer, Timestamp, Verdict};
use roundtable_tests::ORIGIN;
use roundtable_tests::clock::Clock;
use roundtable_tests::compare::Compare;
use roundtable_tests::driver::{Driver, Observer};
use roundtable_tests::generator::{
    Decision, EpochChoice, Frame, Id, Limits, NAMES, SeqChoice, ShownBy, Since, Stands, Step,
    Whose, claims,
};
use roundtable_tests::reference::{Output, Reference};
use roundtable_tests::strategy::{frame, from, greeting};
use serde_json::{Value, json};

/// How many clients there are.
const CLIENTS: u16 = 4;

/// What each client has been told, in short; who is not connected is not there.
#[derive(Clone, Debug, Default, PartialEq)]
struct View(BTreeMap<u16, Told>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Told {
    user: String,
    /// How many frames of each type and code.
    frames: BTreeMap<String, u32>,
    /// The place in each of its rooms.
    rooms: BTreeMap<String, u64>,
}

impl View {
    fn take(&mut self, client: u16, frame: &Value) {
        let Some(told) = self.0.get_mut(&client) else { return };
        let word = |field: &str| frame[field].as_str().unwrap_or_default();
        // This world has no ticks, in which news of who is there are told.
        if word("type") == "presence" {
            return;
        }
        *told.frames.entry(format!("{} {}", word("type"), word("code"))).or_default() += 1;
        match word("type") {
            // Made-up names are each hub's own.
            "welcome" if word("user").starts_with("guest") => "guest".clone_into(&mut told.user),
            "welcome" => word("user").clone_into(&mut told.user),
            "joined" | "message" => {
                let seq = frame["seq"].as_u64().expect("a place");
                told.rooms.insert(word("room").to_owned(), seq);
            }
            "left" => _ = told.rooms.remove(word("room")),
            _ => {}
        }
    }
}

/// The reference, and what it has said.
#[derive(Clone, Debug)]
struct World {
    limits: Limits,
    reference: Reference,
    now: Timestamp,
    minted: u64,
    verified: u64,
    conns: BTreeMap<u16, ConnId>,
    view: View,
    /// The last epoch of each room that anybody was told of.
    epochs: BTreeMap<String, String>,
    known: BTreeMap<u16, Knows>,
}

/// What a client knows from all its connections.
#[derive(Clone, Debug, Default)]
struct Knows {
    /// What it is called.
    user: String,
    /// The last session that it was given, and the one before.
    sessions: [String; 2],
    /// The place that it was given last in each room, as JSON.
    seen: BTreeMap<String, Value>,
}

impl Knows {
    fn take(&mut self, frame: &Value, epochs: &BTreeMap<String, String>) {
        if let Some(user) = frame["user"].as_str() {
            user.clone_into(&mut self.user);
        }
        let [last, before] = &mut self.sessions;
        match (frame["session"].as_str(), frame["room"].as_str(), frame["seq"].as_u64()) {
            (Some(session), _, _) if last != session => {
                *before = core::mem::replace(last, session.to_owned());
            }
            (None, Some(room), Some(seq)) if frame["type"] != "ack" => {
                let place = json!({ "epoch": epochs[room], "seq": seq });
                self.seen.insert(room.to_owned(), place);
            }
            _ => {}
        }
    }
}

impl World {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            reference: Reference::new(limits.config(), ORIGIN.wall_clock_ms),
            now: Timestamp::ZERO,
            minted: 0,
            verified: 0,
            conns: BTreeMap::new(),
            view: View::default(),
            epochs: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Connect { client, from, greeting } => {
                self.minted += 1;
                let conn = ConnId::new(self.minted);
                self.conns.insert(*client, conn);
                self.view.0.insert(*client, Told::default());
                let has_tokens = self.limits.config().auth != Auth::Off;
                let claims = has_tokens.then(|| claims(*client, 0, self.now_ms())).flatten();
                let address = from.map(|from| AddressKey::new(from.into()));
                let peer = Peer { claims, address, ..Peer::default() };
                let greeting = greeting.clone();
                self.hand_in(&Event::Connect { conn, peer, greeting });
            }
            Step::Send { client, frame } => self.send(*client, frame),
            Step::Burst { client, frame, times } => {
                (0..*times).for_each(|_| self.send(*client, frame));
            }
            Step::Binary { client } => {
                let conn = self.conns[client];
                self.hand_in(&Event::Binary { conn });
            }
            Step::Disconnect { client } => {
                let conn = self.conns[client];
                self.hand_in(&Event::Disconnect { conn });
                self.gone(conn);
            }
            Step::Wait(span) => {
                let until = self.now + *span;
                while let Some(end) = self.reference.next_end().filter(|end| *end <= until) {
                    self.now = self.now.max(end);
                    self.hand_in(&Event::Tick);
                }
                self.now = until;
            }
            other => panic!("never drawn: {other:?}"),
        }
    }

    fn send(&mut self, client: u16, frame: &Frame) {
        // A burst may end the connection half-way.
        let Some(conn) = self.conns.get(&client).copied() else { return };
        let text = self.text(client, frame);
        self.hand_in(&Event::Text { conn, text });
    }

    fn hand_in(&mut self, event: &Event) {
        let mut shown = Vec::new();
        let clock = Clock { now: self.now, awake: self.now };
        for output in self.reference.handle(clock, event) {
            match output {
                Output::Frame(conn, frame) => {
                    if let (Some(room), Some(epoch)) =
                        (frame["room"].as_str(), frame["epoch"].as_str())
                    {
                        self.epochs.insert(room.to_owned(), epoch.to_owned());
                    }
                    if let Some(client) = self.client(conn) {
                        self.view.take(client, &frame);
                        self.known.entry(client).or_default().take(&frame, &self.epochs);
                    }
                }
                Output::Close(conn, _) | Output::Refuse(conn, ..) => self.gone(conn),
                Output::Verify(conn) => shown.push(conn),
            }
        }
        for conn in shown {
            self.verified += 1;
            let client = self.client(conn).expect("it has just said something");
            let claims = claims(client, self.verified, self.now_ms());
            let verdict = claims.map_or(Verdict::Invalid, Verdict::Valid);
            self.hand_in(&Event::Verified { conn, verdict });
        }
    }

    fn now_ms(&self) -> u64 {
        let millis = self.now.since_start().as_millis();
        ORIGIN.wall_clock_ms + u64::try_from(millis).expect("short")
    }

    fn client(&self, conn: ConnId) -> Option<u16> {
        self.conns.iter().find(|(_, known)| **known == conn).map(|(client, _)| *client)
    }

    fn gone(&mut self, conn: ConnId) {
        if let Some(client) = self.client(conn) {
            self.conns.remove(&client);
            self.view.0.remove(&client);
        }
    }

    /// What a moderator wants, in the words of the frame.
    fn moderation(&self, decision: Decision) -> (&'static str, Value) {
        let named = |client: u16| {
            let is_here = self.conns.contains_key(&client);
            let user = self.known.get(&client).map(|knows| knows.user.as_str());
            let fallback = NAMES[usize::from(client) % NAMES.len()];
            user.filter(|_| is_here).unwrap_or(fallback).to_owned()
        };
        match decision {
            Decision::Kick { client, room } => {
                ("kick", json!({ "room": room, "user": named(client) }))
            }
            Decision::Ban { client, room, span } => {
                let millis = u64::try_from(span.as_millis()).expect("short");
                ("ban", json!({ "room": room, "user": named(client), "for_ms": millis }))
            }
            Decision::Remove { .. } => panic!("never drawn: {decision:?}"),
            Decision::RevokeUser { .. } | Decision::RevokeToken { .. } => ("revoke", json!({})),
        }
    }

    /// A text that asks for the same as the one that the hub is sent.
    fn text(&self, client: u16, frame: &Frame) -> String {
        let place = |room: &str, since: &Since| {
            let epoch = match since.epoch {
                EpochChoice::Last | EpochChoice::Seen => self.epochs.get(room.trim()),
                EpochChoice::Before | EpochChoice::Foreign => None,
            };
            let seq = match since.seq {
                SeqChoice::Zero | SeqChoice::Seen => 0,
                SeqChoice::Behind(distance) | SeqChoice::Ahead(distance) => distance,
            };
            json!({ "epoch": epoch.map_or("nowhere", String::as_str), "seq": seq })
        };
        let (kind, id, mut fields) = match frame {
            Frame::Hello { id, name } => ("hello", *id, json!({ "name": name })),
            Frame::Resume { id, whose, stands } => {
                let session = |client, which: usize| {
                    self.known.get(&client).map_or("", |knows| &knows.sessions[which])
                };
                let session = match whose {
                    Whose::Own => session(client, 1),
                    Whose::Of(other) => session(*other, 0),
                };
                let mut fields = json!({ "resume": session });
                match stands {
                    Stands::Seen => {
                        let seen = self.known.get(&client).map(|knows| &knows.seen);
                        fields["since"] = json!(seen.cloned().unwrap_or_default());
                    }
                    Stands::Nowhere => fields["since"] = json!({}),
                    Stands::Untold => {}
                }
                ("hello", *id, fields)
            }
            Frame::Join { id, room, since, echo } => {
                let mut fields = json!({ "room": room });
                fields["echo"] = json!(echo.unwrap_or(true));
                if let Some(since) = since {
                    fields["since"] = place(room, since);
                }
                ("join", *id, fields)
            }
            Frame::Leave { id, room } => ("leave", *id, json!({ "room": room })),
            Frame::Publish { id, room, letters } => {
                ("publish", *id, json!({ "room": room, "data": "x".repeat(*letters) }))
            }
            Frame::Keyed { id, room, key, letters } => {
                let (key, data) = (format!("k\u{e9}{key}"), "k".repeat(*letters));
                ("publish", *id, json!({ "room": room, "key": key, "data": data }))
            }
            Frame::Signal { id, room, letters } => {
                let data = "s".repeat(*letters);
                ("signal", *id, json!({ "room": room, "key": "typing", "data": data }))
            }
            Frame::History { id, room, before, limit } => {
                let mut fields = json!({ "room": room });
                if let Some(before) = before {
                    fields["before"] = place(room, before);
                }
                if let Some(limit) = limit {
                    fields["limit"] = json!(limit);
                }
                ("history", *id, fields)
            }
            Frame::Presence { id, room } => ("presence", *id, json!({ "room": room })),
            Frame::Moderate { id, decision } => {
                let (kind, fields) = self.moderation(*decision);
                (kind, *id, fields)
            }
            Frame::Show { id, by } => match by {
                ShownBy::Hello => ("hello", *id, json!({ "token": "t" })),
                ShownBy::Auth => ("auth", *id, json!({ "token": "t" })),
                ShownBy::Resume => {
                    let knows = self.known.get(&client).cloned().unwrap_or_default();
                    let [_, before] = knows.sessions;
                    let fields = json!({ "token": "t", "resume": before, "since": knows.seen });
                    ("hello", *id, fields)
                }
            },
            Frame::Ping { id } => ("ping", *id, json!({})),
            Frame::Bye => ("bye", Id::None, json!({})),
            Frame::Plain { letters } => return format!("{}\r\n", "y ".repeat(*letters / 2)),
            Frame::Odd(text) => return (*text).to_owned(),
        };
        fields["type"] = json!(kind);
        match id {
            Id::None => {}
            Id::Number | Id::Text => fields["id"] = json!(self.minted),
        }
        fields.to_string()
    }
}

/// Whether the step asks to take out what was said: which place is meant there depends on who was told
/// what, and scripts that are played to the hub alone are enough for it.
fn removes(step: &Step) -> bool {
    let (Step::Send { frame, .. } | Step::Burst { frame, .. }) = step else { return false };
    matches!(frame, Frame::Moderate { decision: Decision::Remove { .. }, .. })
}

/// Which steps there are, and which of them are possible.
struct Oracle;

impl ReferenceStateMachine for Oracle {
    type State = World;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<World> {
        prop_oneof![Just(Limits::Roomy), Just(Limits::Default), Just(Limits::RoomyGuarded)]
            .prop_map(World::new)
            .boxed()
    }

    fn transitions(world: &World) -> BoxedStrategy<Step> {
        let connected: Vec<u16> = world.conns.keys().copied().collect();
        let absent: Vec<u16> = (0..CLIENTS).filter(|client| !connected.contains(client)).collect();
        let mut kinds = vec![(2, passing().boxed())];
        if !absent.is_empty() {
            let connect = (prop::sample::select(absent), from(), greeting())
                .prop_map(|(client, from, greeting)| Step::Connect { client, from, greeting });
            kinds.push((4, connect.boxed()));
        }
        if !connected.is_empty() {
            let client = || prop::sample::select(connected.clone());
            let send = (client(), frame()).prop_map(|(client, frame)| Step::Send { client, frame });
            kinds.push((20, send.boxed()));
            let burst = (client(), frame(), 1_u8..30);
            let burst =
                burst.prop_map(|(client, frame, times)| Step::Burst { client, frame, times });
            kinds.push((1, burst.boxed()));
            kinds.push((1, client().prop_map(|client| Step::Disconnect { client }).boxed()));
            kinds.push((1, client().prop_map(|client| Step::Binary { client }).boxed()));
        }
        prop::strategy::Union::new_weighted(kinds).boxed()
    }

    fn preconditions(world: &World, step: &Step) -> bool {
        match step {
            Step::Connect { client, .. } => !world.conns.contains_key(client),
            Step::Send { client, .. }
            | Step::Burst { client, .. }
            | Step::Binary { client }
            | Step::Disconnect { client } => world.conns.contains_key(client) && !removes(step),
            _ => true,
        }
    }

    fn apply(mut world: World, step: &Step) -> World {
        world.step(step);
        world
    }
}

/// Mostly moments, and now and then so long that logs grow old.
fn passing() -> impl Strategy<Value = Step> {
    let span = prop_oneof![8 => 0_u64..3000, 1 => 0_u64..700_000];
    span.prop_map(|ms| Step::Wait(Duration::from_millis(ms)))
}

/// What the hub has told, gathered while it is driven, and held against the reference frame by frame.
struct Watch {
    compare: Compare,
    shared: Rc<RefCell<Shared>>,
}

#[derive(Default)]
struct Shared {
    view: View,
    clients: BTreeMap<ConnId, u16>,
    /// Whose step it is.
    acting: u16,
}

impl Observer for Watch {
    const KNOWS_NO_LAGGING: bool = true;

    fn observe(&mut self, clock: Clock, event: &Event, commands: &[Command]) {
        self.compare.observe(clock, event, commands);
        let Shared { view, clients, acting } = &mut *self.shared.borrow_mut();
        if let Event::Connect { conn, .. } = event {
            clients.insert(*conn, *acting);
            view.0.insert(*acting, Told::default());
        }
        for command in commands {
            match command {
                Command::Send { to, text } => {
                    let frame = serde_json::from_str(text).expect("the driver checked it");
                    let to = to.iter().filter_map(|conn| clients.get(&conn));
                    to.for_each(|client| view.take(*client, &frame));
                }
                Command::Refuse { conn, .. } | Command::Close { conn, .. } => {
                    clients.remove(conn).map(|client| view.0.remove(&client));
                }
                Command::Append { .. }
                | Command::Ping { .. }
                | Command::Verify { .. }
                | Command::Drained => {}
            }
        }
        if let Event::Disconnect { conn } = event {
            clients.remove(conn).map(|client| view.0.remove(&client));
        }
    }
}

/// The hub, driven.
struct Driven {
    driver: Driver<Hub, Watch>,
    shared: Rc<RefCell<Shared>>,
}

struct HubBesideReference;

impl StateMachineTest for HubBesideReference {
    type SystemUnderTest = Driven;
    type Reference = Oracle;

    fn init_test(world: &World) -> Driven {
        let config = world.limits.config();
        let hub = Hub::new(config.clone(), ORIGIN).expect("a valid configuration");
        let compare = Compare::new(config.clone(), ORIGIN.wall_clock_ms);
        let shared = Rc::new(RefCell::new(Shared::default()));
        let watch = Watch { compare, shared: Rc::clone(&shared) };
        Driven { driver: Driver::new(hub, config, watch), shared }
    }

    fn apply(mut driven: Driven, _world: &World, step: Step) -> Driven {
        if let Step::Connect { client, .. } = step {
            driven.shared.borrow_mut().acting = client;
        }
        driven.driver.step(&step);
        driven
    }

    fn check_invariants(driven: &Driven, world: &World) {
        let hub = &driven.shared.borrow().view;
        assert_eq!(*hub, world.view, "what the hub told (left) and the reference (right)");
    }

    fn teardown(mut driven: Driven, _world: World) {
        driven.driver.settle();
        driven.driver.leave();
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(
            "tests/state_machine.proptest-regressions",
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn after_every_transition_the_hub_stands_where_the_reference_stands(
        sequential 1..60 => HubBesideReference
    );
}
