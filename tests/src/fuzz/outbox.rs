//! Bytes as what happens to an outbox: frames come, the socket takes what it likes. This file knows
//! what must be on the wire; it does not know how the outbox keeps what waits.

use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use roundtable::{CloseCode, Queue, Timestamp};
use roundtable_server::{Frame, Outbox, frame};

/// The most answers to pings that wait.
const PONGS: usize = 16;

/// Plays the steps that `bytes` stand for, `[what, how]` and the socket's answers each: every write
/// is offered what a second writer, which keeps byte after byte, would send next, and every level is
/// what waits there.
///
/// # Panics
///
/// If the two differ.
pub fn outbox(bytes: &[u8]) {
    let mut world = World::default();
    let mut rest = bytes;
    while let [what, how, behind @ ..] = rest {
        let (answers, next) = behind.split_at(usize::from(what >> 5).min(behind.len()));
        world.step(*what & 31, usize::from(*how), answers);
        assert_eq!(world.outbox.backlog(), world.wire.backlog(), "the level");
        assert_eq!(world.outbox.is_empty(), world.wire.waiting.is_empty());
        rest = next;
    }
    while !world.outbox.is_empty() {
        world.flush(&[u8::MAX]);
    }
    assert!(world.wire.waiting.is_empty(), "the outbox forgot something");
    if !world.is_mixed {
        assert_eq!(world.wire.sent, world.said, "the wire and a writer that never blocks");
    }
}

#[derive(Default)]
struct World {
    outbox: Outbox,
    wire: Wire,
    /// All that was to be sent, in its order.
    said: Vec<u8>,
    /// Whether something was to overtake, or be dropped.
    is_mixed: bool,
    is_closed: bool,
    now: Timestamp,
    /// The level told last, and when.
    told: (usize, Timestamp),
    count: u32,
}

/// The second writer.
#[derive(Default)]
struct Wire {
    sent: Vec<u8>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    left: Vec<u8>,
    kind: Kind,
    is_begun: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hub,
    Pong,
    Close,
}

impl World {
    fn step(&mut self, what: u8, how: usize, answers: &[u8]) {
        match what % 6 {
            0 => {
                let frame = self.text(how);
                self.outbox.push(frame.clone());
                self.wait(&frame, Kind::Hub);
            }
            1 => self.offer(how, answers),
            2 => self.ping(),
            3 => self.flush(answers),
            4 => self.close(if how & 1 == 0 { Queue::Flush } else { Queue::Drop }),
            _ => self.report(how as u64 * 10),
        }
    }

    /// Some texts, of which each is half as long as the one before.
    fn offer(&mut self, how: usize, answers: &[u8]) {
        let frames: Vec<Frame> = (0..how % 5).map(|halvings| self.text(how >> halvings)).collect();
        for frame in &frames {
            self.wait(frame, Kind::Hub);
        }
        let socket = self.wire.socket(answers);
        self.outbox.offer(frames.iter(), socket).expect("a socket that holds");
    }

    fn flush(&mut self, answers: &[u8]) {
        self.outbox.flush(self.wire.socket(answers)).expect("a socket that holds");
    }

    fn ping(&mut self) {
        self.count += 1;
        let frame = frame::pong(&self.count.to_be_bytes());
        self.outbox.push_pong(frame.clone());
        if !self.is_closed {
            self.is_mixed = true;
            self.wire.overtake(&frame);
        }
    }

    fn close(&mut self, queue: Queue) {
        let frame = frame::close(CloseCode::Drain);
        self.outbox.close(queue, frame.clone());
        if !self.is_closed {
            self.is_mixed |= queue == Queue::Drop;
            self.wire.waiting.retain(|waiting| {
                waiting.is_begun || (queue == Queue::Flush && waiting.kind == Kind::Hub)
            });
            self.wait(&frame, Kind::Close);
            self.is_closed = true;
        }
    }

    fn report(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        let (level, (told, at)) = (self.wire.backlog(), self.told);
        let is_old = self.now.saturating_since(at).as_secs() >= 1;
        let is_due = level > told || (level < told && (level <= told / 2 || is_old));
        assert_eq!(self.outbox.report(self.now), is_due.then_some(level), "after {told}");
        if is_due {
            self.told = (level, self.now);
        }
        let is_known = self.outbox.next_report().is_none();
        assert_eq!(is_known, self.told.0 == level, "the hub is told sooner or later");
    }

    /// A text that is like no other; the longest take another form of length.
    fn text(&mut self, len: usize) -> Frame {
        self.count += 1;
        frame::text(&format!("{}{}", self.count, "x".repeat(len)))
    }

    fn wait(&mut self, frame: &Frame, kind: Kind) {
        if !self.is_closed {
            self.said.extend_from_slice(frame);
            self.wire.waiting.push(Waiting { left: frame.to_vec(), kind, is_begun: false });
        }
    }
}

impl Wire {
    /// Puts an answer to a ping behind those that wait, before all else of which nothing is sent.
    fn overtake(&mut self, frame: &Frame) {
        let fresh = |waiting: &Waiting| waiting.kind == Kind::Pong && !waiting.is_begun;
        if self.waiting.iter().filter(|waiting| fresh(waiting)).count() == PONGS {
            let oldest = self.waiting.iter().position(fresh).expect("there are some");
            self.waiting.remove(oldest);
        }
        let place = self.waiting.iter().position(|waiting| !waiting.is_begun && !fresh(waiting));
        let place = place.unwrap_or(self.waiting.len());
        let pong = Waiting { left: frame.to_vec(), kind: Kind::Pong, is_begun: false };
        self.waiting.insert(place, pong);
    }

    /// The hub's bytes that wait.
    fn backlog(&self) -> usize {
        let hub = self.waiting.iter().filter(|waiting| waiting.kind == Kind::Hub);
        hub.map(|waiting| waiting.left.len()).sum()
    }

    /// A socket that takes what its answers say: nothing for 0, for 1 a signal comes first, then every
    /// fourth number of bytes.
    fn socket(&mut self, answers: &[u8]) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
        let mut answers = answers.iter();
        move |slices| {
            let offered = slices.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
            let next = self.waiting.iter().flat_map(|waiting| &waiting.left);
            assert!(next.take(offered.len()).eq(&offered), "other bytes than those that come next");
            assert!(!offered.is_empty(), "a write of nothing");
            match answers.next() {
                None | Some(0) => Err(ErrorKind::WouldBlock.into()),
                Some(1) => Err(ErrorKind::Interrupted.into()),
                Some(&u8::MAX) => Ok(self.take(offered.len())),
                Some(most) => Ok(self.take(offered.len().min(usize::from(*most) * 4 - 7))),
            }
        }
    }

    fn take(&mut self, bytes: usize) -> usize {
        for _ in 0..bytes {
            let first = &mut self.waiting[0];
            first.is_begun = true;
            self.sent.push(first.left.remove(0));
            if first.left.is_empty() {
                self.waiting.remove(0);
            }
        }
        bytes
    }
}
