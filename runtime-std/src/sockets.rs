//! The writing half of every connection. This file does not know what is said on it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind, IoSlice};
use std::iter;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender};
use std::time::Duration;

use roundtable::{ConnId, Queue, Timestamp};
use roundtable_server::tls::{Flow, Layer};
use roundtable_server::{Frame, Outbox, Settings};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tracing::debug;

use crate::flusher::Flusher;
use crate::turn::Note;

/// Every connection whose upgrade the door has granted, until its reader ends.
pub(crate) struct Sockets {
    table: BTreeMap<ConnId, Socket>,
    /// Those with something to send that the socket was not offered yet.
    touched: Vec<ConnId>,
    /// Those whose level the hub does not know exactly.
    unreported: BTreeSet<ConnId>,
    reports: VecDeque<(ConnId, usize)>,
    /// Those that must be closed by a certain time.
    closing: BTreeSet<(Timestamp, ConnId)>,
    close_timeout: Duration,
    /// What the machine may let be queued for a connection.
    window: usize,
    flusher: Flusher,
}

/// The TLS of a connection. It is here, with all writing, since reading and writing change the same
/// keys; the reader sends what came, and waits for what it says.
#[derive(Debug)]
pub(crate) struct Secure {
    pub(crate) layer: Layer,
    /// The way back to the reader, on which no more than one answer is at a time.
    pub(crate) plain: Sender<Plain>,
}

/// What came through TLS.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) bytes: Vec<u8>,
    pub(crate) flow: Flow,
}

struct Socket {
    stream: Arc<TcpStream>,
    secure: Option<Box<Secure>>,
    /// What is left of the answer to the upgrade, which goes before all else.
    head: Box<[u8]>,
    outbox: Outbox,
    state: State,
    is_touched: bool,
    /// Whether the flusher waits for it.
    is_awaited: bool,
}

/// How far the connection's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// Our close frame is queued or sent; the peer's is awaited until then.
    Closing {
        until: Timestamp,
    },
    /// Both sides have closed; what is queued is still sent until then.
    Closed {
        until: Timestamp,
    },
    /// The upgrade is refused: nothing but the answer is sent, until then.
    Refused {
        until: Timestamp,
    },
}

/// The TLS of a connection failed, which is cut.
#[derive(Debug)]
pub(crate) struct Failed;

