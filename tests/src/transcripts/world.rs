//! A hub, a driver without sockets, and people with names: a script goes in, a transcript comes
//! out. This is the only file of the transcripts that knows the hub's interface.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use expect_test::Expect;
use roundtable::{
    AddressKey, AdminAction, Claims, Command, Config, ConnId, Entropy, Event, Framing, Grant,
    Greeting, Hub, Origin, Peer, Queue, RoomChoice, Timestamp, Verdict, frame_len,
};
use serde_json::Value;

use crate::bare_socket::Socket;

/// Runs `script` on a hub with the defaults, and compares what it says with `expected`.
pub(crate) fn check(script: &str, expected: &Expect) {
    check_with(|_| {}, script, expected);
}

/// Runs `script` on a hub with the defaults but for what `set` changes.
///
/// A line is a time and what happens then: `0s ann connects` (with `room=`, `strict`), `1s ann:
/// text`, `1s ann binary`, `1s ann is heard`, `1s ann stalls`, `2s ann takes 1000`, `2s ann reads`,
/// `3s ann vanishes`, `4s drain 30s`, `60s wait`. Between two lines the hub is ticked exactly at its
/// deadlines, but before `90s after an absence` it is not. After each line comes the end of a turn.
pub(crate) fn check_with(set: impl FnOnce(&mut Config), script: &str, expected: &Expect) {
    let mut config = Config::default();
    set(&mut config);
    let mut world = World::new(config);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        world.line(line);
    }
    expected.assert_eq(&world.transcript);
}

/// Windows that a few texts of [`PAD`](fill_in) fill.
pub(crate) fn small(config: &mut Config) {
    config.max_message_bytes = 4096;
    config.turn_bytes = 1;
    config.turn_events = 1;
    config.page_bytes = 6000;
    config.presence_list = 20;
    config.reserve_bytes = 2048;
    config.window_bytes = 13_000;
    config.rooms_per_session = 8;
}

/// Fills in what would be tedious in a script: `TICKET1` is the session that appeared first, `EPOCH` the
/// epoch that did, `PAD` 3,500
/// letters, `LONG` 32,000, `QUOTES` 200 quotation marks, `TOOLONG` 300 letters, `BREAK` a line break, `IDID` a
/// long id.
fn fill_in(text: &str, epochs: &[String], tickets: &[String]) -> String {
    let tickets = tickets.iter().enumerate();
    let text = tickets.fold(text.to_owned(), |text, (index, ticket)| {
        text.replace(&format!("TICKET{}", index + 1), ticket)
    });
    text.replace("EPOCH", epochs.first().map_or("none", String::as_str))
        .replace("PAD", &"x".repeat(3500))
        .replace("TOOLONG", &"x".repeat(300))
        .replace("LONG", &"x".repeat(32_000))
        .replace("QUOTES", &"\"".repeat(200))
        .replace("BREAK", "\r\n")
        .replace("IDID", &"i".repeat(64))
}

const WALL_CLOCK_MS: u64 = 1_785_578_400_000;

struct World {
    hub: Hub,
    now: Timestamp,
    commands: Vec<Command>,
    people: BTreeMap<String, Socket>,
    connections: u64,
    epochs: Vec<String>,
    tickets: Vec<String>,
    transcript: String,
}

impl World {
    fn new(config: Config) -> Self {
        let origin = Origin { seed: 42, wall_clock_ms: WALL_CLOCK_MS };
        Self {
            hub: Hub::new(config, origin).expect("a valid configuration"),
            now: Timestamp::ZERO,
            commands: Vec::new(),
            people: BTreeMap::new(),
            connections: 0,
            epochs: Vec::new(),
            tickets: Vec::new(),
            transcript: String::new(),
        }
    }

    fn line(&mut self, line: &str) {
        let (time, what) = line.split_once(' ').expect("a time and what happens");
        let time = Timestamp::new(span(time));
        let what = what.trim();
        if what != "after an absence" {
            self.tick_until(time);
        }
        self.now = time;
        if what != "wait" {
            self.act(what);
            self.end_turn(what);
        }
    }

