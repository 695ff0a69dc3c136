//! A client's side of `roundtable.v1`: what happens goes in, what is to be done comes out. This
//! file and those below it know no socket, no clock and no terminal.
//!
//! What was typed is asked for one thing after the other: each waits for the answer to the one
//! before. So everything stays in its order, whatever is refused or lost, and at most one thing is
//! in doubt when the connection is lost.

mod heard;
mod life;
mod typed;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use roundtable::Timestamp;
use serde_json::{Value, json};

use super::command::Command;
use super::frame::Welcome;
use super::line::{Due, Line};
use super::news::News;
use super::presence::Members;
use super::request::{Request, State, What};

/// What may wait to be asked; the input is read no further meanwhile.
const QUEUE: usize = 64;

/// At the end of the input: how long everything may stand still.
const PATIENCE: Duration = Duration::from_secs(30);

/// The server knows a key for five minutes from its first use; the clocks may differ a little.
const KEY_LIFE: Duration = Duration::from_secs(270);

/// Who sends nothing for so long need not go slowly any more.
const RESTED: Duration = Duration::from_secs(5);

/// The longest pause between two messages.
const SLOWEST: Duration = Duration::from_secs(10);

/// What happens.
#[derive(Clone, Debug)]
pub(super) enum Event<'a> {
    /// The time of the deadline has come.
    Tick,
    /// A frame came.
    Frame(&'a str),
    /// The server gave another sign of life.
    Heard,
    /// The connection is gone.
    Closed { code: u16, reason: &'a str },
    /// The connection did not come about.
    Unreachable { why: &'a str, fault: Fault },
    /// A line was typed.
    Typed(&'a str),
    /// Nothing more will be typed.
    EndOfInput,
    /// The token that was asked for.
    Token(Option<String>),
}

/// Whose fault it is that there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It may be better later, or after this time.
    Passing(Option<Duration>),
    /// It will not be better.
    Ours,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Connect with these parameters, and with a fresh token if there is one.
    Connect(Query),
    Send(String),
    /// Ask the server for a sign of life.
    Ping,
    /// Give the connection up.
    HangUp,
    Tell(News),
    /// Read the token again.
    AskForToken,
    /// Nothing more will happen.
    End(End),
}

/// The parameters of the server's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) name: Option<String>,
    pub(super) room: Entrance,
}

/// The room that the address names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Entrance {
    /// None is named, so that the server chooses.
    #[default]
    Default,
    /// The empty one: none is wanted, or all are asked for in frames.
    None,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everything that was typed was done.
    Well,
    /// So many things that were typed were refused, or are in doubt; each was told.
    Refused(u64),
    /// With this.
    Badly(String),
}

/// What somebody wants who starts the client.
#[derive(Clone, Debug, Default)]
pub(super) struct Wish {
    pub(super) name: Option<String>,
    /// The rooms to be in; none is the server's choice.
    pub(super) rooms: Vec<String>,
    /// What the server does if no room is wished.
    pub(super) entrance: Entrance,
}

/// How far one has come with the server.
#[derive(Debug, PartialEq, Eq)]
enum Stage {
    /// It has not said `welcome`.
    Away,
    /// The answer to the `hello` with this `id` is awaited.
    Greeting { id: Value, welcome: Box<Welcome> },
    /// Everything can be asked.
    There,
    /// It stops, and takes nothing more.
    Draining,
    /// `bye` was said.
    Leaving,
    /// Nothing more happens.
    Over,
}

/// A room that one is in.
#[derive(Debug)]
struct Place {
    room: String,
    epoch: String,
    /// The last place that was received.
    seq: u64,
    /// Whether the server's session has it, so that it comes back by itself.
    is_held: bool,
    members: Members,
}

/// What waits.
#[derive(Debug)]
enum Task {
    Typed(Command),
    Ask(Request),
}

