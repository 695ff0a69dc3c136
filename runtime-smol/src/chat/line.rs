//! When to connect, when to give up a connection that is silent, and when to come back. This file
//! knows no socket, no clock and no frame; chance comes with the calls.

use std::time::Duration;

use roundtable::Timestamp;

/// A server that is asked something and says nothing for so long cannot be reached.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// After so long without a word the server is asked for one.
pub(super) const QUIET: Duration = Duration::from_secs(20);
/// A connection that held for so long was a good one: the next loss is not one of a series.
pub(super) const SETTLED: Duration = Duration::from_secs(5);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The code that stands for an end without a close frame (RFC 6455 §7.1.5).
pub(super) const ABNORMAL: u16 = 1006;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is a socket, and no `welcome` yet.
    Connecting,
    /// `welcome` was said.
    Online,
    /// For the time to come back.
    Waiting(Timestamp),
    /// Nobody wants a connection, or the server said not to come back.
    Over,
}

/// The server's `bye`.
#[derive(Clone, Debug)]
struct Farewell {
    code: u16,
    reason: String,
    after: Option<Duration>,
}

/// What the time has come for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// To connect.
    Connect,
    /// To ask the server for a word.
    Ping,
    /// To give the connection up.
    HangUp,
}

/// Whether to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// After so long.
    After(Duration),
    /// The server said not to.
    Never,
}

/// The line to the server.
#[derive(Debug)]
pub(super) struct Line {
    phase: Phase,
    /// Losses in a row, none of which came after a good connection.
    attempts: u32,
    farewell: Option<Farewell>,
    /// When the silence has lasted too long, if something was asked.
    silent_at: Option<Timestamp>,
    /// When to ask for a word.
    quiet_at: Option<Timestamp>,
    /// When the connection has held long enough.
    settled_at: Option<Timestamp>,
}

impl Line {
    /// A line that is connected at once.
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Waiting(Timestamp::ZERO),
            attempts: 0,
            farewell: None,
            silent_at: None,
            quiet_at: None,
            settled_at: None,
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.phase == Phase::Online
    }

    /// Something was asked to which there is an answer.
    pub(super) fn asked(&mut self, now: Timestamp) {
        self.silent_at.get_or_insert(now + SILENCE);
    }

    /// The server said something.
    pub(super) fn heard(&mut self, now: Timestamp) {
        self.silent_at = None;
        if self.is_online() {
            self.quiet_at = Some(now + QUIET);
        }
    }

    /// The server said `welcome`.
    pub(super) fn welcomed(&mut self, now: Timestamp) {
        if self.phase == Phase::Connecting {
            self.phase = Phase::Online;
            self.quiet_at = Some(now + QUIET);
            self.settled_at = Some(now + SETTLED);
        }
    }

    /// The server said `bye`.
    pub(super) fn bye(&mut self, code: u16, reason: String, after: Option<Duration>) {
        self.farewell = Some(Farewell { code, reason, after });
    }

    /// What the server's `bye` said.
    pub(super) fn farewell(&self) -> Option<(u16, &str)> {
        self.farewell.as_ref().map(|farewell| (farewell.code, farewell.reason.as_str()))
    }

    /// The connection is gone, or did not come about. `chance` is from 0 to 1.
    pub(super) fn closed(&mut self, now: Timestamp, code: u16, chance: f64) -> Return {
        let farewell = self.farewell.take();
        (self.silent_at, self.quiet_at, self.settled_at) = (None, None, None);
        if !is_passing(farewell.as_ref().map_or(code, |farewell| farewell.code)) {
            self.phase = Phase::Over;
            return Return::Never;
        }
        // Twice as long each time, spread so that nobody comes in step, and not before the server
        // wants it.
        let longest = LONGEST_WAIT.min(FIRST_WAIT * 2_u32.pow(self.attempts.min(10)));
        let spread = longest.mul_f64(0.2 + 0.8 * chance);
        let after = farewell.and_then(|farewell| farewell.after);
        let wait = after.map_or(spread, |after| after + spread / 2);
        self.phase = Phase::Waiting(now + wait);
        self.attempts += 1;
        Return::After(wait)
    }

    /// What the time has come for; each is told once.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Due> {
        let is_due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        match self.phase {
            Phase::Waiting(at) if at <= now => {
                self.phase = Phase::Connecting;
                self.asked(now);
                Some(Due::Connect)
            }
            Phase::Waiting(_) | Phase::Over => None,
            Phase::Connecting | Phase::Online => {
                if is_due(self.settled_at) {
                    self.settled_at = None;
                    self.attempts = 0;
                }
                if is_due(self.silent_at) {
                    self.silent_at = None;
                    return Some(Due::HangUp);
                }
                if is_due(self.quiet_at) {
                    self.quiet_at = None;
                    self.asked(now);
                    return Some(Due::Ping);
                }
                None
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Waiting(at) => Some(at),
            Phase::Over => None,
            Phase::Connecting | Phase::Online => {
                [self.silent_at, self.quiet_at, self.settled_at].into_iter().flatten().min()
            }
        }
    }
}

