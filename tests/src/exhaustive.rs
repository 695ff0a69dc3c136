//! Every sequence of steps over a small alphabet, up to a length. What is wrong in a small machine
//! is mostly wrong in a short script of few clients, and here none of those is left out. This file
//! does not know what a hub should say; that is for the auditor and the reference.
//!
//! Sequences that differ only in who is who are played once: clients, and rooms, are alike until a
//! step names them. Steps that can change nothing, such as a word of somebody who is not connected,
//! are left out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use roundtable::{Command, Config, ConnId, Event, Framing, Greeting, Hub, RoomChoice, Timestamp};
use serde_json::Value;

use crate::ORIGIN;
use crate::compare::Compare;
use crate::driver::{Driver, Observer};
use crate::generator::{EpochChoice, Frame, Id, Reading, SeqChoice, Since, Step};

/// A client's number, as steps have it.
type Client = u16;

/// Which steps there are, and what they are held against.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The limits of the hub.
    pub config: Config,
    /// How many clients there are.
    pub clients: Client,
    /// The rooms, all alike.
    pub rooms: &'static [&'static str],
    /// How many clients are members of the first room before every sequence.
    pub opening: Client,
    /// What may happen in a sequence.
    pub kinds: &'static [Kind],
    /// What the hub is held against, beside the auditor and the driver.
    pub judge: Judge,
}

/// A kind of step; a client and a room make a step of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A client connects and joins nothing.
    Connect,
    /// A client asks to be in a room, without a word of where it stood.
    Join,
    /// A client asks to be in a room again, from the entry before the newest.
    JoinSince,
    /// A client asks to be in a room, and not to hear itself.
    JoinWithoutEcho,
    /// A member leaves.
    Leave,
    /// A member says a word.
    Publish,
    /// A member fills a good part of a window.
    Burst,
    /// A member reads the past.
    History,
    /// A client says goodbye.
    Bye,
    /// A client reads no longer.
    Stop,
    /// A client that reads no longer takes a little.
    Take,
    /// A client reads again.
    Read,
    /// A client's connection is lost.
    Disconnect,
    /// A turn ends.
    EndTurn,
    /// Time passes up to the next deadline.
    Sleep,
    /// A moment passes.
    Pause,
    /// The operator stops the hub.
    Drain,
}

/// What a hub is held against, beside the auditor and the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// The reference, which knows no lagging.
    Reference,
    /// Nothing else.
    AuditorAlone,
}

/// What was played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visited {
    /// Different sequences, each of them played to its end.
    pub sequences: u64,
    /// Steps played in all of them.
    pub steps: u64,
    /// Events that hubs were handed.
    pub events: u64,
}

impl Scope {
    /// Plays every sequence of up to `depth` steps.
    ///
    /// # Panics
    ///
    /// If a hub breaks a promise; the sequence is printed.
    pub fn explore(&self, depth: usize) -> Visited {
        let mut visited = Visited::default();
        self.visit(&mut Vec::new(), depth, &mut visited);
        visited
    }

    /// Plays `steps`, and every sequence that begins with them and has up to `depth` more.
    fn visit(&self, steps: &mut Vec<Step>, depth: usize, visited: &mut Visited) {
        let standing = self.play(steps, visited);
        if depth == 0 || standing.drained {
            return;
        }
        for step in self.further(&standing) {
            steps.push(step);
            self.visit(steps, depth - 1, visited);
            steps.pop();
        }
    }

    /// Plays a sequence, lets everybody read what is left and go, and gives how things stood before.
    fn play(&self, steps: &[Step], visited: &mut Visited) -> Standing {
        let shared = Rc::new(RefCell::new(Standing::default()));
        let compare = match self.judge {
            Judge::Reference => Some(Compare::new(self.config.clone(), ORIGIN.wall_clock_ms)),
            Judge::AuditorAlone => None,
        };
        let hub = Hub::new(self.config.clone(), ORIGIN).expect("a valid configuration");
        let onlooker = Onlooker { compare, standing: Rc::clone(&shared) };
        let mut driver = Driver::new(hub, self.config.clone(), onlooker);
        let opening = self.opening();
        let script = Printed { opening: &opening, steps };
        for step in opening.iter().chain(steps) {
            shared.borrow_mut().note(step);
            driver.step(step);
            visited.steps += 1;
        }
        let standing = shared.borrow().clone();
        driver.settle();
        driver.leave();
        drop(script);
        visited.sequences += 1;
        visited.events += shared.borrow().events;
        standing
    }

