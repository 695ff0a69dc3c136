//! A client's connection as the virtual driver sees it: only how much is where, and what must be
//! reported. It does not know what is sent.

use std::collections::VecDeque;
use std::time::Duration;

use roundtable::{Config, ConnId, RunAhead, Timestamp};

use crate::clock::Clock;
use crate::generator::Reading;
use crate::known::{LogId, RoomId};

/// What is queued for one client, and how the client has behaved.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) conn: ConnId,
    /// Who holds the other end; nobody if the client is gone and the hub does not know.
    pub(crate) client: Option<u16>,
    reading: Reading,
    /// How long a frame takes from the socket to the client, and a text on its way back.
    pub(crate) latency: Duration,
    /// What a stopped or slow reader will still take, and since when the slow one has saved it up.
    allowance: usize,
    saved_at: Timestamp,
    /// Commanded in the turn that runs.
    staged: usize,
    /// Commanded in the turn before, where the sockets lie one turn behind.
    offered: usize,
    /// Offered, and not taken.
    queued: usize,
    /// All that was ever commanded.
    commanded: u64,
    /// The level that the hub knows.
    pub(crate) reported: usize,
    reported_at: Timestamp,
    /// All that was ever taken, and how much of it the hub can know.
    taken: u64,
    taken_reported: u64,
    /// When the client has what was taken.
    transit: VecDeque<(Timestamp, u64)>,
    received: u64,
    /// Where the client stands once it has received so much.
    places: VecDeque<(u64, RoomId, LogId, u64)>,
    pub(crate) placed_at: Option<Timestamp>,
    /// Pings that the client has not read.
    pings: VecDeque<u64>,
    /// The ping that was sent last, in waking hours.
    pub(crate) pinged_at: Option<Timestamp>,
    /// The last sign of life that the hub was told of, in waking hours.
    pub(crate) alive_at: Timestamp,
    /// Since when a reported backlog has made no progress, in waking hours.
    pub(crate) stuck_at: Option<Timestamp>,
    /// When the last text from the client arrives: none overtakes another.
    pub(crate) last_arrival: Timestamp,
    /// The `Send` that reached it last.
    pub(crate) last_send: u64,
    /// What has passed the rate limits: messages, and bytes.
    pub(crate) passed: [Debt; 2],
    /// Whether it is on the driver's list of those that a turn touched.
    pub(crate) touched: bool,
    /// When the driver means to look at it again though nothing is sent.
    pub(crate) look_at: Option<Timestamp>,
}

/// A slow reader saves up what it did not take, up to this: its kernel's buffer.
const SAVED_BYTES: usize = 8192;

/// A slow reader's socket is offered what is queued this often.
const SLOW_EVERY: Duration = Duration::from_millis(200);

impl Socket {
    pub(crate) fn new(conn: ConnId, client: u16, latency: Duration, clock: Clock) -> Self {
        Self {
            conn,
            client: Some(client),
            reading: Reading::Prompt,
            latency,
            allowance: 0,
            saved_at: clock.now,
            staged: 0,
            offered: 0,
            queued: 0,
            commanded: 0,
            reported: 0,
            reported_at: clock.now,
            taken: 0,
            taken_reported: 0,
            transit: VecDeque::new(),
            received: 0,
            places: VecDeque::new(),
            placed_at: None,
            pings: VecDeque::new(),
            pinged_at: None,
            alive_at: clock.awake,
            stuck_at: None,
            last_arrival: clock.now,
            last_send: 0,
            passed: [Debt::default(); 2],
            touched: false,
            look_at: None,
        }
    }

    /// Everything that the driver holds for the client.
    pub(crate) fn held(&self) -> usize {
        self.staged + self.offered + self.queued
    }

    /// What the hub must believe to be queued: what was reported, and what no `Flushed` covers.
    pub(crate) fn believed(&self) -> usize {
        self.staged + self.offered + self.reported
    }

    /// Whether a flush has anything to do.
    pub(crate) fn is_uncovered(&self) -> bool {
        self.staged + self.offered > 0
    }

    pub(crate) fn heard(&mut self, clock: Clock) {
        self.alive_at = clock.awake;
    }

    pub(crate) fn stage(&mut self, bytes: usize) {
        self.staged += bytes;
        self.commanded += bytes as u64;
    }

    /// What was staged last is a ping.
    pub(crate) fn note_ping(&mut self) {
        self.pings.push_back(self.commanded);
    }

    /// What was staged last leaves the client here once it has read it.
    pub(crate) fn stage_place(&mut self, room: RoomId, log: LogId, seq: u64, now: Timestamp) {
        self.places.push_back((self.commanded, room, log, seq));
        self.placed_at = Some(now);
    }

