//! What connections were sent and what became of it, as a driver sees it. This file does not know
//! texts.

use std::collections::HashMap;

use roundtable::{Command, ConnId, Connection, Event, Hub, RunAhead, Timestamp, frame_len};

/// Times further away than this are not those of a driver.
const LATEST: Timestamp = Timestamp::from_millis(1000 * 365 * 24 * 3600 * 1000);

/// What a driver must not do, and what a hub may count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Breach {
    /// Time ran backwards, or away.
    Time,
    /// A connection that stands was connected again.
    Connect(ConnId),
    /// More is queued than was sent: this much at the most.
    Backlog(u64),
}

/// The connections that stand, from the driver's side.
#[derive(Debug)]
pub(super) struct Ledger {
    run_ahead: RunAhead,
    now: Timestamp,
    turn: u64,
    flows: HashMap<ConnId, Flow>,
}

/// What one connection was sent, in frame bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    sent: u64,
    /// The part of it that was sent in `turn`.
    in_turn: u64,
    turn: u64,
    /// What had left the queue at the last report, of what was sent since the recording began or before.
    delivered: u64,
}

impl Ledger {
    /// What a driver of this hub knows.
    pub(super) fn of(hub: &Hub) -> Self {
        let flow = |of: Connection| {
            let flow = Flow { sent: of.outstanding, in_turn: of.in_turn, ..Flow::default() };
            (of.conn, flow)
        };
        let flows = hub.connections().map(flow).collect();
        Self { run_ahead: hub.config().run_ahead, now: hub.now(), turn: 0, flows }
    }

    /// Whether a driver may tell `event` to the hub.
    pub(super) fn check(&self, at: Timestamp, event: &Event) -> Result<(), Breach> {
        if at < self.now || at > LATEST {
            return Err(Breach::Time);
        }
        match event {
            Event::Connect { conn, .. } if self.flows.contains_key(conn) => {
                Err(Breach::Connect(*conn))
            }
            Event::Backlog { conn, bytes } => {
                let most = self.flows.get(conn).map(|flow| self.most(*flow));
                most.filter(|most| (*bytes as u64) > *most)
                    .map_or(Ok(()), |most| Err(Breach::Backlog(most)))
            }
            _ => Ok(()),
        }
    }

    /// Takes note of what is told to the hub.
    pub(super) fn tell(&mut self, at: Timestamp, event: &Event) {
        self.now = at;
        match event {
            Event::Connect { conn, .. } => {
                self.flows.insert(*conn, Flow::default());
            }
            Event::Disconnect { conn } => {
                self.flows.remove(conn);
            }
            Event::Backlog { conn, bytes } => {
                let (turn, run_ahead) = (self.turn, self.run_ahead);
                if let Some(flow) = self.flows.get_mut(conn) {
                    flow.delivered = flow.offered(turn, run_ahead).saturating_sub(*bytes as u64);
                }
            }
            Event::Flushed => self.turn += 1,
            Event::Text { .. }
            | Event::Binary { .. }
            | Event::Heard { .. }
            | Event::Tick
            | Event::Verified { .. }
            | Event::Admin { .. }
            | Event::Drain { .. } => {}
        }
    }

    /// Takes note of what the hub commanded, and returns how many texts were sent.
    pub(super) fn carry_out(&mut self, commands: &[Command]) -> u64 {
        let mut deliveries = 0;
        for command in commands {
            match command {
                Command::Send { to, text } => {
                    let bytes = frame_len(text.len()) as u64;
                    for conn in to.iter() {
                        deliveries += 1;
                        if let Some(flow) = self.flows.get_mut(&conn) {
                            flow.send(self.turn, bytes);
                        }
                    }
                }
                Command::Refuse { conn, .. } | Command::Close { conn, .. } => {
                    self.flows.remove(conn);
                }
                Command::Ping { conn } => {
                    if let Some(flow) = self.flows.get_mut(conn) {
                        flow.send(self.turn, frame_len(0) as u64);
                    }
                }
                Command::Append { .. } | Command::Verify { .. } | Command::Drained => {}
            }
        }
        deliveries
    }

    /// The time of the last event.
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether a connection stands.
    pub(super) fn stands(&self, conn: ConnId) -> bool {
        self.flows.contains_key(&conn)
    }

    /// The connections that stand.
    pub(super) fn standing(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.flows.keys().copied()
    }

    /// The most that can be queued for a connection: what was offered and has not left.
    fn most(&self, flow: Flow) -> u64 {
        flow.offered(self.turn, self.run_ahead).saturating_sub(flow.delivered)
    }
}

impl Flow {
    fn send(&mut self, turn: u64, bytes: u64) {
        if self.turn != turn {
            (self.turn, self.in_turn) = (turn, 0);
        }
        self.sent += bytes;
        self.in_turn += bytes;
    }

    /// What the sockets were offered, by the `Flushed` that a report comes before.
    fn offered(&self, turn: u64, run_ahead: RunAhead) -> u64 {
        match run_ahead {
            RunAhead::One if self.turn == turn => self.sent - self.in_turn,
            RunAhead::Zero | RunAhead::One => self.sent,
        }
    }
}
