//! The Roundtable chat server on blocking threads: the same behaviour as its asynchronous sister, and
//! no executor.
//!
//! - One thread accepts, and one small thread per connection reads (`reader`): bytes become events.
//! - One thread, the caller of [`Server::run`], owns the machine and does all writing (`turn`,
//!   `sockets`): commands become bytes, sent without ever waiting for a peer.
//! - One thread verifies the tokens that come in frames (`verifier`); one that comes with the request
//!   is its reader's to verify.
//! - Where operators are answered, a few threads do that (`admin`).
//! - One thread waits for the sockets that are full (`flusher`), and only says when they are not.
//!
//! Who waits for whom: readers, the verifier, the flusher and those who ask for operators wait for room in the one
//! bounded queue of notes; the owner of the machine takes from that queue and waits for nobody. So nothing waits in a circle.

mod accept;
mod admin;
mod clock;
mod flusher;
mod reader;
mod sockets;
mod turn;
mod verifier;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use roundtable::{Event, Machine};
use roundtable_server::admin::Admin;
use roundtable_server::auth::{Guarded, Tokens};
use roundtable_server::metrics::Edge;
use roundtable_server::tls::Tls;
use roundtable_server::{AdminDoor, Door, Readiness, Settings};
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
    /// Whether somebody keeps the listening socket for the next server.
    is_inherited: bool,
    is_draining: Arc<AtomicBool>,
    settings: Settings,
    tokens: Option<Arc<Tokens>>,
    tls: Option<Arc<Tls>>,
    /// Where operators ask, and what answers them.
    admin: Option<(TcpListener, AdminDoor)>,
    notes: SyncSender<Note>,
    inbox: Receiver<Note>,
}

/// Stops a server gracefully, or has it read its keys again, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    is_draining: Arc<AtomicBool>,
    notes: SyncSender<Note>,
    tokens: Option<Arc<Tokens>>,
    tls: Option<Arc<Tls>>,
}

/// What every thread of a server knows.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    door: Door,
    tokens: Option<Arc<Tokens>>,
    tls: Option<Arc<Tls>>,
    clock: Clock,
    edge: Arc<Edge>,
    is_draining: Arc<AtomicBool>,
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
        Ok(Self::new(socket.into(), settings))
    }

    /// Listens on a socket that somebody keeps for the next server, too: this one accepts nobody any
    /// more once it drains, and whoever knocks then waits for the next.
    ///
    /// # Errors
    ///
    /// None, so far.
    pub fn inherit(listener: TcpListener, settings: &Settings) -> Self {
        Self { is_inherited: true, ..Self::new(listener, settings) }
    }

    fn new(listener: TcpListener, settings: &Settings) -> Self {
        let (notes, inbox) = sync_channel(settings.wire.event_queue);
        let (is_inherited, is_draining) = (false, Arc::default());
        let (settings, tokens, tls, admin) = (settings.clone(), None, None, None);
        Self { listener, is_inherited, is_draining, settings, tokens, tls, admin, notes, inbox }
    }

    /// Takes tokens, by these keys. Without, none is believed.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<Tokens>) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// Speaks TLS, and nothing else.
    #[must_use]
    pub fn with_tls(self, tls: Arc<Tls>) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Answers operators, on a listener of their own.
    ///
    /// # Errors
    ///
    /// If the address cannot be had.
    pub fn with_admin(self, admin: Admin) -> io::Result<Self> {
        let listener = TcpListener::bind(admin.listen)?;
        Ok(Self { admin: Some((listener, admin.door)), ..self })
    }

    /// Where it answers operators, if it does.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn admin_addr(&self) -> io::Result<Option<SocketAddr>> {
        self.admin.as_ref().map(|(listener, _)| listener.local_addr()).transpose()
    }

    /// Where the server listens, with the port that the system picked.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stops this server, or has it read the keys again that it takes tokens by.
    pub fn stopper(&self) -> Stopper {
        Stopper {
            is_draining: self.is_draining.clone(),
            notes: self.notes.clone(),
            tokens: self.tokens.clone(),
            tls: self.tls.clone(),
        }
    }

    /// Serves with `machine`, on this thread, until it has drained.
    ///
    /// # Errors
    ///
    /// If the system refuses what a server cannot do without, at the start.
    pub fn run<M: Machine>(self, machine: M) -> io::Result<()> {
        let Self {
            listener,
            is_inherited,
            is_draining,
            settings,
            tokens,
            tls,
            admin,
            notes,
            inbox,
        } = self;
        let machine = Guarded::new(machine, tokens.clone());
        let shared = Arc::new(Shared {
            door: Door::new(&settings, tokens.clone()),
            settings,
            tokens,
            tls,
            clock: Clock::of(&machine),
            edge: Arc::default(),
            is_draining,
        });
        let admin = admin.map(|(listener, door)| admin::start(&listener, &door, &notes, &shared));
        let admin = admin.transpose()?;
        let acceptor = Acceptor::start(listener, is_inherited, notes.clone(), shared.clone())?;
        Owner::new(machine, shared, notes)?.run(&inbox);
        drop(admin);
        acceptor.stop();
        Ok(())
    }
}

impl Stopper {
    /// Starts the drain. A second call changes nothing.
    pub fn stop(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
        // A server that is gone has stopped.
        let _stopped = self.notes.send(Note::Stop);
    }

    /// Reads the certificate, the keys and the revocations again, on this thread. Whoever is revoked is
    /// sent away.
    pub fn reload(&self) {
        if let Some(tls) = &self.tls {
            tls.reload();
        }
        let revoked = self.tokens.as_ref().map(|tokens| tokens.reload());
        for action in revoked.into_iter().flatten() {
            // A server that is gone has sent everybody away.
            let _stopped = self.notes.send(Note::Event(Event::Admin { action }));
        }
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
