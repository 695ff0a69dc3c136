//! The Roundtable chat server on blocking threads: the same behaviour as its asynchronous sister, and
//! no executor.
//!
//! - One thread accepts, and one small thread per connection reads (`reader`): bytes become events.
//! - One thread, the caller of [`Server::run`], owns the machine and does all writing (`turn`,
//!   `sockets`): commands become bytes, sent without ever waiting for a peer.
//! - One thread waits for the sockets that are full (`flusher`), and only says when they are not.
//!
//! Who waits for whom: readers and the flusher wait for room in the one bounded queue of notes; the
//! owner of the machine takes from that queue and waits for nobody. So nothing waits in a circle.

mod accept;
mod clock;
mod flusher;
mod reader;
mod sockets;
mod turn;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use roundtable::Machine;
use roundtable_server::{Readiness, Settings};
use socket2::{Domain, Socket, Type};

use accept::Acceptor;
use clock::Clock;
use turn::{Note, Owner};

/// The longest queue of connections that nobody has accepted yet.
const LISTEN_BACKLOG: i32 = 1024;

/// A server that has its port, and does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    settings: Settings,
    notes: SyncSender<Note>,
    inbox: Receiver<Note>,
}

/// Stops a server gracefully, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    notes: SyncSender<Note>,
}

/// What every thread of a server knows.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    clock: Clock,
    is_draining: AtomicBool,
}

impl Server {
    /// Takes the port of [`Settings::listen`].
    ///
    /// # Errors
    ///
    /// If the system does not give it: it is in use, say.
    pub fn bind(settings: &Settings) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(settings.listen), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&settings.listen.into())?;
        socket.listen(LISTEN_BACKLOG)?;
        let (notes, inbox) = sync_channel(settings.wire.event_queue);
        Ok(Self { listener: socket.into(), settings: settings.clone(), notes, inbox })
    }

    /// Where the server listens, with the port that the system picked.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stops this server.
    pub fn stopper(&self) -> Stopper {
        Stopper { notes: self.notes.clone() }
    }

    /// Serves with `machine`, on this thread, until it has drained.
    ///
    /// # Errors
    ///
    /// If the system refuses what a server cannot do without, at the start.
    pub fn run<M: Machine>(self, machine: M) -> io::Result<()> {
        let Self { listener, settings, notes, inbox } = self;
        let shared = Arc::new(Shared {
            settings,
            clock: Clock::start(),
            is_draining: AtomicBool::new(false),
        });
        let acceptor = Acceptor::start(listener, notes.clone(), shared.clone())?;
        Owner::new(machine, shared, notes)?.run(&inbox);
        acceptor.stop();
        Ok(())
    }
}

impl Stopper {
    /// Starts the drain. A second call changes nothing.
    pub fn stop(&self) {
        // A server that is gone has stopped.
        let _stopped = self.notes.send(Note::Stop);
    }
}

impl Shared {
    fn readiness(&self) -> Readiness {
        if self.is_draining.load(Ordering::Relaxed) {
            Readiness::Draining
        } else {
            Readiness::Serving
        }
    }
}
