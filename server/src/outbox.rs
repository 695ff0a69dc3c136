//! What waits for one socket, and what the hub is told of it. This file does not know the socket,
//! and has no limit of its own: the hub keeps what is queued within the window.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use roundtable::{Queue, Timestamp};

use crate::frame::Frame;

/// A level that shrank a little is reported this often.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// A queue that was longer than this gives its memory back when it is empty.
const KEPT_FRAMES: usize = 16;

/// The frames that a socket has not taken yet.
///
/// A turn pushes frames, then offers [`Outbox::slices`] to the socket in one gathered write, tells
/// with [`Outbox::advance`] how much it took, and asks [`Outbox::report`] what the hub must hear.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Queued>,
    /// How much of the first frame the socket has.
    offset: usize,
    /// The newest answer to a ping that is not in the queue yet.
    pong: Option<Frame>,
    /// What is left of the hub's frames.
    backlog: usize,
    reported: usize,
    reported_at: Timestamp,
    is_closed: bool,
}

#[derive(Debug)]
struct Queued {
    frame: Frame,
    owner: Owner,
}

/// Who sends a frame: what the driver sends on its own is none of the hub's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Hub,
    Driver,
}

impl Outbox {
    /// Adds a frame of the hub's.
    pub fn push(&mut self, frame: Frame) {
        if !self.is_closed {
            self.backlog += frame.len();
            self.queue.push_back(Queued { frame, owner: Owner::Hub });
        }
    }

    /// Adds the answer to a ping. It goes before all but a frame that is partly sent, and takes the
    /// place of an older one that still waits (RFC 6455 §5.5.3).
    pub fn push_pong(&mut self, frame: Frame) {
        if !self.is_closed {
            self.pong = Some(frame);
        }
    }

    /// Ends the queue with a close frame, behind what is queued or in its place. Nothing comes after
    /// it, and a second close changes nothing.
    pub fn close(&mut self, queue: Queue, frame: Frame) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        self.pong = None;
        if queue == Queue::Drop {
            let partly_sent = usize::from(self.offset > 0);
            self.queue.truncate(partly_sent);
            self.backlog = self.queue.iter().map(|queued| queued.left(self.offset)).sum();
        }
        self.queue.push_back(Queued { frame, owner: Owner::Driver });
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.pong.is_none()
    }

    /// Whether the close frame is queued or sent.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Fills `into` with the next bytes, in order, and returns how many slices that were.
    pub fn slices<'a>(&'a mut self, into: &mut [IoSlice<'a>]) -> usize {
        if let Some(frame) = self.pong.take() {
            let next = usize::from(self.offset > 0);
            self.queue.insert(next, Queued { frame, owner: Owner::Driver });
        }
        let mut offset = self.offset;
        let mut count = 0;
        for (slice, queued) in into.iter_mut().zip(&self.queue) {
            *slice = IoSlice::new(&queued.frame[offset..]);
            offset = 0;
            count += 1;
        }
        count
    }

    /// Takes note that the socket has taken the next `bytes`.
    ///
    /// # Panics
    ///
    /// If that is more than what was queued.
    pub fn advance(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let first = self.queue.front().expect("a socket takes no more than it is offered");
            let left = first.frame.len() - self.offset;
            let taken = left.min(bytes);
            bytes -= taken;
            if first.owner == Owner::Hub {
                self.backlog -= taken;
            }
            if taken < left {
                self.offset += taken;
            } else {
                self.offset = 0;
                self.queue.pop_front();
            }
        }
        if self.queue.is_empty() && self.queue.capacity() > KEPT_FRAMES {
            self.queue = VecDeque::new();
        }
    }

    /// What is left of the hub's frames, in bytes.
    pub fn backlog(&self) -> usize {
        self.backlog
    }

    /// The level that the hub must be told of at the end of a turn, if it must: one that grew, one
    /// that has halved or is gone, and otherwise one that changed, once a second.
    pub fn report(&mut self, now: Timestamp) -> Option<usize> {
        let level = self.backlog;
        let is_due = level > self.reported
            || level * 2 <= self.reported
            || now >= self.reported_at + REPORT_EVERY;
        if level == self.reported || !is_due {
            return None;
        }
        self.reported = level;
        self.reported_at = now;
        Some(level)
    }

    /// When a level that shrank a little must be reported at the latest.
    pub fn next_report(&self) -> Option<Timestamp> {
        (self.backlog != self.reported).then(|| self.reported_at + REPORT_EVERY)
    }
}

