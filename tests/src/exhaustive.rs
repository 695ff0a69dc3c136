//! Every sequence of steps over a small alphabet, up to a length. What is wrong in a small machine
//! is mostly wrong in a short script of few clients, and here none of those is left out. This file
//! does not know what a hub should say; that is for the auditor and the reference.
//!
//! Sequences that differ only in who is who are played once: clients, and rooms, are alike until a
//! step names them. Steps that can change nothing, such as a word of somebody who is not connected,
//! are left out.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use roundtable::{Command, Config, ConnId, Event, Framing, Greeting, Hub, RoomChoice};
use serde_json::Value;

use crate::ORIGIN;
use crate::clock::Clock;
use crate::compare::Compare;
use crate::driver::{Driver, Observer};
use crate::generator::{EpochChoice, Frame, Id, Reading, SeqChoice, Since, Stands, Step, Whose};

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
    /// A client that has connected anew comes back to its session, from where it stands.
    Resume,
    /// A client comes back to another one's session, and says nothing of where it stands.
    TakeOver,
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visited {
    /// Different sequences, each of them played to its end.
    pub sequences: u64,
    /// Different states behind them, as far as clients can tell, each by a digest.
    pub states: BTreeSet<u64>,
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
        let compare = match self.judge {
            Judge::Reference => Some(Compare::new(self.config.clone(), ORIGIN.wall_clock_ms)),
            Judge::AuditorAlone => None,
        };
        self.visit(&mut Vec::new(), compare.as_ref(), depth, &mut visited);
        visited
    }

    /// Plays `steps`, and every sequence that begins with them and has up to `depth` more.
    /// `before` is the reference as it was before the last of them.
    fn visit(
        &self,
        steps: &mut Vec<Step>,
        before: Option<&Compare>,
        depth: usize,
        visited: &mut Visited,
    ) {
        let (standing, compare) = self.play(steps, before, visited);
        if depth == 0 || standing.drained {
            return;
        }
        for step in self.further(&standing) {
            steps.push(step);
            self.visit(steps, compare.as_ref(), depth - 1, visited);
            steps.pop();
        }
    }

    /// Plays a sequence, lets everybody read what is left and go, and gives how things stood before
    /// that. What comes before the last step was held against the reference as a sequence of its own.
    fn play(
        &self,
        steps: &[Step],
        before: Option<&Compare>,
        visited: &mut Visited,
    ) -> (Standing, Option<Compare>) {
        let shared = Rc::new(RefCell::new(Shared::default()));
        let hub = Hub::new(self.config.clone(), ORIGIN).expect("a valid configuration");
        let onlooker = Onlooker(Rc::clone(&shared));
        let mut driver = Driver::new(hub, self.config.clone(), onlooker);
        let opening = self.opening();
        let script = Printed { opening: &opening, steps };
        let known = if steps.is_empty() { 0 } else { opening.len() + steps.len() - 1 };
        for (index, step) in opening.iter().chain(steps).enumerate() {
            if index == known {
                shared.borrow_mut().compare = before.cloned();
            }
            shared.borrow_mut().standing.note(step);
            driver.step(step);
            visited.steps += 1;
        }
        if opening.is_empty() && steps.is_empty() {
            shared.borrow_mut().compare = before.cloned();
        }
        let (standing, compare) = {
            let shared = shared.borrow();
            (shared.standing.clone(), shared.compare.clone())
        };
        driver.settle();
        driver.leave();
        drop(script);
        visited.sequences += 1;
        visited.states.insert(standing.digest());
        visited.events += shared.borrow().standing.events;
        (standing, compare)
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
            | Self::Resume
            | Self::TakeOver
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
                return Step::Connect { client, from: None, greeting };
            }
            Self::Resume => Frame::Resume { id, whose: Whose::Own, stands: Stands::Seen },
            Self::TakeOver => {
                Frame::Resume { id, whose: Whose::Of(neighbour(client)), stands: Stands::Untold }
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

/// Whose session a client takes over: that of the one before it, or the second one's.
fn neighbour(client: Client) -> Client {
    client.checked_sub(1).unwrap_or(1)
}

/// How things stand, as clients know it.
#[derive(Clone, Debug, Default)]
struct Standing {
    /// Who is connected, in which rooms, and whether it reads.
    clients: BTreeMap<Client, Present>,
    /// Who has lost a connection, and where it stood then.
    before: BTreeMap<Client, BTreeMap<String, u64>>,
    conns: BTreeMap<ConnId, Client>,
    named_clients: Client,
    named_rooms: Vec<&'static str>,
    /// Whose step it is.
    acting: Client,
    draining: bool,
    drained: bool,
    events: u64,
}

#[derive(Clone, Debug, Default, Hash)]
struct Present {
    /// Its rooms, with its place in each.
    rooms: BTreeMap<String, u64>,
    /// Whether it has joined a room on this connection.
    has_joined: bool,
    stopped: bool,
}

impl Standing {
    /// Whether the step could change anything.
    fn may(&self, kind: Kind, client: Client, room: &str) -> bool {
        let Some(present) = self.clients.get(&client) else { return kind == Kind::Connect };
        let is_in = present.rooms.contains_key(room);
        match kind {
            Kind::Connect => false,
            Kind::Leave | Kind::Publish | Kind::Burst | Kind::History => is_in,
            Kind::Resume => !present.has_joined && self.before.contains_key(&client),
            Kind::TakeOver => {
                let other = neighbour(client);
                let has_session =
                    self.clients.contains_key(&other) || self.before.contains_key(&other);
                !present.has_joined && has_session
            }
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
        if let Some(client) = self.conns.remove(&conn)
            && let Some(present) = self.clients.remove(&client)
        {
            self.before.insert(client, present.rooms);
        }
    }

    /// What tells this state from others.
    fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.clients, &self.before, self.draining, self.drained).hash(&mut hasher);
        hasher.finish()
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
                    let moves = ["joined", "left", "message"];
                    let kind = text.split('"').nth(3).unwrap_or_default();
                    if moves.contains(&kind) {
                        let frame = serde_json::from_str(text).expect("the driver checked it");
                        to.iter().for_each(|conn| self.moved(conn, &frame));
                    }
                }
                Command::Refuse { .. } => panic!("nobody is held to limits by address"),
                Command::Append { .. } | Command::Ping { .. } | Command::Verify { .. } => {}
                Command::Close { conn, .. } => self.gone(*conn),
                Command::Drained => self.drained = true,
            }
        }
        if let Event::Disconnect { conn } = event {
            self.gone(*conn);
        }
    }

    /// A client was told where it stands, or that it has left.
    fn moved(&mut self, conn: ConnId, frame: &Value) {
        let room = frame["room"].as_str().unwrap_or_default();
        let Some(present) = self.conns.get(&conn).and_then(|client| self.clients.get_mut(client))
        else {
            return;
        };
        match frame["seq"].as_u64() {
            Some(seq) => _ = present.rooms.insert(room.to_owned(), seq),
            None => _ = present.rooms.remove(room),
        }
        present.has_joined = true;
    }
}

/// What the search knows of a hub that is driven.
#[derive(Default)]
struct Shared {
    standing: Standing,
    /// The reference, if the hub is held against it just now.
    compare: Option<Compare>,
}

/// Looks on for the reference and for the search.
struct Onlooker(Rc<RefCell<Shared>>);

impl Observer for Onlooker {
    const KNOWS_NO_LAGGING: bool = true;

    fn observe(&mut self, clock: Clock, event: &Event, commands: &[Command]) {
        let shared = &mut *self.0.borrow_mut();
        shared.standing.observe(event, commands);
        if let Some(compare) = &mut shared.compare {
            compare.observe(clock, event, commands);
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
