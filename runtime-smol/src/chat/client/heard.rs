//! What the server says. This file does not know how the connection began.

use std::mem;
use std::time::Duration;

use roundtable::Timestamp;
use serde_json::Value;

use super::{Action, Client, News, Place, SLOWEST, Stage, What};
use crate::chat::frame::{Body, Entry, Frame, Gap, Joined, Presence, Refusal, Welcome};
use crate::chat::presence::Members;
use crate::chat::request::Request;

/// How long to wait where the server does not say it.
const A_WHILE: Duration = Duration::from_secs(1);

impl Client {
    /// A frame came.
    pub(super) fn frame(&mut self, now: Timestamp, text: &str, actions: &mut Vec<Action>) {
        let Some(Frame { id, body }) = Frame::parse(text) else {
            return actions.push(Action::Tell(News::Garbled(text.to_owned())));
        };
        let answered = match (&id, &self.asked) {
            (Some(id), Some(request)) if request.id.as_ref() == Some(id) => self.asked.take(),
            _ => None,
        };
        if answered.is_some() {
            self.progress(now);
        }
        match body {
            Body::Welcome(welcome) => self.welcome(now, id.as_ref(), welcome, actions),
            Body::Joined(joined) => self.joined(joined, answered.as_ref(), actions),
            Body::Left { room, reason } => self.left(room, reason, actions),
            Body::Message { room, entry } | Body::Removed { room, entry } => {
                self.entry(&room, entry, actions);
            }
            Body::Gap { room, gap } => self.gap(&room, gap, actions),
            Body::History { room, items } => {
                let entries = items.into_iter().filter(|entry| entry.removes.is_none()).collect();
                actions.push(Action::Tell(News::Page { room, entries }));
            }
            Body::Presence { room, news } => {
                self.presence(room, news, answered.is_some(), actions);
            }
            Body::Ack {} => {
                if let Some(Request { what: What::Moderate { what }, .. }) = answered {
                    actions.push(Action::Tell(News::Done { what }));
                }
            }
            Body::Error(refusal) => match self.greeting(id.as_ref()) {
                // A server that does not bring the session back is one to begin anew with.
                Some(welcome) => self.arrived(now, welcome, actions),
                None => self.refused(now, refusal, answered, actions),
            },
            Body::Bye { code, reason, after_ms } => {
                let after = after_ms.map(Duration::from_millis);
                let reason = reason.unwrap_or_default();
                self.line.bye(code, reason.clone(), after);
                // The answer to one's own farewell says nothing new.
                if code != 1000 {
                    actions.push(Action::Tell(News::Bye { reason, after }));
                }
            }
            Body::Pong {} => {
                let is_barrier = |request: &Request| matches!(request.what, What::Barrier);
                if answered.as_ref().is_some_and(is_barrier) {
                    (self.has_entered, self.is_caught_up) = (true, true);
                }
            }
            Body::Other => {}
        }
    }

    fn welcome(
        &mut self,
        now: Timestamp,
        id: Option<&Value>,
        welcome: Welcome,
        actions: &mut Vec<Action>,
    ) {
        if self.stage == Stage::Away {
            self.greeted(now, welcome, actions);
        } else if self.greeting(id).is_some() {
            self.arrived(now, welcome, actions);
        } else {
            // The answer to a frame that somebody typed, or to a fresh token.
            self.names.insert(welcome.user.clone());
            self.user = Some(welcome.user);
        }
    }

    /// What the server said first, if this is the answer to the `hello` that followed.
    fn greeting(&mut self, answer: Option<&Value>) -> Option<Welcome> {
        let Stage::Greeting { id, .. } = &self.stage else { return None };
        if answer != Some(id) {
            return None;
        }
        match mem::replace(&mut self.stage, Stage::There) {
            Stage::Greeting { welcome, .. } => Some(*welcome),
            Stage::Away | Stage::There | Stage::Draining | Stage::Leaving | Stage::Over => None,
        }
    }

