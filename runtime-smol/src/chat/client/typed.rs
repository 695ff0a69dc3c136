//! What was typed becomes what is asked. This file does not know when it is sent.

use serde_json::{Value, json};

use super::{Action, Client, News, Request, What};
use crate::chat::command::Command;

impl Client {
    /// A typed line has its turn: what the client knows by itself is done at once.
    pub(super) fn begin(&mut self, command: Command, actions: &mut Vec<Action>) {
        match command {
            Command::Say(text) => self.say(text, actions),
            Command::Frame(text) => match Request::typed(&text) {
                Ok(request) => self.asked = Some(request),
                Err(why) => self.fail(News::Trouble(format!("this is no frame: {why}")), actions),
            },
            Command::Join(room) => {
                let room = room.as_str();
                if self.place(room).is_some() {
                    return self.go_to(room, actions);
                }
                let (what, id) = (What::Join { room: room.to_owned() }, self.id());
                self.asked = Some(Request::join(what, id, room, None));
            }
            Command::Leave(room) => {
                let room = room.map(|room| room.to_string());
                self.in_room(room, actions, |_| What::Leave, leaving);
            }
            Command::Rooms => {
                let rooms = self.places.iter().map(|place| place.room.clone()).collect();
                let current = self.current.clone();
                actions.push(Action::Tell(News::Rooms { rooms, current }));
            }
            Command::Room(room) => self.go_to(room.as_str(), actions),
            Command::Who => {
                let asking = |room: &str| json!({ "type": "presence", "room": room });
                self.in_room(None, actions, |_| What::Who, asking);
            }
            Command::History(limit) => {
                let asking =
                    |room: &str| json!({ "type": "history", "room": room, "limit": limit });
                self.in_room(None, actions, |_| What::History, asking);
            }
            Command::Kick(user) => {
                let asking = |room: &str| json!({ "type": "kick", "room": room, "user": user });
                let what = |room: &str| format!("{user} is sent out of {room}");
                let what = |room: &str| What::Moderate { what: what(room) };
                self.in_room(None, actions, what, asking);
            }
            Command::Ban(user, span) => {
                let for_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
                let asking = |room: &str| json!({ "type": "ban", "room": room, "user": user, "for_ms": for_ms });
                let what = |room: &str| {
                    let span = humantime::format_duration(span);
                    What::Moderate { what: format!("{user} is kept out of {room} for {span}") }
                };
                self.in_room(None, actions, what, asking);
            }
            Command::Remove(seq) => {
                let asking = |room: &str| json!({ "type": "remove", "room": room, "seq": seq });
                let what =
                    |room: &str| What::Moderate { what: format!("{seq} in {room} is removed") };
                self.in_room(None, actions, what, asking);
            }
            Command::Help => actions.push(Action::Tell(News::Help)),
            // It is no request: it was taken when it was typed.
            Command::Quit => {}
        }
    }

    /// Asks something about a room: `room`, or else the one where lines go.
    fn in_room(
        &mut self,
        room: Option<String>,
        actions: &mut Vec<Action>,
        what: impl FnOnce(&str) -> What,
        asking: impl FnOnce(&str) -> Value,
    ) {
        let Some(room) = room.or_else(|| self.current.clone()) else {
            return self.without_room(actions);
        };
        let id = self.id();
        self.asked = Some(Request::new(what(&room), id, asking(&room)));
    }

    fn say(&mut self, text: String, actions: &mut Vec<Action>) {
        let Some(room) = self.current.clone() else {
            return self.without_room(actions);
        };
        let id = self.id();
        let key = format!("{:016x}-{}", self.run, self.next_id);
        let frame = json!({ "type": "publish", "room": room, "key": key, "data": text });
        self.asked = Some(Request::new(What::Publish { room, text }, id, frame));
    }

    fn without_room(&mut self, actions: &mut Vec<Action>) {
        self.fail(News::Trouble("you are in no room; /join one first".to_owned()), actions);
    }

    fn go_to(&mut self, room: &str, actions: &mut Vec<Action>) {
        if self.place(room).is_none() {
            return self.fail(News::Trouble(format!("you are not in {room}")), actions);
        }
        self.current = Some(room.to_owned());
        actions.push(Action::Tell(News::Current { room: room.to_owned() }));
    }
}

fn leaving(room: &str) -> Value {
    json!({ "type": "leave", "room": room })
}
