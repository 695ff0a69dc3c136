//! What clients were told of one run of a room's log. This file does not know who was told.

use std::collections::VecDeque;
use std::time::Duration;

use super::session::SessionId;

/// What a log may keep at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) age: Duration,
}

/// The hash of an entry whose data is gone.
pub(crate) const REMOVED: u64 = 0;

/// What removed entries are longer by than those with the shortest data.
const MARK_BYTES: u64 = 16;

/// An entry, as far as it can be told from another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry {
    /// A hash of the author's name and of the data's bytes, or [`REMOVED`].
    pub(crate) digest: u64,
    /// Not known of an entry that was only acknowledged.
    pub(crate) ts: Option<u64>,
    /// Known of an entry that was seen when it was published. A name may have another owner later.
    pub(crate) author: Option<SessionId>,
    /// A hash of the author's name.
    pub(crate) user: u64,
    /// Whether it tells that another one was removed.
    pub(crate) tells: bool,
    /// The bytes of its `message`, as far as it was seen.
    pub(crate) bytes: u64,
}

/// The newest entries of a log that anybody was told of, without holes at their end.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Option<Entry>>,
    /// The place of the first one.
    first: u64,
    /// Whether something may have been published that nobody was told of so far.
    pub(crate) unseen: bool,
}

impl Log {
    /// The newest place that anybody was told of.
    pub(crate) fn head(&self) -> u64 {
        self.first + self.entries.len() as u64 - u64::from(!self.entries.is_empty())
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Entry> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.entries.get(index)?.as_ref()
    }

    /// The known entries behind `after`, up to and without `until`.
    pub(crate) fn between(&self, after: u64, until: u64) -> impl Iterator<Item = (u64, &Entry)> {
        let from = (after + 1).max(self.first);
        (from..until.min(self.head() + 1)).filter_map(|seq| Some((seq, self.get(seq)?)))
    }

    /// Takes note of an entry; the same place holds the same entry for everybody, for ever.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(crate) fn record(
        &mut self,
        seq: u64,
        mut entry: Entry,
        bounds: Bounds,
    ) -> Result<(), String> {
        if !(1..1 << 53).contains(&seq) {
            return Err(format!("place {seq}"));
        }
        if seq + bounds.entries <= self.head() {
            return Err(format!("{seq} is given behind {}, though it is trimmed", self.head()));
        }
        if let Some(known) = self.get(seq) {
            entry.ts = entry.ts.or(known.ts);
            entry.author = known.author.or(entry.author);
            entry.bytes = entry.bytes.max(known.bytes);
            let same = (known.digest == entry.digest || entry.digest == REMOVED)
                && known.user == entry.user
                && known.ts.is_none_or(|ts| Some(ts) == entry.ts);
            if !same {
                return Err(format!("{seq} was {known:?} and is {entry:?}"));
            }
        }
        if self.entries.is_empty() {
            self.first = seq;
            self.entries.push_back(None);
        }
        while seq < self.first {
            self.entries.push_front(None);
            self.first -= 1;
        }
        while seq > self.head() {
            self.entries.push_back(None);
        }
        let place = usize::try_from(seq - self.first).expect("a log has few entries");
        self.entries[place] = Some(entry);
        while self.entries.len() as u64 > bounds.entries {
            self.entries.pop_front();
            self.first += 1;
        }
        let before = seq.checked_sub(1).and_then(|seq| self.get(seq)).and_then(|before| before.ts);
        match (before, entry.ts) {
            (Some(before), Some(ts)) if before > ts => {
                Err(format!("{seq} is older than {}", seq - 1))
            }
            _ => Ok(()),
        }
    }

    /// The data of the entry at `seq` is removed, if it is known and has any.
    pub(crate) fn remove(&mut self, seq: u64) {
        let index = seq.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let entry = index.and_then(|index| self.entries.get_mut(index)).and_then(Option::as_mut);
        if let Some(entry) = entry.filter(|entry| !entry.tells) {
            entry.digest = REMOVED;
            entry.bytes += MARK_BYTES;
        }
    }

    /// Whether the log's limits allow `seq` to be trimmed, at `now_ms` of the wall clock, as far as
    /// clients can know.
    pub(crate) fn may_lack(&self, seq: u64, now_ms: u64, bounds: Bounds) -> bool {
        let Some(entry) = self.get(seq) else { return true };
        let newer = self.head().saturating_sub(seq);
        let (mut bytes, mut all_seen) = (0, true);
        for seq in seq..=self.head() {
            // Who saw only an `ack` does not know how long the entry is.
            let seen = self.get(seq).map_or(0, |entry| entry.bytes);
            all_seen &= seen > 0;
            bytes += seen;
        }
        let age = entry.ts.map(|ts| Duration::from_millis(now_ms.saturating_sub(ts) + 1));
        let old = age.is_none_or(|age| age >= bounds.age);
        self.unseen || newer >= bounds.entries || bytes > bounds.bytes || !all_seen || old
    }

    /// What is over will not come back.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// A hash that tells contents apart (FNV-1a, 64 bits).
pub(crate) fn digest(parts: [&str; 2]) -> u64 {
    let bytes = parts.into_iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}
