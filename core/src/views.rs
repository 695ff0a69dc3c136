//! What is shown of a hub to whoever looks after it: its rooms, its sessions, whom it closed. This file
//! does not know who looks.

use alloc::vec::Vec;

use serde::{Serialize, Serializer};

use crate::close::CloseCode;
use crate::event::{AddressKey, ConnId};
use crate::name::Name;

/// A room, as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoomView {
    /// Its name.
    pub name: Name,
    /// Its members, those without a connection too.
    pub members: u64,
    /// Those of them that are given what is new at once.
    pub live: u64,
    /// The newest place in its log: how many entries it had since it began.
    pub head: u64,
    /// The entries that are kept.
    pub entries: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A session, as it is at a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionView {
    /// The name that it goes by.
    pub user: Name,
    /// The connection, or the last one. It is written down as a string of digits: JSON in a browser has
    /// no such large numbers.
    #[serde(serialize_with = "digits")]
    pub conn: ConnId,
    /// Whether it has a connection; if not, it waits for its client.
    pub connected: bool,
    /// The connection's address, if it is held to the limits by address. What it means is its driver's
    /// to say, who writes it down.
    #[serde(skip)]
    pub address: Option<AddressKey>,
    /// What may be queued for the connection at the most, in frame bytes.
    pub queued_bytes: u64,
    /// Its rooms, in the order of joining.
    pub rooms: Vec<PlaceView>,
}

/// Where a session stands in one of its rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlaceView {
    /// The room.
    pub room: Name,
    /// Whether it is given what is new at once.
    pub live: bool,
    /// How many entries it has not been given: 0 also where it is behind with nothing but the news of
    /// who is there.
    pub behind: u64,
}

/// A connection that the hub closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The connection.
    pub conn: ConnId,
    /// The name that its session went by.
    pub user: Name,
    /// The room in which the session had been the longest, if it was in any.
    pub room: Option<Name>,
    /// Why.
    pub code: CloseCode,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn digits<S: Serializer>(conn: &ConnId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&conn.get())
}
