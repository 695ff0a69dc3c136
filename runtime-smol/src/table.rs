//! The connections of one shard by their numbers. This file does not know what a connection is.

use roundtable::ConnId;

/// The most shards that a [`ConnId`] has room for.
pub(crate) const MAX_SHARDS: usize = 1 << SHARD_BITS;

const SHARD_BITS: u32 = 8;
const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 32;
const MAX_SLOTS: usize = 1 << SLOT_BITS;

/// The shard that minted `conn`.
pub(crate) const fn shard_of(conn: ConnId) -> usize {
    (conn.get() >> (SLOT_BITS + GENERATION_BITS)) as usize
}

/// Where in its shard's table it is: no other connection that is there has the same.
pub(crate) const fn slot_of(conn: ConnId) -> usize {
    (conn.get() >> GENERATION_BITS) as usize & (MAX_SLOTS - 1)
}

/// Slots that are used again, under a number that is not.
///
/// A number is a shard, a slot and how often the slot was used before: finding a connection is one
/// look into a vector, and a late command for one that is gone finds nobody.
#[derive(Debug)]
pub(crate) struct Table<T> {
    shard: u64,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    /// An empty table for the shard of this index.
    pub(crate) fn new(shard: usize) -> Self {
        assert!(shard < MAX_SHARDS, "shard {shard} does not fit into a connection's number");
        Self { shard: shard as u64, slots: Vec::new(), free: Vec::new(), len: 0 }
    }

    /// Puts in what `make` makes of its number.
    ///
    /// # Panics
    ///
    /// With 2^24 connections at a time, more than a process can have descriptors for.
    pub(crate) fn insert(&mut self, make: impl FnOnce(ConnId) -> T) -> ConnId {
        let index = self.free.pop().map_or(self.slots.len(), |slot| slot as usize);
        assert!(index < MAX_SLOTS, "{MAX_SLOTS} connections on one shard");
        if index == self.slots.len() {
            self.slots.push(Slot { generation: 0, value: None });
        }
        let slot = &mut self.slots[index];
        let place = (self.shard << SLOT_BITS) | index as u64;
        let conn = ConnId::new((place << GENERATION_BITS) | u64::from(slot.generation));
        slot.value = Some(make(conn));
        self.len += 1;
        conn
    }

    /// What has this number, if it is still there.
    pub(crate) fn get(&self, conn: ConnId) -> Option<&T> {
        let slot = self.slots.get(slot_of(conn))?;
        let is_of_age = u64::from(slot.generation) == conn.get() & u64::from(u32::MAX);
        slot.value.as_ref().filter(|_| is_of_age)
    }

    /// Whether nobody is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes out what has this number, which is never given again.
    pub(crate) fn remove(&mut self, conn: ConnId) -> Option<T> {
        self.get(conn)?;
        let index = slot_of(conn);
        let slot = &mut self.slots[index];
        // A slot whose numbers are used up is not used again.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            self.free.push(u32::try_from(index).expect("24 bits"));
        }
        self.len -= 1;
        slot.value.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_its_shard_and_is_never_used_twice() {
        let mut table = Table::new(MAX_SHARDS - 1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let pair = [table.insert(|conn| conn), table.insert(|conn| conn)];
            for conn in pair {
                assert_eq!(shard_of(conn), MAX_SHARDS - 1);
                assert_eq!(table.get(conn), Some(&conn));
                assert!(seen.insert(conn), "{conn:?} was used before");
            }
            for conn in pair {
                assert_eq!(table.remove(conn), Some(conn));
                assert_eq!(table.get(conn), None, "a number of old finds nobody");
                assert_eq!(table.remove(conn), None);
            }
        }
        assert!(table.is_empty());
        assert_eq!(table.slots.len(), 2, "slots are used again");
    }

    #[test]
    fn a_slot_whose_numbers_are_used_up_is_not_used_again() {
        let mut table = Table::new(0);
        table.slots.push(Slot { generation: u32::MAX, value: None });
        table.free.push(0);
        let last = table.insert(|conn| conn);
        assert_eq!(table.remove(last), Some(last));
        let next = table.insert(|conn| conn);
        assert_eq!(slot_of(next), 1);
    }
}
