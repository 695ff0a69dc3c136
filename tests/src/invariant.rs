//! The invariants by name and number, and how often each was checked. This file does not know how
//! one is checked; the auditor and the driver do, each with `hold!`.

use std::fmt;

/// What must hold in every run, whatever happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// Equal logs give equal commands, bit for bit, also when the log went through `Debug`, a file
    /// and a parser, and the hub through an image of it: [`Twin`](crate::twin::Twin).
    Pure = 1,
    /// No command names a connection that never was, or is closed.
    KnownConnections,
    /// One `Close` for a connection, and a `bye` with the same code before it where there was room.
    OneClose,
    /// All members of a room see the same entry at the same place, in the order of `seq`.
    OneOrder,
    /// A member is given exactly the entries from its cursor on; what is missing is told as a gap
    /// with exact bounds, and only what the log's limits allow to be missing.
    NothingLost,
    /// `joined` before a room's first message, nothing after `left`, an `ack` before its own echo.
    InSequence,
    /// A request with an `id` gets one reply, or the connection ends.
    OneReply,
    /// What is queued keeps to the window and the budget; the hub's figure is the driver's; only
    /// who leaves no room is closed for it.
    Bounded,
    /// Whether B reads changes nothing of what A is sent.
    NonInterference,
    /// A deadline is never late, and nobody spins.
    DeadlinesKept,
    /// Silence leads to a ping and then to a close at the exact times.
    ExactTimes,
    /// No more passes than the burst and the rate times the time.
    RateLimited,
    /// Extra ticks before a deadline, or after one was kept, change nothing:
    /// [`Twin`](crate::twin::Twin).
    ExtraTicks,
    /// When all are gone and all has expired, the hub equals a new one, and its heap is small.
    Clean,
    /// A drain closes no more in a second than is planned, is done in time, and first gives
    /// everybody what was acknowledged.
    DrainPaced,
    /// Pages of history are the log.
    PagesAreTheLog,
    /// `since` follows its table.
    SinceTable,
    /// The limits on sessions, rooms, members, names and nesting hold.
    Limits,
    /// Who gives a session's secret comes back to that session, alone, and is told of each of its
    /// rooms in the order of joining.
    OwnSession,
    /// A key stands for one entry of its author: what is said again gives the same place, and no
    /// second entry.
    SafeRepeats,
    /// A signal is what its author said, and is given to others in the room who have read everything.
    SignalsPass,
    /// Who folds what it is told of a room's members knows who is there, as everybody else does.
    PresenceFolds,
    /// Whom an operator sends away is gone, who is kept out does not join, and what was removed is given
    /// to nobody: and nobody else and nothing else.
    Moderated,
    /// Who goes by a token is its user, and does and is told what it allows, and nothing else.
    Permitted,
    /// Who comes in is one that its address has room for, who is refused is not, and is told why and
    /// for how long.
    Addressed,
    /// What the hub counts is what was seen from outside, and when all are gone it has nothing.
    Counted,
    /// A hub that goes on with what another one kept says what that one would have said:
    /// [`Twin`](crate::twin::Twin).
    CarriedOver,
    /// What a hub has told to write down is what it keeps, before anybody is told anything that it
    /// would have to remember.
    Journaled,
}

impl Invariant {
    /// Each of them, in the order of the numbers.
    pub const ALL: [Self; 28] = [
        Self::Pure,
        Self::KnownConnections,
        Self::OneClose,
        Self::OneOrder,
        Self::NothingLost,
        Self::InSequence,
        Self::OneReply,
        Self::Bounded,
        Self::NonInterference,
        Self::DeadlinesKept,
        Self::ExactTimes,
        Self::RateLimited,
        Self::ExtraTicks,
        Self::Clean,
        Self::DrainPaced,
        Self::PagesAreTheLog,
        Self::SinceTable,
        Self::Limits,
        Self::OwnSession,
        Self::SafeRepeats,
        Self::SignalsPass,
        Self::PresenceFolds,
        Self::Moderated,
        Self::Permitted,
        Self::Addressed,
        Self::Counted,
        Self::CarriedOver,
        Self::Journaled,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invariant {} ({self:?})", *self as u8)
    }
}

/// How often each invariant was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked([u64; Invariant::ALL.len()]);

impl Checked {
    /// Counts one check.
    #[inline]
    pub fn count(&mut self, invariant: Invariant) {
        self.0[invariant as usize - 1] += 1;
    }

    /// How often `invariant` was checked.
    pub fn of(&self, invariant: Invariant) -> u64 {
        self.0[invariant as usize - 1]
    }

    /// All checks together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds what another run has checked.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// Counts a check of an invariant, and panics with its name if it does not hold.
macro_rules! hold {
    ($checked:expr, $invariant:ident, $holds:expr, $($why:tt)+) => {{
        $checked.count($crate::invariant::Invariant::$invariant);
        assert!($holds, "{}: {}", $crate::invariant::Invariant::$invariant, format_args!($($why)+));
    }};
}

pub(crate) use hold;
