//! How news look in a terminal, or in a pipe. This file does not know where they come from.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anstyle::{AnsiColor, Style};

use super::command::HELP;
use super::frame::{Entry, Gap};
use super::news::{Arrival, News};
use super::printable::printable;

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    On,
    Off,
}

/// How much is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What a script reads: what is said, and how it goes.
    Script,
    /// Also who comes and goes.
    Person,
}

/// Makes lines of news.
#[derive(Debug)]
pub(super) struct Painter {
    colours: Colours,
    detail: Detail,
    /// Where there are several, each line says which one it is from.
    rooms: BTreeSet<String>,
}

const NOTICE: Style = Style::new().dimmed();
const ALARM: Style = AnsiColor::Red.on_default();
const NAMES: [AnsiColor; 6] = [
    AnsiColor::Green,
    AnsiColor::Yellow,
    AnsiColor::Blue,
    AnsiColor::Magenta,
    AnsiColor::Cyan,
    AnsiColor::BrightBlue,
];

impl Painter {
    pub(super) fn new(colours: Colours, detail: Detail) -> Self {
        Self { colours, detail, rooms: BTreeSet::new() }
    }

    /// The lines that these news come to.
    pub(super) fn lines(&mut self, news: &News) -> Vec<String> {
        match news {
            News::Welcome { user, how } => {
                let user = printable(user);
                self.notice(match how {
                    Arrival::First => format!("you are {user}"),
                    Arrival::Resumed => format!("you are back, as {user}"),
                    Arrival::Anew => format!("you are back, as somebody new: {user}"),
                })
            }
            News::Joined { room } => {
                self.rooms.insert(room.clone());
                self.notice(format!("you joined {}", printable(room)))
            }
            News::Left { room, reason } => {
                self.rooms.remove(room);
                let reason = reason.as_ref().map(|reason| format!(": {}", printable(reason)));
                self.notice(format!("you left {}{}", printable(room), reason.unwrap_or_default()))
            }
            News::Restarted { room } => {
                self.notice(format!("{} began anew: what came before is gone", printable(room)))
            }
            News::Entry { room, entry } => vec![self.entry(room, entry)],
            News::Gap { room, gap } => self.gap(room, *gap),
            News::Page { room, entries } => self.page(room, entries),
            News::Who { room, count, users } => self.who(room, *count, users.as_deref()),
            News::Came { room, users } => self.moved(room, users, "came"),
            News::Went { room, users } => self.moved(room, users, "went"),
            News::Rooms { rooms, current } => {
                let rooms = rooms.iter().map(|room| {
                    let mark = if Some(room) == current.as_ref() { " (lines go here)" } else { "" };
                    format!("{}{mark}", printable(room))
                });
                self.notice(format!("you are in {}", listed(rooms)))
            }
            News::Current { room } => self.notice(format!("lines go to {}", printable(room))),
            News::Help => HELP
                .iter()
                .flat_map(|(usage, what)| self.notice(format!("{usage:<16} {what}")))
                .collect(),
            News::Done { what } => self.notice(printable(what)),
            News::Refused { what, code, message } => {
                let what = what.as_ref().map(|what| format!(" ({})", printable(what)));
                let (code, message) = (printable(code), printable(message));
                self.alarm(format!("{code}: {message}{}", what.unwrap_or_default()))
            }
            News::Trouble(why) => self.alarm(printable(why)),
            News::Unsure { room, text } => {
                let (room, text) = (printable(room), printable(text));
                self.alarm(format!("nobody knows whether {room} heard this: {text}"))
            }
            News::Bye { reason, after } => {
                let reason = printable(reason);
                let after = after.map(|after| after.as_millis().div_ceil(1000));
                let after = after.map(|seconds| format!(", come back in {seconds} s"));
                let after = after.unwrap_or_default();
                self.alarm(format!("the server says goodbye: {reason}{after}"))
            }
            News::Lost { why, wait } => {
                let (why, wait) = (printable(why), wait.as_secs_f64());
                self.alarm(format!("{why}; coming back in {wait:.1} s"))
            }
            News::Garbled(text) => self.alarm(format!("not understood: {}", printable(text))),
        }
    }

    fn who(&self, room: &str, count: u64, users: Option<&[String]>) -> Vec<String> {
        let room = printable(room);
        self.notice(match users {
            Some(users) => format!("in {room}: {}", names(users)),
            None => format!("in {room}: {count} people"),
        })
    }

    fn moved(&self, room: &str, users: &[String], how: &str) -> Vec<String> {
        match self.detail {
            Detail::Person => self.notice(format!("{}{} {how}", self.label(room), names(users))),
            Detail::Script => Vec::new(),
        }
    }

    fn page(&self, room: &str, entries: &[Entry]) -> Vec<String> {
        let mut lines = self.notice(format!("{} of {}:", count(entries.len()), printable(room)));
        lines.extend(entries.iter().map(|entry| {
            let number = self.paint(NOTICE, format!("{:>6} ", entry.seq));
            format!("{number}{}", self.words(entry))
        }));
        lines
    }

    fn entry(&self, room: &str, entry: &Entry) -> String {
        format!("{}{}", self.label(room), self.words(entry))
    }

