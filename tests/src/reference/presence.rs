//! Who is in a room of the reference: counted anew after every event. It does not know who was told
//! what.

use std::collections::{BTreeMap, BTreeSet};

use roundtable::{Action, ConnId, Timestamp};
use serde_json::{Map, Value, json};

use super::Reference;
use super::frame::{Refusal, string, with_id};

/// What is known of who is in a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    /// Each user with the number of its sessions, when they were counted last.
    users: BTreeMap<String, u64>,
    /// To whom something has happened that nobody was told of, and since when.
    touched: BTreeSet<String>,
    since: Option<Timestamp>,
    /// Whether somebody may have been told of no names since, or members were.
    unnamed: bool,
    version: u64,
}

impl Reference {
    /// Takes note of who has come and gone.
    pub(super) fn count_users(&mut self) {
        let most = self.config.presence_list;
        for index in 0..self.rooms.len() {
            let users = self.users_of(&self.rooms[index].name);
            let counted = &self.rooms[index].presence.users;
            let known = counted.iter().map(|(user, n)| (user.as_str(), *n));
            if known.eq(users.iter().map(|(user, n)| (*user, *n))) {
                continue;
            }
            let users = owned(users);
            let presence = &mut self.rooms[index].presence;
            let all: BTreeSet<&String> = users.keys().chain(presence.users.keys()).collect();
            let changed = |user: &&&String| users.get(**user) != presence.users.get(**user);
            let changed: Vec<String> =
                all.iter().filter(changed).map(|user| (*user).clone()).collect();
            if !changed.is_empty() {
                presence.since.get_or_insert(self.now);
            }
            presence.touched.extend(changed);
            presence.unnamed |= users.len() > most;
            presence.users = users;
        }
    }

    /// When members are told the next time.
    pub(super) fn next_news(&self) -> Option<Timestamp> {
        let since = self.rooms.iter().filter_map(|room| room.presence.since).min();
        since.map(|at| at + self.config.presence_tick)
    }

    /// Tells the members of each room, as far as they may know, what they are to be told by `now`.
    pub(super) fn tell_news(&mut self, now: Timestamp) {
        let most = self.config.presence_list;
        for index in 0..self.rooms.len() {
            let room = &mut self.rooms[index];
            let due = room.presence.since.is_some_and(|at| at + self.config.presence_tick <= now);
            if !due {
                continue;
            }
            let presence = &mut room.presence;
            presence.version += 1;
            presence.since = None;
            let touched = core::mem::take(&mut presence.touched);
            let too_many = presence.users.len() > most;
            let unnamed = core::mem::replace(&mut presence.unnamed, too_many);
            let mut frame = if unnamed || touched.len() > most {
                presence.everybody(most)
            } else {
                let (there, gone): (Vec<_>, Vec<_>) =
                    touched.iter().partition(|user| presence.users.contains_key(*user));
                let item = |user: &String| json!({ "user": user, "n": presence.users[user] });
                let join: Vec<Value> = there.into_iter().map(item).collect();
                json!({ "v": presence.version, "join": join, "leave": gone })
            };
            frame["type"] = json!("presence");
            frame["room"] = json!(room.name);
            let name = room.name.clone();
            let is_in = |session: &&super::Session| {
                let is_in = session.is_connected() && session.membership(&name).is_some();
                is_in && session.may(Action::Presence, &name)
            };
            let members: Vec<ConnId> =
                self.sessions.iter().filter(is_in).map(|session| session.conn).collect();
            for member in members {
                self.say(member, frame.clone());
            }
        }
    }

    /// What a `joined` says of who is in the room.
    pub(super) fn members_of(&self, name: &str) -> Value {
        let room = self.room(name).expect("members hold their room");
        let now = Presence {
            users: owned(self.users_of(name)),
            version: room.presence.version,
            ..Presence::default()
        };
        now.everybody(self.config.presence_list)
    }

    /// Answers `presence`.
    pub(super) fn who_is_there(
        &mut self,
        me: usize,
        id: Option<Value>,
        frame: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let name = string(frame, "room")?.trim().to_owned();
        let session = &self.sessions[me];
        session.membership(&name).ok_or(("not_joined", None))?;
        self.hold(me, Action::Presence, &name)?;
        let conn = session.conn;
        let mut answer = self.members_of(&name);
        answer["type"] = json!("presence");
        answer["room"] = json!(name);
        self.say(conn, with_id(answer, id));
        Ok(())
    }

    fn users_of(&self, name: &str) -> BTreeMap<&str, u64> {
        let mut users = BTreeMap::new();
        for session in &self.sessions {
            if self.is_there(session) && session.membership(name).is_some() {
                *users.entry(session.user.as_str()).or_insert(0) += 1;
            }
        }
        users
    }
}

fn owned(users: BTreeMap<&str, u64>) -> BTreeMap<String, u64> {
    users.into_iter().map(|(user, n)| (user.to_owned(), n)).collect()
}

impl Presence {
    fn everybody(&self, most: usize) -> Value {
        let mut members = json!({ "v": self.version, "count": self.users.len() });
        if self.users.len() <= most {
            let item = |(user, n): (&String, &u64)| json!({ "user": user, "n": n });
            members["list"] = self.users.iter().map(item).collect();
        }
        members
    }
}
