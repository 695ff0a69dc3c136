//! What the hub's loop and the shards say to each other: one message a turn, there and back. This
//! file does not know what a machine commands or how a socket is written.

use std::mem;

use roundtable::{CloseCode, Command, ConnId, Queue, Recipients};
use roundtable_server::binary::Binary;
use roundtable_server::{Door, Frame, Sends};
use smol::channel::{Receiver, Sender, bounded};
use tracing::debug;

use crate::table::shard_of;

/// What one shard does in one turn; the same struct comes back with what it has to report, so that
/// its vectors are used again.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Bytes of whole frames and who gets them, in order. A shard serves only its own of the
    /// recipients.
    pub(crate) sends: Vec<(Recipients, Frame)>,
    /// The upgrades that the machine refuses, each with the answer: before all else.
    pub(crate) refusals: Vec<(ConnId, Vec<u8>)>,
    /// The connections that the machine has been told of. What it says to them at once is among the
    /// sends; if that is nothing, they still wait for the answer to their upgrade.
    pub(crate) connects: Vec<ConnId>,
    /// The tokens to verify, each for its connection.
    pub(crate) tokens: Vec<(ConnId, Box<str>)>,
    /// The connections to close, after the sends: the machine names them in no later command.
    pub(crate) closes: Vec<(ConnId, CloseCode, Queue)>,
    /// The connections of whose end the machine has been told: what it said to them before is among
    /// the sends.
    pub(crate) partings: Vec<ConnId>,
    /// The way back: levels to report.
    pub(crate) backlogs: Vec<(ConnId, usize)>,
}

/// A shard's end of its link to the hub's loop.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) turns: Receiver<Turn>,
    pub(crate) answers: Sender<Turn>,
}

/// The hub's end of the link to one shard. There is at most one turn on its way, so neither side
/// ever waits for room.
#[derive(Debug)]
struct Link {
    turns: Sender<Turn>,
    answers: Receiver<Turn>,
    /// The turn that is being collected.
    next: Turn,
    /// An empty one, to be the next.
    spare: Turn,
    /// The number of the last piece that it was given.
    given: u64,
    /// Whether it must be posted.
    touched: bool,
    /// Whether one is on its way.
    posted: bool,
}

/// A shard is gone, which only a panic can bring about.
#[derive(Debug)]
pub(crate) struct ShardLost;

/// All shards, as the hub's loop sees them.
#[derive(Debug)]
pub(crate) struct Shards {
    links: Vec<Link>,
    /// What was commanded since the last turn was posted.
    sends: Sends,
    /// How many pieces there were.
    pieces: u64,
    /// The levels that came back with the turns.
    backlogs: Vec<(ConnId, usize)>,
}

impl Shards {
    /// Links to `count` shards, and the shards' ends of them.
    pub(crate) fn new(count: usize, binary: Binary) -> (Self, Vec<Slot>) {
        let (links, slots) = (0..count)
            .map(|_| {
                let (turns, shard_turns) = bounded(1);
                let (shard_answers, answers) = bounded(1);
                let link = Link {
                    turns,
                    answers,
                    next: Turn::default(),
                    spare: Turn::default(),
                    given: 0,
                    touched: false,
                    posted: false,
                };
                (link, Slot { turns: shard_turns, answers: shard_answers })
            })
            .unzip();
        let backlogs = Vec::new();
        (Self { links, sends: Sends::new(binary), pieces: 0, backlogs }, slots)
    }

    /// Whether something is on its way to a shard or must be.
    pub(crate) fn are_busy(&self) -> bool {
        !self.sends.is_empty() || self.links.iter().any(|link| link.posted || link.touched)
    }

    /// Sees to it that the shard takes part in this turn.
    pub(crate) fn touch(&mut self, shard: usize) {
        self.links[shard].touched = true;
    }

    /// Collects one command. Returns whether it was [`Command::Drained`].
    pub(crate) fn carry_out(&mut self, command: Command) -> bool {
        match command {
            Command::Refuse { conn, refusal, retry_after } => {
                debug!(conn = conn.get(), ?refusal, "refused");
                let link = &mut self.links[shard_of(conn)];
                link.touched = true;
                link.next.refusals.push((conn, Door::refusal_answer(refusal, retry_after)));
            }
            Command::Send { to, text } => self.sends.text(&to, &text),
            Command::Ping { conn } => self.sends.ping(&Recipients::One(conn)),
            Command::Verify { conn, token } => {
                let link = &mut self.links[shard_of(conn)];
                link.touched = true;
                link.next.tokens.push((conn, token));
            }
            Command::Close { conn, code, queue } => {
                let link = &mut self.links[shard_of(conn)];
                link.touched = true;
                link.next.closes.push((conn, code, queue));
            }
            // Who made the machine sees to it, when it commits.
            Command::Append { .. } => {}
            Command::Drained => return true,
        }
        false
    }

    /// Waits until all turns have come back. They come soon: no shard waits for a peer. Nothing is lost
    /// when the wait is given up.
    pub(crate) async fn answered(&mut self) -> Result<(), ShardLost> {
        for link in self.links.iter_mut().filter(|link| link.posted) {
            let mut turn = link.answers.recv().await.map_err(|_closed| ShardLost)?;
            link.posted = false;
            self.backlogs.append(&mut turn.backlogs);
            link.spare = turn;
        }
        Ok(())
    }

    /// The machine has been told of a connection.
    pub(crate) fn connect(&mut self, conn: ConnId) {
        let link = &mut self.links[shard_of(conn)];
        link.next.connects.push(conn);
        link.touched = true;
    }

    /// The machine has been told of a connection's end.
    pub(crate) fn part(&mut self, conn: ConnId) {
        let link = &mut self.links[shard_of(conn)];
        link.next.partings.push(conn);
        link.touched = true;
    }

    /// What the shards report, once all turns have come back.
    pub(crate) async fn answers(&mut self) -> Result<Vec<(ConnId, usize)>, ShardLost> {
        self.answered().await?;
        Ok(mem::take(&mut self.backlogs))
    }

    /// Posts the turn to the shards that take part in it. The turn before must have been answered.
    pub(crate) fn post(&mut self) -> Result<(), ShardLost> {
        for (to, piece) in self.sends.drain() {
            self.pieces += 1;
            give(&mut self.links, self.pieces, &to, &piece);
        }
        for link in self.links.iter_mut().filter(|link| link.touched) {
            let turn = mem::replace(&mut link.next, mem::take(&mut link.spare));
            link.turns.try_send(turn).map_err(|_closed| ShardLost)?;
            link.posted = true;
            link.touched = false;
        }
        Ok(())
    }
}

/// Gives a piece to each shard that has one of `to`. The walk ends when all of them have it.
fn give(links: &mut [Link], number: u64, to: &Recipients, piece: &Frame) {
    let mut missing = links.len();
    for conn in to.iter() {
        let link = &mut links[shard_of(conn)];
        if link.given == number {
            continue;
        }
        link.given = number;
        link.touched = true;
        link.next.sends.push((to.clone(), piece.clone()));
        missing -= 1;
        if missing == 0 {
            return;
        }
    }
}