    fn words(&self, entry: &Entry) -> String {
        let from = printable(entry.from.as_deref().unwrap_or("the operator"));
        if let Some(removed) = entry.removes {
            return self.paint(NOTICE, format!("* {from} removed message {removed}"));
        }
        let name = self.paint(name_style(&from), from);
        if entry.removed {
            return format!("{name}: {}", self.paint(NOTICE, "(removed)".to_owned()));
        }
        let data = &entry.data;
        let text = data.as_str().or_else(|| data["text"].as_str());
        let text = text.map_or_else(|| data.to_string(), ToOwned::to_owned);
        format!("{name}: {}", printable(&text))
    }

    fn gap(&self, room: &str, gap: Gap) -> Vec<String> {
        let missing = gap.to.checked_sub(gap.from).and_then(|missing| missing.checked_add(1));
        let Some(missing) = missing else { return Vec::new() };
        let label = self.label(room);
        self.alarm(format!("{label}{missing} messages are missing here"))
    }

    /// Which room a line is from, where there are several.
    fn label(&self, room: &str) -> String {
        if self.rooms.len() > 1 { format!("[{}] ", printable(room)) } else { String::new() }
    }

    fn notice(&self, mut text: String) -> Vec<String> {
        text.insert_str(0, "* ");
        vec![self.paint(NOTICE, text)]
    }

    fn alarm(&self, mut text: String) -> Vec<String> {
        text.insert_str(0, "* ");
        vec![self.paint(ALARM, text)]
    }

    fn paint(&self, style: Style, text: String) -> String {
        match self.colours {
            Colours::On => format!("{style}{text}{style:#}"),
            Colours::Off => text,
        }
    }
}

fn count(entries: usize) -> String {
    if entries == 1 { "1 message".to_owned() } else { format!("{entries} messages") }
}

fn names(users: &[String]) -> String {
    listed(users.iter().map(|user| printable(user)))
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    if names.is_empty() { "nowhere".to_owned() } else { names.join(", ") }
}

/// The same colour for the same name, always.
fn name_style(name: &str) -> Style {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let index = hasher.finish() % NAMES.len() as u64;
    let index = usize::try_from(index).expect("it is below the length of the table");
    NAMES[index].on_default().bold()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::frame::{Body, Frame};

    fn painter(rooms: &[&str]) -> Painter {
        let mut painter = Painter::new(Colours::Off, Detail::Person);
        for room in rooms {
            painter.lines(&News::Joined { room: (*room).to_owned() });
        }
        painter
    }

    fn said(text: &str) -> News {
        let text = format!(r#"{{"type":"message","room":"den","seq":1,"ts":1,{text}}}"#);
        let frame = Frame::parse(&text).expect("a frame");
        let Body::Message { room, entry } = frame.body else { panic!("{text}") };
        News::Entry { room, entry }
    }

    #[test]
    fn entries_come_to_lines() {
        for (text, expected) in [
            (r#""from":"bob","data":"hi""#, "bob: hi"),
            (r#""from":"bob","data":{"text":"hi","n":1}"#, "bob: hi"),
            (r#""from":"bob","data":[1, 2]"#, "bob: [1,2]"),
            (r#""from":"bob","data":null"#, "bob: null"),
            (r#""from":"bob","data":"a\u001b[2Jb\nc""#, r"bob: a\u{1b}[2Jb\nc"),
            (r#""from":"b\u009b","data":"x""#, r"b\u{9b}: x"),
            (r#""from":"bob","removed":true"#, "bob: (removed)"),
            (r#""from":"ann","removes":7"#, "* ann removed message 7"),
            (r#""removes":7"#, "* the operator removed message 7"),
        ] {
            assert_eq!(painter(&["den"]).lines(&said(text)), [expected], "{text}");
        }
    }

    #[test]
    fn where_there_are_several_rooms_each_line_says_which() {
        let hi = said(r#""from":"bob","data":"hi""#);
        let mut painter = painter(&["den", "tea"]);
        assert_eq!(painter.lines(&hi), ["[den] bob: hi"]);
        painter.lines(&News::Left { room: "tea".to_owned(), reason: None });
        assert_eq!(painter.lines(&hi), ["bob: hi"]);
    }

    #[test]
    fn a_gap_says_how_much_is_missing() {
        let gap = |from, to| News::Gap { room: "den".to_owned(), gap: Gap { from, to } };
        let mut painter = painter(&["den"]);
        assert_eq!(painter.lines(&gap(3, 5)), ["* 3 messages are missing here"]);
        assert_eq!(painter.lines(&gap(0, u64::MAX)), [] as [&str; 0]);
    }

    #[test]
    fn scripts_are_not_told_who_comes_and_goes() {
        let came = News::Came { room: "den".to_owned(), users: vec!["bob".to_owned()] };
        assert_eq!(painter(&["den"]).lines(&came), ["* bob came"]);
        let mut painter = Painter::new(Colours::Off, Detail::Script);
        assert_eq!(painter.lines(&came), [] as [&str; 0]);
    }

    #[test]
    fn colours_are_off_where_they_are_not_wanted() {
        let hi = said(r#""from":"bob","data":"hi""#);
        let mut bright = Painter::new(Colours::On, Detail::Person);
        assert!(bright.lines(&hi)[0].contains('\u{1b}'));
        assert!(!painter(&[]).lines(&hi)[0].contains('\u{1b}'));
    }
}
