//! What a driver drives. This file does not know what a machine makes of its events.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::command::Command;
use crate::event::Event;
use crate::hub::Hub;
use crate::time::Timestamp;

/// What a driver drives: the hub, or anything that has its two verbs.
pub trait Machine {
    /// Takes one event, and appends to `commands` what is to be done about it, in order.
    ///
    /// `now` never runs backwards.
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>);

    /// When the machine wants an [`Event::Tick`], at the latest. It may lie in the past: then at
    /// once.
    fn next_deadline(&self) -> Option<Timestamp>;

    /// Makes sure of what the commands since the last call presuppose: a driver calls it before it lets
    /// anybody know of them, once for all that it has collected.
    ///
    /// A machine that writes down what [`Command::Append`] carries does so here.
    ///
    /// # Panics
    ///
    /// If it cannot be made sure of: nobody may be told.
    fn commit(&mut self) {}

    /// The hub in it, where there is one, for whoever wants to look and not to touch.
    fn hub(&self) -> Option<&Hub> {
        None
    }

    /// Begins or ends a recording of all that happens, as an operator wants it, between two events.
    /// Returns what the recording is called.
    ///
    /// # Errors
    ///
    /// Why that is not done, in a few words; whatever was the case stays so.
    fn record(&mut self, _now: Timestamp, _switch: Switch) -> Result<String, String> {
        Err("this machine is not one that can be recorded".into())
    }

    /// What the recording is called that is being made, if one is.
    fn recording(&self) -> Option<String> {
        None
    }
}

/// What becomes of something that can go on or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// It begins.
    On,
    /// It ends.
    Off,
}

impl Machine for Hub {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        self.handle(now, event, commands);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.next_deadline()
    }

    fn hub(&self) -> Option<&Hub> {
        Some(self)
    }
}

impl<M: Machine + ?Sized> Machine for Box<M> {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        (**self).handle(now, event, commands);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        (**self).next_deadline()
    }

    fn commit(&mut self) {
        (**self).commit();
    }

    fn hub(&self) -> Option<&Hub> {
        (**self).hub()
    }

    fn record(&mut self, now: Timestamp, switch: Switch) -> Result<String, String> {
        (**self).record(now, switch)
    }

    fn recording(&self) -> Option<String> {
        (**self).recording()
    }
}
