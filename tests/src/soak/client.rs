//! One client of a soak: it joins its room, chats, loses its connection, and comes back to what it
//! was. It writes down what it did and was told, and judges none of it.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use async_tungstenite::WebSocketStream;
use async_tungstenite::tungstenite::{self, Message};
use fastrand::Rng;
use serde_json::{Value, json};
use smol::stream::StreamExt as _;
use smol::{Async, Timer, future};

use super::Crowd;
use super::book::{Deed, Word};

/// How long the last words may take.
const LAST_WORDS_WITHIN: Duration = Duration::from_mins(1);

type Socket = WebSocketStream<Async<TcpStream>>;

/// The connection is gone, for whatever reason.
struct Lost;

impl From<tungstenite::Error> for Lost {
    fn from(_: tungstenite::Error) -> Self {
        Self
    }
}

impl From<std::io::Error> for Lost {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// Somebody who chats.
pub(super) struct Person {
    who: u32,
    room: u32,
    crowd: Rc<Crowd>,
    rng: Rng,
    session: Option<Value>,
    /// The run of the room's log, and the place in it.
    place: Option<(String, u64)>,
    said: u64,
    /// What was said and not acknowledged.
    open: BTreeSet<u64>,
    has_finished: bool,
}

impl Person {
    pub(super) fn new(who: u32, room: u32, crowd: Rc<Crowd>) -> Self {
        let rng = Rng::with_seed(crowd.plan.seed ^ u64::from(who).rotate_right(16));
        Self {
            who,
            room,
            crowd,
            rng,
            session: None,
            place: None,
            said: 0,
            open: BTreeSet::new(),
            has_finished: false,
        }
    }

    /// Chats until the end.
    pub(super) async fn live(mut self) {
        let stay = self.crowd.plan.stay;
        // They come one after the other.
        self.pause(stay / 2).await;
        while Instant::now() < self.crowd.end {
            let network = self.crowd.networks.draw(&mut self.rng);
            let leave = Instant::now() + stay.mul_f64(0.2 + 0.8 * self.rng.f64());
            let leave = leave.min(self.crowd.end);
            let too_long = async {
                Timer::at(leave).await;
                Err(Lost)
            };
            let _lost = future::or(self.chat(network), too_long).await;
            let away = if self.rng.u8(..) < 10 { stay } else { stay / 20 };
            self.pause(away).await;
        }
        // Nothing is in the way of the last words.
        let last = self.crowd.end + LAST_WORDS_WITHIN;
        let too_late = async {
            Timer::at(last).await;
            Err(Lost)
        };
        let finish = async {
            while self.finish().await.is_err() {
                // A server that is gone is not asked again at once.
                Timer::at(Instant::now() + self.crowd.plan.stay / 20).await;
            }
            Ok(())
        };
        // Who does not come to the end has not noted it, which the checker tells.
        if future::or(finish, too_late).await.is_ok() {
            self.note(Deed::Done);
        }
    }

    /// Waits for a drawn part of a span.
    async fn pause(&mut self, most: Duration) {
        let until = Instant::now() + most.mul_f64(self.rng.f64());
        Timer::at(until.min(self.crowd.end)).await;
    }

    async fn chat(&mut self, through: SocketAddr) -> Result<(), Lost> {
        let mut socket = self.come(through).await?;
        loop {
            let pace = self.crowd.plan.pace.mul_f64(2.0 * self.rng.f64());
            let next = Instant::now() + pace;
            loop {
                let silence = async {
                    Timer::at(next).await;
                    Ok(None)
                };
                let heard = future::or(async { read(&mut socket).await.map(Some) }, silence);
                let Some(frame) = heard.await? else { break };
                self.hear(&frame);
            }
            if self.rng.u8(..) < 5 {
                // A reader that is busy elsewhere.
                self.pause(self.crowd.plan.stay / 4).await;
            }
            self.say();
            let newest = self.said;
            self.publish(&mut socket, newest).await?;
        }
    }

    /// Says the last word, hears that all are there, and everything up to the last of the room.
    async fn finish(&mut self) -> Result<(), Lost> {
        let mut socket = self.come(self.crowd.server).await?;
        if !self.has_finished && self.open.is_empty() {
            self.say();
            let newest = self.said;
            self.publish(&mut socket, newest).await?;
        }
        let over = self.crowd.over.clone();
        loop {
            if !self.has_finished && self.open.is_empty() {
                self.has_finished = true;
                self.crowd.left.set(self.crowd.left.get() - 1);
                if self.crowd.left.get() == 0 {
                    self.crowd.hold.take();
                }
            }
            let head = self.crowd.heads.borrow()[self.room as usize];
            let stands = self.place.as_ref().map_or(0, |(_, seq)| *seq);
            if over.is_closed() && stands >= head {
                let bye = json!({ "type": "bye" }).to_string();
                socket.send(Message::text(bye)).await?;
                // The close is answered by reading on.
                while read(&mut socket).await.is_ok() {}
                return Ok(());
            }
            let closed = async {
                if over.is_closed() {
                    future::pending::<()>().await;
                }
                let _closed = over.recv().await;
                Ok(None)
            };
            let frame = future::or(async { read(&mut socket).await.map(Some) }, closed);
            if let Some(frame) = frame.await? {
                self.hear(&frame);
            }
        }
    }