    /// Ticks at each deadline up to `time`, as a driver does that sleeps exactly so long.
    fn tick_until(&mut self, time: Timestamp) {
        for _ in 0..100_000 {
            let Some(deadline) = self.hub.next_deadline().filter(|deadline| *deadline <= time)
            else {
                return;
            };
            self.now = self.now.max(deadline);
            self.handle(Event::Tick);
            self.end_turn("tick");
        }
        panic!("the hub asks for one tick after the other at {:?}", self.now);
    }

    fn act(&mut self, what: &str) {
        if what == "after an absence" {
            return self.handle(Event::Tick);
        }
        if let Some(within) = what.strip_prefix("drain ") {
            return self.handle(Event::Drain { within: span(within) });
        }
        if let Some(decision) = what.strip_prefix("the operator ")
            && !decision.starts_with("revokes ")
        {
            let action = decision_of(&decision.split_whitespace().collect::<Vec<_>>());
            return self.handle(Event::Admin { action });
        }
        if let Some(revoked) = what.strip_prefix("the operator revokes ") {
            let action = match revoked.split_once(' ').expect("what is revoked") {
                ("user", user) => AdminAction::RevokeUser { user: user.parse().expect("a name") },
                ("token", id) => AdminAction::RevokeToken { token_id: id.to_owned() },
                _ => panic!("nobody knows how to: {what}"),
            };
            return self.handle(Event::Admin { action });
        }
        let (name, action) = what.split_once([' ', ':']).expect("somebody does something");
        if let Some(text) = what.strip_prefix(&format!("{name}: ")) {
            return self.handle(Event::Text {
                conn: self.conn(name),
                text: fill_in(text, &self.epochs, &self.tickets),
            });
        }
        match action.split_whitespace().collect::<Vec<_>>()[..] {
            ["connects", ref wishes @ ..] => self.connect(name, wishes),
            ["binary"] => self.handle(Event::Binary { conn: self.conn(name) }),
            ["is", "heard"] => self.handle(Event::Heard { conn: self.conn(name) }),
            ["is", "verified", "as", ref claims @ ..] => {
                let verdict = Verdict::Valid(Box::new(claims_of(claims)));
                self.handle(Event::Verified { conn: self.conn(name), verdict });
            }
            ["is", "expired"] => {
                let verdict = Verdict::Expired;
                self.handle(Event::Verified { conn: self.conn(name), verdict });
            }
            ["is", "invalid"] => {
                let verdict = Verdict::Invalid;
                self.handle(Event::Verified { conn: self.conn(name), verdict });
            }
            ["vanishes"] => {
                let conn = self.conn(name);
                self.people.remove(name);
                self.handle(Event::Disconnect { conn });
            }
            ["stalls"] => self.person(name).takes = Some(0),
            ["takes", bytes] => self.person(name).takes = Some(bytes.parse().expect("bytes")),
            ["reads"] => self.person(name).takes = None,
            _ => panic!("nobody knows how to: {what}"),
        }
    }

    fn connect(&mut self, name: &str, wishes: &[&str]) {
        self.connections += 1;
        let conn = ConnId::new(self.connections);
        let (mut claims, mut address) = (None, None);
        let mut greeting = Greeting { name: name.parse().ok(), ..Greeting::default() };
        for wish in wishes {
            match wish.split_once('=') {
                Some(("room", "")) => greeting.room = RoomChoice::None,
                Some(("room", room)) => {
                    greeting.room = RoomChoice::Named(room.parse().expect("a room's name"));
                }
                Some(("as", user)) => {
                    let can = wishes.iter().copied().filter(|wish| wish.starts_with("can="));
                    let words: Vec<&str> = [user].into_iter().chain(can).collect();
                    claims = Some(Box::new(claims_of(&words)));
                }
                Some(("from", number)) => {
                    address = Some(AddressKey::new(number.parse().expect("a number")));
                }
                Some(("can", _)) => {}
                Some(("name", "")) => greeting.name = None,
                Some(("name", called)) => greeting.name = called.parse().ok(),
                _ => greeting.framing = Framing::Strict,
            }
        }
        let person = Socket::new(conn);
        self.people.insert(name.to_owned(), person);
        let peer = Peer { entropy: Entropy::new(self.connections.into()), claims, address };
        self.handle(Event::Connect { conn, peer, greeting });
    }

    fn handle(&mut self, event: Event) {
        self.hub.handle(self.now, event, &mut self.commands);
    }

