//! A client and a hub, with a line between them that carries one frame after the other and can be
//! cut before any of them. Time goes as fast as it can.

use std::collections::VecDeque;
use std::time::Duration;

use roundtable::{
    Command, Config, ConnId, Event as HubEvent, Framing, Greeting, Hub, Origin, Peer, RoomChoice,
    Timestamp,
};
use serde_json::Value;

use super::super::{Action, Client, End, Entrance, Event, Query, Wish};
use crate::chat::line::ABNORMAL;
use crate::chat::show::{Colours, Detail, Painter};

/// What becomes of the server when the line is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accident {
    /// Nothing: the session waits.
    Cut,
    /// It is another one.
    Restart,
}

/// Bob, who was there before and hears everything.
const BOB: ConnId = ConnId::new(1);

/// No test takes longer.
const LONGEST: Timestamp = Timestamp::new(Duration::from_mins(30));

/// What is on its way to the client.
#[derive(Debug)]
enum Down {
    Frame(String),
    Close(u16),
}

pub(super) struct World {
    config: Config,
    hub: Hub,
    pub(super) client: Client,
    now: Timestamp,
    /// The client's connection.
    conn: Option<ConnId>,
    next_conn: u64,
    up: VecDeque<String>,
    down: VecDeque<Down>,
    painter: Painter,
    /// The lines that are not typed yet.
    lines: VecDeque<String>,
    /// How many frames the line has carried.
    pub(super) carried: usize,
    accidents: VecDeque<(usize, Accident)>,
    /// What the client was told.
    pub(super) told: Vec<String>,
    /// What bob was given of others, over all runs of the server.
    pub(super) heard: Vec<String>,
    pub(super) end: Option<End>,
}

impl World {
    /// Ann types these lines, and then nothing more. The accidents come before frames by their
    /// numbers.
    pub(super) fn new(config: Config, lines: &[&str], accidents: &[(usize, Accident)]) -> Self {
        let wish = Wish { name: Some("ann".to_owned()), ..Wish::default() };
        let mut world = Self {
            hub: hub(&config, 0),
            config,
            client: Client::new(wish, 7),
            now: Timestamp::ZERO,
            conn: None,
            next_conn: 2,
            up: VecDeque::new(),
            down: VecDeque::new(),
            painter: Painter::new(Colours::Off, Detail::Script),
            lines: lines.iter().map(|line| (*line).to_owned()).collect(),
            carried: 0,
            accidents: accidents.iter().copied().collect(),
            told: Vec::new(),
            heard: Vec::new(),
            end: None,
        };
        world.bob_comes();
        world
    }

    /// Lets everything happen until the client has ended.
    pub(super) fn run(mut self) -> Self {
        self.tell(Event::Tick);
        let mut has_ended_input = false;
        while self.end.is_none() {
            assert!(self.now < LONGEST, "{:#?} {:?}", self.told, self.client);
            if self.accidents.front().is_some_and(|(at, _)| *at <= self.carried) {
                let (_, accident) = self.accidents.pop_front().expect("there is one");
                self.happen(accident);
            } else if let Some(text) = self.up.pop_front() {
                self.carried += 1;
                let conn = self.conn.expect("what is on its way has a connection");
                self.hub(HubEvent::Text { conn, text });
            } else if let Some(down) = self.down.pop_front() {
                self.carried += 1;
                match down {
                    Down::Frame(text) => self.tell(Event::Frame(&text)),
                    Down::Close(code) => {
                        self.conn = None;
                        self.tell(Event::Closed { code, reason: "" });
                    }
                }
            } else if !self.lines.is_empty() && self.client.takes_more() {
                let line = self.lines.pop_front().expect("there is one");
                self.tell(Event::Typed(&line));
            } else if self.lines.is_empty() && !has_ended_input {
                has_ended_input = true;
                self.tell(Event::EndOfInput);
            } else {
                self.wait();
            }
        }
        self
    }

    /// What ann was told that she or others said.
    pub(super) fn told_words(&self) -> Vec<&str> {
        let words = self.told.iter().filter(|line| !line.starts_with('*'));
        words.filter_map(|line| Some(line.split_once(": ")?.1)).collect()
    }

