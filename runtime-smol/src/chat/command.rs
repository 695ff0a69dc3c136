//! What is typed: words to say, a frame, or a command. This file does not know what is done.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use roundtable::Name;

/// What `/help` says: each command with what it does.
pub(super) const HELP: [(&str, &str); 12] = [
    ("/join ROOM", "enter a room; lines go there from now on"),
    ("/leave [ROOM]", "leave it"),
    ("/rooms", "the rooms you are in"),
    ("/room NAME", "have lines go to another room that you are in"),
    ("/who", "who is in the room"),
    ("/history [N]", "the last N messages of the room (20)"),
    ("/kick NAME", "send somebody out of the room"),
    ("/ban NAME 10m", "send somebody out, and keep them out so long; 0s lifts it"),
    ("/remove SEQ", "take the words out of a message; /history tells the numbers"),
    ("//words", "say words that begin with a slash"),
    ("/quit", "end, once everything is acknowledged"),
    ("/help", "this"),
];

/// What `/history` asks for without a number.
const PAGE: u64 = 20;

/// What a line comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Say(String),
    /// A frame of the protocol, sent as it is.
    Frame(String),
    Join(Name),
    Leave(Option<Name>),
    Rooms,
    Room(Name),
    Who,
    History(u64),
    Kick(Name),
    Ban(Name, Duration),
    Remove(u64),
    Help,
    Quit,
}

impl Command {
    /// What `line` comes to; `None` for an empty one.
    ///
    /// # Errors
    ///
    /// One line on what is wrong.
    pub(super) fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() {
            return Ok(None);
        }
        if line.trim_start().starts_with('{') {
            return Ok(Some(Self::Frame(line.to_owned())));
        }
        let Some(words) = line.strip_prefix('/') else {
            return Ok(Some(Self::Say(line.to_owned())));
        };
        if words.starts_with('/') {
            return Ok(Some(Self::Say(words.to_owned())));
        }
        let (verb, rest) = words.split_once(' ').unwrap_or((words, ""));
        let rest = rest.trim();
        let command = match verb {
            "join" => Self::Join(read(verb, rest)?),
            "leave" if rest.is_empty() => Self::Leave(None),
            "leave" => Self::Leave(Some(read(verb, rest)?)),
            "rooms" => alone(verb, rest, Self::Rooms)?,
            "room" => Self::Room(read(verb, rest)?),
            "who" => alone(verb, rest, Self::Who)?,
            "history" if rest.is_empty() => Self::History(PAGE),
            "history" => match read(verb, rest)? {
                0 => return Err("/history: at least 1".to_owned()),
                limit => Self::History(limit),
            },
            "kick" => Self::Kick(read(verb, rest)?),
            "ban" => ban(rest)?,
            "remove" => Self::Remove(read(verb, rest)?),
            "help" => alone(verb, rest, Self::Help)?,
            "quit" => alone(verb, rest, Self::Quit)?,
            _ => return Err(format!("there is no /{verb}; /help tells what there is")),
        };
        Ok(Some(command))
    }
}

fn read<T: FromStr<Err: Display>>(verb: &str, word: &str) -> Result<T, String> {
    word.parse().map_err(|error| format!("/{verb} {word}: {error}"))
}

fn alone(verb: &str, rest: &str, command: Command) -> Result<Command, String> {
    if rest.is_empty() { Ok(command) } else { Err(format!("/{verb} stands alone")) }
}

/// A name may have spaces, a span has none.
fn ban(rest: &str) -> Result<Command, String> {
    let usage = || "/ban NAME 10m".to_owned();
    let (name, span) = rest.rsplit_once(' ').ok_or_else(usage)?;
    let span = humantime::parse_duration(span).map_err(|error| format!("/ban {span}: {error}"))?;
    Ok(Command::Ban(read("ban", name)?, span))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    #[test]
    fn lines_come_to_commands() {
        let say = |words: &str| Some(Command::Say(words.to_owned()));
        for (line, expected) in [
            ("hello", say("hello")),
            (" hello /join ", say(" hello /join ")),
            ("//join", say("/join")),
            ("///", say("//")),
            ("hi\r", say("hi")),
            ("", None),
            ("  ", None),
            (r#" {"type":"ping"}"#, Some(Command::Frame(r#" {"type":"ping"}"#.to_owned()))),
            ("/join tea  house ", Some(Command::Join(name("tea  house")))),
            ("/leave", Some(Command::Leave(None))),
            ("/leave tea", Some(Command::Leave(Some(name("tea"))))),
            ("/rooms", Some(Command::Rooms)),
            ("/room tea", Some(Command::Room(name("tea")))),
            ("/who ", Some(Command::Who)),
            ("/history", Some(Command::History(20))),
            ("/history 3", Some(Command::History(3))),
            ("/kick bob", Some(Command::Kick(name("bob")))),
            ("/ban bad bob 10m", Some(Command::Ban(name("bad bob"), Duration::from_mins(10)))),
            ("/ban bob 0s", Some(Command::Ban(name("bob"), Duration::ZERO))),
            ("/remove 7", Some(Command::Remove(7))),
            ("/help", Some(Command::Help)),
            ("/quit", Some(Command::Quit)),
        ] {
            assert_eq!(Command::parse(line), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_not_said() {
        for line in [
            "/",
            "/fly",
            "/joining tea",
            "/join",
            "/join \u{202e}",
            "/quit now",
            "/history 0",
            "/history x",
            "/kick",
            "/ban bob",
            "/ban bob soon",
            "/ban  10m",
            "/remove",
            "/remove -1",
            "/room",
        ] {
            let error = Command::parse(line).expect_err(line);
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn help_tells_what_there_is() {
        let document = include_str!("../../../docs/chat.md");
        for (usage, _) in HELP {
            assert!(document.contains(&format!("`{usage}`")), "docs/chat.md lacks {usage}");
            let line = usage.replace("[ROOM]", "tea").replace("[N]", "2").replace("SEQ", "3");
            assert!(Command::parse(&line).expect(usage).is_some());
        }
    }
}