    /// How many places are not known to be received.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn reads(&mut self, reading: Reading, now: Timestamp) {
        self.reading = reading;
        self.saved_at = now;
    }

    pub(crate) fn allow(&mut self, bytes: usize) {
        self.allowance += bytes;
    }

    /// Offers the socket what the turn commanded, or the turn before.
    pub(crate) fn offer(&mut self, run_ahead: RunAhead, now: Timestamp) {
        self.queued += match run_ahead {
            RunAhead::Zero => core::mem::take(&mut self.staged),
            RunAhead::One => {
                core::mem::replace(&mut self.offered, core::mem::take(&mut self.staged))
            }
        };
        let taken = match self.reading {
            Reading::Prompt | Reading::Mute => self.queued,
            Reading::Stopped => self.queued.min(self.allowance),
            Reading::Slow { bytes_per_second } => {
                let span = now.saturating_since(self.saved_at).as_millis();
                let saved = u128::from(bytes_per_second) * span / 1000;
                let saved = usize::try_from(saved).unwrap_or(SAVED_BYTES);
                if saved > 0 {
                    self.saved_at = now;
                    self.allowance = (self.allowance + saved).min(SAVED_BYTES);
                }
                self.queued.min(self.allowance)
            }
        };
        if taken > 0 {
            self.queued -= taken;
            self.taken += taken as u64;
            self.allowance = self.allowance.saturating_sub(taken);
            if !self.latency.is_zero() {
                self.transit.push_back((now + self.latency, self.taken));
            }
        }
    }

    /// How many pings the client reads just now and answers.
    pub(crate) fn pings_read(&mut self) -> usize {
        let read = self.pings.iter().take_while(|end| **end <= self.taken).count();
        self.pings.drain(..read);
        if self.reading == Reading::Mute { 0 } else { read }
    }

    /// What the client has received by now, as places where it stands.
    pub(crate) fn receive(&mut self, now: Timestamp, mut stands: impl FnMut(RoomId, LogId, u64)) {
        if self.latency.is_zero() {
            self.received = self.taken;
        }
        while let Some((at, received)) = self.transit.front()
            && *at <= now
        {
            self.received = *received;
            self.transit.pop_front();
        }
        while let Some((end, room, log, seq)) = self.places.front()
            && *end <= self.received
        {
            stands(*room, *log, *seq);
            self.places.pop_front();
        }
    }

    /// Everything that is queued is read before the end.
    pub(crate) fn take_all(&mut self) {
        if matches!(self.reading, Reading::Prompt | Reading::Mute) {
            (self.taken, self.received) = (self.commanded, self.commanded);
            self.transit.clear();
            self.latency = Duration::ZERO;
        }
    }

    /// The rule of reports: a level that grew at once, one that shrank when it has halved or is
    /// gone, and otherwise once a second.
    pub(crate) fn report(&mut self, clock: Clock) -> Option<usize> {
        let halved = self.queued * 2 <= self.reported && self.reported > 0;
        let due = self.next_report().is_some_and(|at| at <= clock.now);
        if self.queued <= self.reported && !halved && !due {
            return None;
        }
        if self.taken > self.taken_reported {
            self.heard(clock);
            self.stuck_at = None;
        }
        self.taken_reported = self.taken;
        self.reported = self.queued;
        self.reported_at = clock.now;
        if self.queued == 0 {
            self.stuck_at = None;
        } else {
            self.stuck_at.get_or_insert(clock.awake);
        }
        Some(self.queued)
    }

    /// When the socket must be looked at again without anything being sent.
    pub(crate) fn next_look(&self) -> Option<Timestamp> {
        let slow = matches!(self.reading, Reading::Slow { .. }) && self.queued > 0;
        let slow = slow.then_some(self.saved_at + SLOW_EVERY);
        slow.into_iter().chain(self.next_report()).min()
    }

    /// When a reader that has taken a little must be reported.
    fn next_report(&self) -> Option<Timestamp> {
        let took = self.reported > 0 && self.taken > self.taken_reported;
        took.then_some(self.reported_at + Duration::from_secs(1))
    }
}

/// What has passed a rate limit and is not paid off with time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Debt {
    nanos: u128,
    at: Timestamp,
}

impl Debt {
    /// Adds `tokens`, and says whether they are within `burst` and `per_second`.
    pub(crate) fn add(
        &mut self,
        now: Timestamp,
        tokens: usize,
        burst: u32,
        per_second: u32,
    ) -> bool {
        const SECOND: u128 = 1_000_000_000;
        let paid = now.saturating_since(self.at).as_nanos() * u128::from(per_second);
        self.nanos = self.nanos.saturating_sub(paid) + tokens as u128 * SECOND;
        self.at = now;
        self.nanos <= u128::from(burst) * SECOND
    }
}

/// What a configuration allows one client in a while.
pub(crate) fn rates(config: &Config, bytes: usize) -> [(usize, u32, u32); 2] {
    [
        (1, config.message_burst, config.messages_per_second),
        (bytes, config.byte_burst, config.bytes_per_second),
    ]
}