    fn opening(&self) -> Vec<Step> {
        let enter =
            |client| [Kind::Connect, Kind::Join].map(|kind| kind.step(client, self.rooms[0]));
        (0..self.opening).flat_map(enter).collect()
    }

    /// Each step that may come next, one of those that are alike.
    fn further(&self, standing: &Standing) -> Vec<Step> {
        let mut steps = Vec::new();
        let clients = (standing.named_clients + 1).min(self.clients);
        let rooms = (standing.named_rooms.len() + 1).min(self.rooms.len());
        for kind in self.kinds {
            if kind.is_of_nobody() {
                if *kind != Kind::Drain || !standing.draining {
                    steps.push(kind.step(0, ""));
                }
                continue;
            }
            for client in 0..clients {
                if kind.is_of_a_room() {
                    // Rooms that nobody has named are alike.
                    let unnamed =
                        self.rooms.iter().filter(|room| !standing.named_rooms.contains(room));
                    let rooms = standing.named_rooms.iter().chain(unnamed).take(rooms);
                    let possible = rooms.filter(|room| standing.may(*kind, client, room));
                    steps.extend(possible.map(|room| kind.step(client, room)));
                } else if standing.may(*kind, client, "") {
                    steps.push(kind.step(client, ""));
                }
            }
        }
        steps
    }
}

impl Kind {
    fn is_of_nobody(self) -> bool {
        matches!(self, Self::EndTurn | Self::Sleep | Self::Pause | Self::Drain)
    }

    fn is_of_a_room(self) -> bool {
        match self {
            Self::Join
            | Self::JoinSince
            | Self::JoinWithoutEcho
            | Self::Leave
            | Self::Publish
            | Self::Burst
            | Self::History => true,
            Self::Connect
            | Self::Bye
            | Self::Stop
            | Self::Take
            | Self::Read
            | Self::Disconnect
            | Self::EndTurn
            | Self::Sleep
            | Self::Pause
            | Self::Drain => false,
        }
    }

    fn step(self, client: Client, room: &'static str) -> Step {
        let id = Id::Number;
        let join = |since, echo| Frame::Join { id, room, since, echo };
        let frame = match self {
            Self::Connect => {
                let greeting = Greeting {
                    room: RoomChoice::None,
                    framing: Framing::Strict,
                    ..Greeting::default()
                };
                return Step::Connect { client, greeting };
            }
            Self::Join => join(None, None),
            Self::JoinSince => {
                let since = Since { epoch: EpochChoice::Last, seq: SeqChoice::Behind(1) };
                join(Some(since), None)
            }
            Self::JoinWithoutEcho => join(None, Some(false)),
            Self::Leave => Frame::Leave { id, room },
            Self::Publish => Frame::Publish { id, room, letters: 1 },
            Self::Burst => {
                let frame = Frame::Publish { id: Id::None, room, letters: 150 };
                return Step::Burst { client, frame, times: 6 };
            }
            Self::History => Frame::History { id, room, before: None, limit: Some(2) },
            Self::Bye => Frame::Bye,
            Self::Stop => return Step::Reads { client, reading: Reading::Stopped },
            Self::Take => return Step::Take { client, bytes: 800 },
            Self::Read => return Step::Reads { client, reading: Reading::Prompt },
            Self::Disconnect => return Step::Disconnect { client },
            Self::EndTurn => return Step::EndTurn,
            Self::Sleep => return Step::Sleep,
            Self::Pause => return Step::Wait(Duration::from_millis(600)),
            Self::Drain => return Step::Drain { within: Duration::from_secs(3) },
        };
        Step::Send { client, frame }
    }
}

