//! The writing half of one connection. This file does not know who else is connected, and reads
//! nothing.
//!
//! Only the thread of the connection's shard writes to its socket, and never waits with a frame half
//! handed over: what the socket does not take at once stands in the [`Outbox`].

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::iter;
use std::net::Shutdown;

use roundtable::{ConnId, Queue, Timestamp};
use roundtable_server::{Frame, Outbox};

use crate::stream::Stream;

/// One upgraded connection.
pub(crate) struct Conn {
    pub(crate) id: ConnId,
    pub(crate) stream: Stream,
    sending: RefCell<Sending>,
}

#[derive(Default)]
struct Sending {
    /// What is left of the answer to the upgrade, which goes before all else.
    head: Box<[u8]>,
    verdict: Verdict,
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

/// What the hub makes of the upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    /// It has not said so far, and nothing is written.
    #[default]
    Awaited,
    /// It has taken the connection in.
    Admitted,
    /// It refuses it: nothing comes behind the answer.
    Refused,
}

impl Conn {
    /// A connection whose upgrade is granted, with the answer that says so: it goes along with what
    /// is written first.
    pub(crate) fn new(id: ConnId, stream: Stream, head: Vec<u8>) -> Self {
        let sending = Sending { head: head.into(), ..Sending::default() };
        Self { id, stream, sending: sending.into() }
    }

    /// Hands the socket a turn's frames in as few writes as can be, and queues what it does not take.
    pub(crate) fn offer<'a>(&self, frames: impl Iterator<Item = &'a Frame> + Clone) {
        let sending = &mut *self.sending.borrow_mut();
        sending.verdict = Verdict::Admitted;
        if !sending.is_broken {
            let Sending { head, outbox, .. } = sending;
            let written = outbox.offer(frames, |slices| self.write(head, slices));
            self.note(sending, &written);
        }
    }

    /// Lets out the answer that grants the upgrade: the hub has taken the connection in.
    pub(crate) fn admit(&self) {
        let mut sending = self.sending.borrow_mut();
        if sending.verdict == Verdict::Awaited {
            sending.verdict = Verdict::Admitted;
        }
        drop(sending);
        self.flush();
    }

    /// Answers the upgrade with a refusal, behind which the connection ends: the hub knows it not.
    pub(crate) fn refuse(&self, answer: Vec<u8>) {
        let mut sending = self.sending.borrow_mut();
        sending.is_forgotten = true;
        // A peer that closed at once is not answered, if the hub was too late for it.
        if std::mem::replace(&mut sending.verdict, Verdict::Refused) == Verdict::Awaited {
            (sending.head, sending.outbox) = (answer.into(), Outbox::default());
        }
        drop(sending);
        self.flush();
    }

    /// Queues the answer to a ping, and offers it.
    pub(crate) fn answer_ping(&self, pong: Frame) {
        let mut sending = self.sending.borrow_mut();
        if sending.verdict != Verdict::Refused {
            sending.outbox.push_pong(pong);
        }
        drop(sending);
        self.flush();
    }

    /// Queues the close frame, and offers it.
    pub(crate) fn close(&self, queue: Queue, frame: Frame) {
        let mut sending = self.sending.borrow_mut();
        if sending.verdict != Verdict::Refused {
            sending.verdict = Verdict::Admitted;
            sending.outbox.close(queue, frame);
        }
        drop(sending);
        self.flush();
    }

    /// Offers the socket what is queued.
    pub(crate) fn flush(&self) {
        let sending = &mut *self.sending.borrow_mut();
        if !sending.is_broken && sending.verdict != Verdict::Awaited {
            let Sending { head, outbox, .. } = sending;
            let written = if outbox.is_empty() {
                let written = if head.is_empty() {
                    self.stream.flush()
                } else {
                    self.write_head(head, &[]).map(|_none| ())
                };
                written.or_else(is_for_later)
            } else {
                outbox.flush(|slices| self.write(head, slices))
            };
            self.note(sending, &written);
            let is_answered = sending.head.is_empty() && self.stream.is_flushed();
            if sending.verdict == Verdict::Refused && is_answered {
                // One that the peer has reset is down already.
                let _down_already = self.stream.end();
            }
        }
    }

    /// Writes `slices`, behind what is left of the head, and returns how much of them was taken.
    fn write(&self, head: &mut Box<[u8]>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if head.is_empty() { self.stream.write(slices) } else { self.write_head(head, slices) }
    }

    fn write_head(&self, head: &mut Box<[u8]>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let all: Vec<_> = iter::once(IoSlice::new(head)).chain(slices.iter().copied()).collect();
        let taken = self.stream.write(&all)?;
        let of_head = taken.min(head.len());
        *head = head[of_head..].into();
        // A socket that took no more than the head takes nothing of the rest now.
        match taken - of_head {
            0 if !slices.is_empty() => Err(ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
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
        let is_empty = sending.head.is_empty() && sending.outbox.is_empty();
        sending.is_broken || (is_empty && self.stream.is_flushed())
    }

    /// Whether somebody must now begin to wait for the socket.
    pub(crate) fn wants_waiting(&self) -> bool {
        let is_awaited = self.sending.borrow().verdict == Verdict::Awaited;
        let is_due = !is_awaited && !self.is_flushed();
        is_due && !std::mem::replace(&mut self.sending.borrow_mut().is_awaited, true)
    }

    /// Whether somebody waits for the socket, to write on.
    pub(crate) fn is_awaited(&self) -> bool {
        self.sending.borrow().is_awaited
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
        let _down_already = self.stream.socket.get_ref().shutdown(Shutdown::Both);
    }
}

/// Whether a write that failed may well succeed later.
fn is_for_later(error: io::Error) -> io::Result<()> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
