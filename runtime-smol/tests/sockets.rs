//! What is this server's own, over real sockets and with machines that are no hub: shards, full
//! sockets, ticks, the way a server ends.

use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use roundtable::{CloseCode, Command, ConnId, Event, Machine, Queue, Recipients, Timestamp};
use roundtable_server::Settings;
use runtime_smol::{Server, Stopper};
use tungstenite::{Error, Message, WebSocket};

/// Longer than anything here takes: a wait that lasts so long has failed.
const BACKSTOP: Duration = Duration::from_secs(30);

/// One text of a flood.
const FLOOD_BYTES: usize = 60_000;
const FLOOD_TEXTS: usize = 100;

/// Does what the texts say, and tells the test of every event.
struct Puppet {
    events: Sender<Event>,
    deadline: Option<Timestamp>,
    members: Vec<ConnId>,
}

impl Puppet {
    fn new() -> (Self, Receiver<Event>) {
        let (events, told) = channel();
        (Self { events, deadline: None, members: Vec::new() }, told)
    }

    fn obey(&mut self, now: Timestamp, conn: ConnId, text: &str, commands: &mut Vec<Command>) {
        let one = Recipients::One(conn);
        match text {
            "panic" => panic!("as was asked for"),
            "tick" => self.deadline = Some(now + Duration::from_millis(20)),
            "flood" => commands.extend((0..FLOOD_TEXTS).map(|number| {
                let text = format!("{number:0FLOOD_BYTES$}").into();
                Command::Send { to: one.clone(), text }
            })),
            "drop" | "flush" => {
                let queue = if text == "drop" { Queue::Drop } else { Queue::Flush };
                let conn = self.members[0];
                commands.push(Command::Close { conn, code: CloseCode::SlowConsumer, queue });
            }
            "everybody" => {
                let to = Recipients::Many { list: self.members.as_slice().into(), except: None };
                commands.push(Command::Send { to, text: text.into() });
            }
            _ => commands.push(Command::Send { to: one, text: text.into() }),
        }
    }
}

impl Machine for Puppet {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        match &event {
            Event::Connect { conn, .. } => self.members.push(*conn),
            Event::Text { conn, text } => self.obey(now, *conn, text, commands),
            Event::Disconnect { conn } => self.members.retain(|member| member != conn),
            Event::Drain { .. } => {
                let close =
                    |conn| Command::Close { conn, code: CloseCode::Drain, queue: Queue::Flush };
                commands.extend(self.members.drain(..).map(close));
                commands.push(Command::Drained);
            }
            Event::Tick => {
                self.deadline = None;
                let to = Recipients::Many { list: self.members.as_slice().into(), except: None };
                commands.push(Command::Send { to, text: "tock".into() });
            }
            Event::Binary { .. }
            | Event::Heard { .. }
            | Event::Backlog { .. }
            | Event::Verified { .. }
            | Event::Admin { .. }
            | Event::Flushed => {}
        }
        // A test that has seen enough listens no more.
        let _unheard = self.events.send(event);
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadline
    }
}

/// A server in a thread, and what its machine was handed.
struct Running {
    addr: SocketAddr,
    stopper: Stopper,
    events: Receiver<Event>,
    server: JoinHandle<io::Result<()>>,
}

impl Running {
    fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        settings.hub.window_bytes = 2 * FLOOD_TEXTS * FLOOD_BYTES;
        change(&mut settings);
        let server = Server::bind(&settings).expect("a free port");
        let (addr, stopper) = (server.local_addr().expect("a port"), server.stopper());
        let (puppet, events) = Puppet::new();
        let server = thread::spawn(move || server.run(puppet));
        Self { addr, stopper, events, server }
    }

    fn connect(&self) -> Client {
        let socket = TcpStream::connect(self.addr).expect("the server accepts");
        socket.set_read_timeout(Some(BACKSTOP)).expect("a time-out");
        let (socket, _) = tungstenite::client("ws://localhost/ws", socket).expect("an upgrade");
        Client(socket)
    }

    fn wait_for<T>(&self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(BACKSTOP).expect("the event comes");
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    fn stop(self) {
        self.stopper.stop();
        self.server.join().expect("no panic").expect("a graceful end");
    }
}

struct Client(WebSocket<TcpStream>);