    /// Connects, comes back to the session if there was one, and says again what is open.
    async fn come(&mut self, through: SocketAddr) -> Result<Socket, Lost> {
        let stream = Async::<TcpStream>::connect(through).await?;
        let url = format!("ws://{through}/ws?room=&name=c{}", self.who);
        let (mut socket, _) = async_tungstenite::client_async(url, stream).await?;
        let mut welcome = read(&mut socket).await?;
        let since = self.place.as_ref().map(|(epoch, seq)| json!({ "epoch": epoch, "seq": seq }));
        let room = format!("room-{}", self.room);
        if let Some(session) = &self.session {
            let mut since_all = json!({});
            if let Some(since) = &since {
                since_all[&room] = since.clone();
            }
            let hello = json!({ "type": "hello", "id": 0, "resume": session, "since": since_all });
            socket.send(Message::text(hello.to_string())).await?;
            welcome = read(&mut socket).await?;
        }
        if welcome["resumed"] == true && self.place.is_some() {
            self.joined(&read(&mut socket).await?);
        } else {
            if self.session.is_some() && welcome["resumed"] != true {
                // Whether the last words were heard cannot be known: they are not said again.
                self.open.clear();
                self.note(Deed::Renewed);
            }
            self.session = Some(welcome["session"].clone());
            let mut join = json!({ "type": "join", "id": 0, "room": room });
            if let Some(since) = since {
                join["since"] = since;
            }
            socket.send(Message::text(join.to_string())).await?;
            loop {
                let frame = read(&mut socket).await?;
                if frame["type"] == "joined" {
                    self.joined(&frame);
                    break;
                }
            }
        }
        let open: Vec<u64> = self.open.iter().copied().collect();
        for number in open {
            self.publish(&mut socket, number).await?;
        }
        Ok(socket)
    }

    fn say(&mut self) {
        self.said += 1;
        self.open.insert(self.said);
        self.note(Deed::Said(self.said));
    }

    async fn publish(&self, socket: &mut Socket, number: u64) -> Result<(), Lost> {
        let frame = json!({
            "type": "publish", "id": number, "room": format!("room-{}", self.room),
            "data": [self.who, number], "key": format!("k{number}"),
        });
        Ok(socket.send(Message::text(frame.to_string())).await?)
    }

    fn hear(&mut self, frame: &Value) {
        match frame["type"].as_str().expect("a type") {
            "message" => {
                let (seq, word) = entry(frame);
                self.note(Deed::Got(seq, word));
                self.stand(seq);
            }
            "ack" => {
                let (number, seq) = (count(&frame["id"]), count(&frame["seq"]));
                self.open.remove(&number);
                self.note(Deed::Acked(number, seq));
                let head = &mut self.crowd.heads.borrow_mut()[self.room as usize];
                *head = (*head).max(seq);
            }
            "gap" => {
                let (from, to) = (count(&frame["from"]), count(&frame["to"]));
                self.note(Deed::Gap(from, to));
                self.stand(to);
            }
            "joined" => self.joined(frame),
            "error" => self.note(Deed::Refused(frame.to_string())),
            _ => {}
        }
    }

    fn joined(&mut self, frame: &Value) {
        if frame["type"] != "joined" {
            return self.note(Deed::Refused(frame.to_string()));
        }
        let epoch = frame["epoch"].as_str().expect("an epoch").to_owned();
        let gap = &frame["gap"];
        let seq = count(&frame["seq"]);
        self.note(Deed::Joined {
            room: self.room,
            epoch: epoch.clone(),
            since: self.place.as_ref().map(|(_, seq)| *seq),
            gap: gap.is_object().then(|| (count(&gap["from"]), count(&gap["to"]))),
            given: frame["history"].as_array().expect("a page").iter().map(entry).collect(),
            seq,
        });
        self.place = Some((epoch, seq));
    }

    fn stand(&mut self, at: u64) {
        if let Some((_, seq)) = &mut self.place {
            *seq = at;
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "it is made to be noted")]
    fn note(&self, deed: Deed) {
        self.crowd.book.note(self.who, &deed);
    }
}

/// The next frame of the protocol.
async fn read(socket: &mut Socket) -> Result<Value, Lost> {
    loop {
        match socket.next().await.ok_or(Lost)?? {
            Message::Text(text) => return serde_json::from_str(&text).map_err(|_| Lost),
            Message::Close(_) => return Err(Lost),
            _ => {}
        }
    }
}

fn entry(of: &Value) -> (u64, Word) {
    let who = u32::try_from(count(&of["data"][0])).expect("a client");
    (count(&of["seq"]), (who, count(&of["data"][1])))
}

fn count(of: &Value) -> u64 {
    of.as_u64().expect("a number")
}
