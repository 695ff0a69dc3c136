//! The floor: servers that do nothing but what the work asks of the kernel. They have no limits to
//! speak of, and no manners; nobody should serve people with them.

use std::io::{self, Write as _};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::SendFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::frame::{self, Opcode};
use crate::handshake;
use crate::process;

/// Connections that may wait to be accepted.
const LISTEN_QUEUE: i32 = 4096;

/// Events of one turn.
const MOST_EVENTS: usize = 1024;

/// What is read at a time.
const READ_BYTES: usize = 64 << 10;

/// What may wait for a connection that does not read; then it is closed.
const MOST_WAITING: usize = 1 << 20;

/// The mark of the socket that listens.
const LISTENER: u64 = u64::MAX;

/// When texts go to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fanout {
    /// Each at once: one `send` for each text and connection.
    EachText,
    /// All of a turn together: one `send` for each turn and connection.
    EachTurn,
}

/// A server that listens.
pub struct Floor {
    listener: Socket,
    epoll: OwnedFd,
    fanout: Fanout,
    /// What every newcomer gets, as bytes of frames.
    greeting: Vec<u8>,
    /// The fewest bytes of a text that goes out.
    pad: usize,
    guests: Vec<Option<Guest>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
    /// The frames of the turn's texts.
    said: Vec<u8>,
    gone: Vec<usize>,
}

struct Guest {
    socket: Socket,
    is_upgraded: IsUpgraded,
    kept: Vec<u8>,
    waiting: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum IsUpgraded {
    NotYet,
    Yes,
}

impl Floor {
    /// Listens on a port of loopback that the system picks. Newcomers get `greeting`, and a text of fewer
    /// than `pad` bytes goes out with spaces behind it.
    ///
    /// # Errors
    ///
    /// If the system gives no socket.
    pub fn bind(fanout: Fanout, greeting: Vec<u8>, pad: usize) -> io::Result<Self> {
        process::raise_open_files();
        let listener = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(LISTEN_QUEUE)?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        let buffer = vec![0; READ_BYTES];
        let (guests, free, said, gone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Self { listener, epoll, fanout, greeting, pad, guests, free, buffer, said, gone })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// If the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()?.as_socket().ok_or_else(|| io::Error::other("no address"))
    }

    /// Says where it listens, and serves for ever.
    ///
    /// # Errors
    ///
    /// If the system takes its readiness away.
    ///
    /// # Panics
    ///
    /// Not because of a peer.
    pub fn run(mut self) -> io::Result<()> {
        println!("listening on {}", self.local_addr()?);
        io::stdout().flush()?;
        let mut events: Vec<Event> = Vec::with_capacity(MOST_EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let (flags, data) = (event.flags, event.data);
                if data.u64() == LISTENER {
                    self.accept()?;
                } else {
                    self.touch(usize::try_from(data.u64()).expect("an index"), flags);
                }
            }
            self.fan_out();
            for index in mem::take(&mut self.gone) {
                if self.guests[index].take().is_some() {
                    self.free.push(index);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            // One call for each, as servers do that want to be fast.
            let flags = rustix::net::SocketFlags::NONBLOCK | rustix::net::SocketFlags::CLOEXEC;
            let socket = match rustix::net::accept_with(&self.listener, flags) {
                Ok(socket) => Socket::from(socket),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(error.into()),
            };
            socket.set_tcp_nodelay(true)?;
            let index = self.free.pop().unwrap_or(self.guests.len());
            let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
            epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), flags)?;
            let (kept, waiting) = (Vec::new(), Vec::new());
            let guest = Guest { socket, is_upgraded: IsUpgraded::NotYet, kept, waiting };
            if index == self.guests.len() {
                self.guests.push(Some(guest));
            } else {
                self.guests[index] = Some(guest);
            }
        }
    }