/// One client.
#[derive(Debug)]
pub(super) struct Client {
    wish: Wish,
    rng: Rng,
    /// What no other client has, for the keys of what is published.
    run: u64,
    next_id: u64,
    line: Line,
    stage: Stage,
    /// Where each room is left, in the order in which they were joined.
    places: Vec<Place>,
    /// Where lines go.
    current: Option<String>,
    /// The secret that brings the session back.
    session: Option<String>,
    user: Option<String>,
    /// Every name that one has had: after a lost connection it may be another one for a while.
    names: BTreeSet<String>,
    has_token: bool,
    /// Whether the room that the server chose is known, if it chose one.
    has_entered: bool,
    max_bytes: usize,
    queue: VecDeque<Task>,
    /// What is asked, and not answered.
    asked: Option<Request>,
    /// The pause between two messages, where the server wants one.
    pace: Duration,
    last_publish: Option<Timestamp>,
    not_before: Timestamp,
    /// Nothing more will be typed: when to give up.
    leave_by: Option<Timestamp>,
    failures: u64,
    /// Whether everything was heard that the server says about what was asked.
    is_caught_up: bool,
}

impl Client {
    /// A client that connects at its first tick. All its chance comes from `seed`.
    pub(super) fn new(wish: Wish, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let run = rng.u64(..);
        let mut client = Self {
            rng,
            run,
            next_id: 1,
            line: Line::new(),
            stage: Stage::Away,
            places: Vec::new(),
            current: None,
            session: None,
            user: None,
            names: BTreeSet::new(),
            has_token: false,
            has_entered: false,
            max_bytes: usize::MAX,
            queue: VecDeque::new(),
            asked: None,
            pace: Duration::ZERO,
            last_publish: None,
            not_before: Timestamp::ZERO,
            leave_by: None,
            failures: 0,
            is_caught_up: false,
            wish,
        };
        for room in client.wish.rooms.clone() {
            let id = client.id();
            let request = Request::join(What::Enter { room: room.clone() }, id, &room, None);
            client.queue.push_back(Task::Ask(request));
        }
        if client.queue.is_empty() && client.wish.entrance == Entrance::Default {
            // The room that the server chooses is told before the answer to this.
            let request = client.barrier();
            client.queue.push_back(Task::Ask(request));
        }
        client
    }

    /// Takes what happens at `now`, and adds what is to be done.
    pub(super) fn handle(&mut self, now: Timestamp, event: Event<'_>, actions: &mut Vec<Action>) {
        if self.stage == Stage::Over {
            return;
        }
        match event {
            Event::Tick => {}
            Event::Heard => self.line.heard(now),
            Event::Frame(text) => {
                self.line.heard(now);
                self.frame(now, text, actions);
            }
            Event::Closed { code, reason } => self.closed(now, code, reason, actions),
            Event::Unreachable { why, fault } => self.unreachable(now, why, fault, actions),
            Event::Typed(line) => match Command::parse(line) {
                Ok(None) => {}
                Ok(Some(Command::Quit)) => self.end_of_input(now),
                Ok(Some(command)) => self.queue.push_back(Task::Typed(command)),
                Err(why) => self.fail(News::Trouble(why), actions),
            },
            Event::EndOfInput => self.end_of_input(now),
            Event::Token(token) => self.token(token),
        }
        self.pump(now, actions);
        self.tick(now, actions);
    }

