//! The two clocks of a hub. This file does not know who was away.

use roundtable::Timestamp;

/// What o'clock it is, and what it would be had the hub never been away.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// The driver's clock.
    pub now: Timestamp,
    /// The clock of waking hours: it stands still where the hub forgives its own absence.
    pub awake: Timestamp,
}
