//! A table with dense slots that are used again. This file does not know what is in them.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// Values in slots numbered from 0. The table is as new when the last value is gone.
#[derive(Debug, PartialEq)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// How many slots are in use.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more than the highest slot.
    pub(crate) fn end(&self) -> u32 {
        u32::try_from(self.slots.len()).expect("a table has at most 2^32 slots")
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// Puts `value` into the slot that was freed last, or a new one.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(value);
            return slot;
        }
        let slot = self.end();
        self.slots.push(Some(value));
        slot
    }

    /// Takes the value out of a slot in use.
    pub(crate) fn remove(&mut self, slot: u32) -> T {
        let value = self.slots[slot as usize].take().expect("a slot in use");
        self.free.push(slot);
        if self.is_empty() {
            *self = Self::default();
        }
        value
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, slot: u32) -> &T {
        self.slots[slot as usize].as_ref().expect("a slot in use")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, slot: u32) -> &mut T {
        self.slots[slot as usize].as_mut().expect("a slot in use")
    }
}
