//! How a connection begins and ends, and what becomes of what was asked meanwhile. This file does
//! not know what was asked.

use std::time::Duration;

use roundtable::Timestamp;
use serde_json::{Map, Value, json};

use super::{Action, Client, End, Fault, KEY_LIFE, News, Request, Stage, State, Task, What};
use crate::chat::frame::{Joined, Welcome};
use crate::chat::line::{ABNORMAL, Return};
use crate::chat::news::Arrival;
use crate::chat::request::Repeat;

impl Client {
    /// `welcome` without an `id`: the server speaks first. Who had a session asks for it.
    pub(super) fn greeted(&mut self, now: Timestamp, welcome: Welcome, actions: &mut Vec<Action>) {
        self.line.welcomed(now);
        let Some(secret) = &self.session else { return self.arrived(now, welcome, actions) };
        let held = self.places.iter().filter(|place| place.is_held);
        let since: Map<String, Value> = held
            .map(|place| (place.room.clone(), json!({ "epoch": place.epoch, "seq": place.seq })))
            .collect();
        let mut hello = json!({ "type": "hello", "resume": secret, "since": since });
        hello["id"] = self.id().into();
        actions.push(Action::Send(hello.to_string()));
        self.line.asked(now);
        self.stage = Stage::Greeting { id: hello["id"].take(), welcome: Box::new(welcome) };
    }

    /// One is somebody, and what waits can be asked.
    pub(super) fn arrived(&mut self, now: Timestamp, welcome: Welcome, actions: &mut Vec<Action>) {
        let Welcome { user, session, resumed, max_bytes, auth } = welcome;
        if self.session.is_some() && !resumed && self.has_to_enter() {
            // Who comes back names no room, and nobody knows the one that the server would choose.
            self.session = None;
            actions.push(Action::HangUp);
            return self.closed(now, ABNORMAL, "", actions);
        }
        let is_same_user = self.user.as_ref() == Some(&user);
        let is_known = resumed || (self.has_token && auth.is_some() && is_same_user);
        let how = match (&self.user, resumed) {
            (None, _) => Arrival::First,
            (Some(_), true) => Arrival::Resumed,
            (Some(_), false) => Arrival::Anew,
        };
        self.stage = Stage::There;
        self.session = session;
        self.max_bytes = max_bytes.unwrap_or(usize::MAX);
        self.names.insert(user.clone());
        self.user = Some(user.clone());
        actions.push(Action::Tell(News::Welcome { user, how }));
        self.doubt(now, is_known);
        self.rejoin(resumed);
        self.progress(now);
    }

    /// What was asked and not answered is asked again where that does no harm.
    fn doubt(&mut self, now: Timestamp, is_known: bool) {
        let Some(Task::Ask(request)) = self.queue.front_mut() else { return };
        if request.state != State::Unsure {
            return;
        }
        let is_young = request.sent_at.is_some_and(|sent| now.saturating_since(sent) < KEY_LIFE);
        let is_safe = match request.repeat() {
            Repeat::Always => true,
            Repeat::ByKey => is_known && is_young,
            Repeat::Never => false,
        };
        // What the room has to say comes when it is joined again.
        if is_safe {
            request.state = State::Ready;
        }
    }

    /// Nobody will know what became of it.
    pub(super) fn give_up(&mut self, request: Request, actions: &mut Vec<Action>) {
        let (room, text) = if let What::Publish { room, text } = request.what {
            (room, text)
        } else {
            (self.current.clone().unwrap_or_default(), request.text)
        };
        self.fail(News::Unsure { room, text }, actions);
    }

