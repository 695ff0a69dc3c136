//! The one task of a connection: the request's head, then what the client says. This file does not
//! know the hub, and writes only through the connection.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem;
use std::net::TcpStream;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;

use roundtable::{Claims, ConnId, Event, Greeting, Peer, Queue};
use roundtable_server::{
    Codec, Door, Frame, Input, Knock, Preface, Settings, Step, Whence, log, peer,
};
use smol::channel::Receiver;
use smol::future::FutureExt as _;
use smol::{Async, Timer, future};
use tracing::{debug, error};

use crate::accept::Admitted;
use crate::clock::timer;
use crate::conn::Conn;
use crate::shard::Shard;
use crate::stream::{Stream, Taken};

/// An upgrade that the door grants.
struct Upgrade {
    /// The answer that says so.
    response: Vec<u8>,
    greeting: Greeting,
    claims: Option<Box<Claims>>,
    whence: Whence,
    /// What came behind the request's head: the first frames.
    behind: Vec<u8>,
}

impl Upgrade {
    /// Its parts, without the box: a binding to what is in it would hold it to the end.
    #[expect(clippy::boxed_local, reason = "the box is to end here")]
    fn into_parts(self: Box<Self>, settings: &Settings) -> (Peer, Greeting, Vec<u8>) {
        (peer(settings, self.whence, self.claims), self.greeting, self.behind)
    }
}

/// What a request comes to.
enum Request {
    Answer(Vec<u8>),
    Upgrade(Box<Upgrade>),
}

/// How a conversation ended.
enum End {
    /// The socket is closed.
    Gone,
    /// The peer has closed, and says nothing any more; this is the answer.
    Answered(Frame),
    /// The peer broke the rules; this tells it so.
    Closing(Frame),
}

/// What comes after something that the client said.
enum Next<'a> {
    Input,
    /// The hub has no room for it yet.
    Wait(Waiting<'a>),
    /// Nothing: that was the end.
    End(End),
}

pub(crate) type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The life of one socket.
///
/// Its phases are boxed, so that an idle connection does not keep the room that others need.
pub(crate) async fn serve(shard: Rc<Shard>, Admitted { socket, place: _place }: Admitted) {
    let layer = shard.shared.tls.as_ref().map(|tls| tls.layer());
    let stream = Stream::new(socket, layer);
    let greeted = guarded(None, Box::pin(greet(&shard, &stream))).await;
    let Some(mut upgrade) = greeted.flatten() else { return };
    let seat = shard.seat(stream, mem::take(&mut upgrade.response));
    let conn = &seat.conn;
    let room = log::room(&shard.shared.settings, &upgrade.greeting);
    debug!(conn = conn.id.get(), room, "connected");
    let end = guarded(Some(conn.id), Box::pin(converse(&shard, conn, upgrade))).await;
    debug!(conn = conn.id.get(), "disconnected");
    let says_goodbye = matches!(end, Some(End::Answered(_) | End::Closing(_)));
    let parting = (says_goodbye && !conn.is_forgotten()).then(|| shard.parting(conn.id));
    if let Some(room) = tell(&shard, conn, Event::Disconnect { conn: conn.id }) {
        room.await;
    }
    match end {
        Some(End::Answered(frame)) => {
            Box::pin(take_leave(&shard, conn, parting, frame)).await;
            if conn.is_flushed() {
                conn.stream.take_leave();
            } else {
                Box::pin(part(&shard, conn)).await;
            }
        }
        Some(End::Closing(frame)) => {
            Box::pin(take_leave(&shard, conn, parting, frame)).await;
            Box::pin(part(&shard, conn)).await;
        }
        Some(End::Gone) | None => {}
    }
}

/// Queues the close frame, behind what the hub has to say to all that came before.
async fn take_leave(shard: &Shard, conn: &Conn, parting: Option<Receiver<()>>, frame: Frame) {
    if let Some(parting) = parting {
        let late = async {
            Timer::after(shard.shared.settings.wire.close_timeout).await;
        };
        let parted = async {
            // It is closed when the hub is told, and nothing is ever sent.
            let _closed = parting.recv().await;
        };
        future::or(parted, late).await;
    }
    conn.close(Queue::Flush, frame);
}

/// Keeps a panic to the one connection in which it happened, which has a number once it is granted.
async fn guarded<T>(conn: Option<ConnId>, task: Pin<Box<impl Future<Output = T>>>) -> Option<T> {
    let outcome = AssertUnwindSafe(task).catch_unwind().await;
    let conn = conn.map(ConnId::get);
    outcome.inspect_err(|_panic| error!(conn, "a connection's task panicked")).ok()
}

/// Hands an event to the hub, unless it has forgotten the connection. What comes back is what must
/// be awaited when there is no room for it.
pub(crate) fn tell<'a>(shard: &'a Shard, conn: &Conn, event: Event) -> Option<Waiting<'a>> {
    if conn.is_forgotten() {
        return None;
    }
    let event = shard.batch.try_add(event).err()?;
    Some(Box::pin(shard.batch.add(event)))
}

