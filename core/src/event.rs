//! What a driver tells the hub. This file does not know what the hub makes of it.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::claims::Claims;
use crate::name::Name;
use crate::ticket::Entropy;

/// A connection, as its driver calls it.
///
/// The driver mints the number; it is unique for the life of the hub and says nothing about order,
/// so a driver may put a shard and a slot into it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConnId(u64);

impl ConnId {
    /// The connection that the driver numbers `number`.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number that the driver gave.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Where a client comes from, as far as limits by address go: clients with equal keys share them.
///
/// The driver makes it, and says nothing else by it: of an IPv4 address all of it, of an IPv6 address
/// the network, since a client has a whole one (RFC 6177).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressKey(u64);

impl AddressKey {
    /// The address that the driver calls `key`.
    pub const fn new(key: u64) -> Self {
        Self(key)
    }

    /// What the driver calls it.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:x}", self.0)
    }
}

/// What happened outside, in the order of a connection's life.
///
/// Events can be written down and read back with serde: with their times they are the hub's whole
/// input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The upgrade of `conn` is granted, unless a [`Command::Refuse`](crate::Command::Refuse) answers
    /// this.
    Connect {
        /// The new connection.
        conn: ConnId,
        /// What the driver knows of the client.
        peer: Peer,
        /// What its URL and its upgrade request asked for.
        greeting: Greeting,
    },
    /// A whole text message came from `conn`.
    Text {
        /// Where it came from.
        conn: ConnId,
        /// The message.
        text: String,
    },
    /// A whole binary message came from `conn`.
    Binary {
        /// Where it came from.
        conn: ConnId,
    },
    /// Some other sign of life came from `conn`: a pong, a ping, a fragment. At most one a second
    /// for each connection, or two in a [`ping_after`](crate::Config::ping_after) that is shorter
    /// than two: the answer to a ping is always told.
    Heard {
        /// Where it came from.
        conn: ConnId,
    },
    /// The answer to a [`Command::Verify`](crate::Command::Verify).
    Verified {
        /// Who showed the token.
        conn: ConnId,
        /// What it is worth.
        verdict: Verdict,
    },
    /// `bytes` of frames are queued for `conn` because its socket is full.
    ///
    /// Counted as [`frame_len`](crate::frame_len) counts, without what the driver sends on its own
    /// (pongs). A level that grew in a turn is reported in that turn, one that shrank when it has
    /// halved, when it is gone, and otherwise once a second.
    Backlog {
        /// Whose queue it is.
        conn: ConnId,
        /// How much is queued, in bytes.
        bytes: usize,
    },
    /// The end of a turn: everything commanded up to the `Flushed` that lies
    /// [`run_ahead`](crate::Config::run_ahead) turns back has been offered to the sockets, and the
    /// backlogs that this left have been reported.
    ///
    /// A driver that runs ahead follows a turn that sent something with another turn, if only an
    /// empty one, so that what was sent is covered.
    Flushed,
    /// `conn` is gone, for whatever reason.
    Disconnect {
        /// The connection that is gone.
        conn: ConnId,
    },
    /// Time has passed, and nothing else happened.
    Tick,
    /// An operator decided something.
    Admin {
        /// What is to be done.
        action: AdminAction,
    },
    /// Stop gracefully, within this span.
    Drain {
        /// The longest that the drain may take; zero closes everybody at the next tick.
        within: Duration,
    },
}

/// What the driver knows of a client before it has said a word.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The secret of the session, if this connection begins one: drawn by the system for this
    /// connection alone.
    pub entropy: Entropy,
    /// What the token says that came with the upgrade request, and was verified. The hub ignores it
    /// where [`auth`](crate::Config::auth) is off.
    pub claims: Option<Box<Claims>>,
    /// Where it comes from; nothing for who is not held to the limits by address.
    pub address: Option<AddressKey>,
}

/// What a token is worth that a client showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is authentic, and this is what it says.
    Valid(Box<Claims>),
    /// It was authentic, and is over.
    Expired,
    /// It is not to be believed, for whatever reason: the client is not told which.
    Invalid,
}

/// What an operator decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdminAction {
    /// Ends every session of a verified user with 4011. Drivers call a token of that user `Invalid`
    /// from then on.
    RevokeUser {
        /// Whose sessions end.
        user: Name,
    },
    /// Ends every session that goes by this token with 4011. Drivers call it `Invalid` from then on.
    RevokeToken {
        /// The token's id (`jti`).
        token_id: String,
    },
    /// Takes a user out of a room, who may come back; without a room, ends every session of that
    /// name with 4504.
    Kick {
        /// The room.
        room: Option<Name>,
        /// Who is sent away.
        user: Name,
    },
    /// Takes a user out of a room, and lets nobody of that name in for a while. An operator's bans
    /// are not held to [`max_bans`](crate::Config::max_bans).
    Ban {
        /// The room.
        room: Name,
        /// Who is kept out.
        user: Name,
        /// How long; zero lifts the ban.
        span: Duration,
    },
    /// Takes the data out of an entry of a room's log. Without such an entry nothing happens.
    Remove {
        /// The room.
        room: Name,
        /// The entry's place.
        seq: u64,
    },
}

/// What a connection's URL and upgrade request asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// The wished name; without one the hub makes one up.
    pub name: Option<Name>,
    /// The room to join at once.
    pub room: RoomChoice,
    /// Which framing the client chose.
    pub framing: Framing,
}

/// The room that a connection joins without asking for it in a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoomChoice {
    /// The configured one: the URL named no room.
    #[default]
    Default,
    /// None: the URL's room is empty.
    None,
    /// This one.
    Named(Name),
}

/// How a client's text frames are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// The client did not offer the subprotocol: what does not start with `{` is plain text.
    #[default]
    Lenient,
    /// The client offered `roundtable.v1`: every frame is a JSON object.
    Strict,
}
