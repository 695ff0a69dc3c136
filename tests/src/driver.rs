//! A driver without sockets: it keeps the driver's side of the contract to the letter, and holds
//! the machine to its own side after every event. It does not know what the texts mean; that is
//! for the auditor.

mod life;
mod operator;
mod requests;
mod restart;
mod turn;
mod views;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::time::Duration;

use roundtable::{
    AddressKey, Auth, Command, Config, ConnId, Entropy, Event, Greeting, Origin, Peer, Timestamp,
};

use crate::audit::Audit;
use crate::clock::Clock;
use crate::generator::{Reading, Script, Step, claims};
use crate::invariant::Checked;
use crate::journal::Journal;
use crate::known::{LogId, RoomId};
use crate::render::Render;
use crate::socket::Socket;
use crate::subject::Subject;
use crate::tally::Tally;
use life::Drain;

/// Somebody who looks on.
pub trait Observer {
    /// Whether nobody may lag, not for a moment.
    const KNOWS_NO_LAGGING: bool = false;

    /// The machine took `event` and gave `commands`.
    fn observe(&mut self, clock: Clock, event: &Event, commands: &[Command]);

    /// The machine was thrown away, and a new one begins.
    fn restarted(&mut self) {}

    /// The machine was stopped, and another one goes on with what it kept.
    fn carried_over(&mut self) {}
}

impl Observer for () {
    fn observe(&mut self, _clock: Clock, _event: &Event, _commands: &[Command]) {}
}

/// Drives a machine through a script.
#[derive(Debug)]
pub struct Driver<M, O> {
    machine: M,
    observer: O,
    config: Config,
    origin: Origin,
    now: Timestamp,
    /// How long the hub was away in all, and when it last came back, in waking hours.
    away: Duration,
    awoke_at: Timestamp,
    clients: Vec<Client>,
    /// Connections by slot; a connection's number ends with its slot. Slots are given out in a
    /// circle, so that a connection's number depends on nothing but how many were before it.
    sockets: Vec<Option<Box<Socket>>>,
    live: usize,
    minted: u64,
    /// Slots that the turn has to look at, and those to look at later though nothing is sent there.
    touched: Vec<usize>,
    looks: BTreeSet<(Timestamp, usize)>,
    /// All that is held, and reported, for all together.
    held: usize,
    reported: usize,
    /// What is on its way to the hub.
    arrivals: BinaryHeap<Reverse<Arrival>>,
    arrived: u64,
    turn_events: usize,
    turn_bytes: usize,
    commanded: bool,
    commands: Vec<Command>,
    sends: u64,
    /// Whose tokens are to be verified, and how many were.
    to_verify: Vec<ConnId>,
    verified: u64,
    /// When everybody's life was last looked at.
    looked_at: Timestamp,
    /// Whether ticks come exactly at the deadlines just now.
    punctual: bool,
    drain: Option<Drain>,
    drained: bool,
    /// When the machine was last told the time.
    handled_at: Timestamp,
    render: Render,
    audit: Audit,
    tally: Tally,
    /// What the hub told to write down.
    journal: Option<Journal>,
    figures: Figures,
}

/// What a client is when it is not connected, too.
#[derive(Debug, Default)]
struct Client {
    slot: Option<usize>,
    latency: Duration,
    connects: u64,
    /// Where it stands in the rooms of which it received something.
    seen: Vec<(RoomId, LogId, u64)>,
    /// The sessions that it was given last, and before that.
    sessions: [String; 2],
}

/// Something that reaches the hub later; the serial number keeps the order of what was sent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    at: Timestamp,
    serial: u64,
    slot: usize,
    conn: ConnId,
    what: What,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Text(String),
    Binary,
    Heard,
    Loss,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Events handed in.
    pub events: u64,
    /// Frames given to somebody: each recipient counts.
    pub deliveries: u64,
    /// Connections after a client's first.
    pub reconnects: u64,
    /// Those of them that came back to their session.
    pub resumed: u64,
    /// Gaps told, in a `gap` or in a `joined`.
    pub gaps: u64,
    /// Connections that the hub closed.
    pub closes: u64,
    /// Hubs begun after the first.
    pub restarts: u64,
}

impl<M: Subject, O: Observer> Driver<M, O> {
    /// A driver of `machine`, which was made with `config` and [`ORIGIN`](crate::ORIGIN), and
    /// somebody who looks on.
    pub fn new(machine: M, config: Config, observer: O) -> Self {
        Self {
            journal: Journal::of(machine.hub(), &config),
            machine,
            observer,
            origin: crate::ORIGIN,
            now: Timestamp::ZERO,
            away: Duration::ZERO,
            awoke_at: Timestamp::ZERO,
            clients: Vec::new(),
            sockets: Vec::new(),
            live: 0,
            minted: 0,
            touched: Vec::new(),
            looks: BTreeSet::new(),
            held: 0,
            reported: 0,
            arrivals: BinaryHeap::new(),
            arrived: 0,
            turn_events: 0,
            turn_bytes: 0,
            commanded: false,
            commands: Vec::new(),
            sends: 0,
            to_verify: Vec::new(),
            verified: 0,
            looked_at: Timestamp::ZERO,
            punctual: true,
            drain: None,
            drained: false,
            handled_at: Timestamp::ZERO,
            render: Render::default(),
            audit: Audit::new(&config),
            tally: Tally::default(),
            figures: Figures::default(),
            config,
        }
    }

