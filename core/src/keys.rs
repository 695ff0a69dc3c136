//! Keys that make a `publish` safe to repeat: which entry each one stands for, for a while. This file
//! does not know what entries say.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::Epoch;
use crate::name::Name;
use crate::session::SessionId;
use crate::time::Timestamp;

/// A key, of one author in one run of a room's log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) epoch: Epoch,
    pub(crate) author: Author,
    pub(crate) word: Box<str>,
}

/// Whose key it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Author {
    /// A session.
    Session(SessionId),
    /// A user with a token, whatever the session.
    User(Name),
}

/// The entry that a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) seq: u64,
    /// A hash of the entry's data.
    pub(crate) digest: u64,
    pub(crate) at: Timestamp,
}

impl Kept {
    pub(crate) fn new(seq: u64, digest: u64, at: Timestamp) -> Self {
        Self { seq, digest, at }
    }
}

/// Every key that is kept, by itself and by age.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Keys {
    kept: BTreeMap<Arc<Key>, Kept>,
    by_age: VecDeque<Arc<Key>>,
    /// When the timer of the oldest one is set to fire.
    pub(crate) armed: Option<Timestamp>,
}

impl Keys {
    /// The entry that `key` stands for, if it is not `age` old.
    pub(crate) fn find(&self, now: Timestamp, age: Duration, key: &Key) -> Option<Kept> {
        self.kept.get(key).copied().filter(|kept| kept.at + age > now)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_age.len()
    }

    /// Lets `key` stand for an entry. At most `most` are kept, at least one: whether the oldest gave
    /// way.
    pub(crate) fn insert(&mut self, age: Duration, most: usize, key: Key, kept: Kept) -> bool {
        // The same key may be there still, and over.
        self.expire(kept.at, age);
        let is_full = self.by_age.len() >= most;
        // Those of another hub may be more than one too many.
        while self.by_age.len() >= most {
            self.forget_oldest();
        }
        let key = Arc::new(key);
        self.kept.insert(key.clone(), kept);
        self.by_age.push_back(key);
        is_full
    }

    /// Lets go of what is `age` old.
    pub(crate) fn expire(&mut self, now: Timestamp, age: Duration) {
        while self.expires_at(age).is_some_and(|at| at <= now) {
            self.forget_oldest();
        }
        if self.by_age.is_empty() {
            self.by_age = VecDeque::new();
        }
    }

    /// When the oldest one is `age` old.
    pub(crate) fn expires_at(&self, age: Duration) -> Option<Timestamp> {
        self.by_age.front().map(|oldest| self.kept[oldest].at + age)
    }

    /// Each one and its entry, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, Kept)> {
        self.by_age.iter().map(|key| (&**key, self.kept[key]))
    }

    /// The keys that were kept so, the oldest first; nothing if one of them is there twice.
    pub(crate) fn restored(keys: impl Iterator<Item = (Key, Kept)>) -> Option<Self> {
        let mut restored = Self::default();
        for (key, kept) in keys {
            let key = Arc::new(key);
            restored.by_age.push_back(key.clone());
            restored.kept.insert(key, kept).is_none().then_some(())?;
        }
        Some(restored)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.by_age.pop_front() {
            self.kept.remove(&oldest);
        }
    }
}

/// A hash that tells an author's data apart (FNV-1a, 64 bits).
pub(crate) fn digest(data: &str) -> u64 {
    data.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_mins(5);

    fn key(author: u64, key: &str) -> Key {
        Key { epoch: Epoch(1), author: Author::Session(SessionId(author)), word: key.into() }
    }

    #[test]
    fn a_key_stands_for_its_entry_until_it_is_old() {
        let (mut keys, start) = (Keys::default(), Timestamp::from_millis(7));
        keys.insert(AGE, 10, key(1, "a"), Kept::new(5, 50, start));
        let found = |keys: &Keys, now| keys.find(now, AGE, &key(1, "a")).map(|kept| kept.seq);
        let end = start + AGE;
        assert_eq!(found(&keys, end - Duration::from_nanos(1)), Some(5));
        assert_eq!(found(&keys, end), None);
        assert_eq!(keys.expires_at(AGE), Some(end));
        for other in [key(2, "a"), key(1, "b"), Key { epoch: Epoch(2), ..key(1, "a") }] {
            assert_eq!(keys.find(start, AGE, &other), None);
        }
        // Over, and not let go of: the same key stands for another entry.
        keys.insert(AGE, 10, key(1, "a"), Kept::new(9, 50, end));
        assert_eq!(found(&keys, end), Some(9));
        keys.expire(end + AGE, AGE);
        assert_eq!(keys, Keys::default());
    }

    #[test]
    fn the_oldest_gives_way() {
        let mut keys = Keys::default();
        for (seq, name) in [(1, "a"), (2, "b"), (3, "c")] {
            keys.insert(AGE, 2, key(1, name), Kept::new(seq, 0, Timestamp::ZERO));
        }
        let kept = ["a", "b", "c"].map(|name| keys.find(Timestamp::ZERO, AGE, &key(1, name)));
        assert_eq!(kept.map(|kept| kept.map(|kept| kept.seq)), [None, Some(2), Some(3)]);
        assert!(keys.insert(AGE, 1, key(1, "d"), Kept::new(4, 0, Timestamp::ZERO)));
        assert_eq!(keys.len(), 1);
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(digest(""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(digest("foobar"), 0x8594_4171_F739_67E8);
    }
}
