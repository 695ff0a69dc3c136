//! `docs/protocol.md` is true: every example in it is run on a hub, and its tables are compared
//! with the code. `UPDATE_EXPECT=1` writes into it what the hub says.

use std::collections::BTreeMap;
use std::time::Duration;

use roundtable::protocol::{ErrorCode, Frame, SUBPROTOCOL, VERSION};
use roundtable::{
    Auth, Claims, CloseCode, Command, Config, ConnId, Entropy, Event, Framing, Grant, Greeting,
    Hub, Origin, Peer, Permissions, RoomChoice, Timestamp, Verdict, frame_len,
};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");

/// The one whose frames the examples show.
const CLIENT: &str = "ann";

#[test]
fn the_examples_are_what_the_hub_says() {
    let (mut told, mut examples) = (String::new(), 0);
    for part in parts(DOCUMENT) {
        match part {
            Part::Block { language: "roundtable", text } => {
                examples += 1;
                told += &fenced("roundtable", &Scene::play(text));
            }
            Part::Block { language, text } => {
                told += &fenced(language, text);
            }
            Part::Line(line) => told = told + line + "\n",
        }
    }
    assert!(examples >= 15, "only {examples} examples were found");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(PATH, &told).expect("the document can be written");
        return;
    }
    let wrong = DOCUMENT.lines().zip(told.lines()).enumerate().find(|(_, (is, said))| is != said);
    if let Some((index, (is, said))) = wrong {
        panic!(
            "docs/protocol.md, line {}:\n  it says      {is}\n  the hub says {said}\n\
             UPDATE_EXPECT=1 writes down what the hub says",
            index + 1
        );
    }
    assert_eq!(DOCUMENT.lines().count(), told.lines().count(), "an example is too long or short");
}

#[test]
fn the_json_is_json() {
    for part in parts(DOCUMENT) {
        let Part::Block { language, text } = part else { continue };
        assert!(
            ["roundtable", "json", "console", "js", "text"].contains(&language),
            "a block of {language:?} is held by no test"
        );
        for line in text.lines().filter(|_| language == "json") {
            let parsed = serde_json::from_str::<Value>(line);
            parsed.unwrap_or_else(|error| panic!("{error}: {line}"));
        }
    }
}

#[test]
fn the_requests_shown_are_requests() {
    let mut shown: Vec<String> = Vec::new();
    for line in DOCUMENT.lines().filter_map(|line| line.strip_prefix("> {")) {
        let text = format!("{{{line}");
        if let Ok(frame) = Frame::parse(&text, Config::default().max_depth) {
            let request = format!("{:?}", frame.request);
            shown.push(request.chars().take_while(char::is_ascii_alphabetic).collect());
        }
    }
    for kind in [
        "Hello", "Auth", "Join", "Leave", "Publish", "Signal", "History", "Presence", "Kick",
        "Ban", "Remove", "Ping", "Bye",
    ] {
        assert!(shown.iter().any(|found| found == kind), "no example shows {kind}");
    }
}

#[test]
fn the_table_of_errors_is_the_codes() {
    let told: Vec<(String, String)> =
        rows("### Error codes").map(|row| (bare(&row[0]), row[1].clone())).collect();
    let known = ErrorCode::ALL.map(|code| {
        let name = serde_json::to_value(code).expect("a code is a string");
        (name.as_str().expect("a code is a string").to_owned(), code.retry().to_owned())
    });
    assert_eq!(told, known);
}

#[test]
fn the_table_of_close_codes_is_the_codes() {
    let told: Vec<(String, String)> =
        rows("## Close codes").map(|row| (row[0].clone(), bare(&row[1]))).collect();
    let known = CloseCode::ALL.map(|code| (code.number().to_string(), code.reason().to_owned()));
    assert_eq!(told, known);
}

#[test]
fn the_version_is_the_protocols() {
    assert!(DOCUMENT.starts_with(&format!("# The protocol `{SUBPROTOCOL}`")));
    assert!(DOCUMENT.contains(&format!("\"v\":{VERSION}")));
}

fn fenced(language: &str, text: &str) -> String {
    format!("```{language}\n{text}```\n")
}

/// A piece of the document.
enum Part<'a> {
    Line(&'a str),
    Block { language: &'a str, text: &'a str },
}

fn parts(document: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest) = (Vec::new(), document);
    while let Some((line, behind)) = rest.split_once('\n') {
        rest = behind;
        let Some(language) = line.strip_prefix("```") else {
            parts.push(Part::Line(line));
            continue;
        };
        let end = rest.find("```\n").expect("a block ends");
        parts.push(Part::Block { language, text: &rest[..end] });
        rest = &rest[end + 4..];
    }
    parts
}