    /// Carries out the commands, offers the queues to the sockets, and reports, until all is quiet.
    fn end_turn(&mut self, cause: &str) {
        let mut said = Vec::new();
        loop {
            for command in std::mem::take(&mut self.commands) {
                said.push(self.carry_out(command));
            }
            for conn in self.people.values_mut().filter_map(Socket::offer) {
                let (conn, bytes) = conn;
                self.hub.handle(self.now, Event::Backlog { conn, bytes }, &mut self.commands);
            }
            self.handle(Event::Flushed);
            if self.commands.is_empty() {
                break;
            }
        }
        if cause != "tick" || !said.is_empty() {
            self.write(cause, &said);
        }
    }

    fn carry_out(&mut self, command: Command) -> String {
        match command {
            Command::Send { to, text } => {
                let to: Vec<ConnId> = to.iter().collect();
                for person in self.people.values_mut().filter(|person| to.contains(&person.conn)) {
                    person.queue.push_back(frame_len(text.len()));
                }
                let to: Vec<&str> = to.iter().map(|conn| self.name(*conn)).collect();
                let to = to.join(", ");
                format!("{} -> {to}", self.brief(&text))
            }
            Command::Ping { conn } => {
                self.of(conn).queue.push_back(frame_len(0));
                format!("ping {}", self.name(conn))
            }
            Command::Verify { conn, token } => format!("verify {token} of {}", self.name(conn)),
            Command::Close { conn, code, queue } => {
                let name = self.name(conn).to_owned();
                let dropped = if queue == Queue::Drop { ", dropping" } else { "" };
                self.people.remove(&name);
                format!("close {name} {} {}{dropped}", code.number(), code.reason())
            }
            Command::Refuse { conn, refusal, retry_after } => {
                let name = self.name(conn).to_owned();
                self.people.remove(&name);
                format!("refuse {name} {refusal:?}, retry after {retry_after:?}")
            }
            Command::Append { .. } => "append".to_owned(),
            Command::Drained => "drained".to_owned(),
        }
    }

    fn write(&mut self, cause: &str, said: &[String]) {
        let millis = self.now.since_start().as_millis();
        let time = format!("{}.{:03}s", millis / 1000, millis % 1000);
        let cause: String = cause.chars().take(60).collect();
        writeln!(self.transcript, "{time:<8} {cause}").expect("a string takes everything");
        for said in said {
            writeln!(self.transcript, "           {said}").expect("a string takes everything");
        }
    }

    /// A frame in a few words: its type, and its fields but for the time.
    fn brief(&mut self, text: &str) -> String {
        let Value::Object(mut fields) = serde_json::from_str(text).expect("a frame is JSON") else {
            panic!("a frame is an object: {text}");
        };
        let kind = fields.remove("type").expect("a frame has a type");
        let mut brief = kind.as_str().expect("a type is a string").to_owned();
        fields.remove("ts");
        fields.remove("resume_ms");
        fields.retain(|name, value| name != "resumed" || *value == true);
        for order in ["id", "room", "code", "epoch", "seq"] {
            if let Some(value) = fields.remove(order) {
                self.field(&mut brief, order, &value);
            }
        }
        for (name, value) in &fields {
            self.field(&mut brief, name, value);
        }
        brief
    }

    fn field(&mut self, brief: &mut String, name: &str, value: &Value) {
        let value = match (name, value) {
            ("epoch", Value::String(epoch)) => number(&mut self.epochs, 'E', epoch),
            ("session", Value::String(ticket)) => number(&mut self.tickets, 'S', ticket),
            ("members", Value::Object(members)) => {
                let list = members.get("list").map_or(String::new(), users);
                format!("{}:{}{list}", members["v"], members["count"])
            }
            ("list" | "join" | "leave", list @ Value::Array(_)) => users(list),
            ("history" | "items", Value::Array(items)) => {
                let items = items.iter().map(|item| match (&item["data"], &item["removes"]) {
                    (Value::Null, Value::Null) => format!("{} removed", item["seq"]),
                    (Value::Null, removed) => format!("{} removes {removed}", item["seq"]),
                    (data, _) => format!("{} {data}", item["seq"]),
                });
                format!("[{}]", items.collect::<Vec<_>>().join(", "))
            }
            (_, Value::String(text)) if name != "data" && name != "message" => text.clone(),
            _ => value.to_string(),
        };
        let value = if value.chars().count() > 90 {
            format!("{}… ({} bytes)", value.chars().take(24).collect::<String>(), value.len())
        } else {
            value
        };
        write!(brief, " {name}={value}").expect("a string takes everything");
    }

