//! A chat server in an event loop of one's own: one thread, `mio`, the hub, and the door, the codec
//! and the outbox that the servers share. What the hub asks of a driver is all here; a real server
//! adds a time-out for request heads and a limit on connections.
//!
//! `cargo run -p runtime-std --example mio`, then open the address that it prints.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};
use roundtable::{Command, ConnId, Event, Hub, Queue, Timestamp, Verdict};
use roundtable_server::{
    Codec, Door, Frame, Input, Knock, Outbox, Readiness, Settings, cli, frame, peer,
};

const LISTENER: Token = Token(0);
/// Waking this token starts the drain. The tokens behind it are connections.
const STOP: Token = Token(1);
const BOTH: Interest = Interest::READABLE.add(Interest::WRITABLE);

fn main() -> io::Result<()> {
    let settings = Settings::default();
    let listener = TcpListener::bind(settings.listen)?;
    cli::announce(&settings, listener.local_addr()?);
    serve(Poll::new()?, listener, &settings)
}

/// Serves until `STOP` was woken and everybody is gone.
pub(crate) fn serve(
    mut poll: Poll,
    mut listener: TcpListener,
    settings: &Settings,
) -> io::Result<()> {
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut server = Server {
        settings,
        door: Door::new(settings, None),
        hub: cli::hub(settings),
        start: Instant::now(),
        conns: BTreeMap::new(),
        touched: BTreeSet::new(),
        next: ConnId::new(2),
        is_drained: false,
    };
    let mut ready = Events::with_capacity(settings.hub.turn_events);
    while !(server.is_drained && server.conns.is_empty()) {
        match poll.poll(&mut ready, server.patience()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &ready {
            match event.token() {
                LISTENER => server.accept(&listener, poll.registry())?,
                STOP => server.handle(Event::Drain { within: settings.drain_within }),
                Token(token) => server.read(ConnId::new(token as u64), poll.registry()),
            }
        }
        server.end_turn();
    }
    Ok(())
}

struct Server<'a> {
    settings: &'a Settings,
    door: Door,
    hub: Hub,
    start: Instant,
    conns: BTreeMap<ConnId, Conn<'a>>,
    /// Those with something to write or to report.
    touched: BTreeSet<ConnId>,
    next: ConnId,
    is_drained: bool,
}

struct Conn<'a> {
    stream: TcpStream,
    /// What came before the upgrade.
    head: Option<Vec<u8>>,
    /// The answer to the upgrade, which goes before all else.
    answer: Vec<u8>,
    codec: Codec<'a>,
    outbox: Outbox,
    /// When a connection that is closing is cut.
    cut_at: Option<Timestamp>,
}

