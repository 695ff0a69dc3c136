//! A network that misbehaves: it stands between a client and a server on loopback, and plays one
//! fault on every connection that goes through it. Whoever holds it can have it stand still as well.
//!
//! What it does to the streams of bytes, and at which byte, is drawn from a seed; how long anything
//! takes is the system's affair. Where a reader finds several pieces in one read, it was late: the
//! proxy writes each by itself, and cannot make anybody read in time. This file does not know what
//! the bytes mean.

mod course;
mod frost;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, fmt};

use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::{Async, LocalExecutor, Task, Timer, channel, future};
use socket2::SockRef;

use crate::conformance::BACKSTOP;
use course::Course;
use frost::{Flow, Frost};

/// The variable that gives the seed of a run that is to be repeated.
pub const SEED: &str = "ROUNDTABLE_PROXY_SEED";

/// A proxy of a test takes so many connections in its life, and refuses those that come later.
const MOST_CONNECTIONS: u64 = 256;

/// How long a proxy of a test lives.
const LIFE: Duration = BACKSTOP.saturating_mul(4);

/// What one direction of a connection holds while it cannot write.
const BUFFER_BYTES: usize = 4096;

/// What the sockets of a path that is held take in, so that little is on its way.
const HELD_BYTES: usize = 64 * 1024;

/// One direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Both ends are told that the other one has gone, without order: a TCP reset.
    Reset,
    /// Both ends read an end of the stream, as if the other one had closed.
    End,
}

/// What is played on every connection. Places are counted in bytes of one direction.
#[derive(Clone, Debug)]
pub enum Fault {
    /// None: what comes is passed on as it comes.
    None,
    /// Pieces of at most `most` bytes, cut at drawn places, each held back for a drawn time of at
    /// most `hold`. What lies outside of the stretches is passed on as it comes.
    Pieces {
        /// The longest piece.
        most: u64,
        /// The longest time that a piece is held back.
        hold: Duration,
        /// The stretch that is cut from the client to the server.
        up: Range<u64>,
        /// The stretch that is cut from the server to the client.
        down: Range<u64>,
    },
    /// Each direction stands still once, at a drawn place.
    Stall {
        /// The last place that may be drawn.
        within: u64,
        /// How long nothing passes.
        lasting: Duration,
    },
    /// Behind this place nothing passes until [`Proxy::go_on`]; the proxy does not even read.
    Hold {
        /// The direction that is held.
        way: Way,
        /// The place.
        after: u64,
    },
    /// The connection is cut in both directions.
    Cut {
        /// The direction in which the place is counted.
        way: Way,
        /// The place.
        after: u64,
        /// How.
        how: Cut,
    },
    /// One direction ends, and what still comes for it is thrown away; the other goes on.
    HalfClose {
        /// The direction that ends.
        way: Way,
        /// The place.
        after: u64,
    },
}

/// Bytes that a server sent: on which connection, counted from 0 in the order in which they were
/// accepted, and what.
pub type Overheard = (u64, Vec<u8>);

/// Another flow, and who is told when it has begun.
type Order = (Flow, mpsc::Sender<()>);

/// A proxy that runs. It ends, and everything that goes through it, when it is dropped, and by
/// itself after a few minutes.
pub struct Proxy {
    addr: SocketAddr,
    /// What is held goes on once this is gone.
    hold: Option<channel::Sender<Infallible>>,
    /// The proxy ends once this is gone.
    orders: Option<channel::Sender<Order>>,
    played: mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

/// The seed that [`SEED`] gives, or a new one. It is printed, and the test runner shows it where
/// the test fails.
///
/// # Panics
///
/// If the variable is no number.
pub fn seed() -> u64 {
    let given = env::var(SEED).ok().map(|seed| seed.parse().expect("a seed is a number"));
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("proxy: to repeat this, set {SEED}={seed}");
    seed
}

impl Proxy {
    /// Listens on a port that the system picks, and passes everything on to `server`.
    ///
    /// # Panics
    ///
    /// If the system gives no port or no thread.
    pub fn start(server: SocketAddr, fault: Fault, seed: u64) -> Self {
        Self::start_overheard(server, fault, seed, None)
    }

