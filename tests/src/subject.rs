//! What the driver drives: a machine that can be asked for its figures and begun anew.

use std::fmt;

use roundtable::{Config, ConnId, Hub, Machine, Origin};

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
}