/// Whether one may come back after a close with this code: 4000 to 4499 say so, and those of the
/// others that tell of the server or the network, and not of the client (RFC 6455 §7.4.1).
fn is_passing(code: u16) -> bool {
    matches!(code, 1001 | 1005 | ABNORMAL | 1011..=1014 | 4000..=4499)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn online() -> Line {
        let mut line = Line::new();
        assert_eq!(line.due(at(0)), Some(Due::Connect));
        line.welcomed(at(0));
        line.heard(at(0));
        line
    }

    #[test]
    fn codes_say_whether_to_come_back() {
        for code in [1001, 1005, 1006, 1011, 1012, 1013, 4000, 4002, 4029, 4499] {
            assert_ne!(online().closed(at(0), code, 0.5), Return::Never, "{code}");
        }
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4500, 4503, 4504, 4999] {
            let mut line = online();
            assert_eq!(line.closed(at(0), code, 0.5), Return::Never, "{code}");
            assert_eq!((line.next_deadline(), line.due(at(1 << 40))), (None, None));
        }
    }

    #[test]
    fn the_wait_doubles_up_to_a_limit_and_is_spread() {
        let waits = |chance| {
            let mut line = online();
            let mut waits = Vec::new();
            for _ in 0..7 {
                let Return::After(wait) = line.closed(at(0), ABNORMAL, chance) else { panic!() };
                waits.push(wait.as_millis());
                assert_eq!(line.due(at(0) + wait - Duration::from_millis(1)), None);
                assert_eq!(line.due(at(0) + wait), Some(Due::Connect));
            }
            waits
        };
        assert_eq!(waits(1.0), [500, 1000, 2000, 4000, 8000, 15000, 15000]);
        assert_eq!(waits(0.0), [100, 200, 400, 800, 1600, 3000, 3000]);
    }

    #[test]
    fn a_connection_that_held_begins_the_series_anew() {
        let mut line = online();
        line.closed(at(0), ABNORMAL, 1.0);
        assert_eq!(line.due(at(500)), Some(Due::Connect));
        line.welcomed(at(500));
        assert_eq!(line.next_deadline(), Some(at(5500)));
        assert_eq!(line.due(at(5500)), None);
        let wait = Return::After(Duration::from_millis(500));
        assert_eq!(line.closed(at(6000), ABNORMAL, 1.0), wait);
    }

    #[test]
    fn the_server_says_when_and_whether() {
        let mut line = online();
        line.bye(4002, "drain".to_owned(), Some(Duration::from_secs(3)));
        let wait = Return::After(Duration::from_millis(3250));
        assert_eq!(line.closed(at(0), ABNORMAL, 1.0), wait);
        let mut line = online();
        line.bye(4504, "kicked".to_owned(), None);
        assert_eq!(line.closed(at(0), ABNORMAL, 1.0), Return::Never);
    }

    #[test]
    fn silence_is_asked_about_and_then_given_up() {
        let mut line = online();
        assert_eq!(line.due(at(19_999)), None);
        assert_eq!(line.due(at(20_000)), Some(Due::Ping));
        line.heard(at(20_100));
        assert_eq!(line.due(at(40_100)), Some(Due::Ping));
        assert_eq!(line.next_deadline(), Some(at(50_100)));
        assert_eq!(line.due(at(50_100)), Some(Due::HangUp));
    }

    #[test]
    fn a_connection_that_does_not_come_about_is_given_up() {
        let mut line = Line::new();
        assert_eq!(line.due(at(0)), Some(Due::Connect));
        assert_eq!(line.next_deadline(), Some(at(10_000)));
        assert_eq!(line.due(at(10_000)), Some(Due::HangUp));
    }
}
