//! A driver without sockets: it keeps the driver's side of the contract to the letter, and holds
//! the machine to its own side after every event. It does not know what the texts mean; that is
//! for the auditor.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roundtable::{
    CloseCode, Command, Config, ConnId, Event, Greeting, Machine, RunAhead, Timestamp, frame_len,
};
use serde_json::Value;

use crate::audit::Audit;
use crate::generator::{CLIENTS, Frame, Reading, Script, Step};
use crate::render::Known;
use crate::socket::{Clock, Report, Socket};

/// Somebody who looks on.
pub trait Observer {
    /// The machine took `event` and gave `commands`.
    fn observe(&mut self, now: Timestamp, event: &Event, commands: &[Command]);
}

impl Observer for () {
    fn observe(&mut self, _now: Timestamp, _event: &Event, _commands: &[Command]) {}
}

/// More turns or ticks than any script needs before the machine has nothing more to say.
const MOST_TURNS: usize = 20_000;

/// Drives a machine through a script.
#[derive(Debug)]
pub struct Driver<M, O> {
    machine: M,
    observer: O,
    config: Config,
    now: Timestamp,
    /// How long the hub was away in all, and when it last came back, in waking hours.
    away: Duration,
    awoke_at: Timestamp,
    sockets: BTreeMap<ConnId, Socket>,
    slots: [Option<ConnId>; CLIENTS as usize],
    minted: u64,
    closed: BTreeSet<ConnId>,
    turn_events: usize,
    turn_bytes: usize,
    commanded: bool,
    commands: Vec<Command>,
    drain: Option<Timestamp>,
    drained: bool,
    known: Known,
    audit: Audit,
}

impl<M: Machine, O: Observer> Driver<M, O> {
    /// A driver of `machine`, which was made with `config`, and somebody who looks on.
    pub fn new(machine: M, config: Config, observer: O) -> Self {
        Self {
            machine,
            observer,
            config,
            now: Timestamp::ZERO,
            away: Duration::ZERO,
            awoke_at: Timestamp::ZERO,
            sockets: BTreeMap::new(),
            slots: [None; CLIENTS as usize],
            minted: 0,
            closed: BTreeSet::new(),
            turn_events: 0,
            turn_bytes: 0,
            commanded: false,
            commands: Vec::new(),
            drain: None,
            drained: false,
            known: Known::default(),
            audit: Audit::default(),
        }
    }

