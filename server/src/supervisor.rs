//! What a process and its supervisor tell each other, by systemd's protocol: the listening socket that
//! outlives the process (`sd_listen_fds(3)`), that it serves, that it stops, and that its hub's loop
//! goes on (`sd_notify(3)`). Where the environment names no supervisor, nothing is told.

use std::io;
use std::time::Duration;

use listenfd::ListenFd;
use roundtable::{Command, Event, Hub, Machine, Switch, Timestamp};
use sd_notify::NotifyState;
use tracing::warn;

/// What the supervisor gave: the listening socket that it keeps, if any. To be asked for once, at the
/// start of a process.
///
/// # Errors
///
/// If it gave more than one.
pub fn sockets() -> io::Result<ListenFd> {
    let given = ListenFd::from_env();
    match given.len() {
        0 | 1 => Ok(given),
        more => Err(io::Error::other(format!("the supervisor gave {more} sockets, not one"))),
    }
}

/// Tells the supervisor that the process serves.
pub fn serving() {
    tell(NotifyState::Ready);
}

/// Tells the supervisor that the process has begun to stop.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Has the machine's loop tell the supervisor that it goes on, where that wants to know.
pub(crate) fn watch(machine: Box<dyn Machine>) -> Box<dyn Machine> {
    match sd_notify::watchdog_enabled() {
        // Twice in each span that it waits, as `sd_watchdog_enabled(3)` has it.
        Some(span) => Box::new(Watched::new(machine, span / 2, || tell(NotifyState::Watchdog))),
        None => machine,
    }
}

fn tell(news: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[news]) {
        warn!(%error, "the supervisor could not be told");
    }
}

/// A machine that gives a sign of life, now and then, when it is handed something. It wants a tick
/// when the next one is due, so there is one as long as its driver's loop goes on.
struct Watched<M, F> {
    machine: M,
    every: Duration,
    due: Timestamp,
    alive: F,
}

impl<M, F> Watched<M, F> {
    fn new(machine: M, every: Duration, alive: F) -> Self {
        Self { machine, every, due: Timestamp::ZERO, alive }
    }
}

impl<M: Machine, F: FnMut()> Machine for Watched<M, F> {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        self.machine.handle(now, event, commands);
        if now >= self.due {
            (self.alive)();
            self.due = now + self.every;
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let deadline = self.machine.next_deadline();
        Some(deadline.map_or(self.due, |deadline| deadline.min(self.due)))
    }

    fn commit(&mut self) {
        self.machine.commit();
    }

    fn hub(&self) -> Option<&Hub> {
        self.machine.hub()
    }

    fn record(&mut self, now: Timestamp, switch: Switch) -> Result<String, String> {
        self.machine.record(now, switch)
    }

    fn recording(&self) -> Option<String> {
        self.machine.recording()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wants a tick at one time, and counts what it is handed.
    struct Counting {
        wants: Option<Timestamp>,
        handed: usize,
    }

    impl Machine for Counting {
        fn handle(&mut self, _: Timestamp, _: Event, _: &mut Vec<Command>) {
            self.handed += 1;
        }

        fn next_deadline(&self) -> Option<Timestamp> {
            self.wants
        }
    }

    #[test]
    fn a_sign_of_life_comes_when_it_is_due_and_not_before() {
        let at = Timestamp::from_millis;
        let mut signs = 0;
        let machine = Counting { wants: None, handed: 0 };
        let mut watched = Watched::new(machine, Duration::from_millis(100), || signs += 1);
        let mut due = Vec::new();
        for now in [5, 6, 104, 105, 400, 499, 500] {
            due.extend(watched.next_deadline());
            watched.handle(at(now), Event::Tick, &mut Vec::new());
        }
        assert_eq!(due, [0, 105, 105, 105, 205, 500, 500].map(at));
        assert_eq!(watched.machine.handed, 7, "all of it goes on to the machine");
        watched.machine.wants = Some(at(550));
        assert_eq!(watched.next_deadline(), Some(at(550)));
        watched.machine.wants = Some(at(700));
        assert_eq!(watched.next_deadline(), Some(at(600)));
        assert_eq!(signs, 4);
    }
}
