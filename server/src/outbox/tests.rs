//! What a socket gets does not depend on how much it takes at a time.

use proptest::prelude::*;
use roundtable::CloseCode;

use super::*;
use crate::frame;

#[derive(Clone, Debug)]
enum Step {
    /// The hub sends a text of this length.
    Push(usize),
    /// A turn's texts are offered past the queue.
    Offer(Vec<usize>, Vec<Answer>),
    /// The peer pings.
    Ping,
    /// What is queued is offered.
    Flush(Vec<Answer>),
    Close(Queue),
}

/// What the socket says to a write. One that is asked more often is full.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// It takes at most this much.
    Takes(usize),
    Full,
    /// A signal came first.
    Interrupted,
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        6 => (0_usize..400).prop_map(Answer::Takes),
        2 => Just(Answer::Takes(usize::MAX)),
        1 => Just(Answer::Full),
        2 => Just(Answer::Interrupted),
    ];
    prop::collection::vec(answer, 0..5)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let queue = prop_oneof![Just(Queue::Flush), Just(Queue::Drop)];
    let step = prop_oneof![
        8 => (0_usize..200).prop_map(Step::Push),
        6 => Just(Step::Ping),
        4 => (prop::collection::vec(0_usize..200, 0..100), answers())
            .prop_map(|(lens, answers)| Step::Offer(lens, answers)),
        6 => answers().prop_map(Step::Flush),
        1 => queue.prop_map(Step::Close),
    ];
    prop::collection::vec(step, 0..80)
}

/// An outbox, its socket, and what went in.
#[derive(Default)]
struct World {
    outbox: Outbox,
    wire: Vec<u8>,
    hub: Vec<Frame>,
    pongs: Vec<Frame>,
    close: Option<(Queue, Frame)>,
    count: u32,
}

impl World {
    fn step(&mut self, step: &Step) {
        self.count += 1;
        match step {
            Step::Push(len) => {
                let frame = self.text(*len);
                self.outbox.push(frame.clone());
                if self.close.is_none() {
                    self.hub.push(frame);
                }
            }
            Step::Offer(lens, answers) => {
                let frames: Vec<Frame> = lens.iter().map(|len| self.text(*len)).collect();
                let socket = socket(answers, &mut self.wire);
                self.outbox.offer(frames.iter(), socket).expect("a socket that holds");
                if self.close.is_none() {
                    self.hub.extend(frames);
                }
            }
            Step::Ping => {
                let frame = frame::pong(&self.count.to_be_bytes());
                self.outbox.push_pong(frame.clone());
                if self.close.is_none() {
                    self.pongs.push(frame);
                }
            }
            Step::Flush(answers) => self.flush(answers),
            Step::Close(queue) => {
                let frame = frame::close(CloseCode::ALL[self.count as usize % 11]);
                self.outbox.close(*queue, frame.clone());
                self.close.get_or_insert((*queue, frame));
            }
        }
    }

    /// A text that is like no other, so that none can take another one's place unseen.
    fn text(&mut self, len: usize) -> Frame {
        self.count += 1;
        frame::text(&format!("{}{}", self.count, "x".repeat(len)))
    }

    fn flush(&mut self, answers: &[Answer]) {
        let socket = socket(answers, &mut self.wire);
        self.outbox.flush(socket).expect("a socket that holds");
    }

    /// Lets the socket take at most `most` bytes.
    fn write(&mut self, most: usize) {
        self.flush(&[Answer::Takes(most)]);
    }

    /// The whole frames that the socket has, and the beginning of the next one.
    fn frames(&self) -> (Vec<&[u8]>, &[u8]) {
        let (mut whole, mut rest) = (Vec::new(), &*self.wire);
        loop {
            let len = match rest {
                [_, 126, a, b, ..] => 4 + usize::from(u16::from_be_bytes([*a, *b])),
                [_, len @ 0..=125, ..] => 2 + usize::from(*len),
                _ => return (whole, rest),
            };
            let Some((frame, behind)) = rest.split_at_checked(len) else { return (whole, rest) };
            whole.push(frame);
            rest = behind;
        }
    }

    /// The hub's bytes that are still to be sent.
    fn backlog(&self) -> usize {
        let (whole, rest) = self.frames();
        let sent = whole.iter().filter(|frame| frame[0] == 0x81).count();
        let is_partly_sent = rest.first() == Some(&0x81);
        let is_dropped = matches!(self.close, Some((Queue::Drop, _)));
        let left = self.hub[sent..].iter().map(|frame| frame.len());
        let left: usize =
            if is_dropped { left.take(is_partly_sent.into()).sum() } else { left.sum() };
        if is_partly_sent { left - rest.len() } else { left }
    }
}

