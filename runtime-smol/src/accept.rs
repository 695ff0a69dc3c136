//! The loop that accepts. This file does not know what is said on a connection.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use roundtable_server::Wire;
use smol::channel::Sender;
use smol::lock::{Semaphore, SemaphoreGuardArc};
use smol::{Async, Timer};
use socket2::SockRef;
use tracing::{info, warn};

/// An accepted socket, on its way to a shard.
pub(crate) struct Admitted {
    pub(crate) socket: Async<TcpStream>,
    /// Its place among `max_connections`, free again when this is dropped.
    pub(crate) place: SemaphoreGuardArc,
}

/// Accepts and deals the sockets out to the shards in turn, until nobody wants them.
///
/// When there is no place left, further peers wait in the system's queue.
pub(crate) async fn accept(
    listener: &Async<std::net::TcpListener>,
    wire: &Wire,
    shards: Vec<Sender<Admitted>>,
) {
    let places = Arc::new(Semaphore::new(wire.max_connections));
    let mut is_failing = false;
    for shard in shards.iter().cycle() {
        let place = places.acquire_arc().await;
        let socket = loop {
            match accept_one(listener, wire).await {
                Ok(socket) => break socket,
                // Said once, not ten times a second.
                Err(error) if !is_failing => warn!(%error, "accepting pauses"),
                Err(_) => {}
            }
            is_failing = true;
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

/// Waits for the next peer that is still there.
async fn accept_one(
    listener: &Async<std::net::TcpListener>,
    wire: &Wire,
) -> io::Result<Async<TcpStream>> {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                // A peer that is gone already is no reason to wait.
                if prepare(&socket, wire).is_ok() {
                    return Ok(socket);
                }
            }
            Err(error) if is_of_one_peer(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn prepare(socket: &Async<TcpStream>, wire: &Wire) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    // The system's own queue would hide a slow reader for megabytes.
    socket.set_send_buffer_size(wire.sndbuf)
}

/// Whether the next accept may well succeed at once.
fn is_of_one_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