/// Reads the request, and answers it unless it is granted.
async fn greet(shard: &Shard, stream: &Stream) -> Option<Box<Upgrade>> {
    let wire = &shard.shared.settings.wire;
    let late = async {
        Timer::after(wire.head_timeout).await;
        Ok(Request::Answer(Door::timeout_answer()))
    };
    let request = future::or(request(shard, stream), late).await;
    let answer = match request {
        Ok(Request::Upgrade(upgrade)) => return Some(upgrade),
        Ok(Request::Answer(answer)) => answer,
        Err(error) => {
            let peer = stream.socket.get_ref().peer_addr().ok();
            debug!(peer = peer.map(display), %error, "no request");
            return None;
        }
    };
    shard.shared.edge.answered(&answer);
    let late = async {
        Timer::after(wire.head_timeout).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    future::or(write_all(stream, &answer), late).await.ok()?;
    let late = async {
        Timer::after(wire.close_timeout).await;
    };
    future::or(hang_up(shard, stream), late).await;
    None
}

/// Reads what a proxy says before all else, where one is to. Gives where the client is.
async fn preface(shard: &Shard, stream: &Stream) -> io::Result<Whence> {
    let peer = stream.socket.get_ref().peer_addr()?;
    let mut preface = Preface::new(&shard.shared.settings, peer);
    loop {
        let most = match preface.step() {
            Step::More(most) => most,
            Step::Done(whence) => return Ok(whence),
            Step::Refused(why) => return Err(io::Error::other(why)),
        };
        match shard.read_preface(stream, most, |bytes| preface.feed(bytes))? {
            Taken::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Taken::Nothing => readable(&stream.socket).await,
            Taken::Some | Taken::Budget => {}
        }
    }
}

/// Reads until the door says what the request comes to.
async fn request(shard: &Shard, stream: &Stream) -> io::Result<Request> {
    let mut head = Vec::new();
    let whence = preface(shard, stream).await?;
    loop {
        // Most clients have asked by the time that they are accepted.
        match shard.read(stream, |bytes| head.extend_from_slice(bytes))? {
            Taken::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Taken::Nothing => {
                readable(&stream.socket).await;
                continue;
            }
            Taken::Some | Taken::Budget => {}
        }
        // The answers of a handshake.
        if !stream.is_flushed() {
            write_all(stream, &[]).await?;
        }
        match shard.shared.door.knock(shard.shared.readiness(), whence, &head) {
            Knock::More => {}
            Knock::Answer(answer) => return Ok(Request::Answer(answer)),
            Knock::Upgrade { response, greeting, claims, whence, consumed } => {
                let behind = head.split_off(consumed);
                let upgrade = Upgrade { response, greeting, claims, whence, behind };
                return Ok(Request::Upgrade(Box::new(upgrade)));
            }
        }
    }
}

/// Writes an answer before there is anybody else who could write.
async fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !(bytes.is_empty() && stream.is_flushed()) {
        let written = if bytes.is_empty() {
            stream.flush().map(|()| 0)
        } else {
            stream.write(&[IoSlice::new(bytes)])
        };
        match written {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.socket.writable().await?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells the hub of the connection, and reads what the client says until it ends.
async fn converse(shard: &Rc<Shard>, conn: &Rc<Conn>, upgrade: Box<Upgrade>) -> End {
    let clock = shard.shared.clock;
    let (peer, greeting, behind) = upgrade.into_parts(&shard.shared.settings);
    let mut codec = Box::new(Codec::new(&shard.shared.settings));
    let mut inputs = shard.inputs.take();
    codec.feed(clock.now(), &behind, &mut inputs);
    drop(behind);
    if let Some(room) = tell(shard, conn, Event::Connect { conn: conn.id, peer, greeting }) {
        room.await;
    }
    let mut taken = Taken::Some;
    loop {
        for input in inputs.drain(..) {
            match take(shard, conn, input) {
                Next::Input => {}
                Next::Wait(room) => room.await,
                Next::End(end) => return end,
            }
        }
        shard.inputs.set(inputs);
        match (taken, codec.deadline()) {
            // There may be more, but it is the others' turn.
            (Taken::Budget, _) => future::yield_now().await,
            (_, None) => readable(&conn.stream.socket).await,
            (_, deadline) => {
                let late = async {
                    timer(clock, deadline).await;
                };
                Box::pin(future::or(readable(&conn.stream.socket), late)).await;
            }
        }
        inputs = shard.inputs.take();
        if codec.deadline().is_some_and(|deadline| deadline <= clock.now()) {
            codec.expire(&mut inputs);
            continue;
        }
        let feed = |bytes: &[u8]| codec.feed(clock.now(), bytes, &mut inputs);
        taken = match shard.read(&conn.stream, feed) {
            Ok(Taken::End) => return End::Gone,
            Ok(taken) => taken,
            Err(error) => {
                debug!(conn = conn.id.get(), %error, "reading ends");
                return End::Gone;
            }
        };
        if !conn.stream.is_flushed() {
            conn.flush();
            shard.flush_later(conn);
        }
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
        Input::Close(frame) => return Next::End(End::Answered(frame)),
        Input::Fail { code, frame } => {
            debug!(conn = id.get(), code = code.number(), "the peer broke the rules");
            shard.shared.edge.broken(code);
            return Next::End(End::Closing(frame));
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
            if conn.stream.socket.writable().await.is_err() {
                return;
            }
            conn.flush();
        }
        hang_up(shard, &conn.stream).await;
    };
    future::or(flushed, late).await;
}

/// Ends the writing direction, and reads until the peer ends the other one: closing a socket with
/// unread bytes resets it, and the peer might lose what it was sent last.
async fn hang_up(shard: &Shard, stream: &Stream) {
    if stream.end().is_err() {
        return;
    }
    loop {
        readable(&stream.socket).await;
        if !matches!(shard.read(stream, |_| ()), Ok(taken) if taken != Taken::End) {
            return;
        }
    }
}
