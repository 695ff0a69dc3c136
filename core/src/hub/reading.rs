//! Reading a room's log by the page. This file does not know who reads.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use super::{Gone, Hub};
use crate::claims::Action;
use crate::command::Command;
use crate::frame::frame_len;
use crate::protocol::{ErrorCode, Id, Page, Position, Reply};
use crate::room::Room;

/// What a `joined` or a `history` takes beside its page, in bytes: an `id` of 64 characters and a
/// room's name, all escaped, an epoch, numbers, and the frame's header.
const PAGE_FRAME_BYTES: u64 = 1024;

impl Hub {
    /// Answers `history`: the newest entries before a place, as many as are wanted and fit.
    pub(super) fn history(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        name: &str,
        before: Option<&Position<'_>>,
        limit: Option<u64>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let Some(room_slot) = self.joined(slot, name) else {
            return self.refuse_stranger(slot, id, out);
        };
        if !self.may(slot, Action::History, self.state.rooms[room_slot].name.as_str()) {
            return self.forbid(slot, id, out);
        }
        let free = self.free_for_page(slot);
        self.expire(room_slot);
        let room = &self.state.rooms[room_slot];
        let end = match before {
            None => room.log.head(),
            Some(place) if room.log.is_of(&place.epoch) => {
                place.seq.saturating_sub(1).min(room.log.head())
            }
            // Nothing of another run of the log is left.
            Some(_) => 0,
        };
        let most =
            limit.unwrap_or(self.config.recent as u64).min(self.config.history_entries as u64);
        let from = (end + 1).saturating_sub(most).max(room.log.tail());
        let (first, page) = room.newest(from..=end, free);
        let wanted_any = most > 0 && from <= end;
        let text = Reply::History {
            id,
            room: room.name.as_str(),
            epoch: room.log.epoch(),
            more: first > room.log.tail(),
        }
        .text_with("items", &page);
        let fits = self.queued(slot) + frame_len(text.len()) as u64 <= self.limits.data;
        if !fits || (wanted_any && first > end) {
            let message = "the connection reads too slowly for a page";
            return self.refuse(slot, id, ErrorCode::Overloaded, message, out);
        }
        self.tell(slot, text, out)
    }

    /// The bytes that a page for the session may have, with all that is given beside it.
    pub(super) fn free_for_page(&mut self, slot: u32) -> usize {
        let used = self.queued(slot) + PAGE_FRAME_BYTES;
        let in_window = self.limits.data.saturating_sub(used);
        let in_budget = self.limits.budget.saturating_sub(self.queued_in_all() + PAGE_FRAME_BYTES);
        let free = usize::try_from(in_window.min(in_budget)).unwrap_or(usize::MAX);
        free.min(self.config.page_bytes)
    }
}

impl Room {
    /// The newest entries of `places` that fit, with the place of the first one; one past the last
    /// place if none does.
    pub(super) fn newest(&self, places: RangeInclusive<u64>, bytes: usize) -> (u64, Page) {
        let end = *places.end();
        let (mut first, mut used) = (end + 1, 0);
        for (seq, entry) in self.log.range(places).rev() {
            let more = Page::item_bytes(self.item(&entry.text));
            if used + more > bytes {
                break;
            }
            used += more;
            first = seq;
        }
        (first, self.page(first..=end, used))
    }

    /// The oldest entries from `from` on that fit, with the place of the last one; the place before
    /// `from` if none does.
    pub(super) fn oldest(&self, from: u64, bytes: usize) -> (u64, Page) {
        let (mut last, mut used) = (from - 1, 0);
        for (seq, entry) in self.log.range(from..=self.log.head()) {
            let more = Page::item_bytes(self.item(&entry.text));
            if used + more > bytes {
                break;
            }
            used += more;
            last = seq;
        }
        (last, self.page(from..=last, used))
    }

    /// The entries of `places`, which take `bytes`.
    fn page(&self, places: RangeInclusive<u64>, bytes: usize) -> Page {
        let mut page = Page::with_capacity(bytes);
        for (_, entry) in self.log.range(places) {
            page.push(self.item(&entry.text));
        }
        page
    }

    /// A message as an item of a page, from behind its opening brace.
    fn item<'a>(&self, text: &'a str) -> &'a str {
        &text[self.prefix.len()..]
    }
}
