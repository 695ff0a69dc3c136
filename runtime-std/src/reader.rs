//! One connection's thread: the request head, then frames, until the end. This file does not know
//! what is answered, and to an upgrade that is granted it does not write.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel};
use std::time::Duration;

use roundtable::{ConnId, Event, Greeting, Peer, Timestamp};
use roundtable_server::tls::{Flow, Layer};
use roundtable_server::{Codec, Door, Input, Knock, Preface, Step, Whence, peer};
use tracing::debug;

use crate::Shared;
use crate::sockets::{Plain, Secure};
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
    let mut tls = shared.tls.as_ref().map(|tls| tls.layer());
    let opened = match open(stream, &mut tls, shared) {
        Ok(Some(opened)) => opened,
        Ok(None) => return linger(stream, shared),
        Err(error) => {
            let peer = stream.peer_addr().ok();
            return debug!(conn = conn.get(), peer = peer.map(display), %error, "no request");
        }
    };
    let Opened { peer, greeting, head, rest } = opened;
    // A panic in here ends this connection only, and the owner must hear of it.
    let goodbye = Goodbye { conn, notes };
    let (secure, unsealed) = match tls {
        None => (None, None),
        Some(layer) => {
            let (plain, unsealed) = channel();
            (Some(Box::new(Secure { layer, plain })), Some(unsealed))
        }
    };
    let opened = Note::Opened { conn, stream: stream.clone(), secure, head, peer, greeting };
    if notes.send(opened).is_ok() {
        let mut reader =
            Reader { conn, notes, unsealed, shared, codec: Codec::new(&shared.settings) };
        if let Err(error) = reader.run(stream, &rest) {
            debug!(conn = conn.get(), %error, "reading ends");
        }
    }
    drop(goodbye);
}

/// Takes the request head, and answers it unless it is granted. What is no upgrade ends here.
fn open(
    stream: &TcpStream,
    tls: &mut Option<Layer>,
    shared: &Shared,
) -> io::Result<Option<Opened>> {
    let deadline = shared.clock.now() + shared.settings.wire.head_timeout;
    stream.set_write_timeout(Some(shared.settings.wire.head_timeout))?;
    let mut source = Source::new(stream, shared);
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    let Some(whence) = preface(&mut source, deadline)? else {
        return refuse(stream, tls, &Door::timeout_answer(), shared);
    };
    let answer = loop {
        match shared.door.knock(shared.readiness(), whence, &head) {
            Knock::More => {}
            Knock::Answer(answer) => break answer,
            Knock::Upgrade { response, greeting, claims, whence, consumed } => {
                let peer = peer(&shared.settings, whence, claims);
                let rest = head.split_off(consumed);
                return Ok(Some(Opened { peer, greeting, head: response.into(), rest }));
            }
        }
        match source.read(&mut buffer, Some(deadline))? {
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => match tls {
                None => head.extend_from_slice(&buffer[..count]),
                Some(layer) => unseal(stream, layer, &buffer[..count], &mut head)
                    .inspect_err(|error| shared.edge.reading_failed(error))?,
            },
            None => break Door::timeout_answer(),
        }
    };
    refuse(stream, tls, &answer, shared)
}

/// Reads what a proxy says before all else, where one is to. Gives where the client is, unless the
/// deadline passes.
fn preface(source: &mut Source<'_>, deadline: Timestamp) -> io::Result<Option<Whence>> {
    let mut preface = Preface::new(&source.shared.settings, source.stream.peer_addr()?);
    let mut buffer = [0; 256];
    loop {
        let most = match preface.step() {
            Step::More(most) => most.min(buffer.len()),
            Step::Done(whence) => return Ok(Some(whence)),
            Step::Refused(why) => return Err(io::Error::other(why)),
        };
        match source.read(&mut buffer[..most], Some(deadline))? {
            Some(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Some(count) => preface.feed(&buffer[..count]),
            None => return Ok(None),
        }
    }
}

/// Answers what is no upgrade.
fn refuse(
    stream: &TcpStream,
    tls: &mut Option<Layer>,
    answer: &[u8],
    shared: &Shared,
) -> io::Result<Option<Opened>> {
    shared.edge.answered(answer);
    write_all(stream, tls, answer)?;
    if let Some(layer) = tls {
        layer.close();
        layer.flush(|sealed| (&*stream).write_vectored(sealed))?;
    }
    Ok(None)
}

/// Adds what `sealed` says to the head, and goes on with the handshake.
fn unseal(
    mut stream: &TcpStream,
    layer: &mut Layer,
    sealed: &[u8],
    head: &mut Vec<u8>,
) -> io::Result<()> {
    let fed = layer.feed(sealed, head);
    layer.flush(|sealed| stream.write_vectored(sealed))?;
    match fed {
        Ok(Flow::Open) => Ok(()),
        Ok(Flow::Ended) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Writes all, as long as the peer may take for it.
fn write_all(mut stream: &TcpStream, tls: &mut Option<Layer>, mut bytes: &[u8]) -> io::Result<()> {
    let Some(layer) = tls else { return stream.write_all(bytes) };
    while !bytes.is_empty() {
        let taken = layer.write(&[IoSlice::new(bytes)], |sealed| stream.write_vectored(sealed))?;
        bytes = &bytes[taken..];
    }
    layer.flush(|sealed| stream.write_vectored(sealed))
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
    /// What came through TLS, where there is some.
    unsealed: Option<Receiver<Plain>>,
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
        let mut is_over = false;
        loop {
            if let Some(bytes) = rest.next() {
                self.codec.feed(self.shared.clock.now(), bytes, &mut inputs);
            } else {
                let deadline = self.codec.deadline();
                match source.read(&mut buffer[..most], deadline)? {
                    Some(0) => return Ok(()),
                    Some(count) => {
                        let Some(flow) = self.feed(&buffer[..count], &mut inputs) else {
                            // The owner is gone: so is all else.
                            return Ok(());
                        };
                        is_over = flow == Flow::Ended;
                    }
                    None => self.codec.expire(&mut inputs),
                }
            }
            for input in inputs.drain(..) {
                // The owner is gone: so is all else.
                let Some(()) = self.note(input) else { return Ok(()) };
            }
            if is_over {
                return Ok(());
            }
        }
    }

    /// Has the codec read what came, once it is plain. Nothing comes back if nobody can make it so.
    fn feed(&mut self, bytes: &[u8], inputs: &mut Vec<Input>) -> Option<Flow> {
        let now = self.shared.clock.now();
        let Some(unsealed) = &self.unsealed else {
            self.codec.feed(now, bytes, inputs);
            return Some(Flow::Open);
        };
        self.notes.send(Note::Sealed { conn: self.conn, bytes: bytes.to_vec() }).ok()?;
        let Plain { bytes, flow } = unsealed.recv().ok()?;
        self.codec.feed(now, &bytes, inputs);
        Some(flow)
    }

    /// Passes it on; nothing comes back if the owner is gone.
    fn note(&self, input: Input) -> Option<()> {
        let conn = self.conn;
        self.notes
            .send(match input {
                Input::Text(text) => Note::Event(Event::Text { conn, text }),
                Input::Binary => Note::Event(Event::Binary { conn }),
                Input::Heard => Note::Event(Event::Heard { conn }),
                Input::Pong(frame) => Note::Pong { conn, frame },
                Input::Close(frame) => Note::Closing { conn, frame },
                Input::Fail { code, frame } => {
                    debug!(conn = conn.get(), code = code.number(), "the peer broke the rules");
                    self.shared.edge.broken(code);
                    Note::Closing { conn, frame }
                }
            })
            .ok()
    }
}
