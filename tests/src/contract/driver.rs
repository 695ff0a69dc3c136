//! Generated scripts, and a driver without sockets that plays them and checks what it is commanded.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use roundtable::{
    Command, Config, ConnId, Entropy, Event, Greeting, Hub, Origin, Peer, Queue, RoomChoice,
    Timestamp, frame_len,
};

use crate::bare_socket::Socket;

/// One thing that happens. People are numbered; each has one connection at a time.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Connect(usize),
    Text(usize, String),
    Heard(usize),
    Stall(usize),
    /// The socket takes so many bytes, and then no more.
    Take(usize, usize),
    Read(usize),
    Vanish(usize),
    Wait(Duration),
}

impl Step {
    pub(crate) fn is_by(&self, person: usize) -> bool {
        match self {
            Self::Connect(who)
            | Self::Text(who, _)
            | Self::Heard(who)
            | Self::Stall(who)
            | Self::Take(who, _)
            | Self::Read(who)
            | Self::Vanish(who) => *who == person,
            Self::Wait(_) => false,
        }
    }
}

/// Scripts of at most `most` steps by four people.
pub(crate) fn script(most: usize) -> impl Strategy<Value = Vec<Step>> {
    let who = || 0_usize..4;
    let step = prop_oneof![
        4 => who().prop_map(Step::Connect),
        12 => (who(), frame_like()).prop_map(|(who, text)| Step::Text(who, text)),
        1 => who().prop_map(Step::Heard),
        2 => who().prop_map(Step::Stall),
        4 => (who(), 0_usize..3000).prop_map(|(who, bytes)| Step::Take(who, bytes)),
        2 => who().prop_map(Step::Read),
        1 => who().prop_map(Step::Vanish),
        3 => (0_u64..30_000).prop_map(|millis| Step::Wait(Duration::from_millis(millis))),
    ];
    prop::collection::vec(step, 0..most)
}

