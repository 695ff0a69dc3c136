//! The one task of a connection: the request's head, then what the client says. This file does not
//! know the hub, and writes only through the connection.

use std::future::{Future, poll_fn};
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;

use roundtable::{Event, Greeting, Queue};
use roundtable_server::{Codec, Door, Input, Knock, peer};
use smol::channel::TrySendError;
use smol::future::FutureExt as _;
use smol::{Async, Timer, future};
use tracing::{debug, error};

use crate::accept::Admitted;
use crate::clock::timer;
use crate::conn::Conn;
use crate::shard::{Shard, Taken};

/// An upgrade that is through.
struct Upgrade {
    greeting: Greeting,
    /// What came behind the request's head: the first frames.
    behind: Vec<u8>,
}

impl Upgrade {
    /// Its parts, without the box: a binding to what is in it would hold it to the end.
    #[expect(clippy::boxed_local, reason = "the box is to end here")]
    fn into_parts(self: Box<Self>) -> (Greeting, Vec<u8>) {
        (self.greeting, self.behind)
    }
}

/// What a request came to, before it is answered.
enum Request {
    Answer(Vec<u8>),
    Upgrade(Vec<u8>, Box<Upgrade>),
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The socket is closed.
    Gone,
    /// A close frame is queued.
    Closing,
}

/// What comes after something that the client said.
enum Next<'a> {
    Input,
    /// The hub has no room for it yet.
    Wait(Waiting<'a>),
    /// A close frame is queued.
    Closing,
}

type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The life of one socket.
///
/// Its phases are boxed, so that an idle connection does not keep the room that others need.
pub(crate) async fn serve(shard: Rc<Shard>, Admitted { socket, place: _place }: Admitted) {
    let greeted = guarded(Box::pin(greet(&shard, &socket))).await;
    let Some(upgrade) = greeted.flatten() else { return };
    let seat = shard.seat(socket);
    let conn = &seat.conn;
    debug!(conn = conn.id.get(), "connected");
    let end = guarded(Box::pin(converse(&shard, conn, upgrade))).await;
    debug!(conn = conn.id.get(), "disconnected");
    if let Some(room) = tell(&shard, conn, Event::Disconnect { conn: conn.id }) {
        room.await;
    }
    if end == Some(End::Closing) {
        Box::pin(part(&shard, conn)).await;
    }
}

/// Keeps a panic to the one connection in which it happened.
async fn guarded<T>(task: Pin<Box<impl Future<Output = T>>>) -> Option<T> {
    let outcome = AssertUnwindSafe(task).catch_unwind().await;
    outcome.inspect_err(|_panic| error!("a connection's task panicked")).ok()
}

/// Hands an event to the hub, unless it has forgotten the connection. What comes back is what must
/// be awaited when there is no room for it.
fn tell<'a>(shard: &'a Shard, conn: &Conn, event: Event) -> Option<Waiting<'a>> {
    let refused = if conn.is_forgotten() { Ok(()) } else { shard.events.try_send(event) };
    match refused {
        Err(TrySendError::Full(event)) => Some(Box::pin(async {
            // If the loop is gone, nobody needs to know.
            let _loop_is_gone = shard.events.send(event).await;
        })),
        Ok(()) | Err(TrySendError::Closed(_)) => None,
    }
}

