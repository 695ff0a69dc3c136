//! The Roundtable chat server on smol.
//!
//! It drives a [`Hub`](roundtable::Hub), or any other [`Machine`]: one loop owns the machine, and as
//! many shards as there are cores own the sockets. A shard is a thread with a task for each of its
//! connections, which reads; what the machine commands comes to a shard once a turn, and goes
//! straight to the sockets.
//!
//! ```no_run
//! use roundtable_server::{Settings, cli};
//!
//! let mut settings = Settings::default();
//! settings.hub.run_ahead = runtime_smol::RUN_AHEAD;
//! let server = runtime_smol::Server::bind(&settings)?;
//! println!("listening on http://{}", server.local_addr()?);
//! server.run(cli::hub(&settings))?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod accept;
mod admin;
mod batch;
pub mod chat;
mod clock;
mod conn;
mod deliveries;
mod driver;
mod reader;
mod shard;
mod stream;
mod table;
mod turn;

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use roundtable::{Event, Machine, RunAhead};
use roundtable_server::admin::Admin;
use roundtable_server::auth::{Guarded, Tokens};
use roundtable_server::metrics::{Edge, Measured};
use roundtable_server::tls::Tls;
use roundtable_server::{AdminDoor, Door, Readiness, Settings};
use smol::channel::{self, Receiver, Sender};
use smol::{Async, future};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tracing::info;

use crate::accept::Acceptor;
use crate::admin::Operators;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::driver::{Driver, Inbox, Limits, Signal};
use crate::shard::Start;
use crate::table::MAX_SHARDS;
use crate::turn::Shards;

/// The [`Config::run_ahead`](roundtable::Config::run_ahead) with which this server does best: the
/// shards write one turn while the machine does the next.
///
/// It works with either, as long as the settings say what the machine expects.
pub const RUN_AHEAD: RunAhead = RunAhead::One;

/// The peers that the system lets wait to be accepted: after a restart all of them come at once.
const LISTEN_QUEUE: i32 = 1024;

/// The accepted sockets that may wait for a shard.
const ADMITTED_QUEUE: usize = 64;

/// A server that listens and does not serve yet.
pub struct Server {
    listener: TcpListener,
    /// Whether somebody keeps the listening socket for the next server.
    is_inherited: bool,
    settings: Settings,
    shards: usize,
    stopper: Stopper,
    /// Where operators ask, and what answers them.
    admin: Option<(TcpListener, AdminDoor)>,
    /// Ends when the server drains.
    closed: Receiver<Infallible>,
    signals: Receiver<Signal>,
    events: Receiver<Vec<Event>>,
}

/// What stops a server, or has it read its keys again, from any thread.
#[derive(Clone, Debug)]
pub struct Stopper {
    is_draining: Arc<AtomicBool>,
    /// Closed when the server drains.
    door: Sender<Infallible>,
    signals: Sender<Signal>,
    events: Sender<Vec<Event>>,
    tokens: Option<Arc<Tokens>>,
    tls: Option<Arc<Tls>>,
}

/// What all threads of a server read.
struct Shared {
    settings: Settings,
    door: Door,
    tokens: Option<Arc<Tokens>>,
    tls: Option<Arc<Tls>>,
    clock: Clock,
    edge: Arc<Edge>,
    is_draining: Arc<AtomicBool>,
    /// Whether the hub's loop has come to its end, and not to grief.
    is_drained: AtomicBool,
}

impl Server {
    /// Listens where the settings say.
    ///
    /// # Errors
    ///
    /// If the address cannot be had.
    pub fn bind(settings: &Settings) -> io::Result<Self> {
        Ok(Self::new(listen(settings)?, settings))
    }

    /// Listens on a socket that somebody keeps for the next server, too: this one accepts nobody any
    /// more once it drains, and whoever knocks then waits for the next.
    ///
    /// # Errors
    ///
    /// If the socket does not take the options that the settings want.
    pub fn inherit(listener: TcpListener, settings: &Settings) -> io::Result<Self> {
        set_options(&SockRef::from(&listener), settings)?;
        Ok(Self { is_inherited: true, ..Self::new(listener, settings) })
    }

    fn new(listener: TcpListener, settings: &Settings) -> Self {
        let shards = match settings.shards {
            0 => thread::available_parallelism().map_or(1, NonZero::get),
            shards => shards,
        };
        let shards = shards.min(MAX_SHARDS);
        // Each shard rings at most once, and may be lost; there is one stop, and some may ask.
        let (sender, signals) = channel::bounded(2 * shards + 1 + admin::MOST);
        // Of each shard, one batch gathers and one is on its way.
        let (events_in, events) = channel::bounded(shards);
        let is_draining = Arc::default();
        // Nothing is ever sent: it is closed.
        let (door, closed) = channel::bounded(1);
        let (tokens, tls) = (None, None);
        let stopper =
            Stopper { is_draining, door, signals: sender, events: events_in, tokens, tls };
        let (is_inherited, admin, settings) = (false, None, settings.clone());
        Self { listener, is_inherited, settings, shards, stopper, admin, closed, signals, events }
    }

    /// Takes tokens, by these keys. Without, none is believed.
    #[must_use]
    pub fn with_tokens(mut self, tokens: Arc<Tokens>) -> Self {
        self.stopper.tokens = Some(tokens);
        self
    }

