//! Events and commands as people read them. This file does not know where they come from.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use roundtable::{Command, ConnId, Event, Framing, Name, Queue, Recipients, RoomChoice};
use serde::Deserialize;

use super::Played;

/// More recipients than this are counted, not named.
const NAMED: usize = 8;

/// What is told of a recording: everything, or what names these.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) conns: Vec<ConnId>,
    pub(super) rooms: Vec<String>,
    /// The room of those who named none.
    pub(super) default_room: Name,
}

impl Filter {
    /// The lines that tell of an event and its commands, as far as they pass.
    pub(super) fn tell(&self, played: &Played<'_>) -> String {
        let mut lines = String::new();
        let shown = played.commands.iter().filter(|command| self.passes_command(command));
        for command in shown {
            let line = Line(command_line(command));
            writeln!(lines, "              -> {line}").expect("a string takes everything");
        }
        if lines.is_empty() && !self.passes_event(played.event) {
            return lines;
        }
        let seconds = played.at.since_start().as_secs_f64();
        format!("{seconds:>12.3}s  {}\n{lines}", Line(event_line(played.event)))
    }

    fn passes_event(&self, event: &Event) -> bool {
        let conn = match event {
            Event::Connect { conn, .. }
            | Event::Text { conn, .. }
            | Event::Binary { conn }
            | Event::Heard { conn }
            | Event::Backlog { conn, .. }
            | Event::Verified { conn, .. }
            | Event::Disconnect { conn } => Some(*conn),
            Event::Flushed | Event::Tick | Event::Admin { .. } | Event::Drain { .. } => None,
        };
        let room = match event {
            Event::Connect { greeting, .. } => match &greeting.room {
                RoomChoice::Default => Some(Cow::Borrowed(self.default_room.as_str())),
                RoomChoice::None => None,
                RoomChoice::Named(room) => Some(Cow::Borrowed(room.as_str())),
            },
            Event::Text { text, .. } => room_of(text),
            _ => None,
        };
        let is_of_conn = conn.is_some_and(|conn| self.conns.contains(&conn));
        (self.conns.is_empty() || is_of_conn) && self.passes_room(room)
    }

    fn passes_command(&self, command: &Command) -> bool {
        let is_of_conn = self.conns.is_empty()
            || match command {
                Command::Send { to, .. } => to.iter().any(|conn| self.conns.contains(&conn)),
                Command::Refuse { conn, .. }
                | Command::Ping { conn }
                | Command::Verify { conn, .. }
                | Command::Close { conn, .. } => self.conns.contains(conn),
                Command::Append { .. } | Command::Drained => false,
            };
        let room = match command {
            Command::Send { text, .. } => room_of(text),
            Command::Refuse { .. }
            | Command::Ping { .. }
            | Command::Verify { .. }
            | Command::Close { .. }
            | Command::Append { .. }
            | Command::Drained => None,
        };
        is_of_conn && self.passes_room(room)
    }

    fn passes_room(&self, room: Option<Cow<'_, str>>) -> bool {
        self.rooms.is_empty()
            || room.is_some_and(|room| self.rooms.iter().any(|wanted| *wanted == room))
    }
}

fn room_of(text: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Frame<'a> {
        #[serde(borrow)]
        room: Option<Cow<'a, str>>,
    }
    let frame: Frame<'_> = serde_json::from_str(text).ok()?;
    frame.room
}

/// An event, without its time.
pub(super) fn event_line(event: &Event) -> String {
    match event {
        Event::Connect { conn, peer: _, greeting } => {
            let name = greeting.name.as_ref().map(|name| format!(", as {name}"));
            let room = match &greeting.room {
                RoomChoice::Default => ", to the default room".to_owned(),
                RoomChoice::None => ", to no room".to_owned(),
                RoomChoice::Named(room) => format!(", to {room}"),
            };
            let framing = match greeting.framing {
                Framing::Lenient => "",
                Framing::Strict => ", with the subprotocol",
            };
            format!("{conn:?} connect{}{room}{framing}", name.unwrap_or_default())
        }
        Event::Text { conn, text } => format!("{conn:?} text {text}"),
        Event::Binary { conn } => format!("{conn:?} binary"),
        Event::Heard { conn } => format!("{conn:?} heard"),
        Event::Backlog { conn, bytes } => format!("{conn:?} backlog {bytes}"),
        Event::Verified { conn, verdict } => format!("{conn:?} verified {verdict:?}"),
        Event::Admin { action } => format!("admin {action:?}"),
        Event::Flushed => "flushed".to_owned(),
        Event::Disconnect { conn } => format!("{conn:?} disconnect"),
        Event::Tick => "tick".to_owned(),
        Event::Drain { within } => format!("drain within {within:?}"),
    }
}

/// A command.
pub(super) fn command_line(command: &Command) -> String {
    match command {
        Command::Send { to: Recipients::One(conn), text } => format!("send to {conn:?}: {text}"),
        Command::Send { to, text } => format!("send to {}: {text}", crowd(to.iter())),
        Command::Ping { conn } => format!("ping {conn:?}"),
        Command::Verify { conn, .. } => format!("verify {conn:?}"),
        Command::Close { conn, code, queue } => {
            let queue = match queue {
                Queue::Flush => "flush",
                Queue::Drop => "drop",
            };
            format!("close {conn:?} {} {}, {queue}", code.number(), code.reason())
        }
        Command::Refuse { conn, refusal, retry_after } => {
            format!("refuse {conn:?} {refusal:?}, retry after {retry_after:?}")
        }
        Command::Append { .. } => "append".to_owned(),
        Command::Drained => "drained".to_owned(),
    }
}

/// How many connections these are, and the first of them by their numbers.
pub(super) fn crowd(conns: impl IntoIterator<Item = ConnId>) -> String {
    let (mut count, mut named) = (0, String::new());
    for conn in conns {
        count += 1;
        if count <= NAMED {
            write!(named, " {conn:?}").expect("a string takes everything");
        }
    }
    match count {
        0 => "0".to_owned(),
        count if count > NAMED => format!("{count} ({} …)", named.trim_start()),
        count => format!("{count} ({})", named.trim_start()),
    }
}

/// One line for a terminal: what peers sent may hold characters that do things there.
pub(super) struct Line(pub(super) String);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in self.0.chars() {
            if found.is_control() {
                write!(f, "{}", found.escape_default())?;
            } else {
                f.write_char(found)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_does_nothing_to_a_terminal() {
        let text = "\u{1b}[2Jred\r\n\u{9b}".to_owned();
        let event = Event::Text { conn: ConnId::new(1), text };
        let line = Line(event_line(&event)).to_string();
        assert_eq!(line, "#1 text \\u{1b}[2Jred\\r\\n\\u{9b}");
    }

    #[test]
    fn a_crowd_is_counted_and_a_few_are_named() {
        assert_eq!(crowd([]), "0");
        assert_eq!(crowd([1, 2].map(ConnId::new)), "2 (#1 #2)");
        assert_eq!(crowd((1..=9).map(ConnId::new)), "9 (#1 #2 #3 #4 #5 #6 #7 #8 …)");
    }
}