    fn wait(&mut self) {
        let (client, hub) = (self.client.next_deadline(), self.hub.next_deadline());
        let next = [client, hub].into_iter().flatten().min().expect("somebody waits");
        self.now = self.now.max(next);
        if hub.is_some_and(|due| due <= self.now) {
            self.hub(HubEvent::Tick);
        }
        if client.is_some_and(|due| due <= self.now) {
            self.tell(Event::Tick);
        }
    }

    fn happen(&mut self, accident: Accident) {
        (self.up, self.down) = (VecDeque::new(), VecDeque::new());
        let conn = self.conn.take();
        match accident {
            Accident::Cut => {
                if let Some(conn) = conn {
                    self.hub(HubEvent::Disconnect { conn });
                }
            }
            Accident::Restart => {
                self.hub = hub(&self.config, self.next_conn);
                self.bob_comes();
            }
        }
        if conn.is_some() {
            self.tell(Event::Closed { code: ABNORMAL, reason: "" });
        }
    }

    fn bob_comes(&mut self) {
        let name = Some("bob".parse().expect("a name"));
        let greeting = Greeting { name, room: RoomChoice::Default, framing: Framing::Strict };
        self.hub(HubEvent::Connect { conn: BOB, peer: Peer::default(), greeting });
    }

    fn connect(&mut self, query: Query) {
        let conn = ConnId::new(self.next_conn);
        self.next_conn += 1;
        self.conn = Some(conn);
        let name = query.name.map(|name| name.parse().expect("a name"));
        let room = match query.room {
            Entrance::Default => RoomChoice::Default,
            Entrance::None => RoomChoice::None,
        };
        let greeting = Greeting { name, room, framing: Framing::Strict };
        self.hub(HubEvent::Connect { conn, peer: Peer::default(), greeting });
    }

    /// Bob's pings are answered at once.
    fn hub(&mut self, event: HubEvent) {
        let mut commands = Vec::new();
        self.hub.handle(self.now, event, &mut commands);
        self.hub.handle(self.now, HubEvent::Flushed, &mut commands);
        for command in commands {
            match command {
                Command::Send { to, text } => {
                    for conn in to.iter() {
                        if conn == BOB {
                            self.hear(&text);
                        } else if Some(conn) == self.conn {
                            self.down.push_back(Down::Frame(text.to_string()));
                        }
                    }
                }
                Command::Ping { conn } => self.hub(HubEvent::Heard { conn }),
                Command::Close { conn, code, .. } => {
                    if Some(conn) == self.conn {
                        self.down.push_back(Down::Close(code.number()));
                    }
                }
                Command::Append { .. }
                | Command::Refuse { .. }
                | Command::Verify { .. }
                | Command::Drained => {
                    panic!("{command:?}")
                }
            }
        }
    }

    fn hear(&mut self, text: &str) {
        let frame: Value = serde_json::from_str(text).expect("JSON");
        if frame["type"] == "message" {
            self.heard.push(frame["data"].as_str().expect("words").to_owned());
        }
    }

    fn tell(&mut self, event: Event<'_>) {
        let mut actions = Vec::new();
        self.client.handle(self.now, event, &mut actions);
        for action in actions {
            match action {
                Action::Connect(query) => self.connect(query),
                Action::Send(text) => {
                    if self.conn.is_some() {
                        self.up.push_back(text);
                    }
                }
                Action::Ping => self.tell(Event::Heard),
                Action::HangUp => {
                    (self.up, self.down) = (VecDeque::new(), VecDeque::new());
                    if let Some(conn) = self.conn.take() {
                        self.hub(HubEvent::Disconnect { conn });
                    }
                }
                Action::AskForToken => panic!("{action:?}"),
                Action::Tell(news) => self.told.extend(self.painter.lines(&news)),
                Action::End(end) => self.end = Some(end),
            }
        }
    }
}

fn hub(config: &Config, seed: u64) -> Hub {
    let origin = Origin { seed, wall_clock_ms: 1_785_578_400_000 };
    Hub::new(config.clone(), origin).expect("a valid configuration")
}
