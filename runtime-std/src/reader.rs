//! One connection's thread: the request head, then frames, until the end. This file does not know
//! what is answered, and to an upgrade that is granted it does not write.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{SendError, SyncSender};
use std::time::Duration;

use roundtable::{ConnId, Event, Greeting, Peer, Timestamp};
use roundtable_server::{Codec, Door, Input, Knock, peer};
use tracing::debug;

use crate::Shared;
use crate::turn::Note;

/// What is read at a time.
const BUFFER_BYTES: usize = 4096;

/// An upgrade that was granted.
struct Opened {
    peer: Peer,
    greeting: Greeting,
    /// The answer that says so.
    head: Box<[u8]>,
    /// What came behind the request.
    rest: Vec<u8>,
}

/// Reads one connection to its end.
pub(crate) fn read(
    conn: ConnId,
    stream: &Arc<TcpStream>,
    notes: &SyncSender<Note>,
    shared: &Shared,
) {
    let opened = match open(stream, shared) {
        Ok(Some(opened)) => opened,
        Ok(None) => return linger(stream, shared),
        Err(error) => return debug!(conn = conn.get(), %error, "no request"),
    };
    let Opened { peer, greeting, head, rest } = opened;
    // A panic in here ends this connection only, and the owner must hear of it.
    let goodbye = Goodbye { conn, notes };
    let opened = Note::Opened { conn, stream: stream.clone(), head, peer, greeting };
    if notes.send(opened).is_ok() {
        let mut reader = Reader { conn, notes, shared, codec: Codec::new(&shared.settings) };
        if let Err(error) = reader.run(stream, &rest) {
            debug!(conn = conn.get(), %error, "reading ends");
        }
    }
    drop(goodbye);
}

/// Takes the request head, and answers it unless it is granted. What is no upgrade ends here.
fn open(mut stream: &TcpStream, shared: &Shared) -> io::Result<Option<Opened>> {
    let deadline = shared.clock.now() + shared.settings.wire.head_timeout;
    let mut source = Source::new(stream, shared);
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    let answer = loop {
        match shared.door.knock(shared.readiness(), &head) {
            Knock::More => {}
            Knock::Answer(answer) => break answer,
            Knock::Upgrade { response, greeting, claims, consumed } => {
                let peer = peer(&shared.settings, stream.peer_addr()?, claims);
                let rest = head.split_off(consumed);
                return Ok(Some(Opened { peer, greeting, head: response.into(), rest }));
            }
        }
        match source.read(&mut buffer, Some(deadline))? {
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => head.extend_from_slice(&buffer[..count]),
            None => break Door::timeout_answer(),
        }
    };
    stream.set_write_timeout(Some(shared.settings.wire.head_timeout))?;
    stream.write_all(&answer)?;
    Ok(None)
}

/// Lets the peer read the answer before the socket is closed: closing over unread bytes would reset
/// the connection (RFC 9112 §9.6).
fn linger(stream: &TcpStream, shared: &Shared) {
    let deadline = shared.clock.now() + shared.settings.wire.close_timeout;
    let mut buffer = [0; 1024];
    let mut source = Source::new(stream, shared);
    let mut left = 64 * BUFFER_BYTES;
    if stream.shutdown(Shutdown::Write).is_ok() {
        while let Ok(Some(1..)) = source.read(&mut buffer, Some(deadline)) {
            left = left.saturating_sub(buffer.len());
            if left == 0 {
                return;
            }
        }
    }
}

/// The reading half of a socket.
struct Source<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
    /// Whether the socket has a time-out: most reads need none, and setting it is a system call.
    is_timed: bool,
}

impl<'a> Source<'a> {
    fn new(stream: &'a TcpStream, shared: &'a Shared) -> Self {
        Self { stream, shared, is_timed: false }
    }

    /// Reads what is there, until `deadline`: `None` says that it has passed.
    fn read(
        &mut self,
        buffer: &mut [u8],
        deadline: Option<Timestamp>,
    ) -> io::Result<Option<usize>> {
        loop {
            let left = deadline.map(|deadline| self.shared.clock.until(deadline));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            if self.is_timed || left.is_some() {
                self.stream.set_read_timeout(left)?;
                self.is_timed = left.is_some();
            }
            match self.stream.read(buffer) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Tells the owner that the connection is gone, however the reader ends.
struct Goodbye<'a> {
    conn: ConnId,
    notes: &'a SyncSender<Note>,
}

impl Drop for Goodbye<'_> {
    fn drop(&mut self) {
        // Without an owner there is nobody to tell.
        let _stopped = self.notes.send(Note::Gone { conn: self.conn });
    }
}

struct Reader<'a> {
    conn: ConnId,
    notes: &'a SyncSender<Note>,
    shared: &'a Shared,
    codec: Codec<'a>,
}

impl Reader<'_> {
    fn run(&mut self, stream: &TcpStream, rest: &[u8]) -> io::Result<()> {
        let (mut buffer, mut inputs) = ([0; BUFFER_BYTES], Vec::new());
        let mut source = Source::new(stream, self.shared);
        let most = self.shared.settings.wire.read_budget.min(BUFFER_BYTES);
        // What came right behind the request is read like all else, a budget at a time.
        let mut rest = rest.chunks(most);
        loop {
            if let Some(bytes) = rest.next() {
                self.codec.feed(self.shared.clock.now(), bytes, &mut inputs);
            } else {
                let deadline = self.codec.deadline();
                match source.read(&mut buffer[..most], deadline)? {
                    Some(0) => return Ok(()),
                    Some(count) => {
                        self.codec.feed(self.shared.clock.now(), &buffer[..count], &mut inputs);
                    }
                    None => self.codec.expire(&mut inputs),
                }
            }
            for input in inputs.drain(..) {
                // The owner is gone: so is all else.
                let Ok(()) = self.note(input) else { return Ok(()) };
            }
        }
    }

    fn note(&self, input: Input) -> Result<(), SendError<Note>> {
        let conn = self.conn;
        self.notes.send(match input {
            Input::Text(text) => Note::Event(Event::Text { conn, text }),
            Input::Binary => Note::Event(Event::Binary { conn }),
            Input::Heard => Note::Event(Event::Heard { conn }),
            Input::Pong(frame) => Note::Pong { conn, frame },
            Input::Close(frame) => Note::Closing { conn, frame },
            Input::Fail { code, frame } => {
                debug!(conn = conn.get(), code = code.number(), "the peer broke the rules");
                Note::Closing { conn, frame }
            }
        })
    }
}