/// How things stand, as far as it decides what is worth doing.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// Who is connected, in which rooms, and whether it reads.
    clients: BTreeMap<Client, Present>,
    conns: BTreeMap<ConnId, Client>,
    named_clients: Client,
    named_rooms: Vec<&'static str>,
    /// Whose step it is.
    acting: Client,
    draining: bool,
    drained: bool,
    events: u64,
}

#[derive(Clone, Debug, Default)]
struct Present {
    rooms: Vec<String>,
    stopped: bool,
}

impl Standing {
    /// Whether the step could change anything.
    fn may(&self, kind: Kind, client: Client, room: &str) -> bool {
        let Some(present) = self.clients.get(&client) else { return kind == Kind::Connect };
        let is_in = present.rooms.iter().any(|joined| joined == room);
        match kind {
            Kind::Connect => false,
            Kind::Leave | Kind::Publish | Kind::Burst | Kind::History => is_in,
            Kind::Stop => !present.stopped,
            Kind::Take | Kind::Read => present.stopped,
            Kind::Join
            | Kind::JoinSince
            | Kind::JoinWithoutEcho
            | Kind::Bye
            | Kind::Disconnect
            | Kind::EndTurn
            | Kind::Sleep
            | Kind::Pause
            | Kind::Drain => true,
        }
    }

    /// The step is about to be played.
    fn note(&mut self, step: &Step) {
        match step {
            Step::Connect { client, .. } => {
                self.acting = *client;
                self.named_clients = self.named_clients.max(client + 1);
            }
            Step::Reads { client, reading } => {
                if let Some(present) = self.clients.get_mut(client) {
                    present.stopped = *reading == Reading::Stopped;
                }
            }
            Step::Send { frame: Frame::Join { room, .. }, .. }
                if !self.named_rooms.contains(room) =>
            {
                self.named_rooms.push(room);
            }
            Step::Drain { .. } => self.draining = true,
            _ => {}
        }
    }

    fn gone(&mut self, conn: ConnId) {
        if let Some(client) = self.conns.remove(&conn) {
            self.clients.remove(&client);
        }
    }

    fn observe(&mut self, event: &Event, commands: &[Command]) {
        self.events += 1;
        if let Event::Connect { conn, .. } = event {
            self.conns.insert(*conn, self.acting);
            self.clients.insert(self.acting, Present::default());
        }
        for command in commands {
            match command {
                Command::Send { to, text } => {
                    if text.starts_with("{\"type\":\"joined\"")
                        || text.starts_with("{\"type\":\"left\"")
                    {
                        to.iter().for_each(|conn| self.moved(conn, text));
                    }
                }
                Command::Ping { .. } | Command::Verify { .. } => {}
                Command::Close { conn, .. } => self.gone(*conn),
                Command::Drained => self.drained = true,
            }
        }
        if let Event::Disconnect { conn } = event {
            self.gone(*conn);
        }
    }

    /// A client was told that it has joined or left.
    fn moved(&mut self, conn: ConnId, text: &str) {
        let frame: Value = serde_json::from_str(text).expect("the driver checked it");
        let room = frame["room"].as_str().unwrap_or_default();
        let Some(present) = self.conns.get(&conn).and_then(|client| self.clients.get_mut(client))
        else {
            return;
        };
        present.rooms.retain(|joined| joined != room);
        if frame["type"] == "joined" {
            present.rooms.push(room.to_owned());
        }
    }
}

/// Looks on for the reference and for the search.
struct Onlooker {
    compare: Option<Compare>,
    standing: Rc<RefCell<Standing>>,
}

impl Observer for Onlooker {
    fn observe(&mut self, now: Timestamp, event: &Event, commands: &[Command]) {
        self.standing.borrow_mut().observe(event, commands);
        if let Some(compare) = &mut self.compare {
            compare.observe(now, event, commands);
        }
    }
}

/// A sequence that is printed if it fails.
struct Printed<'a> {
    opening: &'a [Step],
    steps: &'a [Step],
}

impl Drop for Printed<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut text = String::from("the sequence that failed:\n");
            for step in self.opening.iter().chain(self.steps) {
                writeln!(text, "  {step:?}").expect("a string takes everything");
            }
            eprint!("{text}");
        }
    }
}
