//! What the driver drives: a machine that can be asked for its figures and begun anew.

use std::fmt;

use roundtable::{Config, ConnId, Hub, Machine, Origin, Snapshot, Timestamp};

/// A hub, or what behaves like one.
pub trait Subject: Machine + fmt::Debug {
    /// One where nobody is.
    ///
    /// # Panics
    ///
    /// If the configuration is not valid.
    fn begin(config: Config, origin: Origin) -> Self;

    /// What it believes to be queued for a connection, if it knows it.
    fn queued_for(&self, conn: ConnId) -> Option<usize>;

    /// Whether nobody is connected and nothing is kept.
    fn is_clean(&self) -> bool;

    /// What it keeps if everybody is lost at `now`.
    fn snapshot(&self, now: Timestamp) -> Snapshot;

    /// Goes on with `snapshot` in place of all that it is; it was draining until then, or not.
    fn carry_over(&mut self, config: &Config, snapshot: Snapshot, was_draining: bool);
}

impl Subject for Hub {
    fn begin(config: Config, origin: Origin) -> Self {
        Self::new(config, origin).expect("a valid configuration")
    }

    fn queued_for(&self, conn: ConnId) -> Option<usize> {
        self.queued_for(conn)
    }

    fn is_clean(&self) -> bool {
        self.is_clean()
    }

    fn snapshot(&self, now: Timestamp) -> Snapshot {
        self.snapshot(now)
    }

    fn carry_over(&mut self, config: &Config, snapshot: Snapshot, _was_draining: bool) {
        *self = Self::restore(config.clone(), snapshot).expect("what a hub has made");
    }
}
