//! Keys and signals: the part of the auditor that knows what may be said twice, and what is said once
//! and not kept.

use std::collections::BTreeMap;

use roundtable::{Action, Config};

use super::frame::Frame;
use super::{Audit, What};
use crate::invariant::hold;
use crate::known::LogId;

/// The entries that keys were acknowledged for.
#[derive(Debug)]
pub(super) struct Keys {
    known: BTreeMap<(String, LogId, String), Known>,
    /// How many were acknowledged for the first time.
    count: u64,
    age_ms: u64,
    most: u64,
    ttl_ms: u64,
}

#[derive(Clone, Debug)]
struct Known {
    seq: u64,
    data: Option<String>,
    at_ms: u64,
    /// How many keys came before it.
    number: u64,
}

impl Keys {
    pub(super) fn new(config: &Config) -> Self {
        let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).expect("short");
        Self {
            known: BTreeMap::new(),
            count: 0,
            age_ms: millis(config.key_age),
            most: config.max_keys as u64,
            ttl_ms: millis(config.signal_ttl),
        }
    }
}

impl Audit {
    /// A key stands for one entry, until it is old or many others came.
    pub(super) fn check_key(
        &mut self,
        log: LogId,
        seq: u64,
        repeated: bool,
        now_ms: u64,
        frame: &Frame<'_>,
    ) {
        let request = self.request.as_ref().expect("something is acknowledged");
        let (slot, data) = (request.slot, request.data.clone());
        let Some(key) = request.key.clone() else {
            assert!(!repeated, "repeats nothing: {frame:?}");
            return;
        };
        let owner = self.owner_of_keys(slot).expect("a client that publishes has a session");
        let keys = &mut self.keys;
        let number = keys.count;
        let id = (owner, log, key);
        let known = keys.known.get(&id).filter(|known| known.at_ms + keys.age_ms > now_ms);
        let known = known.cloned();
        // Keys of publishes without an id fill the table, too.
        let may_be_full = keys.most < 1000;
        if repeated {
            // Nothing is known of one that was published without an id, be it that the key was forgotten
            // before.
            let same = known.is_none_or(|known| {
                known.seq == seq && known.data == data || may_be_full && known.seq < seq
            });
            hold!(self.checked, SafeRepeats, same, "{data:?} is another entry: {frame:?}");
            return;
        }
        let forgotten = known.as_ref().is_none_or(|known| number - known.number >= keys.most);
        keys.count += 1;
        keys.known.insert(id, Known { seq, data, at_ms: now_ms, number });
        hold!(self.checked, SafeRepeats, forgotten || may_be_full, "twice: {known:?}, {frame:?}");
    }

    pub(super) fn is_signal(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.what == What::Signal)
    }

    /// A signal is what its author has just sent.
    pub(super) fn note_signal(&mut self, frame: &Frame<'_>) {
        let (from, data) = frame.said();
        let request = self.request.as_ref().filter(|_| self.is_signal());
        let request = request.unwrap_or_else(|| panic!("nobody said {frame:?}"));
        let reader = self.readers[request.slot].as_ref().expect("a live client");
        let slot = request.slot;
        let user = reader.user.as_ref().map(|(_, user)| user.as_str());
        let same = user == Some(from)
            && request.data.as_deref() == Some(data)
            && request.key.as_deref() == frame.key.as_deref()
            && frame.ttl_ms == Some(self.keys.ttl_ms);
        hold!(self.checked, SignalsPass, same, "{request:?} became {frame:?}");
        self.check_right(slot, Action::Signal, frame);
    }

    /// A signal is given to others who have read everything in its room.
    pub(super) fn signalled(&mut self, slot: usize, frame: &Frame<'_>) {
        let room = self.known.room(frame.room());
        let author = self.request.as_ref().map(|request| request.slot);
        let reader = self.readers[slot].as_ref().expect("a live client");
        let member = reader.rooms.iter().find(|member| member.room == room);
        let live = member.is_some_and(|member| self.missing(reader, member, u64::MAX).is_none());
        let held = live && author != Some(slot);
        hold!(self.checked, SignalsPass, held, "given to {reader:?}: {frame:?}");
    }
}
