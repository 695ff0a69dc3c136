//! Who is in a room, and what its members are not told so far. This file does not know when they are
//! told, nor by what connection.

use alloc::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::protocol::{Changes, Members, Present};
use crate::time::Timestamp;

/// The users of a room, each with the number of its sessions there, and the news of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Presence {
    users: BTreeMap<Name, u32>,
    news: News,
    /// How often members were told.
    version: u64,
    /// What they were told the last time.
    told: Told,
    /// When the timer of the next telling is set to fire.
    pub(crate) armed: Option<Timestamp>,
}

/// Of whom members are to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum News {
    /// Of these; also of who came and went, whom a list in between has shown.
    Of(BTreeSet<Name>),
    /// Of everybody: the news are longer than a list, or there were too many users for one.
    All,
}

/// What members know of the users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    /// Their names.
    #[default]
    Names,
    /// How many they are.
    Count,
}

/// What members were told of a room's users, and what they are to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Telling {
    /// How often they were told.
    pub(crate) version: u64,
    /// Whether they know names, and not only a number.
    pub(crate) names: bool,
    /// Of whom they are to be told; nothing means of everybody.
    pub(crate) news: Option<BTreeSet<Name>>,
}

impl Presence {
    /// What was told, and what is still to be told, of these users.
    pub(crate) fn restored(users: BTreeMap<Name, u32>, told: Telling) -> Self {
        let Telling { version, names, news } = told;
        Self {
            users,
            news: news.map_or(News::All, News::Of),
            version,
            told: if names { Told::Names } else { Told::Count },
            armed: None,
        }
    }

    /// What was told, and what is still to be told.
    pub(crate) fn telling(&self) -> Telling {
        Telling {
            version: self.version,
            names: self.told == Told::Names,
            news: match &self.news {
                News::Of(names) => Some(names.clone()),
                News::All => None,
            },
        }
    }

    /// A session of `user` has come. A list has `most` users at the most.
    pub(crate) fn arrive(&mut self, most: usize, user: &Name) {
        *self.users.entry(user.clone()).or_insert(0) += 1;
        self.note(most, user);
    }

    /// A session of `user` has gone.
    pub(crate) fn depart(&mut self, most: usize, user: &Name) {
        let sessions = self.users.get_mut(user).expect("who goes has come");
        *sessions -= 1;
        if *sessions == 0 {
            self.users.remove(user);
        }
        self.note(most, user);
    }

    /// By what a reader's knowledge is compared with what was told: the low half of the version,
    /// which comes back only after 2^32 tellings.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    pub(crate) fn mark(&self) -> u32 {
        self.version as u32
    }

    /// Everybody, by name if they are not too many. It may be ahead of what members were told: the
    /// next telling repeats what it is ahead by.
    pub(crate) fn members(&self, most: usize) -> Members<'_> {
        let list = (self.users.len() <= most).then(|| self.users.iter().map(present).collect());
        Members { list, ..self.count() }
    }

    /// How many they are.
    pub(crate) fn count(&self) -> Members<'_> {
        Members { v: self.version, count: self.users.len(), list: None }
    }

    /// Begins a telling, and returns of whom it is.
    pub(crate) fn begin_telling(&mut self, most: usize) -> News {
        self.version += 1;
        let now = if self.users.len() <= most { Told::Names } else { Told::Count };
        let before = core::mem::replace(&mut self.told, now);
        let news = core::mem::take(&mut self.news);
        if before == Told::Names && now == Told::Names { news } else { News::All }
    }

    /// Which of `names` have come or have another number of sessions, and which have gone.
    pub(crate) fn changes<'a>(&'a self, names: &'a BTreeSet<Name>) -> Changes<'a> {
        let there = names.iter().filter_map(|name| self.users.get_key_value(name));
        let gone = names.iter().filter(|name| !self.users.contains_key(*name));
        Changes {
            v: self.version,
            join: there.map(present).collect(),
            leave: gone.map(Name::as_str).collect(),
        }
    }

    fn note(&mut self, most: usize, user: &Name) {
        match &mut self.news {
            News::Of(names) if self.users.len() <= most => {
                names.insert(user.clone());
                if names.len() > most {
                    self.news = News::All;
                }
            }
            news => *news = News::All,
        }
    }
}

fn present<'a>((name, sessions): (&'a Name, &u32)) -> Present<'a> {
    Present { user: name.as_str(), n: *sessions }
}

impl Default for News {
    fn default() -> Self {
        Self::Of(BTreeSet::new())
    }
}
