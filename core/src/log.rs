//! A room's log. This file does not know who reads it, nor how a frame looks.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::keyed::{digits, value};
use crate::session::SessionId;
use crate::time::Timestamp;

/// The name of one run of a log, never the same twice. Two places are comparable only within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        digits::<13>(self.0).iter().try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl<'de> Deserialize<'de> for Epoch {
    /// Reads what it is written as: its digits.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        value(&text).map(Self).ok_or_else(|| D::Error::custom("an epoch has other digits"))
    }
}

/// One entry, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) text: Arc<str>,
    /// The session; nothing for an operator.
    pub(crate) author: Option<SessionId>,
    pub(crate) at: Timestamp,
}

/// What a log keeps at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

/// How many entries gave way to a new one, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trimmed {
    pub(crate) age: u64,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

/// Entries numbered from 1 without a hole, of which the newest are kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Log {
    epoch: Epoch,
    head: u64,
    bytes: usize,
    entries: VecDeque<Entry>,
}

impl Log {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch, head: 0, bytes: 0, entries: VecDeque::new() }
    }

    /// The log that was at `head`, and kept `entries`; nothing if these are more than it ever had.
    pub(crate) fn restored(epoch: Epoch, head: u64, entries: VecDeque<Entry>) -> Option<Self> {
        let bytes = entries.iter().map(|entry| entry.text.len()).sum();
        (entries.len() as u64 <= head).then_some(Self { epoch, head, bytes, entries })
    }

    /// What is kept, the oldest first.
    pub(crate) fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The newest place, 0 before the first entry.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// The oldest place that is kept; one past the head if none is.
    pub(crate) fn tail(&self) -> u64 {
        self.head + 1 - self.entries.len() as u64
    }

    /// Whether `epoch` names this run of the log.
    pub(crate) fn is_of(&self, epoch: &str) -> bool {
        epoch.chars().eq(digits::<13>(self.epoch.0))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn get(&self, seq: u64) -> Option<&Entry> {
        let index = seq.checked_sub(self.tail())?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The kept entries of `places`, in both directions.
    pub(crate) fn range(
        &self,
        places: RangeInclusive<u64>,
    ) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        let from = (*places.start()).max(self.tail());
        let to = (*places.end()).min(self.head);
        (from..=to).filter_map(|seq| Some((seq, self.get(seq)?)))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of the entries that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends an entry at `head() + 1`, having made room for it. What gave way is told, if any did.
    pub(crate) fn append(&mut self, bounds: Bounds, entry: Entry) -> Option<Trimmed> {
        let before = self.entries.len();
        self.expire(entry.at, bounds.age);
        let age = (before - self.entries.len()) as u64;
        let mut trimmed = Trimmed { age, ..Trimmed::default() };
        let bytes = entry.text.len();
        while self.entries.len() >= bounds.entries || self.bytes + bytes > bounds.bytes {
            let is_full = self.entries.len() >= bounds.entries;
            if self.trim_oldest().is_none() {
                break;
            }
            trimmed.entries += u64::from(is_full);
            trimmed.bytes += u64::from(!is_full);
        }
        self.head += 1;
        self.bytes += bytes;
        self.entries.push_back(entry);
        (self.entries.len() <= before).then_some(trimmed)
    }

    /// Puts another text in the place of one that is kept.
    pub(crate) fn rewrite(&mut self, seq: u64, text: Arc<str>) {
        let index = seq.checked_sub(self.tail()).and_then(|index| usize::try_from(index).ok());
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            self.bytes = self.bytes - entry.text.len() + text.len();
            entry.text = text;
        }
    }

    /// Lets go of what is `age` old.
    pub(crate) fn expire(&mut self, now: Timestamp, age: Duration) {
        while self.expires_at(age).is_some_and(|at| at <= now) {
            self.trim_oldest();
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    /// When the oldest entry is `age` old.
    pub(crate) fn expires_at(&self, age: Duration) -> Option<Timestamp> {
        self.entries.front().map(|oldest| oldest.at + age)
    }

    /// Where a reader that asks for what came after `since` starts, and with which news.
    pub(crate) fn start(&self, recent: usize, since: Option<(&str, u64)>) -> Start {
        let fresh = |reason| Start::Fresh {
            from: (self.head + 1).saturating_sub(recent as u64).max(self.tail()),
            reason,
        };
        let Some((epoch, seq)) = since else { return fresh(None) };
        if !self.is_of(epoch) {
            fresh(Some("epoch_changed"))
        } else if seq > self.head {
            fresh(Some("ahead"))
        } else if seq + 1 >= self.tail() {
            Start::Recovered { after: seq }
        } else {
            Start::Trimmed { missing: (seq + 1)..=(self.tail() - 1) }
        }
    }

    fn trim_oldest(&mut self) -> Option<()> {
        let oldest = self.entries.pop_front()?;
        self.bytes -= oldest.text.len();
        Some(())
    }
}

/// Where a reader starts in a log: the table of `since`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the newest entries, `from` being the oldest that it may be given.
    Fresh { from: u64, reason: Option<&'static str> },
    /// Where it stood, nothing missing.
    Recovered { after: u64 },
    /// At the tail: what it had not seen is in part trimmed.
    Trimmed { missing: RangeInclusive<u64> },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(bytes: usize) -> Entry {
        Entry { text: "x".repeat(bytes).into(), author: None, at: Timestamp::ZERO }
    }

    #[test]
    fn an_entry_that_is_written_anew_counts_as_long_as_it_is() {
        let bounds = Bounds { entries: 10, bytes: 100, age: Duration::from_hours(1) };
        for (seq, text, kept_of_three) in [(1, 10, 3), (1, 11, 2), (2, 1, 3), (3, 0, 3)] {
            let mut log = Log::new(Epoch(1));
            log.append(bounds, entry(40));
            log.append(bounds, entry(30));
            log.rewrite(seq, "y".repeat(text).into());
            // All three just fit where the second place has 30 bytes, and the first one 10.
            log.append(bounds, entry(if seq == 1 { 60 } else { 30 }));
            assert_eq!(log.head() + 1 - log.tail(), kept_of_three, "{seq}, {text}");
        }
    }
}