impl Sockets {
    pub(crate) fn new(settings: &Settings, notes: SyncSender<Note>) -> io::Result<Self> {
        Ok(Self {
            table: BTreeMap::new(),
            touched: Vec::new(),
            unreported: BTreeSet::new(),
            reports: VecDeque::new(),
            closing: BTreeSet::new(),
            close_timeout: settings.wire.close_timeout,
            window: settings.hub.window_bytes,
            flusher: Flusher::start(notes)?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether there is something to flush.
    pub(crate) fn are_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// When a level must be reported or a connection ended.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let report =
            self.unreported.iter().filter_map(|conn| self.table[conn].outbox.next_report());
        let close = self.closing.first().map(|(until, _)| *until);
        report.chain(close).min()
    }

    /// Adds a connection, with the answer that grants its upgrade.
    pub(crate) fn add(
        &mut self,
        conn: ConnId,
        stream: Arc<TcpStream>,
        secure: Option<Box<Secure>>,
        head: Box<[u8]>,
    ) {
        let mut socket = Socket {
            stream,
            secure,
            head,
            outbox: Outbox::default(),
            state: State::Open,
            is_touched: false,
            is_awaited: false,
        };
        socket.touch(conn, &mut self.touched);
        self.table.insert(conn, socket);
    }

    /// Puts a refusal in the place of the answer that grants the upgrade.
    pub(crate) fn refuse(&mut self, conn: ConnId, answer: Vec<u8>, now: Timestamp) {
        let Some(socket) = self.table.get_mut(&conn) else { return };
        let until = now + self.close_timeout;
        (socket.head, socket.state) = (answer.into(), State::Refused { until });
        self.closing.insert((until, conn));
    }

    /// Whether neither side has closed the connection.
    pub(crate) fn is_open(&self, conn: ConnId) -> bool {
        self.table.get(&conn).is_some_and(|socket| socket.state == State::Open)
    }

    pub(crate) fn remove(&mut self, conn: ConnId) {
        let Some(socket) = self.table.remove(&conn) else { return };
        if let State::Closing { until } | State::Closed { until } | State::Refused { until } =
            socket.state
        {
            self.closing.remove(&(until, conn));
        }
        self.unreported.remove(&conn);
    }

    /// Tells a reader what the bytes say that it sent. An error says that TLS failed.
    pub(crate) fn unseal(&mut self, conn: ConnId, sealed: &[u8]) -> Result<(), Failed> {
        let Some(socket) = self.table.get_mut(&conn) else { return Ok(()) };
        let Some(secure) = &mut socket.secure else { return Ok(()) };
        let mut bytes = Vec::new();
        let fed = secure.layer.feed(sealed, &mut bytes);
        // A reader that panicked has said so.
        let _gone =
            secure.plain.send(Plain { bytes, flow: fed.as_ref().copied().unwrap_or(Flow::Ended) });
        let is_flushed = secure.layer.is_flushed();
        if let Err(error) = fed {
            debug!(conn = conn.get(), %error, "TLS fails");
            // Why is told if the socket takes it.
            let _unheard = socket.write();
            socket.cut();
            return Err(Failed);
        }
        if !is_flushed {
            socket.touch(conn, &mut self.touched);
        }
        Ok(())
    }

    /// Queues a frame of the hub's.
    pub(crate) fn send(&mut self, conn: ConnId, frame: &Frame) {
        if let Some(socket) = self.table.get_mut(&conn) {
            socket.outbox.push(frame.clone());
            socket.touch(conn, &mut self.touched);
        }
    }

    /// Queues the answer to a ping.
    pub(crate) fn pong(&mut self, conn: ConnId, frame: Frame) {
        if let Some(socket) = self.table.get_mut(&conn)
            && !socket.is_refused()
        {
            socket.outbox.push_pong(frame);
            socket.touch(conn, &mut self.touched);
        }
    }

    /// Closes a connection: the socket is offered what is queued, and `queue` says what becomes of
    /// the rest.
    pub(crate) fn close(&mut self, conn: ConnId, frame: Frame, queue: Queue, now: Timestamp) {
        let Some(socket) = self.table.get_mut(&conn) else { return };
        if socket.is_refused() {
            return;
        }
        if queue == Queue::Drop {
            // What fails here fails again at the end of the turn.
            let _again = socket.write();
        }
        socket.outbox.close(queue, frame);
        socket.touch(conn, &mut self.touched);
        self.unreported.remove(&conn);
        if socket.state == State::Open {
            let until = now + self.close_timeout;
            socket.state = State::Closing { until };
            self.closing.insert((until, conn));
        }
    }

    /// The peer has closed: `frame` is the last one, if ours was not sent before.
    pub(crate) fn answer_close(&mut self, conn: ConnId, frame: Frame, now: Timestamp) {
        self.close(conn, frame, Queue::Flush, now);
        if let Some(socket) = self.table.get_mut(&conn)
            && let State::Closing { until } = socket.state
        {
            socket.state = State::Closed { until };
        }
    }

    /// The flusher has seen that a socket takes more.
    pub(crate) fn is_writable(&mut self, conn: ConnId) {
        if let Some(socket) = self.table.get_mut(&conn) {
            socket.is_awaited = false;
            socket.touch(conn, &mut self.touched);
        }
    }

    /// Offers every touched socket all that is queued for it, in one write, and ends what is over.
    pub(crate) fn flush(&mut self, now: Timestamp) {
        for conn in self.touched.drain(..) {
            let Some(socket) = self.table.get_mut(&conn) else { continue };
            socket.is_touched = false;
            match socket.write() {
                Ok(()) if socket.is_flushed() => socket.finish(),
                Ok(()) if !socket.is_awaited => {
                    socket.is_awaited = true;
                    self.flusher.wait_for(conn, socket.stream.clone());
                }
                Ok(()) => {}
                Err(_) => socket.cut(),
            }
            let (backlog, window) = (socket.outbox.backlog(), self.window);
            debug_assert!(backlog <= window, "{backlog} bytes are queued, the window is {window}");
            if socket.state == State::Open && socket.outbox.next_report().is_some() {
                self.unreported.insert(conn);
            }
        }
        while let Some((until, conn)) = self.closing.first().copied().filter(|(at, _)| *at <= now) {
            self.closing.remove(&(until, conn));
            self.table[&conn].cut();
        }
        self.report(now);
    }

    /// A level that the hub must be told of.
    pub(crate) fn next_report(&mut self) -> Option<(ConnId, usize)> {
        self.reports.pop_front()
    }

    fn report(&mut self, now: Timestamp) {
        let Self { table, unreported, reports, .. } = self;
        unreported.retain(|conn| {
            let Some(socket) = table.get_mut(conn) else { return false };
            reports.extend(socket.outbox.report(now).map(|bytes| (*conn, bytes)));
            socket.outbox.next_report().is_some()
        });
    }
}

impl Socket {
    fn touch(&mut self, conn: ConnId, touched: &mut Vec<ConnId>) {
        if !self.is_touched {
            self.is_touched = true;
            touched.push(conn);
        }
    }

    fn is_refused(&self) -> bool {
        matches!(self.state, State::Refused { .. })
    }

    /// Sends until the queue is empty or the socket is full, without waiting: the reader's half of
    /// the same socket blocks, so each call says that it does not (`MSG_DONTWAIT`).
    fn write(&mut self) -> io::Result<()> {
        let Self { stream, secure, head, outbox, .. } = self;
        let mut write = |slices: &[IoSlice<'_>]| match secure {
            None => send(stream, slices),
            Some(secure) => secure.layer.write(slices, |sealed| send(stream, sealed)),
        };
        if outbox.is_empty() && !head.is_empty() {
            behind(head, &[], &mut write).map(|_none| ()).or_else(is_for_later)?;
        } else {
            outbox.flush(|slices| behind(head, slices, &mut write))?;
        }
        match secure {
            None => Ok(()),
            Some(secure) => secure.layer.flush(|sealed| send(stream, sealed)).or_else(is_for_later),
        }
    }

    /// Whether nothing waits for the socket.
    fn is_flushed(&self) -> bool {
        let secure = self.secure.as_ref();
        let is_empty = self.head.is_empty() && self.outbox.is_empty();
        is_empty && secure.is_none_or(|secure| secure.layer.is_flushed())
    }

    /// All is sent. Where both sides have closed, or nothing is to come, the server ends the
    /// connection first (RFC 6455 §7.1.1); the reader then ends too.
    fn finish(&mut self) {
        if let State::Closed { .. } | State::Refused { .. } = self.state {
            if let Some(secure) = &mut self.secure {
                secure.layer.close();
                // A peer that has let its socket fill does not wait for this word.
                let _unheard = secure.layer.flush(|sealed| send(&self.stream, sealed));
            }
            // The peer may be faster.
            let _gone = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// Ends the connection without a further word.
    fn cut(&self) {
        // The peer may be faster.
        let _gone = self.stream.shutdown(Shutdown::Both);
    }
}

/// Hands `slices` to `write`, behind what is left of the head, and returns how much of them was taken.
fn behind(
    head: &mut Box<[u8]>,
    slices: &[IoSlice<'_>],
    mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    if head.is_empty() {
        return write(slices);
    }
    let all: Vec<_> = iter::once(IoSlice::new(head)).chain(slices.iter().copied()).collect();
    let taken = write(&all)?;
    let of_head = taken.min(head.len());
    *head = head[of_head..].into();
    // A socket that took no more than the head takes nothing of the rest now.
    match taken - of_head {
        0 if !slices.is_empty() => Err(ErrorKind::WouldBlock.into()),
        taken => Ok(taken),
    }
}

/// Whether a write that failed may well succeed later.
fn is_for_later(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}

/// One write that does not wait.
fn send(stream: &TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
    let mut control = SendAncillaryBuffer::default();
    Ok(sendmsg(stream, slices, &mut control, FLAGS)?)
}
