//! The writing half of one connection. This file does not know who else is connected, and reads
//! nothing.
//!
//! Only the thread of the connection's shard writes to its socket, and never waits with a frame half
//! handed over: what the socket does not take at once stands in the [`Outbox`].

use std::cell::RefCell;
use std::io::{self, IoSlice, Write as _};
use std::net::{Shutdown, TcpStream};

use roundtable::{ConnId, Queue, Timestamp};
use roundtable_server::{Frame, Outbox};
use smol::Async;

/// One upgraded connection.
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    pub(crate) socket: Async<TcpStream>,
    sending: RefCell<Sending>,
}

#[derive(Default)]
struct Sending {
    outbox: Outbox,
    /// A level that the hub has not been told yet.
    untold: Option<usize>,
    /// Whether somebody waits for the socket, to write on.
    is_awaited: bool,
    /// Whether the hub has closed the connection and knows it no more.
    is_forgotten: bool,
    /// Whether the socket takes nothing any more.
    is_broken: bool,
}

impl Conn {
    /// A connection whose upgrade is through.
    pub(crate) fn new(id: ConnId, socket: Async<TcpStream>) -> Self {
        Self { id, socket, sending: RefCell::default() }
    }

    /// Hands the socket a turn's frames in as few writes as can be, and queues what it does not take.
    pub(crate) fn offer<'a>(&self, frames: impl Iterator<Item = &'a Frame> + Clone) {
        let mut sending = self.sending.borrow_mut();
        if !sending.is_broken {
            let written = sending.outbox.offer(frames, |slices| self.write(slices));
            self.note(&mut sending, &written);
        }
    }

    /// Queues the answer to a ping, and offers it.
    pub(crate) fn answer_ping(&self, pong: Frame) {
        self.sending.borrow_mut().outbox.push_pong(pong);
        self.flush();
    }

    /// Queues the close frame, and offers it.
    pub(crate) fn close(&self, queue: Queue, frame: Frame) {
        self.sending.borrow_mut().outbox.close(queue, frame);
        self.flush();
    }

    /// Offers the socket what is queued.
    pub(crate) fn flush(&self) {
        let mut sending = self.sending.borrow_mut();
        if !sending.is_broken {
            let written = sending.outbox.flush(|slices| self.write(slices));
            self.note(&mut sending, &written);
        }
    }

    fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut socket = self.socket.get_ref();
        match slices {
            // One frame is the usual case, and `send` is cheaper than `writev`.
            [frame] => socket.write(frame),
            _ => socket.write_vectored(slices),
        }
    }

    /// Takes note of a socket that is broken, which the reading side then sees too.
    fn note(&self, sending: &mut Sending, written: &io::Result<()>) {
        if written.is_err() {
            sending.is_broken = true;
            self.shut_down();
        }
    }

    /// Whether nothing waits for the socket.
    pub(crate) fn is_flushed(&self) -> bool {
        let sending = self.sending.borrow();
        sending.is_broken || sending.outbox.is_empty()
    }

    /// Whether somebody must now begin to wait for the socket.
    pub(crate) fn wants_waiting(&self) -> bool {
        !self.is_flushed() && !std::mem::replace(&mut self.sending.borrow_mut().is_awaited, true)
    }

    /// The one who waited for the socket is done.
    pub(crate) fn ends_waiting(&self) {
        self.sending.borrow_mut().is_awaited = false;
    }

    /// Notes a level that the hub must be told, if there is one. Returns whether it is the first
    /// since the hub was told.
    pub(crate) fn note_level(&self, now: Timestamp) -> bool {
        let mut sending = self.sending.borrow_mut();
        let Some(level) = sending.outbox.report(now) else { return false };
        sending.untold.replace(level).is_none()
    }

    /// Takes the level that was noted.
    pub(crate) fn take_level(&self) -> Option<usize> {
        self.sending.borrow_mut().untold.take()
    }

    /// What is left of the hub's frames, in bytes.
    pub(crate) fn backlog(&self) -> usize {
        self.sending.borrow().outbox.backlog()
    }

    /// When [`note_level`](Self::note_level) has something to note at the latest.
    pub(crate) fn next_report(&self) -> Option<Timestamp> {
        self.sending.borrow().outbox.next_report()
    }

    /// The hub has closed it.
    pub(crate) fn forget(&self) {
        self.sending.borrow_mut().is_forgotten = true;
    }

    /// Whether the hub has closed it.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.sending.borrow().is_forgotten
    }

    /// Ends both directions of the socket: whoever waits for it goes on, and finds it ended.
    pub(crate) fn shut_down(&self) {
        // One that the peer has reset is down already.
        let _down_already = self.socket.get_ref().shutdown(Shutdown::Both);
    }
}