    fn conn(&self, name: &str) -> ConnId {
        self.people.get(name).unwrap_or_else(|| panic!("{name} is not connected")).conn
    }

    fn person(&mut self, name: &str) -> &mut Socket {
        self.people.get_mut(name).unwrap_or_else(|| panic!("{name} is not connected"))
    }

    fn of(&mut self, conn: ConnId) -> &mut Socket {
        self.people.values_mut().find(|person| person.conn == conn).expect("a command names who is")
    }

    fn name(&self, conn: ConnId) -> &str {
        let found = self.people.iter().find(|(_, person)| person.conn == conn);
        found.expect("a command names somebody who is connected").0
    }
}

/// Users, each with the number of its sessions if there are more of them.
fn users(list: &Value) -> String {
    let users = list.as_array().expect("a list of users").iter().map(|item| {
        let user = item.as_str().or(item["user"].as_str()).expect("a name");
        match item["n"].as_u64() {
            None | Some(1) => user.to_owned(),
            Some(sessions) => format!("{user}*{sessions}"),
        }
    });
    format!("[{}]", users.collect::<Vec<_>>().join(", "))
}

/// Epochs and sessions by the order in which they appear.
fn number(known: &mut Vec<String>, letter: char, word: &str) -> String {
    let index = known.iter().position(|known| known == word).unwrap_or_else(|| {
        known.push(word.to_owned());
        known.len() - 1
    });
    format!("{letter}{}", index + 1)
}

fn span(text: &str) -> Duration {
    let text = text.strip_suffix('s').expect("a span in seconds");
    match text.strip_suffix('m') {
        Some(millis) => Duration::from_millis(millis.parse().expect("a number of milliseconds")),
        None => Duration::from_secs_f64(text.parse().expect("a number of seconds")),
    }
}

/// What an operator decides: `kicks USER`, `kicks USER from ROOM`, `bans USER from ROOM for 60s`,
/// `removes 3 from ROOM`.
fn decision_of(words: &[&str]) -> AdminAction {
    let name = |word: &str| word.parse().expect("a name");
    match *words {
        ["kicks", user] => AdminAction::Kick { room: None, user: name(user) },
        ["kicks", user, "from", room] => {
            AdminAction::Kick { room: Some(name(room)), user: name(user) }
        }
        ["bans", user, "from", room, "for", time] => {
            AdminAction::Ban { room: name(room), user: name(user), span: span(time) }
        }
        ["removes", seq, "from", room] => {
            AdminAction::Remove { room: name(room), seq: seq.parse().expect("a place") }
        }
        _ => panic!("nobody knows how to: {words:?}"),
    }
}

/// What a token says: who it is, `until=` when, `id=` and `can=pattern:action,action`; everything
/// but to moderate if it does not say what.
fn claims_of(words: &[&str]) -> Claims {
    let [user, rest @ ..] = words else { panic!("a token is somebody's") };
    let mut claims = Claims {
        user: user.parse().expect("a name"),
        token_id: None,
        expires_ms: None,
        grants: Vec::new(),
    };
    for word in rest {
        match word.split_once('=').expect("a claim") {
            ("until", at) => {
                let millis = u64::try_from(span(at).as_millis()).expect("a short span");
                claims.expires_ms = Some(WALL_CLOCK_MS + millis);
            }
            ("id", id) => claims.token_id = Some(id.to_owned()),
            ("can", grant) => {
                let (pattern, can) = grant.split_once(':').expect("rooms, and what is allowed");
                let action = |word: &str| serde_json::from_str(&format!("\"{word}\""));
                let can = can.split(',').map(|word| action(word).expect("an action"));
                let pattern = pattern.parse().expect("a pattern");
                claims.grants.push(Grant { pattern, can: can.collect() });
            }
            _ => panic!("no claim: {word}"),
        }
    }
    if claims.grants.is_empty() {
        claims.grants.push(Grant::member());
    }
    claims
}
