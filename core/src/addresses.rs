//! Who connects from where: for each address, how many connections it has and how many it may still
//! begin. This file does not know what an address is, nor what a connection says.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bucket::{Bucket, Rate};
use crate::command::Refusal;
use crate::event::AddressKey;
use crate::slab::Slab;
use crate::time::Timestamp;

/// What addresses are held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How many connections each may have at a time.
    pub(crate) connections: u32,
    /// How many each may begin.
    pub(crate) rate: Rate,
    /// How many addresses are remembered.
    pub(crate) addresses: usize,
}

/// A connection's hold on its address. It is as small as can be, since each connection has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold(NonZeroU32);

/// What is known of an address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) key: AddressKey,
    pub(crate) connections: u32,
    pub(crate) begun: Bucket,
}

/// Every address that has a connection, or began one a while ago.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Addresses {
    slab: Slab<Address>,
    by_key: BTreeMap<AddressKey, u32>,
    /// Those without a connection, by the moment at which they may be forgotten.
    idle: BTreeSet<(Timestamp, AddressKey)>,
    /// When the timer of the first of them is set to fire.
    pub(crate) armed: Option<Timestamp>,
}

impl Addresses {
    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Lets an address have one more connection, unless it has too many, or began too many: then what
    /// is said comes with how long it must wait, where that is known.
    pub(crate) fn enter(
        &mut self,
        now: Timestamp,
        bounds: Bounds,
        key: AddressKey,
    ) -> Result<Hold, (Refusal, Option<Duration>)> {
        let slot = match self.by_key.get(&key).copied() {
            Some(slot) => slot,
            None if self.slab.len() < bounds.addresses || self.forget_first() => {
                let address = Address { key, connections: 0, begun: Bucket::default() };
                let slot = self.slab.insert(address);
                self.by_key.insert(key, slot);
                slot
            }
            None => return Err((Refusal::TooManyAddresses, None)),
        };
        let address = &mut self.slab[slot];
        let wait = address.begun.wait(now, bounds.rate, 1);
        if !wait.is_zero() {
            return Err((Refusal::TooFast, Some(wait)));
        }
        if address.connections >= bounds.connections {
            return Err((Refusal::TooManyConnections, None));
        }
        self.idle.remove(&(address.begun.full_at(), key));
        address.begun.take(now, bounds.rate, 1);
        address.connections += 1;
        Ok(Hold(NonZeroU32::MIN.saturating_add(slot)))
    }

