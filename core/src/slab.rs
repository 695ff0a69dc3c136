//! A table with dense slots that are used again. This file does not know what is in them.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// Values in slots numbered from 0. The table is as new when the last value is gone.
#[derive(Clone, Debug, PartialEq)]
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

    /// The values that were in these slots, with the others free in this order: the last one is used
    /// first. Nothing if a slot is named twice, or one in between is not named.
    pub(crate) fn restored(used: Vec<(u32, T)>, free: Vec<u32>) -> Option<Self> {
        let mut is_free = Vec::new();
        is_free.resize(used.len() + free.len(), false);
        for slot in &free {
            let is_free = is_free.get_mut(*slot as usize)?;
            (!core::mem::replace(is_free, true)).then_some(())?;
        }
        let mut slots = Vec::new();
        slots.resize_with(is_free.len(), || None);
        for (slot, value) in used {
            let place = slots.get_mut(slot as usize)?;
            (!is_free[slot as usize] && place.replace(value).is_none()).then_some(())?;
        }
        Some(Self { slots, free })
    }

    /// Each slot in use, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.slots).filter_map(|(slot, value)| Some((slot, value.as_ref()?)))
    }

    /// The slots that are free, the one that is used next at the end.
    pub(crate) fn free(&self) -> &[u32] {
        &self.free
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