impl Server<'_> {
    fn now(&self) -> Timestamp {
        Timestamp::new(self.start.elapsed())
    }

    /// How long to wait: until something is due, or not at all where something is to be written.
    fn patience(&self) -> Option<Duration> {
        let cuts = self.conns.values().flat_map(|conn| [conn.cut_at, conn.outbox.next_report()]);
        let due = cuts.chain([self.hub.next_deadline()]).flatten().min();
        let due = due.map(|due| due.saturating_since(self.now()));
        if self.touched.is_empty() { due } else { Some(Duration::ZERO) }
    }

    fn accept(&mut self, listener: &TcpListener, registry: &Registry) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let id = self.next;
            self.next = ConnId::new(id.get() + 1);
            registry.register(&mut stream, token(id), BOTH)?;
            let (codec, outbox) = (Codec::new(self.settings), Outbox::default());
            self.conns.insert(
                id,
                Conn { stream, head: Some(vec![]), answer: vec![], codec, outbox, cut_at: None },
            );
        }
    }

    /// A socket is ready. It is read once and not more, so that nobody starves the others; what is
    /// queued for it is written at the end of the turn.
    fn read(&mut self, id: ConnId, registry: &Registry) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        self.touched.insert(id);
        let mut buffer = [0; 4096];
        let count = match conn.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            read => read.unwrap_or(0),
        };
        // There may be more to read: then the socket is ready once again.
        let is_watched = registry.reregister(&mut conn.stream, token(id), BOTH).is_ok();
        if count == 0 || !is_watched || self.take(id, &buffer[..count]).is_err() {
            self.end(id);
        }
    }

    /// Bytes came: a request head, then frames.
    fn take(&mut self, id: ConnId, bytes: &[u8]) -> io::Result<()> {
        let now = self.now();
        let Some(conn) = self.conns.get_mut(&id) else { return Ok(()) };
        if conn.cut_at.is_some() {
            return Ok(());
        }
        let Some(mut head) = conn.head.take() else {
            let mut inputs = Vec::new();
            conn.codec.feed(now, bytes, &mut inputs);
            for input in inputs {
                self.input(id, input);
            }
            return Ok(());
        };
        head.extend_from_slice(bytes);
        match self.door.knock(Readiness::Serving, conn.stream.peer_addr()?.into(), &head) {
            Knock::More => conn.head = Some(head),
            Knock::Answer(answer) => {
                // It fits into the send buffer, which is empty; then the connection ends.
                conn.stream.write_all(&answer)?;
                conn.cut_at = Some(now + self.settings.wire.close_timeout);
            }
            Knock::Upgrade { response, greeting, claims, whence, consumed } => {
                let peer = peer(self.settings, whence, claims);
                conn.answer = response;
                self.handle(Event::Connect { conn: id, peer, greeting });
                return self.take(id, &head[consumed..]);
            }
        }
        Ok(())
    }

    fn input(&mut self, conn: ConnId, input: Input) {
        match input {
            Input::Text(text) => self.handle(Event::Text { conn, text }),
            Input::Binary => self.handle(Event::Binary { conn }),
            Input::Heard => self.handle(Event::Heard { conn }),
            Input::Pong(pong) => self.with(conn, |conn| conn.outbox.push_pong(pong)),
            Input::Close(frame) | Input::Fail { frame, .. } => {
                self.handle(Event::Disconnect { conn });
                self.close(conn, Queue::Flush, frame);
            }
        }
    }

    /// Hands an event to the hub, and carries out what it commands.
    fn handle(&mut self, event: Event) {
        let mut commands = Vec::new();
        self.hub.handle(self.now(), event, &mut commands);
        for command in commands {
            match command {
                Command::Refuse { conn, refusal, retry_after } => {
                    let cut_at = self.now() + self.settings.wire.close_timeout;
                    self.with(conn, |conn| {
                        conn.answer = Door::refusal_answer(refusal, retry_after);
                        conn.cut_at = Some(cut_at);
                    });
                }
                Command::Send { to, text } => {
                    let frame = frame::text(&text);
                    to.iter().for_each(|id| self.with(id, |conn| conn.outbox.push(frame.clone())));
                }
                Command::Ping { conn } => {
                    self.with(conn, |conn| conn.outbox.push(frame::ping()));
                }
                // Nobody is believed here: there are no keys.
                Command::Verify { conn, .. } => {
                    self.handle(Event::Verified { conn, verdict: Verdict::Invalid });
                }
                Command::Close { conn, code, queue } => {
                    self.close(conn, queue, frame::close(code));
                }
                // Nothing is written down here: the settings do not ask for it.
                Command::Append { .. } => {}
                Command::Drained => self.is_drained = true,
            }
        }
    }

    fn close(&mut self, id: ConnId, queue: Queue, frame: Frame) {
        let cut_at = self.now() + self.settings.wire.close_timeout;
        self.with(id, |conn| {
            // The socket is offered what is queued before the rest is dropped. What fails here
            // fails again at the end of the turn.
            let _again = conn.write();
            conn.outbox.close(queue, frame);
            conn.cut_at.get_or_insert(cut_at);
        });
    }

    fn with(&mut self, id: ConnId, change: impl FnOnce(&mut Conn<'_>)) {
        if let Some(conn) = self.conns.get_mut(&id) {
            self.touched.insert(id);
            change(conn);
        }
    }

    fn end(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.handle(Event::Disconnect { conn });
    }

    /// A tick if one is due, one write for each touched connection, what the hub must know of them,
    /// and `Flushed`.
    fn end_turn(&mut self) {
        let now = self.now();
        if self.hub.next_deadline().is_some_and(|due| due <= now) {
            self.handle(Event::Tick);
        }
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        let late = self.conns.iter().filter(|(_, conn)| due(conn.outbox.next_report()));
        self.touched.extend(late.map(|(id, _)| *id));
        for id in std::mem::take(&mut self.touched) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            if conn.write().is_err() {
                self.end(id);
            } else if conn.cut_at.is_none()
                && let Some(bytes) = conn.outbox.report(now)
            {
                self.handle(Event::Backlog { conn: id, bytes });
            }
        }
        self.handle(Event::Flushed);
        // A peer that was answered closes by itself, or is cut.
        self.conns.retain(|_, conn| !due(conn.cut_at));
    }
}

impl Conn<'_> {
    /// Writes until the queue is empty or the socket is full.
    fn write(&mut self) -> io::Result<()> {
        // It fits into the send buffer, which is empty.
        self.stream.write_all(&std::mem::take(&mut self.answer))?;
        self.outbox.flush(|slices| (&self.stream).write_vectored(slices))
    }
}

fn token(id: ConnId) -> Token {
    Token(usize::try_from(id.get()).expect("fewer connections than there are numbers"))
}