/// Texts that are frames, or nearly.
pub(crate) fn frame_like() -> impl Strategy<Value = String> {
    let room =
        prop_oneof![Just("lobby"), Just("a"), Just("b"), Just("c"), Just(" "), Just("\\u0000")];
    prop_oneof![
        "[a-z]{0,20}",
        (room.clone(), 0_usize..900).prop_map(|(room, long)| format!(
            r#"{{"type":"publish","id":1,"room":"{room}","data":"{}"}}"#,
            "x".repeat(long)
        )),
        (room.clone(), 0_u64..12).prop_map(|(room, seq)| format!(
            r#"{{"type":"join","id":2,"room":"{room}","since":{{"epoch":"x","seq":{seq}}}}}"#
        )),
        room.clone().prop_map(|room| format!(r#"{{"type":"join","room":"{room}","echo":false}}"#)),
        room.clone().prop_map(|room| format!(r#"{{"type":"leave","id":3,"room":"{room}"}}"#)),
        room.prop_map(|room| format!(r#"{{"type":"history","id":4,"room":"{room}","limit":3}}"#)),
        Just(r#"{"type":"ping","id":"p"}"#.to_owned()),
        Just(r#"{"type":"hello","id":5,"name":"x"}"#.to_owned()),
        Just(r#"{"type":"fly"}"#.to_owned()),
        Just("{".to_owned()),
        "\\PC{0,40}",
    ]
}

/// A driver that keeps the hub's rules, and lets sockets be full.
pub(crate) struct Driver {
    pub(crate) hub: Hub,
    pub(crate) now: Timestamp,
    /// Every command, with its time.
    pub(crate) log: Vec<(Timestamp, Command)>,
    /// The texts that each connection was sent.
    pub(crate) heard: BTreeMap<ConnId, Vec<String>>,
    pub(crate) closed: BTreeSet<ConnId>,
    /// Looks at the hub behind each tick, with the deadline before it.
    pub(crate) after_tick: fn(&Hub, Timestamp, Option<Timestamp>),
    commands: Vec<Command>,
    people: BTreeMap<usize, Socket>,
    connections: u64,
}

impl Driver {
    pub(crate) fn new(config: Config, origin: Origin) -> Self {
        Self {
            hub: Hub::new(config, origin).expect("a valid configuration"),
            now: Timestamp::ZERO,
            log: Vec::new(),
            heard: BTreeMap::new(),
            closed: BTreeSet::new(),
            after_tick: |_, _, _| {},
            commands: Vec::new(),
            people: BTreeMap::new(),
            connections: 0,
        }
    }

    pub(crate) fn play(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Connect(who) => self.connect(*who),
            Step::Text(who, text) => {
                self.event_of(*who, |conn| Event::Text { conn, text: text.clone() });
            }
            Step::Heard(who) => self.event_of(*who, |conn| Event::Heard { conn }),
            Step::Stall(who) => self.socket(*who, |socket| socket.takes = Some(0)),
            Step::Take(who, bytes) => self.socket(*who, |socket| socket.takes = Some(*bytes)),
            Step::Read(who) => self.socket(*who, |socket| socket.takes = None),
            Step::Vanish(who) => {
                if let Some(socket) = self.people.remove(who) {
                    self.handle(Event::Disconnect { conn: socket.conn });
                }
            }
            Step::Wait(span) => return self.wait(*span),
        }
        self.end_turn();
    }

    /// Lets time pass, with a tick exactly at each deadline.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        for _ in 0..100_000 {
            let before = self.hub.next_deadline();
            let Some(deadline) = before.filter(|deadline| *deadline <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(deadline);
            self.handle(Event::Tick);
            (self.after_tick)(&self.hub, self.now, before);
            self.end_turn();
        }
        panic!("the hub asks for one tick after the other at {:?}", self.now);
    }

    pub(crate) fn everybody_leaves(&mut self) {
        for who in 0..4 {
            self.step(&Step::Vanish(who));
        }
    }

    pub(crate) fn largest_queue(&self) -> usize {
        let levels = self.people.values().map(|socket| socket.queue.iter().sum());
        levels.max().unwrap_or(0)
    }

    fn connect(&mut self, who: usize) {
        if self.people.contains_key(&who) {
            return;
        }
        self.connections += 1;
        let conn = ConnId::new(self.connections);
        let socket = Socket::new(conn);
        self.people.insert(who, socket);
        let room = if who == 3 { RoomChoice::None } else { RoomChoice::Default };
        let name = format!("p{who}").parse().ok();
        let greeting = Greeting { name, room, ..Greeting::default() };
        let peer =
            Peer { entropy: Entropy::new(self.connections.into()), claims: None, address: None };
        self.handle(Event::Connect { conn, peer, greeting });
    }

    fn event_of(&mut self, who: usize, event: impl FnOnce(ConnId) -> Event) {
        if let Some(socket) = self.people.get(&who) {
            self.handle(event(socket.conn));
        }
    }

    fn socket(&mut self, who: usize, change: impl FnOnce(&mut Socket)) {
        if let Some(socket) = self.people.get_mut(&who) {
            change(socket);
        }
    }

    fn handle(&mut self, event: Event) {
        self.hub.handle(self.now, event, &mut self.commands);
    }

    fn end_turn(&mut self) {
        loop {
            for command in std::mem::take(&mut self.commands) {
                self.log.push((self.now, command.clone()));
                self.carry_out(command);
            }
            let reports: Vec<_> = self.people.values_mut().filter_map(Socket::offer).collect();
            for (conn, bytes) in reports {
                self.handle(Event::Backlog { conn, bytes });
            }
            self.handle(Event::Flushed);
            if self.commands.is_empty() {
                return;
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Send { to, text } => {
                let recipients: Vec<ConnId> = to.iter().collect();
                assert!(!recipients.is_empty(), "a text to nobody");
                for conn in recipients {
                    self.of(conn).1.queue.push_back(frame_len(text.len()));
                    self.heard.entry(conn).or_default().push(text.to_string());
                }
            }
            Command::Verify { conn, .. } => panic!("{conn:?} shows a token that is not taken"),
            Command::Ping { conn } => self.of(conn).1.queue.push_back(frame_len(0)),
            Command::Close { conn, queue: Queue::Flush | Queue::Drop, .. } => {
                let who = self.of(conn).0;
                self.people.remove(&who);
                assert!(self.closed.insert(conn), "{conn:?} is closed twice");
            }
            Command::Refuse { conn, .. } => panic!("{conn:?} comes from no address"),
            Command::Append { .. } => panic!("nobody asked for a journal"),
            Command::Drained => panic!("nobody asked for a drain"),
        }
    }

    fn of(&mut self, conn: ConnId) -> (usize, &mut Socket) {
        let found = self.people.iter_mut().find(|(_, socket)| socket.conn == conn);
        let (who, socket) = found.unwrap_or_else(|| panic!("{conn:?} is not connected"));
        (*who, socket)
    }
}