    /// When to tick.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        if self.stage == Stage::Over {
            return None;
        }
        let is_ready = |request: &Request| request.state == State::Ready;
        let ready_at = self.asked.as_ref().filter(|request| is_ready(request));
        let ready_at = ready_at.filter(|_| self.stage == Stage::There).map(|_| self.not_before);
        [self.line.next_deadline(), ready_at, self.leave_by].into_iter().flatten().min()
    }

    /// Whether another line may be typed.
    pub(super) fn takes_more(&self) -> bool {
        self.leave_by.is_none() && self.queue.len() < QUEUE
    }

    /// Whether everything that was typed is answered, or has to wait for a while.
    pub(super) fn is_settled(&self) -> bool {
        let is_idle = self.asked.is_none() && self.queue.is_empty();
        self.user.is_some() && (is_idle || self.stage != Stage::There)
    }

    /// The room where lines go.
    pub(super) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    fn tick(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.leave_by.is_some_and(|leave_by| leave_by <= now) {
            let waiting = self.queue.len() + usize::from(self.asked.is_some());
            let end = match self.stage {
                Stage::Leaving => self.verdict(),
                Stage::Away
                | Stage::Greeting { .. }
                | Stage::There
                | Stage::Draining
                | Stage::Over => {
                    let lines = if waiting == 1 { "line was" } else { "lines were" };
                    End::Badly(format!("no answer; {waiting} {lines} not acknowledged"))
                }
            };
            return self.end(end, actions);
        }
        match self.line.due(now) {
            None => {}
            Some(Due::Connect) => actions.push(Action::Connect(self.query())),
            Some(Due::Ping) => actions.push(Action::Ping),
            Some(Due::HangUp) => {
                actions.push(Action::HangUp);
                let event = match self.user {
                    None => Event::Unreachable { why: "no answer", fault: Fault::Passing(None) },
                    Some(_) => Event::Closed { code: super::line::ABNORMAL, reason: "no answer" },
                };
                self.handle(now, event, actions);
            }
        }
    }

    /// The rooms are asked for in frames once it is known which ones are wanted.
    fn query(&self) -> Query {
        let is_new = self.session.is_none() && self.has_to_enter();
        let room = if is_new { self.wish.entrance } else { Entrance::None };
        Query { name: self.wish.name.clone(), room }
    }

    /// Whether the server has still to say which room it chooses.
    fn has_to_enter(&self) -> bool {
        !self.has_entered && self.wish.rooms.is_empty()
    }

    fn end_of_input(&mut self, now: Timestamp) {
        self.leave_by.get_or_insert(now + PATIENCE);
    }

    /// Something went on: the patience begins anew.
    fn progress(&mut self, now: Timestamp) {
        if let Some(leave_by) = &mut self.leave_by {
            *leave_by = now + PATIENCE;
        }
    }

    /// Does what can be done by now.
    fn pump(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        // What is in doubt is judged first, by what the server says at the beginning.
        while self.asked.is_none() && self.stage == Stage::There {
            match self.queue.pop_front() {
                Some(Task::Ask(request)) if request.state == State::Unsure => {
                    self.give_up(request, actions);
                }
                Some(Task::Ask(request)) => self.asked = Some(request),
                Some(Task::Typed(command)) => self.begin(command, actions),
                None if self.leave_by.is_none() => return,
                None if self.is_caught_up => {
                    self.stage = Stage::Leaving;
                    self.line.asked(now);
                    return actions.push(Action::Send(r#"{"type":"bye"}"#.to_owned()));
                }
                // One's own message comes behind its `ack`, and before the answer to this.
                None => self.asked = Some(self.barrier()),
            }
            self.send(now, actions);
        }
        self.send(now, actions);
    }

    /// Sends what is next, if its time has come.
    fn send(&mut self, now: Timestamp, actions: &mut Vec<Action>) {
        if self.stage != Stage::There || now < self.not_before {
            return;
        }
        let Some(request) = &mut self.asked else { return };
        if request.state != State::Ready {
            return;
        }
        if request.text.len() > self.max_bytes {
            let why = format!("the server takes at most {} bytes at once", self.max_bytes);
            self.asked = None;
            return self.fail(News::Trouble(why), actions);
        }
        if request.is_publish() {
            let last = self.last_publish.replace(now);
            if last.is_none_or(|last| now.saturating_since(last) > RESTED) {
                self.pace = Duration::ZERO;
            }
            self.not_before = now + self.pace;
        }
        request.state = State::Sent;
        self.is_caught_up = false;
        request.sent_at.get_or_insert(now);
        actions.push(Action::Send(request.text.clone()));
        if request.id.is_none() {
            self.asked = None;
            self.progress(now);
        } else {
            self.line.asked(now);
        }
    }

    /// Something that was typed did not come to its end.
    fn fail(&mut self, news: News, actions: &mut Vec<Action>) {
        self.failures += 1;
        actions.push(Action::Tell(news));
    }

    fn verdict(&self) -> End {
        match self.failures {
            0 => End::Well,
            failures => End::Refused(failures),
        }
    }

    fn end(&mut self, end: End, actions: &mut Vec<Action>) {
        self.stage = Stage::Over;
        actions.push(Action::End(end));
    }

    fn barrier(&mut self) -> Request {
        Request::new(What::Barrier, self.id(), json!({ "type": "ping" }))
    }

    fn id(&mut self) -> String {
        let id = format!("chat-{}", self.next_id);
        self.next_id += 1;
        id
    }

    fn place(&mut self, room: &str) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.room == room)
    }
}