impl Client {
    fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).expect("the server reads");
    }

    fn hear(&mut self) -> String {
        match self.0.read().expect("the server writes") {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// Reads to the end. Returns the texts and the close code.
    fn hear_out(&mut self) -> (Vec<String>, u16) {
        let (mut texts, mut code) = (Vec::new(), 0);
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => texts.push(text.to_string()),
                Ok(Message::Close(close)) => code = close.expect("a code").code.into(),
                Ok(other) => panic!("{other:?} was not expected"),
                Err(Error::ConnectionClosed) => return (texts, code),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn settings() -> Settings {
    Settings { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Settings::default() }
}

fn is_backlog(event: &Event) -> Option<(ConnId, usize)> {
    if let Event::Backlog { conn, bytes } = *event { Some((conn, bytes)) } else { None }
}

#[test]
fn many_connections_are_dealt_out_to_all_shards_and_hear_one_fan_out() {
    let server = Running::start(|settings| settings.shards = 3);
    let mut clients: Vec<Client> = (0..60).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.say(&format!("own {number}"));
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.hear(), format!("own {number}"));
    }
    for _ in 0..5 {
        clients[7].say("everybody");
        for client in &mut clients {
            assert_eq!(client.hear(), "everybody");
        }
    }
    let closed =
        thread::spawn(move || clients.iter_mut().map(Client::hear_out).collect::<Vec<_>>());
    server.stopper.stop();
    for (texts, code) in closed.join().expect("all are closed") {
        assert!(texts.is_empty(), "{texts:?}");
        assert_eq!(code, CloseCode::Drain.number());
    }
    let (mut conns, mut turns, mut others) = (HashSet::new(), 0, 0);
    server.server.join().expect("no panic").expect("a graceful end");
    for event in server.events {
        match event {
            Event::Connect { conn, .. } => assert!(conns.insert(conn), "{conn:?} comes twice"),
            Event::Flushed => turns += 1,
            _ => others += 1,
        }
    }
    let shards: HashSet<u64> = conns.iter().map(|conn| conn.get() >> 56).collect();
    assert_eq!((conns.len(), shards.len()), (60, 3));
    assert!(turns <= 3 * (60 + others), "{turns} turns for {others} events: the loop spins");
}

#[test]
fn a_full_socket_is_reported_until_it_is_empty_and_holds_up_nobody() {
    let server = Running::start(|settings| settings.shards = 1);
    let (mut slow, mut quick) = (server.connect(), server.connect());
    slow.say("flood");
    let (conn, full) = server.wait_for(is_backlog);
    assert!(full <= FLOOD_TEXTS * (FLOOD_BYTES + 4), "{full} bytes are more than what was sent");
    quick.say("hello");
    assert_eq!(quick.hear(), "hello");
    for number in 0..FLOOD_TEXTS {
        assert_eq!(slow.hear(), format!("{number:0FLOOD_BYTES$}"));
    }
    let mut last = full;
    while last > 0 {
        let (of, level) = server.wait_for(is_backlog);
        assert_eq!(of, conn);
        assert!(level < last, "{level} after {last}, though nothing was sent");
        last = level;
    }
    slow.say("and on");
    assert_eq!(slow.hear(), "and on");
    drop((slow, quick));
    server.stop();
}

#[test]
fn what_is_queued_is_flushed_or_dropped_at_a_close() {
    for (word, is_whole) in [("flush", true), ("drop", false)] {
        let server = Running::start(|settings| settings.wire.close_timeout = BACKSTOP);
        let mut slow = server.connect();
        slow.say("flood");
        server.wait_for(is_backlog);
        server.connect().say(word);
        server.wait_for(|event| matches!(event, Event::Disconnect { .. }).then_some(()));
        let (texts, code) = slow.hear_out();
        assert_eq!(code, CloseCode::SlowConsumer.number());
        assert_eq!(texts.len() == FLOOD_TEXTS, is_whole, "{} texts after {word}", texts.len());
        for (number, text) in texts.iter().enumerate() {
            assert_eq!(*text, format!("{number:0FLOOD_BYTES$}"), "frames are whole and in order");
        }
        drop(slow);
        server.stop();
    }
}

#[test]
fn a_tick_comes_without_any_event() {
    let server = Running::start(|_| ());
    let mut client = server.connect();
    client.say("tick");
    assert_eq!(client.hear(), "tock");
    drop(client);
    server.stop();
}

#[test]
fn further_peers_wait_until_there_is_a_place() {
    let server = Running::start(|settings| settings.wire.max_connections = 1);
    let first = server.connect();
    let waiting = TcpStream::connect(server.addr).expect("the system lets it wait");
    waiting.set_read_timeout(Some(BACKSTOP)).expect("a time-out");
    let second = thread::spawn(move || {
        tungstenite::client("ws://localhost/ws", waiting).expect("an upgrade").0
    });
    let mut is_first_gone = false;
    server.wait_for(|event| matches!(event, Event::Connect { .. }).then_some(()));
    drop(first);
    server.wait_for(|event| {
        is_first_gone |= matches!(event, Event::Disconnect { .. });
        matches!(event, Event::Connect { .. }).then(|| assert!(is_first_gone))
    });
    drop(second.join().expect("it comes in"));
    server.stop();
}

#[test]
fn an_empty_server_ends_at_once_even_if_it_is_stopped_before_it_runs() {
    Running::start(|_| ()).stop();
    let server = Server::bind(&settings()).expect("a free port");
    server.stopper().stop();
    server.stopper().stop();
    server.run(Puppet::new().0).expect("a graceful end");
}

#[test]
fn a_machine_that_panics_ends_the_server() {
    let server = Running::start(|settings| settings.wire.close_timeout = Duration::from_millis(50));
    let mut client = server.connect();
    client.say("panic");
    assert!(server.server.join().is_err(), "the panic comes out of run");
    assert!(client.0.read().is_err(), "and nobody is left waiting");
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let server = Running::start(|_| ());
    let settings = Settings { listen: server.addr, ..Settings::default() };
    let error = Server::bind(&settings).err().expect("it is taken");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    server.stop();
}
