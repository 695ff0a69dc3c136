//! What a hub keeps when everybody has lost the connection, as plain data. This file does not know how
//! it is written down, nor what the hub does with it.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bans::Ban;
use crate::bucket::Bucket;
use crate::claims::Claims;
use crate::config::ConfigError;
use crate::event::AddressKey;
use crate::hub::Origin;
use crate::keys::{Kept, Key};
use crate::log::{Entry, Epoch};
use crate::name::Name;
use crate::presence::Telling;
use crate::protocol::Echo;
use crate::session::SessionId;
use crate::ticket::Entropy;
use crate::time::Timestamp;

/// All that a hub keeps, so that another one can go on in its place: rooms with their logs, sessions
/// without their connections, the keys of safe repeats, bans.
///
/// [`Hub::snapshot`](crate::Hub::snapshot) makes one, and [`Hub::restore`](crate::Hub::restore) a hub
/// of it. It can be written down and read back with serde, by fields that have names: a format that
/// keeps the names can be read by programs that know more fields. It holds the secrets of sessions and
/// what was said: who can read it can be anybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub(crate) origin: Origin,
    /// When it was made, and the clock of waking hours then.
    pub(crate) now: Timestamp,
    pub(crate) away: Duration,
    pub(crate) woke: Timestamp,
    /// How many epochs were given out, and how many sessions have begun.
    pub(crate) epochs: u64,
    pub(crate) begun: u64,
    pub(crate) rooms: Vec<LostRoom>,
    pub(crate) free_rooms: Vec<u32>,
    pub(crate) sessions: Vec<LostSession>,
    pub(crate) free_sessions: Vec<u32>,
    /// The oldest first.
    pub(crate) keys: Vec<(Key, Kept)>,
    pub(crate) keys_armed: Option<Timestamp>,
    pub(crate) bans: Vec<(Ban, Timestamp)>,
    pub(crate) addresses: Vec<(u32, AddressKey, Bucket)>,
    pub(crate) free_addresses: Vec<u32>,
}

/// A room, without who is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LostRoom {
    pub(crate) slot: u32,
    pub(crate) name: Name,
    pub(crate) epoch: Epoch,
    pub(crate) head: u64,
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) armed: Option<Timestamp>,
    pub(crate) told: Telling,
    pub(crate) telling_armed: Option<Timestamp>,
}

/// A session without a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LostSession {
    pub(crate) slot: u32,
    pub(crate) id: SessionId,
    pub(crate) secret: Entropy,
    pub(crate) user: Name,
    /// Whether nobody else may have the name.
    pub(crate) named: bool,
    pub(crate) token: Option<Token>,
    pub(crate) since: Timestamp,
    /// Whether others have been told.
    pub(crate) away: bool,
    pub(crate) memberships: Vec<LostMembership>,
    pub(crate) armed: Option<Timestamp>,
    pub(crate) messages: Bucket,
    pub(crate) bytes: Bucket,
    pub(crate) strikes: Bucket,
    pub(crate) refused: Option<Timestamp>,
}

/// What a session goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) claims: Box<Claims>,
    /// Whether its client was told that it has expired.
    pub(crate) told: bool,
}

/// Where a session stands in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LostMembership {
    pub(crate) room: u32,
    /// The place among the room's members.
    pub(crate) place: u32,
    /// The last entry that it was given.
    pub(crate) read: u64,
    pub(crate) told: u32,
    pub(crate) echo: Echo,
}

/// Why no hub is made of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreError {
    /// The configuration is not valid.
    Config(ConfigError),
    /// The snapshot contradicts itself: no hub has ever made it.
    Contradiction(&'static str),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => write!(f, "{error}"),
            Self::Contradiction(what) => write!(f, "the snapshot contradicts itself: {what}"),
        }
    }
}

impl core::error::Error for RestoreError {}

impl From<ConfigError> for RestoreError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}
