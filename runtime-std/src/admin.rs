//! The threads that answer operators, each one after the other, and pass questions on to the owner of
//! the machine. This file does not know what is asked.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use roundtable::Timestamp;
use roundtable_server::{AdminDoor, Asked, Door};
use rustix::event::{PollFd, PollFlags, poll};
use tracing::{debug, error, warn};

use crate::Shared;
use crate::turn::Note;

/// The most operators that are answered at a time: each asks the owner one thing at most.
const MOST: usize = 8;

/// How long a thread rests behind each answer: so `MOST` of them a span is the most that the owner is
/// asked.
const REST: Duration = Duration::from_millis(20);

/// What is read at a time.
const BUFFER_BYTES: usize = 1024;

/// A request, its answer, and the library that writes it down.
const STACK_BYTES: usize = 256 * 1024;

/// What each of the threads works with.
struct Operators {
    listener: TcpListener,
    door: AdminDoor,
    notes: SyncSender<Note>,
    shared: Arc<Shared>,
    /// Ends when nobody is to be answered any more.
    over: UnixStream,
}

/// Answers operators until what comes back is dropped. Whoever is being answered then is answered to
/// the end.
pub(crate) fn start(
    listener: &TcpListener,
    door: &AdminDoor,
    notes: &SyncSender<Note>,
    shared: &Arc<Shared>,
) -> io::Result<UnixStream> {
    // Several threads are woken for one who knocks.
    listener.set_nonblocking(true)?;
    let (until, over) = UnixStream::pair()?;
    for number in 0..MOST {
        let operators = Operators {
            listener: listener.try_clone()?,
            door: door.clone(),
            notes: notes.clone(),
            shared: shared.clone(),
            over: over.try_clone()?,
        };
        let builder = thread::Builder::new().name(format!("admin-{number}"));
        builder.stack_size(STACK_BYTES).spawn(move || operators.run())?;
    }
    Ok(until)
}

impl Operators {
    fn run(&self) {
        while self.wait() {
            match self.listener.accept() {
                Ok((stream, peer)) => {
                    if let Err(error) = self.serve(&stream) {
                        debug!(%peer, %error, "an operator was not answered");
                    }
                    thread::sleep(REST);
                }
                // Another thread was faster.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    warn!(%error, "an operator could not be accepted");
                    thread::sleep(self.shared.settings.wire.accept_backoff);
                }
            }
        }
    }

    /// Waits until somebody knocks. Returns whether to go on.
    fn wait(&self) -> bool {
        loop {
            let mut waited = [
                PollFd::new(&self.over, PollFlags::IN),
                PollFd::new(&self.listener, PollFlags::IN),
            ];
            match poll(&mut waited, None) {
                Ok(_) => return waited[0].revents().is_empty(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    error!(%error, "operators are not answered any more");
                    return false;
                }
            }
        }
    }

    /// Reads one request and answers it.
    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let wire = &self.shared.settings.wire;
        stream.set_nonblocking(false)?;
        let answer = self.request(stream, self.shared.clock.now() + wire.head_timeout)?;
        let deadline = self.shared.clock.now() + wire.close_timeout;
        self.write(stream, &answer, deadline)
    }

    /// Reads until the door has an answer, which the owner may have to give.
    fn request(&self, stream: &TcpStream, deadline: Timestamp) -> io::Result<Vec<u8>> {
        let (mut head, mut buffer) = (Vec::new(), [0; BUFFER_BYTES]);
        loop {
            match self.door.knock(self.shared.readiness(), &head) {
                Asked::More => {}
                Asked::Answer(answer) => return Ok(answer),
                Asked::Owner(question) => {
                    let (asker, told) = sync_channel(1);
                    let left = self.shared.clock.until(deadline);
                    let sent = self.notes.send(Note::Ask(question, asker)).ok();
                    let told = sent.and_then(|()| told.recv_timeout(left).ok());
                    return Ok(told.map_or_else(AdminDoor::silence_answer, |told| {
                        AdminDoor::answer(&told, &self.shared.edge)
                    }));
                }
            }
            match self.read(stream, &mut buffer, deadline) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(len) => head.extend_from_slice(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Ok(Door::timeout_answer());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes the answer, and waits for the peer to close: closing a socket with unread bytes would
    /// reset it, and the peer might lose the end.
    fn write(
        &self,
        mut stream: &TcpStream,
        mut bytes: &[u8],
        deadline: Timestamp,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            stream.set_write_timeout(Some(self.left(deadline)?))?;
            match stream.write(bytes) {
                Ok(len) => bytes = &bytes[len..],
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        stream.shutdown(Shutdown::Write)?;
        let mut buffer = [0; BUFFER_BYTES];
        while self.read(stream, &mut buffer, deadline)? > 0 {}
        Ok(())
    }

    fn read(
        &self,
        mut stream: &TcpStream,
        buffer: &mut [u8],
        deadline: Timestamp,
    ) -> io::Result<usize> {
        loop {
            stream.set_read_timeout(Some(self.left(deadline)?))?;
            match stream.read(buffer) {
                Err(error) if is_passing(&error) => {}
                read => return read,
            }
        }
    }

    /// The time that is left, or the error that there is none.
    fn left(&self, deadline: Timestamp) -> io::Result<Duration> {
        match self.shared.clock.until(deadline) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

/// Whether the deadline says what comes next.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