impl Queued {
    /// What is left of the hub's bytes in a frame of which the socket has `offset`.
    fn left(&self, offset: usize) -> usize {
        match self.owner {
            Owner::Hub => self.frame.len() - offset,
            Owner::Driver => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roundtable::CloseCode;

    use super::*;
    use crate::frame;

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Pong(usize),
        Write(usize),
        Close(bool),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0_usize..200).prop_map(Step::Push),
            2 => (0_usize..100).prop_map(Step::Pong),
            8 => (0_usize..300).prop_map(Step::Write),
            1 => any::<bool>().prop_map(Step::Close),
        ];
        prop::collection::vec(step, 0..60)
    }

    /// Lets a socket take at most `most` bytes, through few slices.
    fn write(outbox: &mut Outbox, most: usize, wire: &mut Vec<u8>) -> usize {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = outbox.slices(&mut slices);
        let offered: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = offered.len().min(most);
        wire.extend_from_slice(&offered[..taken]);
        outbox.advance(taken);
        taken
    }

    /// The opcodes and lengths of the whole frames in `wire`, which holds nothing else.
    fn frames(mut wire: &[u8]) -> Vec<(u8, usize)> {
        let mut found = Vec::new();
        while let [first, len @ 0..=125, rest @ ..] = wire {
            found.push((first & 0xF, usize::from(*len)));
            wire = &rest[usize::from(*len)..];
        }
        if let [first, 126, a, b, rest @ ..] = wire {
            let len = usize::from(u16::from_be_bytes([*a, *b]));
            found.push((first & 0xF, len));
            found.extend(frames(&rest[len..]));
            return found;
        }
        assert!(wire.is_empty(), "half a frame at the end");
        found
    }

    proptest! {
        #[test]
        fn partial_writes_give_the_bytes_of_a_writer_that_never_blocks(steps in steps()) {
            let mut outbox = Outbox::default();
            let (mut wire, mut pushed) = (Vec::new(), Vec::new());
            let (mut dropped, mut pongs) = (false, 0);
            for step in steps {
                match step {
                    Step::Push(len) => {
                        if !outbox.is_closed() {
                            pushed.push((0x1, len));
                        }
                        outbox.push(frame::text(&"x".repeat(len)));
                    }
                    Step::Pong(len) => {
                        pongs += usize::from(!outbox.is_closed());
                        outbox.push_pong(frame::pong(&vec![0; len]));
                    }
                    Step::Write(most) => {
                        write(&mut outbox, most, &mut wire);
                    }
                    Step::Close(drop) => {
                        if !outbox.is_closed() {
                            pushed.push((0x8, 8));
                            dropped |= drop;
                        }
                        let queue = if drop { Queue::Drop } else { Queue::Flush };
                        outbox.close(queue, frame::close(CloseCode::Normal));
                    }
                }
                prop_assert!(outbox.backlog() <= pushed.iter().map(|(_, len)| len + 4).sum());
            }
            while !outbox.is_empty() {
                write(&mut outbox, usize::MAX, &mut wire);
            }
            prop_assert_eq!(outbox.backlog(), 0);
            let written = frames(&wire);
            let answers = written.iter().filter(|(opcode, _)| *opcode == 0xA).count();
            prop_assert!(answers <= pongs);
            let others: Vec<_> = written.into_iter().filter(|(opcode, _)| *opcode != 0xA).collect();
            if dropped {
                let close = others.last().copied();
                prop_assert_eq!(close, pushed.last().copied());
                prop_assert!(pushed.starts_with(&others[..others.len() - 1]));
            } else {
                prop_assert_eq!(others, pushed);
            }
        }
    }

    #[test]
    fn levels_are_reported_when_they_grow_halve_or_once_a_second() {
        let mut outbox = Outbox::default();
        let at = Timestamp::from_millis;
        assert_eq!(outbox.report(at(0)), None);
        outbox.push(frame::text(&"x".repeat(98)));
        assert_eq!(outbox.report(at(0)), Some(100));
        assert_eq!(outbox.report(at(5000)), None);
        outbox.advance(10);
        assert_eq!(outbox.report(at(999)), None);
        assert_eq!(outbox.next_report(), Some(at(1000)));
        assert_eq!(outbox.report(at(1000)), Some(90));
        outbox.advance(45);
        assert_eq!(outbox.report(at(1001)), Some(45));
        outbox.push(frame::ping());
        assert_eq!(outbox.report(at(1002)), Some(47));
        outbox.advance(47);
        assert_eq!(outbox.report(at(1003)), Some(0));
        assert_eq!(outbox.next_report(), None);
    }

    #[test]
    fn a_pong_waits_for_the_end_of_a_frame_and_only_the_newest_is_sent() {
        let mut outbox = Outbox::default();
        let mut wire = Vec::new();
        outbox.push(frame::text("abc"));
        outbox.push(frame::text("def"));
        write(&mut outbox, 3, &mut wire);
        outbox.push_pong(frame::pong(b"1"));
        outbox.push_pong(frame::pong(b"2"));
        while !outbox.is_empty() {
            write(&mut outbox, 100, &mut wire);
        }
        assert_eq!(wire, b"\x81\x03abc\x8A\x012\x81\x03def");
    }
}
