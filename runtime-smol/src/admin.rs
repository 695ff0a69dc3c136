//! The thread that answers operators: their sockets, and the questions that it passes on to the hub's
//! loop. This file does not know what is asked.

use std::convert::Infallible;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use roundtable_server::{AdminDoor, Asked, Door};
use smol::channel::{Receiver, Sender, bounded};
use smol::io::{AsyncReadExt as _, AsyncWriteExt as _};
use smol::lock::Semaphore;
use smol::{Async, LocalExecutor, Timer, future};
use tracing::{debug, warn};

use crate::Shared;
use crate::driver::Signal;

/// The most operators that are answered at a time: each asks the hub's loop one thing at most.
pub(crate) const MOST: usize = 8;

/// How long each keeps its place behind its answer: so `MOST` of them a span is the most that the hub's
/// loop is asked.
const REST: Duration = Duration::from_millis(20);

/// What is read at a time.
const BUFFER_BYTES: usize = 1024;

/// What the thread works with.
pub(crate) struct Operators {
    pub(crate) listener: Async<TcpListener>,
    pub(crate) door: AdminDoor,
    pub(crate) shared: Arc<Shared>,
    pub(crate) signals: Sender<Signal>,
    /// Ends with the hub's loop.
    pub(crate) over: Receiver<Infallible>,
}

impl Operators {
    /// Answers until the hub's loop is over.
    pub(crate) fn serve(self) {
        let operators = Rc::new(self);
        let executor = LocalExecutor::new();
        let over = async { _ = operators.over.recv().await };
        // Only the shards wait for sockets.
        future::block_on(executor.run(future::or(over, Rc::clone(&operators).accept(&executor))));
    }

    async fn accept(self: Rc<Self>, executor: &LocalExecutor<'_>) {
        let places = Arc::new(Semaphore::new(MOST));
        loop {
            let place = places.acquire_arc().await;
            match self.listener.accept().await {
                Ok((socket, peer)) => {
                    let operators = Rc::clone(&self);
                    let answered = async move {
                        if let Err(error) = operators.answer(socket).await {
                            debug!(%peer, %error, "an operator was not answered");
                        }
                        Timer::after(REST).await;
                        drop(place);
                    };
                    executor.spawn(answered).detach();
                }
                Err(error) => {
                    warn!(%error, "an operator could not be accepted");
                    Timer::after(self.shared.settings.wire.accept_backoff).await;
                }
            }
        }
    }

    /// Reads one request and answers it.
    async fn answer(&self, mut socket: Async<TcpStream>) -> io::Result<()> {
        let wire = &self.shared.settings.wire;
        let late = async {
            Timer::after(wire.head_timeout).await;
            Ok(Door::timeout_answer())
        };
        let answer = future::or(self.request(&mut socket), late).await?;
        let late = async {
            Timer::after(wire.close_timeout).await;
            Err(io::ErrorKind::TimedOut.into())
        };
        future::or(write(&mut socket, &answer), late).await
    }

    /// Reads until the door has an answer, which the hub's loop may have to give.
    async fn request(&self, socket: &mut Async<TcpStream>) -> io::Result<Vec<u8>> {
        let (mut head, mut buffer) = (Vec::new(), [0; BUFFER_BYTES]);
        loop {
            let question = match self.door.knock(self.shared.readiness(), &head) {
                Asked::More => match socket.read(&mut buffer).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    len => {
                        head.extend_from_slice(&buffer[..len]);
                        continue;
                    }
                },
                Asked::Answer(answer) => return Ok(answer),
                Asked::Owner(question) => question,
            };
            let (asker, told) = bounded(1);
            let told = match self.signals.send(Signal::Ask(question, asker)).await {
                Ok(()) => told.recv().await.ok(),
                Err(_) => None,
            };
            return Ok(told.map_or_else(AdminDoor::silence_answer, |told| {
                AdminDoor::answer(&told, &self.shared.edge)
            }));
        }
    }
}

/// Writes the answer, and waits for the peer to close: closing a socket with unread bytes would reset
/// it, and the peer might lose the end.
async fn write(socket: &mut Async<TcpStream>, answer: &[u8]) -> io::Result<()> {
    socket.write_all(answer).await?;
    socket.get_ref().shutdown(Shutdown::Write)?;
    let mut buffer = [0; BUFFER_BYTES];
    while socket.read(&mut buffer).await? > 0 {}
    Ok(())
}