    /// Each one, by its slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Address)> {
        self.slab.iter()
    }

    /// The address that is held.
    pub(crate) fn key(&self, hold: Hold) -> AddressKey {
        self.slab[hold.0.get() - 1].key
    }

    /// Those without a connection, each in its slot, with the moment from which it is as an unknown one.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (u32, AddressKey, Bucket)> {
        let idle = self.slab.iter().filter(|(_, address)| address.connections == 0);
        idle.map(|(slot, address)| (slot, address.key, address.begun))
    }

    /// The slots of the table that are free.
    pub(crate) fn free(&self) -> &[u32] {
        self.slab.free()
    }

    /// The addresses that were in these slots, and the slots that were free; nothing if they contradict
    /// each other.
    pub(crate) fn restored(used: Vec<(u32, Address)>, free: Vec<u32>) -> Option<Self> {
        let by_key: BTreeMap<_, _> = used.iter().map(|(slot, of)| (of.key, *slot)).collect();
        (by_key.len() == used.len()).then_some(())?;
        let idle = used.iter().filter(|(_, of)| of.connections == 0);
        let idle = idle.map(|(_, of)| (of.begun.full_at(), of.key)).collect();
        Some(Self { slab: Slab::restored(used, free)?, by_key, idle, armed: None })
    }

    /// Whether each address has as many connections as hold on to it.
    pub(crate) fn are_held_by(&self, holds: impl Iterator<Item = Hold>) -> bool {
        let mut held: BTreeMap<u32, u32> = BTreeMap::new();
        holds.for_each(|hold| *held.entry(hold.0.get() - 1).or_insert(0) += 1);
        let connected = self.slab.iter().filter(|(_, of)| of.connections > 0);
        connected.map(|(slot, of)| (slot, of.connections)).eq(held)
    }

    /// A connection has ended.
    pub(crate) fn leave(&mut self, now: Timestamp, hold: Hold) {
        let slot = hold.0.get() - 1;
        let address = &mut self.slab[slot];
        address.connections -= 1;
        if address.connections > 0 {
            return;
        }
        let idle = (address.begun.full_at(), address.key);
        self.idle.insert(idle);
        if idle.0 <= now {
            self.forget(idle);
        }
    }

    /// Lets go of one address that could begin as many connections as an unknown one.
    pub(crate) fn expire_one(&mut self, now: Timestamp) {
        if self.expires_at().is_some_and(|at| at <= now) {
            self.forget_first();
        }
    }

    /// When the first one may be forgotten.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.idle.first().map(|(at, _)| *at)
    }

    /// Lets go of the address without a connection that may be forgotten first, if there is one.
    fn forget_first(&mut self) -> bool {
        let first = self.idle.first().copied();
        first.inspect(|idle| self.forget(*idle)).is_some()
    }

    fn forget(&mut self, idle: (Timestamp, AddressKey)) {
        self.idle.remove(&idle);
        if let Some(slot) = self.by_key.remove(&idle.1) {
            self.slab.remove(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(addresses: usize) -> Bounds {
        Bounds { connections: 2, rate: Rate::per_minute(3, 60), addresses }
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn an_address_has_so_many_connections_and_begins_so_many() {
        let (mut addresses, ann) = (Addresses::default(), AddressKey::new(1));
        let mut enter = |now| addresses.enter(at(now), bounds(9), ann);
        let (first, second) = (enter(0).unwrap(), enter(0).unwrap());
        assert_eq!(enter(0), Err((Refusal::TooManyConnections, None)));
        addresses.leave(at(0), first);
        let third = addresses.enter(at(0), bounds(9), ann).unwrap();
        addresses.leave(at(0), second);
        // What is refused takes nothing.
        let too_fast = |millis| Err((Refusal::TooFast, Some(Duration::from_millis(millis))));
        assert_eq!(addresses.enter(at(0), bounds(9), ann), too_fast(1000));
        assert_eq!(addresses.enter(at(999), bounds(9), ann), too_fast(1));
        let fourth = addresses.enter(at(1000), bounds(9), ann).unwrap();
        let bob = addresses.enter(at(1000), bounds(9), AddressKey::new(2)).unwrap();
        for hold in [third, fourth, bob] {
            addresses.leave(at(1000), hold);
        }
        assert_eq!(addresses.expires_at(), Some(at(2000)));
        addresses.expire_one(at(1999));
        assert_eq!(addresses.slab.len(), 2);
        addresses.expire_one(at(2000));
        assert_eq!(addresses.expires_at(), Some(at(4000)));
        addresses.expire_one(at(4000));
        assert_eq!(addresses, Addresses::default());
    }

    #[test]
    fn who_leaves_late_is_forgotten_at_once() {
        let mut addresses = Addresses::default();
        let hold = addresses.enter(at(0), bounds(9), AddressKey::new(1)).unwrap();
        addresses.leave(at(1000), hold);
        assert_eq!(addresses, Addresses::default());
    }

    #[test]
    fn an_address_without_connections_gives_way_to_another() {
        let mut addresses = Addresses::default();
        let mut enter = |key| addresses.enter(at(0), bounds(2), AddressKey::new(key));
        let (one, two) = (enter(1).unwrap(), enter(2).unwrap());
        assert_eq!(enter(3), Err((Refusal::TooManyAddresses, None)));
        addresses.leave(at(0), two);
        let three = addresses.enter(at(0), bounds(2), AddressKey::new(3)).unwrap();
        assert_eq!((addresses.slab.len(), three), (2, two));
        for hold in [one, three] {
            addresses.leave(at(9000), hold);
        }
        assert_eq!(addresses, Addresses::default());
    }
}
