//! Who may not join a room for a while. This file does not know who is there.

use alloc::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::time::Timestamp;

/// Who is kept out, and where. The room need not be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Ban {
    pub(crate) room: Name,
    pub(crate) user: Name,
}

/// Every ban, by itself and by its end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bans {
    ends: BTreeMap<Ban, Timestamp>,
    by_end: BTreeSet<(Timestamp, Ban)>,
    /// When the timer of the first end is set to fire.
    pub(crate) armed: Option<Timestamp>,
}

impl Bans {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Each one, and its end.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Ban, Timestamp)> {
        self.ends.iter().map(|(ban, end)| (ban, *end))
    }

    /// When `user` may join `room` again, if it may not now.
    pub(crate) fn find(&self, now: Timestamp, room: &Name, user: &Name) -> Option<Timestamp> {
        // Hardly a hub has any.
        if self.ends.is_empty() {
            return None;
        }
        let ban = Ban { room: room.clone(), user: user.clone() };
        self.ends.get(&ban).copied().filter(|end| *end > now)
    }

    /// Sets a ban's end, whether it is there already or not.
    pub(crate) fn set(&mut self, ban: Ban, end: Timestamp) {
        self.lift(&ban);
        self.by_end.insert((end, ban.clone()));
        self.ends.insert(ban, end);
    }

    /// Ends a ban, if it is there.
    pub(crate) fn lift(&mut self, ban: &Ban) {
        if let Some(end) = self.ends.remove(ban) {
            self.by_end.remove(&(end, ban.clone()));
        }
    }

    /// Lets go of what has ended.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        while self.first_end().is_some_and(|end| end <= now) {
            if let Some((_, ban)) = self.by_end.pop_first() {
                self.ends.remove(&ban);
            }
        }
    }

    /// When the next one ends.
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        self.by_end.first().map(|(end, _)| *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(room: &str, user: &str) -> Ban {
        Ban { room: room.parse().unwrap(), user: user.parse().unwrap() }
    }

    fn found(bans: &Bans, now: u64, of: &Ban) -> Option<Timestamp> {
        bans.find(Timestamp::from_millis(now), &of.room, &of.user)
    }

    #[test]
    fn a_ban_holds_for_its_room_and_user_until_it_ends() {
        let mut bans = Bans::default();
        let (ann, end) = (ban("lobby", "ann"), Timestamp::from_millis(10));
        bans.set(ann.clone(), end);
        assert_eq!([9, 10].map(|now| found(&bans, now, &ann)), [Some(end), None]);
        for other in [ban("tea", "ann"), ban("lobby", "bob")] {
            assert_eq!(found(&bans, 0, &other), None);
        }
        bans.set(ann.clone(), Timestamp::from_millis(20));
        assert_eq!((bans.len(), bans.first_end()), (1, Some(Timestamp::from_millis(20))));
        bans.expire(Timestamp::from_millis(19));
        assert_eq!(bans.len(), 1);
        bans.expire(Timestamp::from_millis(20));
        assert_eq!(bans, Bans::default());
        bans.set(ann.clone(), end);
        bans.lift(&ban("lobby", "bob"));
        assert_eq!(bans.len(), 1);
        bans.lift(&ann);
        assert_eq!(bans, Bans::default());
    }
}