    fn joined(&mut self, joined: Joined, answered: Option<&Request>, actions: &mut Vec<Action>) {
        let is_wanted = answered.is_some_and(|request| matches!(request.what, What::Join { .. }));
        let room = joined.room.clone();
        let known = self.place(&room);
        let is_first = known.is_none();
        let is_new_run = known.as_ref().is_some_and(|place| {
            // A log that is behind what one has seen is another one, whatever it is called.
            place.epoch != joined.epoch || joined.reason.as_deref() == Some("ahead")
        });
        match known {
            None => {
                self.places.push(Place {
                    room: room.clone(),
                    epoch: joined.epoch.clone(),
                    seq: 0,
                    is_held: true,
                    members: Members::default(),
                });
                actions.push(Action::Tell(News::Joined { room: room.clone() }));
            }
            Some(place) => {
                place.is_held = true;
                if is_new_run {
                    place.epoch.clone_from(&joined.epoch);
                    place.seq = 0;
                    actions.push(Action::Tell(News::Restarted { room: room.clone() }));
                }
            }
        }
        if self.current.is_none() || is_first && is_wanted {
            self.current = Some(room.clone());
        }
        self.has_entered = true;
        self.judge(&joined, is_new_run, actions);
        if let Some(gap) = joined.gap {
            self.gap(&room, gap, actions);
        }
        for entry in joined.history {
            self.entry(&room, entry, actions);
        }
        let Some(place) = self.place(&room) else { return };
        place.seq = place.seq.max(joined.seq);
        if let Some(members) = joined.members {
            self.presence(room, members, false, actions);
        }
    }

    fn left(&mut self, room: String, reason: Option<String>, actions: &mut Vec<Action>) {
        self.places.retain(|place| place.room != room);
        if self.current.as_ref() == Some(&room) {
            self.current = self.places.last().map(|place| place.room.clone());
        }
        actions.push(Action::Tell(News::Left { room, reason }));
    }

    /// What one has already is not told twice.
    fn entry(&mut self, room: &str, entry: Entry, actions: &mut Vec<Action>) {
        let Some(place) = self.place(room) else { return };
        if entry.seq > place.seq {
            place.seq = entry.seq;
            actions.push(Action::Tell(News::Entry { room: room.to_owned(), entry }));
        }
    }

    fn gap(&mut self, room: &str, gap: Gap, actions: &mut Vec<Action>) {
        let Some(place) = self.place(room) else { return };
        place.seq = place.seq.max(gap.to);
        actions.push(Action::Tell(News::Gap { room: room.to_owned(), gap }));
    }

    fn presence(
        &mut self,
        room: String,
        news: Presence,
        is_answer: bool,
        actions: &mut Vec<Action>,
    ) {
        if is_answer {
            let users = news.list.as_ref();
            let users = users.map(|list| list.iter().map(|present| present.user.clone()).collect());
            let count = news.count.unwrap_or_default();
            actions.push(Action::Tell(News::Who { room: room.clone(), count, users }));
        }
        let own = self.names.clone();
        let Some(place) = self.place(&room) else { return };
        let mut moves = place.members.fold(news);
        moves.came.retain(|user| !own.contains(user));
        moves.went.retain(|user| !own.contains(user));
        if !moves.came.is_empty() {
            actions.push(Action::Tell(News::Came { room: room.clone(), users: moves.came }));
        }
        if !moves.went.is_empty() {
            actions.push(Action::Tell(News::Went { room, users: moves.went }));
        }
    }

    fn refused(
        &mut self,
        now: Timestamp,
        refusal: Refusal,
        answered: Option<Request>,
        actions: &mut Vec<Action>,
    ) {
        let after = refusal.retry_after_ms.map_or(A_WHILE, Duration::from_millis);
        // A frame that somebody typed is theirs to repeat.
        let is_ours = match &answered {
            Some(request) => !matches!(request.what, What::Typed { .. }),
            None => false,
        };
        match refusal.code.as_str() {
            "rate_limited" | "overloaded" if is_ours => {
                if answered.as_ref().is_some_and(Request::is_publish) {
                    self.pace = (self.pace + after).min(SLOWEST);
                }
                self.asked = answered;
                return self.wait(now, after);
            }
            // A server that stops has not taken it: it goes to the one that comes back.
            "draining" if is_ours => {
                self.asked = answered;
                self.stage = Stage::Draining;
                return self.wait(now, Duration::ZERO);
            }
            "token_expired" => actions.push(Action::AskForToken),
            _ => {}
        }
        if let Some(Request { what: What::Rejoin { room }, .. }) = &answered {
            let room = room.clone();
            self.left(room, Some(refusal.code.clone()), actions);
        }
        let what = answered.as_ref().and_then(Request::name);
        let Refusal { code, message, .. } = refusal;
        let news = News::Refused { what, code, message };
        match answered {
            Some(_) => self.fail(news, actions),
            None => actions.push(Action::Tell(news)),
        }
    }
}