    /// Speaks TLS, and nothing else.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<Tls>) -> Self {
        self.stopper.tls = Some(tls);
        self
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

    /// Where it listens, with the port that the system picked.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What stops this server, or has it read the keys again that it takes tokens by.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until `machine` is drained and every connection has ended, or `close_timeout` after
    /// that.
    ///
    /// `machine` keeps to the [`Config`](roundtable::Config) of the settings: it lets no more than
    /// the window be queued for a connection.
    ///
    /// # Errors
    ///
    /// If the system gives no threads.
    ///
    /// # Panics
    ///
    /// If `machine` or a shard does: nobody could go on.
    pub fn run<M: Machine>(self, machine: M) -> io::Result<()> {
        let Self {
            listener,
            is_inherited,
            closed,
            settings,
            shards: count,
            stopper,
            admin,
            signals,
            events,
        } = self;
        let Stopper { is_draining, signals: signals_in, events: events_in, tokens, tls, .. } =
            stopper;
        let machine = Guarded::new(machine, tokens.clone());
        let mut machine = Measured::new(machine, settings.hub.run_ahead);
        let listener = Async::new(listener)?;
        let shared = Arc::new(Shared {
            door: Door::new(&settings, tokens.clone()),
            tokens,
            tls,
            clock: Clock::of(&machine),
            edge: Arc::default(),
            is_draining,
            is_drained: AtomicBool::new(false),
            settings,
        });
        let most_events = (shared.settings.wire.event_queue / (2 * count)).max(1);
        let (shards, slots) = Shards::new(count, shared.settings.binary);
        let drain_within = shared.settings.drain_within;
        let inbox = Inbox::new(events, signals, drain_within);
        let limits = Limits::new(&shared.settings);
        let run_ahead = shared.settings.hub.run_ahead;
        let mut driver = Driver { clock: shared.clock, inbox, shards, limits, run_ahead };
        thread::scope(|scope| {
            let (doors, admitted): (Vec<_>, Vec<_>) =
                (0..count).map(|_| channel::bounded(ADMITTED_QUEUE)).unzip();
            // The first shard accepts for all: a thread of its own would be woken for each socket.
            let closed = is_inherited.then_some(closed);
            let mut acceptor = Some(Acceptor { listener, closed, shards: doors });
            for (index, (slot, admitted)) in slots.into_iter().zip(admitted).enumerate() {
                let shared = Arc::clone(&shared);
                let (events, signals) = (events_in.clone(), signals_in.clone());
                let acceptor = acceptor.take();
                let batch = Batch::new(most_events);
                let start =
                    Start { index, shared, slot, acceptor, admitted, batch, events, signals };
                let name = format!("shard-{index}");
                thread::Builder::new().name(name).spawn_scoped(scope, || shard::run(start))?;
            }
            drop(events_in);
            // Nothing is ever sent: it ends with the hub's loop.
            let (until, over) = channel::bounded(1);
            if let Some((listener, door)) = admin {
                let (listener, shared) = (Async::new(listener)?, Arc::clone(&shared));
                let operators = Operators { listener, door, shared, signals: signals_in, over };
                let name = "admin".to_owned();
                thread::Builder::new().name(name).spawn_scoped(scope, || operators.serve())?;
            }
            // Only the shards wait for sockets: here, that would take their events away from them.
            let end = future::block_on(driver.run(&mut machine));
            // A machine that panics has nobody wait for farewells: the end is at once.
            shared.is_drained.store(true, Ordering::Relaxed);
            drop((driver, until));
            end.map_err(|_lost| io::Error::other("a shard's thread panicked"))
        })?;
        info!("stopped");
        Ok(())
    }
}

impl Stopper {
    /// Starts a graceful stop; a second call changes nothing.
    pub fn stop(&self) {
        if !self.is_draining.swap(true, Ordering::Relaxed) {
            self.door.close();
            // There is room for it; if the loop is gone, it has stopped.
            let _loop_is_gone = self.signals.try_send(Signal::Stop);
        }
    }

    /// Reads the certificate, the keys and the revocations again, on this thread. Whoever is revoked is
    /// sent away.
    pub fn reload(&self) {
        if let Some(tls) = &self.tls {
            tls.reload();
        }
        let revoked = self.tokens.as_ref().map(|tokens| tokens.reload()).unwrap_or_default();
        if !revoked.is_empty() {
            let events = revoked.into_iter().map(|action| Event::Admin { action }).collect();
            // If the loop is gone, everybody has been sent away.
            let _loop_is_gone = self.events.send_blocking(events);
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

/// The standard library's queue of 128 is short for a server that everybody comes back to.
fn listen(settings: &Settings) -> io::Result<TcpListener> {
    let address = settings.listen;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server gets its address back though old connections linger on it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    set_options(&SockRef::from(&socket), settings)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_QUEUE)?;
    Ok(socket.into())
}

/// An accepted socket has the options of the listening one: setting them there costs nothing later.
fn set_options(socket: &SockRef<'_>, settings: &Settings) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    // The system's own queue would hide a slow reader for megabytes.
    socket.set_send_buffer_size(settings.wire.sndbuf)?;
    // The system counts twice what it was asked for, with what it keeps beside the bytes, and one
    // write more: this holds it to the bytes.
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(u32::try_from(settings.wire.sndbuf).unwrap_or(u32::MAX))?;
    Ok(())
}