/// Reads the request and answers it.
async fn greet(shard: &Shard, socket: &Async<TcpStream>) -> Option<Box<Upgrade>> {
    let wire = &shard.shared.settings.wire;
    let late = async {
        Timer::after(wire.head_timeout).await;
        Ok(Request::Answer(Door::timeout_answer()))
    };
    let request = future::or(request(shard, socket), late).await;
    let late = async {
        Timer::after(wire.head_timeout).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    let (response, upgrade) = match request.ok()? {
        Request::Answer(answer) => (answer, None),
        Request::Upgrade(response, upgrade) => (response, Some(upgrade)),
    };
    future::or(write_all(socket, &response), late).await.ok()?;
    if upgrade.is_none() {
        let late = async {
            Timer::after(wire.close_timeout).await;
        };
        future::or(hang_up(shard, socket), late).await;
    }
    upgrade
}

/// Reads until the door says what the request comes to.
async fn request(shard: &Shard, socket: &Async<TcpStream>) -> io::Result<Request> {
    let mut head = Vec::new();
    loop {
        readable(socket).await;
        if shard.read(socket, |bytes| head.extend_from_slice(bytes))? == Taken::End {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match shard.shared.door.knock(shard.shared.readiness(), &head) {
            Knock::More => {}
            Knock::Answer(answer) => return Ok(Request::Answer(answer)),
            Knock::Upgrade { response, greeting, consumed } => {
                let behind = head.split_off(consumed);
                let upgrade = Box::new(Upgrade { greeting, behind });
                return Ok(Request::Upgrade(response, upgrade));
            }
        }
    }
}

/// Writes an answer before there is anybody else who could write.
async fn write_all(socket: &Async<TcpStream>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match socket.get_ref().write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells the hub of the connection, and reads what the client says until it ends.
async fn converse(shard: &Rc<Shard>, conn: &Rc<Conn>, upgrade: Box<Upgrade>) -> End {
    let clock = shard.shared.clock;
    let (greeting, behind) = upgrade.into_parts();
    let mut codec = Box::new(Codec::new(&shard.shared.settings));
    let mut inputs = shard.inputs.take();
    codec.feed(clock.now(), &behind, &mut inputs);
    drop(behind);
    if let Some(room) = tell(shard, conn, Event::Connect { conn: conn.id, peer: peer(), greeting })
    {
        room.await;
    }
    let mut taken = Taken::Some;
    loop {
        for input in inputs.drain(..) {
            match take(shard, conn, input) {
                Next::Input => {}
                Next::Wait(room) => room.await,
                Next::Closing => return End::Closing,
            }
        }
        shard.inputs.set(inputs);
        match (taken, codec.deadline()) {
            // There may be more, but it is the others' turn.
            (Taken::Budget, _) => future::yield_now().await,
            (_, None) => readable(&conn.socket).await,
            (_, deadline) => {
                let late = async {
                    timer(clock, deadline).await;
                };
                Box::pin(future::or(readable(&conn.socket), late)).await;
            }
        }
        inputs = shard.inputs.take();
        if codec.deadline().is_some_and(|deadline| deadline <= clock.now()) {
            codec.expire(&mut inputs);
            continue;
        }
        let feed = |bytes: &[u8]| codec.feed(clock.now(), bytes, &mut inputs);
        taken = match shard.read(&conn.socket, feed) {
            Ok(Taken::End) | Err(_) => return End::Gone,
            Ok(taken) => taken,
        };
    }
}

/// Waits until a read finds something; an error is for the read to find. Nobody else waits for that:
/// the socket keeps one waker, and this future nothing.
fn readable(socket: &Async<TcpStream>) -> impl Future<Output = ()> + '_ {
    poll_fn(|cx| socket.poll_readable(cx).map(|_error_is_found_by_the_read| ()))
}

/// Passes on one thing that the client said.
fn take<'a>(shard: &'a Rc<Shard>, conn: &Rc<Conn>, input: Input) -> Next<'a> {
    let id = conn.id;
    let event = match input {
        Input::Text(text) => Event::Text { conn: id, text },
        Input::Binary => Event::Binary { conn: id },
        Input::Heard => Event::Heard { conn: id },
        Input::Pong(pong) => {
            shard.answer_ping(conn, pong);
            return Next::Input;
        }
        Input::Close(frame) => {
            conn.close(Queue::Flush, frame);
            return Next::Closing;
        }
        Input::Fail { code, frame } => {
            debug!(conn = id.get(), code = code.number(), "the peer broke the rules");
            conn.close(Queue::Flush, frame);
            return Next::Closing;
        }
    };
    tell(shard, conn, event).map_or(Next::Input, Next::Wait)
}

/// Lets out what is queued and the close frame, then waits for the peer to close, but not for long.
async fn part(shard: &Shard, conn: &Conn) {
    let late = async {
        Timer::after(shard.shared.settings.wire.close_timeout).await;
    };
    let flushed = async {
        while !conn.is_flushed() {
            if conn.socket.writable().await.is_err() {
                return;
            }
            conn.flush();
        }
        hang_up(shard, &conn.socket).await;
    };
    future::or(flushed, late).await;
}

/// Ends the writing direction, and reads until the peer ends the other one: closing a socket with
/// unread bytes resets it, and the peer might lose what it was sent last.
async fn hang_up(shard: &Shard, socket: &Async<TcpStream>) {
    if socket.get_ref().shutdown(Shutdown::Write).is_err() {
        return;
    }
    loop {
        readable(socket).await;
        if !matches!(shard.read(socket, |_| ()), Ok(taken) if taken != Taken::End) {
            return;
        }
    }
}
