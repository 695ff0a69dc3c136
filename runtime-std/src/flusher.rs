//! The thread that waits for full sockets. It says when one takes more, and writes nothing: one
//! thread writes to a socket, and that is the owner's.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;

use roundtable::ConnId;
use rustix::event::{PollFd, PollFlags, poll};
use tracing::error;

use crate::turn::Note;

/// The owner's end: it never waits for the flusher.
pub(crate) struct Flusher {
    full: Sender<(ConnId, Arc<TcpStream>)>,
    wake: UnixStream,
}

impl Flusher {
    pub(crate) fn start(notes: SyncSender<Note>) -> io::Result<Self> {
        let (full, found) = channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        thread::Builder::new().name("flusher".to_owned()).spawn(move || {
            if let Err(cause) = run(&found, &woken, &notes) {
                error!(%cause, "full sockets are no longer waited for");
            }
        })?;
        Ok(Self { full, wake })
    }

    /// Asks for a note when `stream` takes more.
    pub(crate) fn wait_for(&self, conn: ConnId, stream: Arc<TcpStream>) {
        // A full pipe wakes as well as one more byte would; a flusher that is gone has said so.
        let _gone = self.full.send((conn, stream));
        // Nothing was written by a call that was interrupted, and `write_all` makes it again.
        let _full = (&self.wake).write_all(&[1]);
    }
}

/// Waits until the owner is gone.
fn run(
    found: &Receiver<(ConnId, Arc<TcpStream>)>,
    mut woken: &UnixStream,
    notes: &SyncSender<Note>,
) -> rustix::io::Result<()> {
    let mut full: Vec<(ConnId, Arc<TcpStream>)> = Vec::new();
    loop {
        full.extend(found.try_iter());
        let ready: Vec<bool> = {
            let mut waited = vec![PollFd::new(woken, PollFlags::IN)];
            waited.extend(full.iter().map(|(_, stream)| PollFd::new(stream, PollFlags::OUT)));
            match poll(&mut waited, None) {
                Ok(_) => waited.iter().map(|fd| !fd.revents().is_empty()).collect(),
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error),
            }
        };
        if ready[0] && matches!(woken.read(&mut [0; 256]), Ok(0)) {
            return Ok(());
        }
        let mut is_ready = ready[1..].iter();
        let mut writable = Vec::new();
        full.retain(|(conn, _)| {
            let stays = !is_ready.next().copied().unwrap_or_default();
            if !stays {
                writable.push(*conn);
            }
            stays
        });
        for conn in writable {
            if notes.send(Note::Writable { conn }).is_err() {
                return Ok(());
            }
        }
    }
}