/// A socket that gives these answers, and puts what it takes on the wire.
fn socket(
    answers: &[Answer],
    wire: &mut Vec<u8>,
) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
    let mut answers = answers.iter();
    move |slices| {
        let offered = slices.iter().map(|slice| &**slice).collect::<Vec<_>>().concat();
        assert!(!offered.is_empty(), "a write of nothing");
        match answers.next().unwrap_or(&Answer::Full) {
            Answer::Takes(most) => {
                let taken = offered.len().min(*most);
                wire.extend_from_slice(&offered[..taken]);
                Ok(taken)
            }
            Answer::Full => Err(ErrorKind::WouldBlock.into()),
            Answer::Interrupted => Err(ErrorKind::Interrupted.into()),
        }
    }
}

proptest! {
    #[test]
    fn partial_writes_give_the_bytes_of_a_writer_that_never_blocks(steps in steps()) {
        let mut world = World::default();
        for step in &steps {
            world.step(step);
            prop_assert_eq!(world.outbox.backlog(), world.backlog());
            prop_assert!(world.outbox.queue.len() <= world.hub.len() + MAX_PONGS + 2);
        }
        while !world.outbox.is_empty() {
            world.write(usize::MAX);
        }
        prop_assert_eq!(world.outbox.backlog(), 0);

        let (mut written, rest) = world.frames();
        prop_assert!(rest.is_empty(), "half a frame at the end");
        let end = if world.close.is_some() { written.pop() } else { None };
        prop_assert_eq!(end, world.close.as_ref().map(|(_, frame)| &**frame));
        let (pongs, hub): (Vec<_>, Vec<_>) = written.iter().partition(|frame| frame[0] == 0x8A);
        let pushed: Vec<&[u8]> = world.hub.iter().map(|frame| &**frame).collect();
        match &world.close {
            Some((Queue::Drop, _)) => prop_assert!(pushed.starts_with(&hub)),
            Some((Queue::Flush, _)) | None => prop_assert_eq!(hub, pushed),
        }
        let mut answers = world.pongs.iter().map(|frame| &**frame);
        prop_assert!(pongs.iter().all(|pong| answers.any(|answer| answer == *pong)), "in order");
        if world.close.is_none() {
            prop_assert_eq!(pongs.last().copied(), world.pongs.last().map(|frame| &**frame));
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
fn a_pong_waits_for_the_end_of_a_frame_and_overtakes_the_rest() {
    let mut world = World::default();
    world.outbox.push(frame::text("abc"));
    world.outbox.push(frame::text("def"));
    world.write(3);
    world.outbox.push_pong(frame::pong(b"1"));
    world.outbox.push_pong(frame::pong(b"2"));
    world.write(usize::MAX);
    world.write(usize::MAX);
    assert_eq!(world.wire, b"\x81\x03abc\x8A\x011\x8A\x012\x81\x03def");
}

#[test]
fn a_peer_that_pings_and_never_reads_costs_a_bounded_queue() {
    let mut world = World::default();
    world.step(&Step::Push(5));
    world.write(1);
    for _ in 0..1000 {
        world.step(&Step::Ping);
        world.write(0);
    }
    assert_eq!(world.outbox.queue.len(), 1 + MAX_PONGS);
    let newest = world.pongs[1000 - MAX_PONGS..].to_vec();
    while !world.outbox.is_empty() {
        world.write(usize::MAX);
    }
    assert_eq!(world.frames().0[1..], newest.iter().map(|frame| &**frame).collect::<Vec<_>>());
}

#[test]
fn a_long_queue_gives_its_memory_back() {
    let mut world = World::default();
    for _ in 0..100 {
        world.step(&Step::Push(1));
    }
    while !world.outbox.is_empty() {
        world.write(usize::MAX);
    }
    assert!(world.outbox.queue.capacity() <= KEPT_FRAMES);
}

#[test]
fn what_is_taken_at_once_is_never_queued_and_a_broken_socket_is_told() {
    let mut outbox = Outbox::default();
    let frames = [frame::text("a"), frame::text("b")];
    outbox.offer(frames.iter(), |slices| Ok(slices.iter().map(|slice| slice.len()).sum())).unwrap();
    assert_eq!(outbox.queue.capacity(), 0);
    let broken = |_: &[IoSlice<'_>]| Err(ErrorKind::BrokenPipe.into());
    assert_eq!(outbox.offer(frames.iter(), broken).unwrap_err().kind(), ErrorKind::BrokenPipe);
    outbox.push(frame::ping());
    assert_eq!(outbox.flush(broken).unwrap_err().kind(), ErrorKind::BrokenPipe);
}
