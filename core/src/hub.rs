//! The hub.

use alloc::vec::Vec;

use crate::command::Command;
use crate::config::{Config, ConfigError};
use crate::event::Event;
use crate::time::Timestamp;

/// What a driver drives: the hub, or anything that has its two verbs.
pub trait Machine {
    /// Takes one event, and appends to `commands` what is to be done about it, in order.
    ///
    /// `now` never runs backwards.
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>);

    /// When the machine wants an [`Event::Tick`], at the latest. It may lie in the past: then at once.
    fn next_deadline(&self) -> Option<Timestamp>;
}

/// Where a hub's time and its chances begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What every random value is derived from.
    pub seed: u64,
    /// The wall clock at [`Timestamp::ZERO`], in milliseconds since 1970.
    pub wall_clock_ms: u64,
}

/// The hub.
#[derive(Debug)]
pub struct Hub {}

impl Hub {
    /// A hub where nobody is.
    ///
    /// # Errors
    ///
    /// What [`Config::validate`] finds.
    pub fn new(config: Config, _origin: Origin) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {})
    }
}

impl Machine for Hub {
    fn handle(&mut self, _now: Timestamp, _event: Event, _commands: &mut Vec<Command>) {}
    fn next_deadline(&self) -> Option<Timestamp> {
        None
    }
}