    /// A room was joined again by somebody new: its log may tell what became of what was said.
    pub(super) fn judge(&mut self, joined: &Joined, is_new_run: bool, actions: &mut Vec<Action>) {
        let doubted = self.queue.iter().position(|task| match task {
            Task::Ask(Request { what: What::Publish { room, .. }, state, .. }) => {
                *room == joined.room && *state == State::Unsure
            }
            Task::Ask(_) | Task::Typed(_) => false,
        });
        let Some(index) = doubted else { return };
        let Some(Task::Ask(request)) = self.queue.get_mut(index) else { return };
        let What::Publish { room, text } = &request.what else { return };
        if is_new_run {
            // The log that it may have been in is gone.
            request.state = State::Ready;
            return;
        }
        let is_it = |from: &Option<String>, data: &Value| {
            data == text && from.as_ref().is_some_and(|from| self.names.contains(from))
        };
        let is_heard = joined.history.iter().any(|entry| is_it(&entry.from, &entry.data));
        let news = News::Unsure { room: room.clone(), text: text.clone() };
        self.queue.remove(index);
        if !is_heard {
            self.fail(news, actions);
        }
    }

    /// Asks for the rooms that the session does not bring back, before everything else.
    fn rejoin(&mut self, resumed: bool) {
        for index in (0..self.places.len()).rev() {
            let place = &mut self.places[index];
            place.is_held &= resumed;
            if place.is_held {
                continue;
            }
            let (room, epoch, seq) = (place.room.clone(), place.epoch.clone(), place.seq);
            let (what, id) = (What::Rejoin { room: room.clone() }, self.id());
            let request = Request::join(what, id, &room, Some((&epoch, seq)));
            self.queue.push_front(Task::Ask(request));
        }
    }

    /// The connection is gone.
    pub(super) fn closed(
        &mut self,
        now: Timestamp,
        code: u16,
        reason: &str,
        actions: &mut Vec<Action>,
    ) {
        let is_leaving = self.stage == Stage::Leaving;
        self.stage = Stage::Away;
        if let Some(mut request) = self.asked.take() {
            if request.state == State::Sent {
                request.state = State::Unsure;
            }
            self.queue.push_front(Task::Ask(request));
        }
        // What the next session brings back is known when it begins.
        self.queue
            .retain(|task| !matches!(task, Task::Ask(Request { what: What::Rejoin { .. }, .. })));
        if is_leaving {
            return self.end(self.verdict(), actions);
        }
        let (code, why) = match self.line.farewell() {
            Some((code, reason)) if code != ABNORMAL => (code, format!("{code} {reason}")),
            _ if code == ABNORMAL && reason.is_empty() => {
                (code, "the connection is lost".to_owned())
            }
            _ => (code, format!("{code} {reason}")),
        };
        match self.line.closed(now, code, self.rng.f64()) {
            Return::After(wait) => actions.push(Action::Tell(News::Lost { why, wait })),
            Return::Never if code == 1000 => self.end(self.verdict(), actions),
            Return::Never => {
                self.end(End::Badly(format!("the server closed the connection: {why}")), actions);
            }
        }
    }

    /// There was no connection to lose.
    pub(super) fn unreachable(
        &mut self,
        now: Timestamp,
        why: &str,
        fault: Fault,
        actions: &mut Vec<Action>,
    ) {
        match (fault, &self.user) {
            (Fault::Passing(after), Some(_)) => {
                if after.is_some() {
                    self.line.bye(ABNORMAL, String::new(), after);
                }
                let chance = self.rng.f64();
                if let Return::After(wait) = self.line.closed(now, ABNORMAL, chance) {
                    actions.push(Action::Tell(News::Lost { why: why.to_owned(), wait }));
                }
            }
            (Fault::Passing(_), None) | (Fault::Ours, _) => {
                self.end(End::Badly(why.to_owned()), actions);
            }
        }
    }

    /// A token came: for the next connection, it goes with the request; for this one, in a frame.
    pub(super) fn token(&mut self, token: Option<String>) {
        self.has_token = token.is_some();
        let Some(token) = token.filter(|_| self.stage == Stage::There) else { return };
        let id = self.id();
        let frame = json!({ "type": "auth", "token": token });
        let what = What::Typed { repeat: Repeat::Never };
        self.queue.push_front(Task::Ask(Request::new(what, id, frame)));
    }

    /// The server takes no more just now.
    pub(super) fn wait(&mut self, now: Timestamp, after: Duration) {
        self.not_before = now + after;
        if let Some(request) = &mut self.asked {
            request.state = State::Ready;
        }
    }
}
