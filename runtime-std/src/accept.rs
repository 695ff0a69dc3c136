//! The thread that accepts. This file does not know what is said on a connection.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle, Thread};
use std::{io, mem};

use roundtable::ConnId;
use rustix::event::{PollFd, PollFlags, poll};
use socket2::SockRef;
use tracing::{debug, error, info, warn};

use crate::Shared;
use crate::reader;
use crate::turn::Note;

/// What a reader needs: the codec, a buffer of 4 KiB, and a parser's few frames.
const READER_STACK_BYTES: usize = 128 * 1024;

/// The accepting thread, until it is stopped.
pub(crate) struct Acceptor {
    thread: JoinHandle<()>,
    wake: UnixStream,
}

/// What the accepting thread works with.
struct Accepting {
    listener: TcpListener,
    is_inherited: bool,
    woken: UnixStream,
    notes: SyncSender<Note>,
    shared: Arc<Shared>,
    places: Arc<Places>,
}

/// How many connections there are, and who must hear of one that ends.
pub(crate) struct Places {
    taken: AtomicUsize,
    acceptor: Thread,
}

/// The place of one connection, free again when it is dropped.
pub(crate) struct Place(Arc<Places>);

/// Numbers of connections, in the whole process.
static NEXT_CONN: AtomicU64 = AtomicU64::new(1);

impl Acceptor {
    pub(crate) fn start(
        listener: TcpListener,
        is_inherited: bool,
        notes: SyncSender<Note>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (wake, woken) = UnixStream::pair()?;
        let thread = thread::Builder::new().name("accept".to_owned()).spawn(move || {
            let places =
                Arc::new(Places { taken: AtomicUsize::new(0), acceptor: thread::current() });
            Accepting { listener, is_inherited, woken, notes, shared, places }.run();
        })?;
        Ok(Self { thread, wake })
    }

    /// Closes the listening socket.
    pub(crate) fn stop(self) {
        drop(self.wake);
        self.thread.thread().unpark();
        // A thread that panicked has said so, and listens no more.
        let _panicked = self.thread.join();
    }
}

impl Accepting {
    fn run(&self) {
        let mut is_failing = false;
        while self.wait() {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    // As long as others wait, the next one may well fail again.
                    if is_failing && !is_ready(&self.listener) {
                        is_failing = false;
                        info!("accepting goes on");
                    }
                    if let Err(error) = self.admit(stream) {
                        warn!(%peer, %error, "a connection could not be served");
                        self.shared.edge.accept_failed();
                        thread::park_timeout(self.shared.settings.wire.accept_backoff);
                    }
                }
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    // Said once, not ten times a second.
                    if !mem::replace(&mut is_failing, true) {
                        warn!(%error, "accepting pauses");
                    }
                    self.shared.edge.accept_failed();
                    thread::park_timeout(self.shared.settings.wire.accept_backoff);
                }
            }
        }
    }

    /// Waits until somebody knocks and there is a place. Returns whether to go on.
    fn wait(&self) -> bool {
        let mut is_waiting = false;
        loop {
            let is_full = self.places.taken.load(Ordering::Acquire)
                >= self.shared.settings.wire.max_connections;
            let mut waited = vec![PollFd::new(&self.woken, PollFlags::IN)];
            if !is_full {
                waited.push(PollFd::new(&self.listener, PollFlags::IN));
            }
            if is_full && !mem::replace(&mut is_waiting, true) {
                self.shared.edge.accept_waits();
            }
            if is_full && !self.is_woken() {
                // A connection that ends, or the stop, ends the pause.
                thread::park_timeout(self.shared.settings.wire.accept_backoff);
                continue;
            }
            match poll(&mut waited, None) {
                Ok(_) => return waited[0].revents().is_empty() && !self.leaves_the_rest(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    error!(%error, "nobody is accepted any more");
                    return false;
                }
            }
        }
    }

    /// Whether whoever knocks now is the next server's.
    fn leaves_the_rest(&self) -> bool {
        self.is_inherited && self.shared.is_draining.load(Ordering::Relaxed)
    }

    fn is_woken(&self) -> bool {
        is_ready(&self.woken)
    }

    /// Starts the reader of one connection.
    fn admit(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        let (socket, sndbuf) = (SockRef::from(&stream), self.shared.settings.wire.sndbuf);
        socket.set_send_buffer_size(sndbuf)?;
        // The system counts twice what it was asked for, with what it keeps beside the bytes, and one
        // write more: this holds it to the bytes.
        #[cfg(target_os = "linux")]
        socket.set_tcp_notsent_lowat(u32::try_from(sndbuf).unwrap_or(u32::MAX))?;
        let conn = ConnId::new(NEXT_CONN.fetch_add(1, Ordering::Relaxed));
        let (notes, shared) = (self.notes.clone(), self.shared.clone());
        let place = Place::take(&self.places);
        debug!(conn = conn.get(), "accepted");
        let builder = thread::Builder::new().stack_size(READER_STACK_BYTES);
        builder.spawn(move || {
            reader::read(conn, &Arc::new(stream), &notes, &shared);
            drop(place);
        })?;
        Ok(())
    }
}

impl Place {
    fn take(places: &Arc<Places>) -> Self {
        places.taken.fetch_add(1, Ordering::AcqRel);
        Self(places.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.acceptor.unpark();
    }
}

/// Whether there is something to read, or somebody to accept.
fn is_ready(socket: &impl AsFd) -> bool {
    let mut waited = [PollFd::new(socket, PollFlags::IN)];
    poll(&mut waited, Some(&rustix::event::Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// Whether an error of `accept` concerns one connection only (accept(2)).
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}