    /// The same, and everything that the server sends is told to `ear` as well.
    ///
    /// # Panics
    ///
    /// If the system gives no port or no thread.
    pub fn start_overheard(
        server: SocketAddr,
        fault: Fault,
        seed: u64,
        ear: Option<mpsc::Sender<Overheard>>,
    ) -> Self {
        Self::begin(Path::new(server, fault, seed, ear), LIFE)
    }

    /// A proxy for any number of connections, which ends by itself after `life`.
    ///
    /// # Panics
    ///
    /// If the system gives no port or no thread.
    pub fn start_lasting(server: SocketAddr, fault: Fault, seed: u64, life: Duration) -> Self {
        let path = Path::new(server, fault, seed, None);
        Self::begin((Path { most: u64::MAX, ..path.0 }, path.1, path.2), life)
    }

    fn begin(
        (path, hold, played): (Path, channel::Sender<Infallible>, mpsc::Receiver<()>),
        life: Duration,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let addr = listener.local_addr().expect("a port");
        let (orders, ordered) = channel::unbounded();
        let run = move || {
            let too_old = async {
                Timer::after(life).await;
            };
            smol::block_on(future::or(too_old, path.serve(listener, ordered)));
        };
        let thread = thread::Builder::new().name("proxy".to_owned()).spawn(run);
        let thread = Some(thread.expect("a thread"));
        Self { addr, hold: Some(hold), orders: Some(orders), played, thread }
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until a place was reached where the fault is a stall, a hold, a cut or a half-close,
    /// and it has begun.
    ///
    /// # Panics
    ///
    /// If it is not reached.
    pub fn wait_until_played(&self) {
        self.played.recv_timeout(BACKSTOP).expect("the fault is played");
    }

    /// Lets what is held go on.
    pub fn go_on(&mut self) {
        self.hold = None;
    }

    /// From now on nothing passes, in either direction and on any connection, and no end is told: a
    /// cable that was pulled.
    ///
    /// # Panics
    ///
    /// If the proxy has ended.
    pub fn freeze(&self) {
        self.order(Flow::Nothing);
    }

    /// What comes from now on passes, and the connections of before stand still: another network
    /// than the one that was lost.
    ///
    /// # Panics
    ///
    /// If the proxy has ended.
    pub fn pass_what_is_new(&self) {
        self.order(Flow::WhatIsNew);
    }

    /// Lets everything go on that stands still.
    ///
    /// # Panics
    ///
    /// If the proxy has ended.
    pub fn thaw(&self) {
        self.order(Flow::Everything);
    }

    fn order(&self, flow: Flow) {
        let orders = self.orders.as_ref().expect("it is there until it is dropped");
        let (tell, obeyed) = mpsc::channel();
        orders.try_send((flow, tell)).expect("the proxy runs");
        obeyed.recv_timeout(BACKSTOP).expect("the proxy obeys");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A proxy that panicked has failed its test by its silence.
            let _panicked = thread.join();
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// What all connections of a proxy share.
struct Path {
    server: SocketAddr,
    fault: Fault,
    seed: u64,
    /// How many connections are taken.
    most: u64,
    ear: Option<mpsc::Sender<Overheard>>,
    gate: channel::Receiver<Infallible>,
    played: mpsc::Sender<()>,
    frost: Frost,
}

/// What ends both directions of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Broken(Cut);

impl Path {
    /// With what lets it go on, and who hears that its fault is played.
    fn new(
        server: SocketAddr,
        fault: Fault,
        seed: u64,
        ear: Option<mpsc::Sender<Overheard>>,
    ) -> (Self, channel::Sender<Infallible>, mpsc::Receiver<()>) {
        let (hold, gate) = channel::bounded(1);
        let (tell, played) = mpsc::channel();
        let (most, frost) = (MOST_CONNECTIONS, Frost::default());
        (Self { server, fault, seed, most, ear, gate, played: tell, frost }, hold, played)
    }

    /// Serves until nobody is left who could give an order.
    async fn serve(self, listener: TcpListener, orders: channel::Receiver<Order>) {
        let path = Rc::new(self);
        let executor = LocalExecutor::new();
        let accepted = Cell::new(0);
        let tasks = RefCell::new(Vec::new());
        let accept = async {
            let listener = Async::new(listener).expect("a socket that can be waited for");
            while accepted.get() < path.most {
                let Ok((client, _)) = listener.accept().await else { break };
                let number = accepted.replace(accepted.get() + 1);
                let mut tasks = tasks.borrow_mut();
                tasks.retain(|task: &Task<()>| !task.is_finished());
                tasks.push(executor.spawn(Rc::clone(&path).connect(number, client)));
            }
            drop(listener);
            future::pending::<()>().await;
        };
        let obey = async {
            while let Ok((flow, tell)) = orders.recv().await {
                path.frost.set(flow, accepted.get());
                // Whoever gave the order waits for it.
                let _unheard = tell.send(());
            }
        };
        let serve = async {
            future::or(obey, accept).await;
            // An executor that is dropped while the system wakes one of its tasks may keep it.
            for task in tasks.take() {
                task.cancel().await;
            }
        };
        executor.run(serve).await;
    }

    async fn connect(self: Rc<Self>, number: u64, client: Async<TcpStream>) {
        let Ok(server) = Async::<TcpStream>::connect(self.server).await else {
            return reset(&client);
        };
        for socket in [&client, &server] {
            // A socket that is broken already is found by the first read.
            let _broken = socket.get_ref().set_nodelay(true);
            if matches!(self.fault, Fault::Hold { .. }) {
                let _broken = SockRef::from(socket).set_recv_buffer_size(HELD_BYTES);
                let _broken = SockRef::from(socket).set_send_buffer_size(HELD_BYTES);
            }
        }
        let up = self.pass(Way::Up, number, &client, &server);
        let down = self.pass(Way::Down, number, &server, &client);
        match future::try_zip(up, down).await {
            Ok(((), ())) => {}
            Err(Broken(Cut::Reset)) => [&client, &server].into_iter().for_each(reset),
            Err(Broken(Cut::End)) => {
                finish(&client);
                finish(&server);
                // Closing over bytes that nobody has read would be a reset.
                future::zip(discard(&client), discard(&server)).await;
            }
        }
    }

    /// Passes on one direction to its end. An error ends the other one too.
    async fn pass(
        &self,
        way: Way,
        number: u64,
        mut from: &Async<TcpStream>,
        mut to: &Async<TcpStream>,
    ) -> Result<(), Broken> {
        let mut course = Course::new(self, way, number);
        let mut buffer = [0; BUFFER_BYTES];
        let mut left: &[u8] = &[];
        loop {
            if course.has_arrived() {
                // Where nobody waits for it, it need not be told.
                let _unheard = self.played.send(());
                match self.fault {
                    Fault::None | Fault::Pieces { .. } => {}
                    Fault::Stall { lasting, .. } => wait(lasting).await,
                    Fault::Hold { .. } => {
                        let _gone_on = self.gate.recv().await;
                    }
                    Fault::Cut { how, .. } => return Err(Broken(how)),
                    Fault::HalfClose { .. } => {
                        finish(to);
                        discard(from).await;
                        return Ok(());
                    }
                }
            }
            if left.is_empty() {
                let most = course.to_its_place().min(BUFFER_BYTES);
                let read = from.read(&mut buffer[..most]).await;
                self.frost.is_over(number).await;
                let count = read.map_err(|_reset| Broken(Cut::Reset))?;
                left = &buffer[..count];
                if count == 0 {
                    finish(to);
                    return Ok(());
                }
            }
            let piece = left.split_off(..course.piece(left.len())).expect("a piece of it");
            wait(course.held_back()).await;
            self.frost.is_over(number).await;
            if let Some(ear) = self.ear.as_ref().filter(|_| way == Way::Down) {
                let _unheard = ear.send((number, piece.to_vec()));
            }
            if to.write_all(piece).await.is_err() {
                // The other direction reads what is there before it finds the end.
                return Ok(());
            }
            // The reader may find this piece before the next one is behind it.
            future::yield_now().await;
        }
    }
}

/// The delay that is the fault.
async fn wait(span: Duration) {
    if !span.is_zero() {
        Timer::after(span).await;
    }
}

/// Reads to the end.
async fn discard(mut from: &Async<TcpStream>) {
    let _broken = smol::io::copy(&mut from, &mut smol::io::sink()).await;
}

/// Tells the reader that nothing more comes.
fn finish(to: &Async<TcpStream>) {
    // Whoever is gone need not be told.
    let _gone = to.get_ref().shutdown(Shutdown::Write);
}

/// Closes without order, once the socket is dropped.
fn reset(socket: &Async<TcpStream>) {
    let _gone = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}