/// The cells of the table behind a heading.
fn rows(heading: &str) -> impl Iterator<Item = Vec<String>> {
    let from = DOCUMENT.find(&format!("\n{heading}\n")).expect("the heading is there");
    let table = DOCUMENT[from..].lines().skip_while(|line| !line.starts_with('|'));
    let table = table.take_while(|line| line.starts_with('|')).skip(2);
    table.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
}

fn bare(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// A hub, a driver, and people: one example.
struct Scene {
    hub: Option<Hub>,
    config: Config,
    now: Timestamp,
    commands: Vec<Command>,
    people: BTreeMap<String, ConnId>,
    connections: u64,
    /// What the client's socket has not taken; nothing while it takes everything.
    stalled: Option<Vec<String>>,
    /// What the next token says; nothing if it is not valid.
    token: Option<Claims>,
    told: String,
}

impl Scene {
    /// The example as the hub has it: its own lines, and behind each what the client receives.
    fn play(example: &str) -> String {
        let mut scene = Self {
            hub: None,
            config: Config::default(),
            now: Timestamp::ZERO,
            commands: Vec::new(),
            people: BTreeMap::new(),
            connections: 0,
            stalled: None,
            token: None,
            told: String::new(),
        };
        for line in example.lines().filter(|line| !line.starts_with('<')) {
            scene.write(line);
            match line.split_once(' ') {
                Some((">", text)) => scene.say(CLIENT, text),
                Some(("#", what)) => scene.set_up(what),
                _ => panic!("a line begins with >, < or #: {line}"),
            }
            scene.end_turn();
        }
        scene.told
    }

    fn set_up(&mut self, what: &str) {
        let words: Vec<&str> = what.split(' ').collect();
        match words[..] {
            ["with", "auth", "=", "optional"] => self.config.auth = Auth::Optional,
            ["with", setting, "=", value] => self.set(setting, value.parse().expect("a number")),
            [span, "pass"] => self.pass(seconds(span)),
            ["the", "server", "drains", "within", span] => {
                self.handle(Event::Drain { within: seconds(span) });
            }
            [CLIENT, "stops", "reading"] => self.stalled = Some(Vec::new()),
            [CLIENT, "reads", "again"] => self.read_again(),
            [_, "token", "is", "that", "of", user, "who", "may", can] => {
                self.token = Some(claims(user, can));
            }
            [name, "connects", "with", "the", "token", "of", user, "who", "may", can] => {
                let greeting = Greeting { name: name.parse().ok(), ..Greeting::default() };
                self.open(name, greeting, Some(Box::new(claims(user, can))));
            }
            [name, "connects", ref wishes @ ..] => self.connect(name, wishes),
            [name, "sends", "binary"] => self.handle(Event::Binary { conn: self.people[name] }),
            [name, "sends", letters, "letters"] => {
                self.say(name, &"x".repeat(letters.parse().expect("a number")));
            }
            [name, "says", ref text @ ..] => self.say(name, &text.join(" ")),
            [name, "disconnects"] => {
                let conn = self.people.remove(name).expect("somebody who is connected");
                self.handle(Event::Disconnect { conn });
            }
            _ => panic!("nobody knows how to: {what}"),
        }
    }

    fn set(&mut self, setting: &str, value: usize) {
        let config = &mut self.config;
        match setting {
            "history_entries" => (config.history_entries, config.recent) = (value, value),
            "message_burst" => config.message_burst = u32::try_from(value).expect("32 bits"),
            "max_message_bytes" => config.max_message_bytes = value,
            "page_bytes" => (config.page_bytes, config.presence_list) = (value, 20),
            "presence_list" => config.presence_list = value,
            "recent" => config.recent = value,
            // A turn of one message, so that the window may be small.
            "window_bytes" => {
                (config.turn_events, config.turn_bytes, config.window_bytes) = (1, 1, value);
                config.reserve_bytes = 2048;
                config.rooms_per_session = 8;
            }
            _ => panic!("no example needs the setting {setting}"),
        }
    }

    fn connect(&mut self, name: &str, wishes: &[&str]) {
        let mut greeting = Greeting { name: name.parse().ok(), ..Greeting::default() };
        for wish in wishes.iter().flat_map(|wish| wish.trim_start_matches('?').split('&')) {
            match wish.split_once('=') {
                Some(("room", "")) => greeting.room = RoomChoice::None,
                Some(("room", room)) => {
                    greeting.room = RoomChoice::Named(room.parse().expect("a room's name"));
                }
                Some(("name", called)) => greeting.name = called.parse().ok(),
                _ if wish == "anonymously" => greeting.name = None,
                _ if wish == SUBPROTOCOL => greeting.framing = Framing::Strict,
                _ => assert_eq!(wish, "with", "a wish for a connection"),
            }
        }
        self.open(name, greeting, None);
    }

    fn open(&mut self, name: &str, greeting: Greeting, claims: Option<Box<Claims>>) {
        self.connections += 1;
        let conn = ConnId::new(self.connections);
        self.people.insert(name.to_owned(), conn);
        let peer = Peer { entropy: Entropy::new(self.connections.into()), claims, address: None };
        self.handle(Event::Connect { conn, peer, greeting });
    }

    fn say(&mut self, name: &str, text: &str) {
        self.handle(Event::Text { conn: self.people[name], text: text.to_owned() });
    }

    fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let next = |scene: &mut Self| scene.hub().next_deadline().filter(|at| *at <= until);
        while let Some(deadline) = next(self) {
            self.now = self.now.max(deadline);
            self.handle(Event::Tick);
            self.end_turn();
        }
        self.now = until;
    }

    fn read_again(&mut self) {
        for text in self.stalled.take().expect("the client did not read") {
            self.receive(&text);
        }
        let conn = self.people[CLIENT];
        self.handle(Event::Backlog { conn, bytes: 0 });
    }

    fn hub(&mut self) -> &mut Hub {
        let origin = Origin { seed: 1, wall_clock_ms: 1_785_578_400_000 };
        let config = &self.config;
        self.hub.get_or_insert_with(|| {
            Hub::new(config.clone(), origin).expect("settings that go together")
        })
    }

    fn handle(&mut self, event: Event) {
        let (now, mut commands) = (self.now, std::mem::take(&mut self.commands));
        self.hub().handle(now, event, &mut commands);
        self.commands = commands;
    }

    fn end_turn(&mut self) {
        if self.hub.is_none() {
            return;
        }
        loop {
            let before = self.backlog();
            for command in std::mem::take(&mut self.commands) {
                self.carry_out(command);
            }
            if self.backlog() != before {
                let (conn, bytes) = (self.people[CLIENT], self.backlog());
                self.handle(Event::Backlog { conn, bytes });
            }
            self.handle(Event::Flushed);
            if self.commands.is_empty() {
                return;
            }
        }
    }

    fn backlog(&self) -> usize {
        self.stalled.iter().flatten().map(|text| frame_len(text.len())).sum()
    }

    fn carry_out(&mut self, command: Command) {
        let client = self.people.get(CLIENT).copied();
        match command {
            Command::Send { to, text } => {
                if to.iter().any(|conn| Some(conn) == client) {
                    match &mut self.stalled {
                        Some(queue) => queue.push(text.to_string()),
                        None => self.receive(&text),
                    }
                }
            }
            Command::Refuse { .. } => panic!("nobody comes from an address"),
            Command::Ping { conn } => {
                if Some(conn) == client {
                    self.write("< (ping)");
                }
            }
            Command::Verify { conn, token } => {
                let verdict = match self.token.take() {
                    Some(claims) if &*token == "eyJ…" => Verdict::Valid(Box::new(claims)),
                    _ => Verdict::Invalid,
                };
                self.handle(Event::Verified { conn, verdict });
            }
            Command::Close { conn, code, .. } => {
                if Some(conn) == client {
                    self.write(&format!("< (close {} {})", code.number(), code.reason()));
                }
                self.people.retain(|_, of| *of != conn);
            }
            Command::Append { .. } | Command::Drained => {}
        }
    }

    /// Writes down a frame, with long texts shortened.
    fn receive(&mut self, text: &str) {
        let shortened = match (text.find("xxxx"), text.rfind("xxxx")) {
            (Some(from), Some(to)) => format!("{}xxxx…{}", &text[..from], &text[to + 4..]),
            _ => text.to_owned(),
        };
        self.write(&format!("< {shortened}"));
    }

    fn write(&mut self, line: &str) {
        self.told.push_str(line);
        self.told.push('\n');
    }
}

/// `everything`, or a list like `join,publish`, in every room.
fn claims(user: &str, can: &str) -> Claims {
    let can = match can {
        "everything" => Permissions::ALL,
        list => {
            let action = |word: &str| serde_json::from_str(&format!("\"{word}\""));
            list.split(',').map(|word| action(word).expect("an action")).collect()
        }
    };
    Claims {
        user: user.parse().expect("a name"),
        token_id: None,
        expires_ms: None,
        grants: [Grant { pattern: "*".parse().expect("a pattern"), can }].into(),
    }
}

fn seconds(text: &str) -> Duration {
    let number = text.strip_suffix('s').expect("a span in seconds");
    Duration::from_secs_f64(number.parse().expect("a number of seconds"))
}