    /// Plays `script` to its end, lets everybody read what is left and go, and gives back the
    /// machine and who looked on.
    ///
    /// # Panics
    ///
    /// If the machine breaks its contract, or the auditor finds a broken promise.
    pub fn play(mut self, script: &Script) -> (M, O) {
        for step in &script.steps {
            self.step(step);
        }
        self.settle();
        self.leave();
        (self.machine, self.observer)
    }

    /// What o'clock it is.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What happened so far.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// How often each invariant was checked.
    pub fn checked(&self) -> &Checked {
        &self.audit.checked
    }

    /// The machine and who looked on.
    pub fn into_parts(self) -> (M, O) {
        (self.machine, self.observer)
    }

    /// Plays one step.
    ///
    /// # Panics
    ///
    /// Like [`Driver::play`].
    pub fn step(&mut self, step: &Step) {
        if self.drained && !matches!(step, Step::Restart | Step::CarryOver | Step::Wait(_)) {
            return;
        }
        match step {
            Step::Connect { client, from, greeting } => self.connect(*client, *from, greeting),
            Step::Return { client, rooms } => self.come_back(*client, rooms),
            Step::Send { client, frame } => self.send(*client, frame),
            Step::Burst { client, frame, times } => {
                for _ in 0..*times {
                    self.send(*client, frame);
                }
            }
            Step::Binary { client } => self.post(*client, What::Binary),
            Step::Heard { client } => self.post(*client, What::Heard),
            Step::Link { client, latency } => self.client(*client).latency = *latency,
            Step::Reads { client, reading } => self.reads(*client, *reading),
            Step::Take { client, bytes } => {
                if let Some(slot) = self.client(*client).slot {
                    self.socket(slot).allow(*bytes);
                    self.touch(slot);
                }
                self.end_turn();
            }
            Step::EndTurn => self.end_turn(),
            Step::Disconnect { client } => self.disconnect(*client),
            Step::Vanish { client } => self.vanish(*client),
            Step::Sleep => {
                self.quiesce();
                let deadline = self.machine.next_deadline();
                if let Some(deadline) = deadline.filter(|deadline| *deadline < FAR) {
                    self.wait_until(deadline);
                }
            }
            Step::Wait(span) => self.wait_until(self.now + *span),
            Step::Away(span) => self.be_away(*span),
            Step::Decide(decision) => self.decide(*decision),
            Step::Drain { within } => self.start_drain(*within),
            Step::Restart => self.restart(),
            Step::CarryOver => self.carry_over(),
        }
    }

    fn client(&mut self, client: u16) -> &mut Client {
        let index = usize::from(client);
        if self.clients.len() <= index {
            self.clients.resize_with(index + 1, Client::default);
        }
        &mut self.clients[index]
    }

    fn socket(&mut self, slot: usize) -> &mut Socket {
        self.sockets[slot].as_mut().expect("a live connection")
    }

    fn clock(&self) -> Clock {
        Clock { now: self.now, awake: self.now - self.away }
    }

    fn connect(&mut self, client: u16, from: Option<u8>, greeting: &Greeting) {
        let clock = self.clock();
        let who = self.client(client);
        if who.slot.is_some() {
            return;
        }
        who.connects += 1;
        let (latency, again) = (who.latency, who.connects > 1);
        self.figures.reconnects += u64::from(again);
        let slot = self.free_slot();
        // Opaque means that no order may be relied on; a product with an odd number never repeats.
        let number = self.minted.wrapping_mul(0x9E37_79B9_7F4A_7C15) << SLOT_BITS | slot as u64;
        let conn = ConnId::new(number);
        self.client(client).slot = Some(slot);
        self.sockets[slot] = Some(Box::new(Socket::new(conn, client, latency, clock)));
        self.live += 1;
        let now_ms = self.origin.wall_clock_ms + self.now_ms();
        let tokens = self.config.auth != Auth::Off;
        let claims = tokens.then(|| claims(client, 0, now_ms)).flatten();
        let entropy = secret(self.origin.seed, self.minted);
        let address = from.map(|from| AddressKey::new(from.into()));
        let peer = Peer { entropy, claims, address };
        self.audit.connect(slot, conn, &peer);
        self.hand_in(&Event::Connect { conn, peer, greeting: greeting.clone() });
    }

    /// Mints a number, and gives the slot that belongs to it.
    fn free_slot(&mut self) -> usize {
        let slots = (4 * self.clients.len()).next_power_of_two().max(LEAST_SLOTS);
        loop {
            self.minted += 1;
            let slot = usize::try_from(self.minted).expect("few connections") % slots;
            // Not as long as it may become: all of it is looked at whenever time passes.
            if self.sockets.len() <= slot {
                self.sockets.resize_with(slot + 1, || None);
            }
            if self.sockets[slot].is_none() {
                return slot;
            }
        }
    }

