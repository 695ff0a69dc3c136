//! Peers that send as fast as they can what costs them nothing. They are closed, and the others and
//! the clock notice little.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use roundtable::{Command, Event, Hub, Machine, Origin, Timestamp};
use roundtable_server::Settings;
use roundtable_tests::conformance::servers::{DRIVERS, Drive};
use roundtable_tests::conformance::{Client, Raw, frame, settings};
use serde_json::json;

use crate::{BUSY, percentile, tell};

/// What an answer may take for the others, in 99 of 100 cases.
const PROMISED_ANSWER: Duration = Duration::from_millis(100);

/// How late a timer may be.
const PROMISED_TIMER: Duration = Duration::from_millis(50);

/// How often the clock is looked at.
const EVERY: Duration = Duration::from_millis(10);

/// How often somebody else asks for an answer, at most: no more than one client may.
const ASKED: usize = 400;

/// A flood: its name, what begins it, what is repeated, and how it is cut into writes.
type Flood = (&'static str, Vec<u8>, Vec<u8>, usize);

fn floods() -> [Flood; 5] {
    let whole = 600;
    [
        ("empty fragments", frame(0x01, true, b""), frame(0x00, true, b"").repeat(100), whole),
        ("empty messages", vec![], frame(0x81, true, b"").repeat(100), whole),
        ("pings", vec![], frame(0x89, true, b"").repeat(100), whole),
        ("pongs", vec![], frame(0x8A, true, b"").repeat(100), whole),
        ("one-byte writes", vec![], frame(0x81, true, b"x").repeat(100), 1),
    ]
}

/// A hub, beside a timer of which it is told how late it was.
struct Punctual {
    hub: Hub,
    due: Timestamp,
    late: Sender<Duration>,
}

impl Punctual {
    fn new(settings: &Settings) -> (Self, Receiver<Duration>) {
        let origin = Origin { seed: 7, wall_clock_ms: 0 };
        let hub = Hub::new(settings.hub.clone(), origin).expect("a valid configuration");
        let (late, told) = channel();
        (Self { hub, due: Timestamp::ZERO, late }, told)
    }
}

impl Machine for Punctual {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        if event == Event::Tick && self.due <= now {
            // The first one is due before anybody is there to be late.
            if self.due > Timestamp::ZERO {
                let _unheard = self.late.send(now.saturating_since(self.due));
            }
            self.due = now + EVERY;
        }
        self.hub.handle(now, event, commands);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        Some(self.hub.next_deadline().map_or(self.due, |deadline| deadline.min(self.due)))
    }
}

/// Floods until it is closed, comes back, and so on. Tells each close.
fn flood(addr: SocketAddr, flood: &Flood, is_over: &AtomicBool, closed: &AtomicUsize) {
    let (_, begin, again, cut) = flood;
    while !is_over.load(Ordering::Relaxed) {
        let mut raw = Raw::upgraded(addr, "room=");
        // The system may leave whoever writes to a socket that is closed without a word for a minute.
        raw.write_for_at_most(Duration::from_millis(500));
        let mut goes_on = raw.try_write(begin);
        while goes_on && !is_over.load(Ordering::Relaxed) {
            goes_on = again.chunks(*cut).all(|piece| raw.try_write(piece));
        }
        if goes_on {
            return;
        }
        while let Some(frame) = raw.frame() {
            if frame.opcode == 8 {
                assert_eq!(frame.payload[..2], 4029_u16.to_be_bytes(), "rate_limited");
            }
        }
        closed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the others notice of those who flood.
fn endure(name: &str, start: Drive, what: &str, peers: &[&Flood]) {
    let settings = settings();
    let (machine, late) = Punctual::new(&settings);
    let server = start(&settings, Box::new(machine));
    let (mut ann, _) = Client::join(server.addr, "lobby", "ann");
    let (is_over, closed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let addr = server.addr;
    let mut spans = Vec::new();
    thread::scope(|scope| {
        let (is_over, closed) = (&is_over, &closed);
        let flooders = peers.iter().map(|kind| scope.spawn(|| flood(addr, kind, is_over, closed)));
        let flooders: Vec<_> = flooders.collect();
        while spans.len() < ASKED {
            let asked = Instant::now();
            ann.say("anybody?");
            ann.expect_message("ann", &json!("anybody?"));
            spans.push(asked.elapsed());
        }
        while closed.load(Ordering::Relaxed) < peers.len()
            && !flooders.iter().any(thread::ScopedJoinHandle::is_finished)
        {
            thread::yield_now();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    server.shut();
    let mut late: Vec<Duration> = late.try_iter().collect();
    let (answer, timer) = (percentile(&mut spans, 99), percentile(&mut late, 99));
    let closed = closed.into_inner();
    tell(&format!(
        "{name}: {what}: others' p99 {answer:.1?} (at most {:.1?}), timers late by {timer:.1?} at p99 \
         (at most {:.1?}), closed {closed} times",
        percentile(&mut spans, 100),
        percentile(&mut late, 100),
    ));
    assert!(closed >= peers.len(), "{name}, {what}: {closed} are closed");
    assert!(answer < PROMISED_ANSWER * BUSY, "{name}, {what}: {answer:?}");
    assert!(timer < PROMISED_TIMER * BUSY, "{name}, {what}: {timer:?}");
}

#[test]
fn whoever_floods_is_closed_and_the_others_notice_little() {
    let floods = floods();
    let eight: Vec<&Flood> = floods.iter().cycle().take(8).collect();
    for (name, drive) in DRIVERS {
        for kind in &floods {
            endure(name, drive, kind.0, &[kind]);
        }
        endure(name, drive, "all of these from 8", &eight);
    }
}