    fn touch(&mut self, index: usize, flags: EventFlags) {
        let Some(guest) = &mut self.guests[index] else { return };
        let flushed = if flags.contains(EventFlags::OUT) { guest.send(&[]) } else { Ok(()) };
        let readable = EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        let read = if flags.intersects(readable) {
            guest.read(&mut self.buffer, &self.greeting, &mut self.said, self.pad)
        } else {
            Ok(())
        };
        if flushed.and(read).is_err() {
            self.gone.push(index);
        }
        if self.fanout == Fanout::EachText {
            self.fan_out();
        }
    }

    /// Sends what was said to everybody.
    fn fan_out(&mut self) {
        let mut rest = &self.said[..];
        while !rest.is_empty() {
            let one = match self.fanout {
                Fanout::EachTurn => rest.len(),
                Fanout::EachText => match frame::scan(rest) {
                    Ok(Some(frame)) => frame.end,
                    Ok(None) | Err(_) => unreachable!("the floor writes whole frames"),
                },
            };
            for (index, guest) in self.guests.iter_mut().enumerate() {
                let Some(guest) = guest else { continue };
                if guest.is_upgraded == IsUpgraded::Yes && guest.send(&rest[..one]).is_err() {
                    self.gone.push(index);
                }
            }
            rest = &rest[one..];
        }
        self.said.clear();
    }
}

fn over() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Guest {
    /// Sends `bytes` behind what waits.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let offer = |bytes: &[u8]| match rustix::net::send(&self.socket, bytes, flags) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(io::Error::from(error)),
        };
        if self.waiting.is_empty() {
            let sent = if bytes.is_empty() { 0 } else { offer(bytes)? };
            self.waiting.extend_from_slice(&bytes[sent..]);
        } else {
            self.waiting.extend_from_slice(bytes);
            let sent = offer(&self.waiting)?;
            self.waiting.drain(..sent);
        }
        if self.waiting.len() > MOST_WAITING { Err(over()) } else { Ok(()) }
    }

    fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        greeting: &[u8],
        said: &mut Vec<u8>,
        pad: usize,
    ) -> io::Result<()> {
        loop {
            let kept = self.kept.len();
            if buffer.len() < 2 * kept {
                buffer.resize(2 * kept, 0);
            }
            buffer[..kept].copy_from_slice(&self.kept);
            let space = buffer.len() - kept;
            let count = match rustix::io::read(&self.socket, &mut buffer[kept..]) {
                Ok(0) => return Err(over()),
                Ok(count) => count,
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let used = self.take(&mut buffer[..kept + count], greeting, said, pad)?;
            self.kept.clear();
            self.kept.extend_from_slice(&buffer[used..kept + count]);
            if count < space {
                return Ok(());
            }
        }
    }

    fn take(
        &mut self,
        bytes: &mut [u8],
        greeting: &[u8],
        said: &mut Vec<u8>,
        pad: usize,
    ) -> io::Result<usize> {
        let mut used = 0;
        if self.is_upgraded == IsUpgraded::NotYet {
            let Some((mut answer, end)) = handshake::answer(bytes)? else { return Ok(0) };
            used = end;
            answer.extend_from_slice(greeting);
            self.send(&answer)?;
            self.is_upgraded = IsUpgraded::Yes;
        }
        while let Some(frame) = frame::scan(&bytes[used..]).map_err(|_| over())? {
            let payload = &mut bytes[used + frame.start..used + frame.end];
            frame::mask(payload, frame.mask.unwrap_or_default());
            used += frame.end;
            let mut answer = Vec::new();
            match frame.opcode {
                Opcode::Text => frame::write_padded(said, payload, pad),
                Opcode::Ping => frame::write_server(&mut answer, Opcode::Pong, payload),
                Opcode::Close => {
                    frame::write_server(&mut answer, Opcode::Close, payload);
                    self.send(&answer)?;
                    return Err(over());
                }
                Opcode::Pong | Opcode::Binary | Opcode::Continuation => {}
            }
            if !answer.is_empty() {
                self.send(&answer)?;
            }
        }
        Ok(used)
    }
}
