//! What waits for one socket, and what the hub is told of it. This file does not know the socket,
//! and has no limit of its own: the hub keeps what is queued within the window.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use roundtable::{Queue, Timestamp};

use crate::frame::Frame;

/// A level that shrank a little is reported this often.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// The most answers to pings that wait. A peer that reads has each of its pings answered; one that
/// does not has its oldest ones forgotten (RFC 6455 §5.5.3 lets a server answer only the newest).
const MAX_PONGS: usize = 16;

/// A queue that was longer than this gives its memory back when it is empty.
const KEPT_FRAMES: usize = 16;

/// The most frames in one gathered write.
const SLICES: usize = 64;

/// The frames that a socket has not taken yet.
///
/// A turn pushes frames and flushes them, or offers them past the queue, and asks
/// [`Outbox::report`] what the hub must hear. What writes is a function of the caller's: one gathered
/// write that does not wait, which returns how much the socket took.
///
/// ```
/// use roundtable_server::{Outbox, frame};
///
/// let mut outbox = Outbox::default();
/// outbox.push(frame::text("hello"));
/// outbox.flush(|_| Ok(3))?;
/// assert_eq!(outbox.backlog(), 4);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct Outbox {
    /// In the order of sending. Answers to pings stand before all else but a frame that is partly
    /// sent.
    queue: VecDeque<Queued>,
    /// How much of the first frame the socket has.
    offset: usize,
    /// How many answers to pings wait, of which the socket has nothing yet.
    pongs: usize,
    /// What is left of the hub's frames, in bytes.
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

    /// Adds the answer to a ping. It overtakes the hub's frames, but for one that is partly sent;
    /// the newest sixteen are kept, and the hub's backlog does not count them.
    pub fn push_pong(&mut self, frame: Frame) {
        if self.is_closed {
            return;
        }
        let first = self.first_unsent();
        if self.pongs == MAX_PONGS {
            self.queue.remove(first);
            self.pongs -= 1;
        }
        self.queue.insert(first + self.pongs, Queued { frame, owner: Owner::Driver });
        self.pongs += 1;
    }

    /// Ends the queue with a close frame, behind what is queued or in its place. Nothing comes after
    /// it, and a second close changes nothing.
    pub fn close(&mut self, queue: Queue, frame: Frame) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        let first = self.first_unsent();
        match queue {
            Queue::Flush => drop(self.queue.drain(first..first + self.pongs)),
            Queue::Drop => {
                self.queue.truncate(first);
                self.backlog = match self.queue.front() {
                    Some(Queued { frame, owner: Owner::Hub }) => frame.len() - self.offset,
                    _ => 0,
                };
            }
        }
        self.pongs = 0;
        self.queue.push_back(Queued { frame, owner: Owner::Driver });
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the close frame is queued or sent.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Hands the socket a turn's frames in as few writes as can be, and queues what it does not take:
    /// as if each were pushed and the queue flushed, but that a frame which is taken at once is never
    /// queued.
    ///
    /// # Errors
    ///
    /// What `write` fails with, but for a socket that is full, and for a signal that came between.
    pub fn offer<'a>(
        &mut self,
        mut frames: impl Iterator<Item = &'a Frame> + Clone,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while self.queue.is_empty() && !self.is_closed {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, frame) in slices.iter_mut().zip(frames.clone()) {
                *slice = IoSlice::new(frame);
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            let mut taken = take(&slices[..count], &mut write)?;
            for frame in frames.by_ref().take(count) {
                if self.queue.is_empty() && frame.len() <= taken {
                    taken -= frame.len();
                } else {
                    self.push(frame.clone());
                }
            }
            self.advance(taken);
        }
        frames.for_each(|frame| self.push(frame.clone()));
        Ok(())
    }

    /// Writes until nothing waits or the socket is full: a write that took less than it was offered
    /// says so too.
    ///
    /// # Errors
    ///
    /// What `write` fails with, but for a socket that is full, and for a signal that came between.
    pub fn flush(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        while !self.queue.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.slices(&mut slices);
            let offered: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let taken = take(&slices[..count], &mut write)?;
            self.advance(taken);
            if taken < offered {
                break;
            }
        }
        Ok(())
    }

    /// Fills `into` with the next bytes, in order, and returns how many slices that were.
    fn slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
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
    fn advance(&mut self, mut bytes: usize) {
        while bytes > 0 {
            let first = self.queue.front().expect("a socket takes no more than it is offered");
            let left = first.frame.len() - self.offset;
            let taken = left.min(bytes);
            match first.owner {
                Owner::Hub => self.backlog -= taken,
                Owner::Driver if self.offset == 0 => self.pongs = self.pongs.saturating_sub(1),
                Owner::Driver => {}
            }
            bytes -= taken;
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

    /// The place of the first frame of which the socket has nothing.
    fn first_unsent(&self) -> usize {
        usize::from(self.offset > 0)
    }
}

/// What the socket takes at once of `slices`, and nothing when it is full.
fn take(
    slices: &[IoSlice<'_>],
    write: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        match write(slices) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests;
