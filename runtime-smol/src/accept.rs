//! The loop that accepts. This file does not know what is said on a connection.

use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use smol::channel::{Receiver, Sender};
use smol::lock::{Semaphore, SemaphoreGuardArc};
use smol::{Async, Timer, future};
use tracing::{info, warn};

use crate::Shared;

/// An accepted socket, on its way to a shard.
pub(crate) struct Admitted {
    pub(crate) socket: Async<TcpStream>,
    /// Its place among `max_connections`, free again when this is dropped.
    pub(crate) place: SemaphoreGuardArc,
}

/// What accepts, and who gets what is accepted.
pub(crate) struct Acceptor {
    pub(crate) listener: Async<TcpListener>,
    /// Ends when nobody is to be accepted any more; without it, whoever knocks is told to go.
    pub(crate) closed: Option<Receiver<Infallible>>,
    pub(crate) shards: Vec<Sender<Admitted>>,
}

/// Accepts until nobody wants more.
pub(crate) async fn accept(acceptor: Acceptor, shared: &Shared) {
    let Acceptor { listener, closed, shards } = acceptor;
    let is_closed = async {
        match closed {
            Some(closed) => _ = closed.recv().await,
            None => future::pending().await,
        }
    };
    // In this order: whoever knocks once it is closed is left to the next server.
    future::or(is_closed, deal_out(listener, shards, shared)).await;
}

/// Accepts and deals the sockets out to the shards in turn, until nobody wants them.
///
/// When there is no place left, further peers wait in the system's queue.
async fn deal_out(listener: Async<TcpListener>, shards: Vec<Sender<Admitted>>, shared: &Shared) {
    let wire = &shared.settings.wire;
    let places = Arc::new(Semaphore::new(wire.max_connections));
    let mut is_failing = false;
    for shard in shards.iter().cycle() {
        let free = places.try_acquire_arc();
        if free.is_none() {
            shared.edge.accept_waits();
        }
        let place = match free {
            Some(place) => place,
            None => places.acquire_arc().await,
        };
        let socket = loop {
            match accept_one(&listener).await {
                Ok(socket) => break socket,
                // Said once, not ten times a second.
                Err(error) if !is_failing => warn!(%error, "accepting pauses"),
                Err(_) => {}
            }
            is_failing = true;
            shared.edge.accept_failed();
            Timer::after(wire.accept_backoff).await;
        };
        if is_failing {
            info!("accepting goes on");
            is_failing = false;
        }
        if shard.send(Admitted { socket, place }).await.is_err() {
            return;
        }
    }
}

/// Waits for the next peer that is still there. Its socket has the options of the listening one.
async fn accept_one(listener: &Async<TcpListener>) -> io::Result<Async<TcpStream>> {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return Ok(socket),
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether the next accept may well succeed at once.
fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