    /// Plays `script` to its end, lets everybody read what is left, and gives back the machine and
    /// who looked on.
    ///
    /// # Panics
    ///
    /// If the machine breaks its contract, or the auditor finds a broken promise.
    pub fn play(mut self, script: &Script) -> (M, O) {
        for step in &script.steps {
            if self.drained {
                break;
            }
            self.step(step);
        }
        self.settle();
        (self.machine, self.observer)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Connect { client, greeting } => self.connect(*client, greeting),
            Step::Send { client, frame } => self.send(*client, frame),
            Step::Burst { client, frame, times } => {
                for _ in 0..*times {
                    self.send(*client, frame);
                }
            }
            Step::Binary { client } => self.client_event(*client, |conn| Event::Binary { conn }),
            Step::Heard { client } => self.client_event(*client, |conn| Event::Heard { conn }),
            Step::Reads { client, reading } => {
                if let Some(socket) = self.socket(*client) {
                    socket.reading = *reading;
                }
            }
            Step::Take { client, bytes } => {
                if let Some(socket) = self.socket(*client) {
                    socket.allowance += bytes;
                }
                self.end_turn();
            }
            Step::EndTurn => self.end_turn(),
            Step::Disconnect { client } => self.disconnect(*client),
            Step::Sleep => {
                self.quiesce();
                let deadline = self.machine.next_deadline();
                if let Some(deadline) = deadline.filter(|deadline| *deadline < FAR) {
                    self.wait_until(deadline);
                }
            }
            Step::Wait(span) => {
                let until = self.now + *span;
                self.wait_until(until);
            }
            Step::Away(span) => self.away(*span),
            Step::Drain { within } => {
                self.drain.get_or_insert(self.now + *within);
                self.hand_in(&Event::Drain { within: *within });
            }
        }
    }

    fn connect(&mut self, client: u8, greeting: &Greeting) {
        if self.slots[usize::from(client)].is_some() || self.drained {
            return;
        }
        self.minted += 1;
        // Opaque means that no order may be relied on.
        let conn = ConnId::new(self.minted.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        self.slots[usize::from(client)] = Some(conn);
        self.sockets.insert(conn, Socket::new(self.clock()));
        self.audit.connect(conn);
        self.hand_in(&Event::Connect { conn, greeting: greeting.clone() });
    }

    fn send(&mut self, client: u8, frame: &Frame) {
        let Some(conn) = self.slots[usize::from(client)] else { return };
        let text = self.known.render(frame);
        self.turn_bytes += text.len();
        self.alive(conn);
        self.audit.request(conn, &text);
        self.hand_in(&Event::Text { conn, text });
    }

    fn client_event(&mut self, client: u8, event: impl FnOnce(ConnId) -> Event) {
        if let Some(conn) = self.slots[usize::from(client)] {
            self.alive(conn);
            self.hand_in(&event(conn));
        }
    }

    fn disconnect(&mut self, client: u8) {
        let Some(conn) = self.slots[usize::from(client)] else { return };
        self.forget(conn);
        self.hand_in(&Event::Disconnect { conn });
        // A race that no driver can avoid: what was read before the loss is handed in after it.
        self.hand_in(&Event::Heard { conn });
    }

    fn forget(&mut self, conn: ConnId) {
        self.sockets.remove(&conn);
        self.audit.end(conn);
        for slot in &mut self.slots {
            if *slot == Some(conn) {
                *slot = None;
            }
        }
    }

    fn socket(&mut self, client: u8) -> Option<&mut Socket> {
        let conn = self.slots[usize::from(client)]?;
        self.sockets.get_mut(&conn)
    }

    /// The client shows a sign of life that the machine is about to be told of.
    fn alive(&mut self, conn: ConnId) {
        let clock = self.clock();
        let socket = self.sockets.get_mut(&conn).expect("slots hold live connections");
        socket.heard(clock);
    }

    fn clock(&self) -> Clock {
        Clock { now: self.now, awake: self.now - self.away }
    }

    /// Hands an event to the machine, and carries out its commands; ends the turn where it is full.
    fn hand_in(&mut self, event: &Event) {
        self.handle(event);
        self.turn_events += 1;
        let full = self.turn_events >= self.config.turn_events;
        if full || self.turn_bytes >= self.config.turn_bytes {
            self.end_turn();
        }
    }

    fn handle(&mut self, event: &Event) {
        let mut commands = core::mem::take(&mut self.commands);
        self.machine.handle(self.now, event.clone(), &mut commands);
        self.commanded |= !commands.is_empty();
        for command in &commands {
            self.carry_out(command);
        }
        if matches!(event, Event::Text { .. }) {
            self.audit.answered();
        }
        self.observer.observe(self.now, event, &commands);
        commands.clear();
        self.commands = commands;
    }

    fn carry_out(&mut self, command: &Command) {
        assert!(!self.drained, "{command:?} after Drained");
        match command {
            Command::Send { to, text } => {
                let frame: Value = serde_json::from_str(text)
                    .unwrap_or_else(|error| panic!("sent what is no JSON ({error}): {text}"));
                self.known.learn(&frame);
                let mut seen = BTreeSet::new();
                for conn in to.iter() {
                    assert!(seen.insert(conn), "{conn:?} is twice in one list");
                    let window = self.config.window_bytes;
                    let socket = self.named(conn, command);
                    socket.staged += frame_len(text.len());
                    let held = socket.held();
                    assert!(held <= window, "{conn:?} has {held} bytes queued: {command:?}");
                    self.audit.sent(conn, &frame);
                }
                if matches!(frame["type"].as_str(), Some("message" | "gap")) {
                    let held: usize = self.sockets.values().map(Socket::held).sum();
                    assert!(held <= self.config.budget_bytes, "{held} bytes are queued in all");
                }
            }
            Command::Ping { conn } => {
                let socket = self.named(*conn, command);
                socket.staged += frame_len(0);
                socket.pinged = true;
            }
            Command::Close { conn, code, .. } => {
                self.named(*conn, command);
                self.check_close(*conn, *code);
                assert!(self.closed.insert(*conn), "{conn:?} is closed twice");
                self.forget(*conn);
            }
            Command::Drained => {
                assert!(self.drain.is_some(), "Drained without a drain");
                assert!(self.sockets.is_empty(), "Drained with {:?}", self.sockets.keys());
                self.drained = true;
            }
        }
    }

    fn named(&mut self, conn: ConnId, command: &Command) -> &mut Socket {
        let socket = self.sockets.get_mut(&conn);
        socket.unwrap_or_else(|| panic!("{conn:?} is not connected: {command:?}"))
    }

    fn check_close(&self, conn: ConnId, code: CloseCode) {
        let socket = &self.sockets[&conn];
        let awake = self.clock().awake;
        let silent = awake.saturating_since(socket.alive_at);
        match code {
            CloseCode::PingTimeout => {
                let least = self.config.ping_after * 9 / 10 + self.config.pong_wait;
                assert!(silent >= least, "{conn:?} was alive {silent:?} ago");
            }
            CloseCode::Drain => assert!(self.drain.is_some(), "{conn:?} drained for nothing"),
            CloseCode::SlowConsumer => {
                let stuck = socket.stuck_at.map(|at| awake.saturating_since(at));
                let stuck = stuck.is_some_and(|stuck| stuck >= self.config.write_timeout);
                // No control message is longer than the smallest reserve.
                let full = socket.believed() + 2048 > self.config.window_bytes;
                assert!(stuck || full, "{conn:?} is not slow: {socket:?}");
            }
            CloseCode::MemoryPressure => {
                let reported: usize = self.sockets.values().map(|socket| socket.reported).sum();
                assert!(reported > self.config.budget_bytes, "closed at {reported} bytes");
            }
            _ => {}
        }
    }

    /// The end of a turn: the sockets are offered what the turn gave, the levels are reported.
    fn end_turn(&mut self) {
        self.turn_events = 0;
        self.turn_bytes = 0;
        self.commanded = false;
        let behind = self.config.run_ahead == RunAhead::One;
        let clock = self.clock();
        for socket in self.sockets.values_mut() {
            if behind {
                socket.offer_one_turn_behind();
            } else {
                socket.offer();
            }
        }
        let conns: Vec<ConnId> = self.sockets.keys().copied().collect();
        for conn in conns {
            // An earlier report may have closed it.
            let Some(socket) = self.sockets.get_mut(&conn) else { continue };
            if let Report::Level(bytes) = socket.report(clock) {
                self.handle(&Event::Backlog { conn, bytes });
            }
        }
        self.handle(&Event::Flushed);
        let reported: usize = self.sockets.values().map(|socket| socket.reported).sum();
        assert!(reported <= self.config.budget_bytes, "{reported} bytes are reported in all");
        let pinged: Vec<ConnId> = self.answering().collect();
        for conn in pinged {
            if let Some(socket) = self.sockets.get_mut(&conn) {
                socket.pinged = false;
                socket.heard(clock);
                self.hand_in(&Event::Heard { conn });
            }
        }
    }

    fn answering(&self) -> impl Iterator<Item = ConnId> {
        let prompt = |socket: &Socket| socket.pinged && socket.reading == Reading::Prompt;
        self.sockets.iter().filter(move |(_, socket)| prompt(socket)).map(|(conn, _)| *conn)
    }

    /// Turns and ticks until there is nothing to do before time passes.
    fn quiesce(&mut self) {
        for _ in 0..MOST_TURNS {
            self.end_turn();
            if self.drained {
                return;
            }
            let due = self.machine.next_deadline().is_some_and(|deadline| deadline <= self.now);
            if due {
                self.hand_in(&Event::Tick);
            }
            let staged = self.sockets.values().any(|socket| socket.staged + socket.offered > 0);
            if !due && !self.commanded && !staged && self.turn_events == 0 {
                self.check_liveness();
                return;
            }
        }
        panic!("never comes to rest at {:?}, due {:?}", self.now, self.machine.next_deadline());
    }

    fn wait_until(&mut self, until: Timestamp) {
        self.quiesce();
        for wakes in 0.. {
            if self.now >= until || self.drained {
                break;
            }
            assert!(wakes < MOST_TURNS, "wakes all the time before {until:?}");
            let reports = self.sockets.values().filter_map(Socket::next_report).min();
            let next = self.machine.next_deadline().into_iter().chain(reports).min();
            self.now = next.map_or(until, |next| next.clamp(self.now, until));
            self.quiesce();
        }
        self.check_drained();
    }

    /// The hub is not called although its time comes; then it is, and must forgive what was its
    /// own fault.
    fn away(&mut self, span: Duration) {
        self.quiesce();
        let deadline = self.machine.next_deadline();
        self.now = self.now + span;
        let late = deadline.map_or(Duration::ZERO, |deadline| self.now.saturating_since(deadline));
        if late > self.config.stall {
            self.away += late;
            self.awoke_at = self.clock().awake;
        }
        self.quiesce();
        self.check_drained();
    }

    /// Deadlines are never late: who has been silent for too long is gone.
    fn check_liveness(&self) {
        if self.drained {
            return;
        }
        let ping = self.config.ping_after * 11 / 10;
        let awake = self.clock().awake;
        for (conn, socket) in &self.sockets {
            // What happened while the hub was away proves nothing.
            let silent = awake.saturating_since(socket.alive_at.max(self.awoke_at));
            let most = ping + self.config.pong_wait;
            assert!(silent <= most, "{conn:?} has been silent for {silent:?}");
            if let Some(stuck_at) = socket.stuck_at {
                let stuck = awake.saturating_since(stuck_at.max(self.awoke_at));
                assert!(
                    stuck <= self.config.write_timeout,
                    "{conn:?} has taken nothing for {stuck:?}"
                );
            }
        }
    }

    fn check_drained(&self) {
        if let Some(until) = self.drain {
            let over = self.now >= until && !self.sockets.is_empty();
            assert!(!over, "{:?} survived the drain", self.sockets.keys());
        }
    }

    /// Everybody reads; then nobody who is left may have missed anything.
    fn settle(&mut self) {
        for socket in self.sockets.values_mut() {
            socket.reading = Reading::Prompt;
        }
        if !self.drained {
            self.quiesce();
            self.audit.settled(self.sockets.keys().copied());
        }
        if let (Some(until), false) = (self.drain, self.drained) {
            self.wait_until(until.max(self.now));
            self.quiesce();
            assert!(self.drained, "the drain never ends");
        }
    }
}

/// A deadline further away than any script waits.
const FAR: Timestamp = Timestamp::new(Duration::from_hours(24 * 365));
