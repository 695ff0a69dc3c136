//! A soak: a crowd that chats for long over faulty networks, comes back to its sessions, and writes
//! down what it did and was given; and the checker that reads that. This file does not know what a
//! network does, or who serves.

pub mod book;
pub mod check;
mod client;
mod networks;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use smol::{LocalExecutor, channel};

use book::Book;
use check::{Checker, Counts};
use client::Person;
use networks::Networks;

/// How many there are in a room.
const IN_A_ROOM: u32 = 20;

/// What is soaked.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many clients there are.
    pub clients: u32,
    /// How long they chat; then they come to an end together.
    pub span: Duration,
    /// How often each says something.
    pub pace: Duration,
    /// The longest that a client stays on a connection.
    pub stay: Duration,
    /// What every chance is drawn from.
    pub seed: u64,
}

/// What all clients share.
struct Crowd {
    plan: Plan,
    server: SocketAddr,
    networks: Networks,
    book: Book,
    /// When they say their last words.
    end: Instant,
    /// How many have not been acknowledged all they said.
    left: Cell<u32>,
    /// The last place that was acknowledged, by rooms.
    heads: RefCell<Vec<u64>>,
    /// It is gone when nobody has anything to say.
    hold: RefCell<Option<channel::Sender<Infallible>>>,
    over: channel::Receiver<Infallible>,
}

impl Plan {
    /// Plays the crowd to a server, and has it write into a folder what it did.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn run(self, server: SocketAddr, folder: &Path) -> io::Result<()> {
        let (hold, over) = channel::bounded(1);
        let rooms = self.clients.div_ceil(IN_A_ROOM);
        let crowd = Rc::new(Crowd {
            plan: self,
            server,
            networks: Networks::new(server, self.seed, 2 * self.span + Duration::from_mins(10)),
            book: Book::create(folder)?,
            end: Instant::now() + self.span,
            left: Cell::new(self.clients),
            heads: RefCell::new(vec![0; rooms as usize]),
            hold: RefCell::new(Some(hold)),
            over,
        });
        let executor = LocalExecutor::new();
        let people: Vec<_> = (0..self.clients)
            .map(|who| executor.spawn(Person::new(who, who % rooms, Rc::clone(&crowd)).live()))
            .collect();
        smol::block_on(executor.run(async {
            for person in people {
                person.await;
            }
        }));
        let Ok(crowd) = Rc::try_unwrap(crowd) else { unreachable!("everybody has gone") };
        crowd.book.close()
    }
}

/// Reads what a crowd wrote down, and holds it against what was promised.
///
/// # Errors
///
/// What is wrong, and at which line.
pub fn check(folder: &Path) -> Result<Counts, String> {
    let mut checker = Checker::default();
    let lines = book::read(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for (index, line) in lines.enumerate() {
        let found = line.map_err(|error| error.to_string());
        let taken = found.and_then(|(who, deed)| checker.take(who, deed));
        taken.map_err(|why| format!("line {}: {why}", index + 1))?;
    }
    checker.end()
}
