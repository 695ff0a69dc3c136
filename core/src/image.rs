//! All that a hub is at a moment, as plain data, and what of it can be masked. This file does not know
//! how it is written down, nor how a hub is made of it.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::addresses::Address;
use crate::bans::Ban;
use crate::event::{AddressKey, Framing};
use crate::flow::{Flow, Sent};
use crate::hub::{Drain, Lagging, Origin};
use crate::keys::{Kept, Key, digest};
use crate::log::Epoch;
use crate::protocol::{data_of, message_prefix};
use crate::session::Session;
use crate::snapshot::LostRoom;
use crate::ticket::Entropy;
use crate::time::Timestamp;

/// All that a hub is between two events: what a [`Snapshot`](crate::Snapshot) has, and connections with
/// all that is known of them.
///
/// [`Hub::image`](crate::Hub::image) makes one, and [`Hub::from_image`](crate::Hub::from_image) a hub
/// that answers every later event alike. It can be written down and read back with serde, by the same
/// version of this package. Unless it is masked, it holds the secrets of sessions, tokens that are
/// being verified, and what was said: who can read it can be anybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    pub(crate) origin: Origin,
    pub(crate) now: Timestamp,
    pub(crate) away: Duration,
    pub(crate) woke: Timestamp,
    pub(crate) turn: u64,
    pub(crate) epochs: u64,
    pub(crate) begun: u64,
    pub(crate) sent: Sent,
    pub(crate) drain: Option<Drain>,
    pub(crate) rooms: Vec<LostRoom>,
    pub(crate) free_rooms: Vec<u32>,
    pub(crate) sessions: Vec<Seen>,
    pub(crate) free_sessions: Vec<u32>,
    /// The oldest first.
    pub(crate) keys: Vec<(Key, Kept)>,
    pub(crate) keys_armed: Option<Timestamp>,
    pub(crate) bans: Vec<(Ban, Timestamp)>,
    pub(crate) bans_armed: Option<Timestamp>,
    pub(crate) addresses: Vec<(u32, Address)>,
    pub(crate) free_addresses: Vec<u32>,
    pub(crate) addresses_armed: Option<Timestamp>,
    pub(crate) lagging: Lagging,
}

/// A session as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) slot: u32,
    /// Whether nobody else may have the name.
    pub(crate) named: bool,
    pub(crate) session: Session,
    /// The flow of its connection, where it has one.
    pub(crate) flow: Option<Flow>,
}

/// What stands in an image in the place of what it must not tell. Equal values have equal masks, which
/// later events have, too: then the hub that is made of it answers these alike.
pub trait Masks {
    /// A session's secret.
    fn secret(&self, secret: Entropy) -> Entropy;

    /// Where somebody connects from.
    fn address(&self, address: AddressKey) -> AddressKey;

    /// A client's text, which waits for the verdict on a token, or has brought it.
    fn heard<'a>(&self, text: &'a str, framing: Framing) -> Cow<'a, str>;

    /// An entry, as everybody was sent it.
    fn told<'a>(&self, text: &'a str) -> Cow<'a, str>;

    /// A hash of data that no entry has any more.
    fn digest(&self, digest: u64) -> u64;
}

impl Image {
    /// When it was made.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Puts masks in the place of secrets, addresses and texts.
    ///
    /// Of the data for which a key of a `publish` stands, the hub knows a hash alone: where its entry is
    /// gone, the same `publish` is taken for one with other data.
    pub fn mask(&mut self, masks: &impl Masks) {
        for Seen { session, .. } in &mut self.sessions {
            session.secret = masks.secret(session.secret);
            let framing = session.link.framing;
            let Some(waiting) = session.link.waiting.as_deref_mut() else { continue };
            waiting.first = masks.heard(&waiting.first, framing).into();
            waiting.bytes = 0;
            for text in core::mem::take(&mut waiting.rest) {
                waiting.push(masks.heard(&text, framing).into());
            }
        }
        for (_, address) in &mut self.addresses {
            address.key = masks.address(address.key);
        }
        for room in &mut self.rooms {
            for entry in &mut room.entries {
                if let Cow::Owned(masked) = masks.told(&entry.text) {
                    entry.text = masked.into();
                }
            }
        }
        let rooms = self.rooms.iter().map(|room| (room.epoch, room));
        let rooms: BTreeMap<Epoch, &LostRoom> = rooms.collect();
        for (key, kept) in &mut self.keys {
            let masked = rooms.get(&key.epoch).and_then(|room| digest_at(room, kept.seq));
            kept.digest = masked.unwrap_or_else(|| masks.digest(kept.digest));
        }
    }
}

/// A hash of the data of the entry at `seq`, if it is kept and has any.
fn digest_at(room: &LostRoom, seq: u64) -> Option<u64> {
    let tail = (room.head + 1).checked_sub(room.entries.len() as u64)?;
    let entry = room.entries.get(usize::try_from(seq.checked_sub(tail)?).ok()?)?;
    data_of(&message_prefix(room.name.as_str()), &entry.text).map(digest)
}