    fn reads(&mut self, client: u16, reading: Reading) {
        if let Some(slot) = self.client(client).slot {
            let now = self.now;
            self.socket(slot).reads(reading, now);
            self.touch(slot);
        }
    }

    /// What a client sends reaches the hub at once, or when it has crossed the network.
    fn post(&mut self, client: u16, what: What) {
        let Some(slot) = self.client(client).slot else { return };
        let latency = self.socket(slot).latency;
        self.post_after(slot, latency, what);
    }

    fn post_after(&mut self, slot: usize, latency: Duration, what: What) {
        let now = self.now;
        let socket = self.socket(slot);
        let conn = socket.conn;
        let at = (now + latency).max(socket.last_arrival);
        if at <= now {
            return self.arrive(slot, conn, what);
        }
        socket.last_arrival = at;
        self.arrived += 1;
        self.arrivals.push(Reverse(Arrival { at, serial: self.arrived, slot, conn, what }));
    }

    /// Something from a client reaches the hub. It may be closed by then: that race is the hub's to
    /// ignore.
    fn arrive(&mut self, slot: usize, conn: ConnId, what: What) {
        let clock = self.clock();
        let is_live = self.is_live(slot, conn);
        if is_live && !matches!(what, What::Loss) {
            self.socket(slot).heard(clock);
        }
        match what {
            What::Text(text) => {
                self.turn_bytes += text.len();
                if is_live {
                    self.audit.request(slot, &text);
                }
                self.hand_in(&Event::Text { conn, text });
            }
            What::Binary => self.hand_in(&Event::Binary { conn }),
            What::Heard => self.hand_in(&Event::Heard { conn }),
            What::Loss => {
                if is_live {
                    self.forget(slot);
                }
                self.hand_in(&Event::Disconnect { conn });
                // A race that no driver can avoid: what was read before the loss comes after it.
                self.hand_in(&Event::Heard { conn });
            }
        }
    }

    fn is_live(&self, slot: usize, conn: ConnId) -> bool {
        self.sockets[slot].as_ref().is_some_and(|socket| socket.conn == conn)
    }

    /// The connection is lost, with all that is on its way to the client.
    fn disconnect(&mut self, client: u16) {
        let Some(slot) = self.vanish_from(client) else { return };
        let latency = self.socket(slot).latency;
        self.post_after(slot, latency, What::Loss);
    }

    /// The client is gone, and nobody is told: half open.
    fn vanish(&mut self, client: u16) {
        self.vanish_from(client);
    }

    fn vanish_from(&mut self, client: u16) -> Option<usize> {
        let slot = self.client(client).slot?;
        self.receive(slot);
        self.client(client).slot = None;
        let now = self.now;
        let socket = self.socket(slot);
        socket.client = None;
        socket.reads(Reading::Stopped, now);
        Some(slot)
    }

    /// Lets the client know what has reached it by now.
    fn receive(&mut self, slot: usize) {
        let now = self.now;
        let socket = self.sockets[slot].as_mut().expect("a live connection");
        let Some(client) = socket.client else { return };
        let seen = &mut self.clients[usize::from(client)].seen;
        socket.receive(now, |room, log, seq| {
            match seen.iter_mut().find(|(of, _, _)| *of == room) {
                Some(stands) => *stands = (room, log, seq),
                None => seen.push((room, log, seq)),
            }
        });
    }

    /// The connection is over for the hub and for the driver.
    fn forget(&mut self, slot: usize) {
        self.receive(slot);
        let socket = self.sockets[slot].take().expect("a live connection");
        self.held -= socket.held();
        self.reported -= socket.reported;
        if let Some(at) = socket.look_at {
            self.looks.remove(&(at, slot));
        }
        if socket.touched {
            // The slot's next connection must not be looked at twice in a turn.
            self.touched.retain(|of| *of != slot);
        }
        self.live -= 1;
        self.audit.clock(self.clock(), self.punctual);
        self.audit.end(slot);
        if let Some(client) = socket.client {
            self.clients[usize::from(client)].slot = None;
        }
    }

    fn touch(&mut self, slot: usize) {
        let socket = self.socket(slot);
        if !socket.touched {
            socket.touched = true;
            self.touched.push(slot);
        }
    }

    /// The slots of all live connections.
    fn slots(&self) -> impl Iterator<Item = usize> + use<M, O> {
        let live = |(slot, socket): (usize, &Option<Box<Socket>>)| socket.is_some().then_some(slot);
        let slots: Vec<usize> = self.sockets.iter().enumerate().filter_map(live).collect();
        slots.into_iter()
    }
}

/// What nobody can guess, drawn from the run's seed.
fn secret(seed: u64, number: u64) -> Entropy {
    let bits = u128::from(seed) << 64 | u128::from(number);
    Entropy::new(bits.wrapping_mul(0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645))
}

/// A connection's number ends with its slot.
const SLOT_BITS: u32 = 20;

/// More connections than a short script has.
const LEAST_SLOTS: usize = 1024;

/// A deadline further away than any script waits.
const FAR: Timestamp = Timestamp::new(Duration::from_hours(24 * 365));
