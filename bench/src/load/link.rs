//! One connection to the server that is measured: what it has to send, and what it reads. This file
//! does not know what texts mean.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SendFlags;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, Protocol, Socket, Type};

use crate::frame::{self, Opcode, Part};
use crate::handshake;

/// The local addresses that connections are spread over: each has some 28,000 ports, and a port stays
/// taken for a minute after its connection has ended.
const ADDRESSES: u32 = 64;

/// The receive buffer of a connection that never reads (`SO_RCVBUF`; the kernel doubles it).
pub(super) const SLOW_RCVBUF: usize = 4096;

/// What a connection is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Reads everything, and may send.
    Receiver,
    /// Joins, and never reads.
    Slow,
    /// Comes, is greeted, and goes.
    Visitor,
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The system connects it.
    Connecting,
    /// The answer to its request is awaited.
    Upgrading,
    /// It is a WebSocket.
    Open,
    /// It said that it goes.
    Leaving,
    /// It is over, with the server's close code, if there was one.
    Closed(Option<u16>),
}

/// What a connection heard.
pub(super) enum Heard<'a> {
    /// The upgrade succeeded.
    Upgraded,
    /// One whole message.
    Message(&'a [u8]),
}

/// One connection.
pub(super) struct Link {
    pub(super) socket: Socket,
    pub(super) role: Role,
    pub(super) stage: Stage,
    /// When it began to connect.
    pub(super) began: Duration,
    /// The messages that came before it is said to be there.
    pub(super) greetings: u32,
    /// What the socket did not take.
    out: Vec<u8>,
    /// The beginning of a frame that is not all there.
    kept: Vec<u8>,
    /// The parts of a message that is not all there.
    parts: Vec<u8>,
    tls: Option<Box<ClientConnection>>,
}

impl Link {
    /// Begins to connect; `number` picks one of the local addresses.
    pub(super) fn connect(
        server: SocketAddr,
        number: u32,
        role: Role,
        now: Duration,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        socket.set_reuse_address(true)?;
        if role == Role::Slow {
            socket.set_recv_buffer_size(SLOW_RCVBUF)?;
        }
        if server.ip().is_loopback() {
            let last = u8::try_from(number % ADDRESSES).expect("few addresses") + 2;
            let local = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
            socket.bind(&local.into())?;
        }
        match socket.connect(&server.into()) {
            Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => {
                return Err(error);
            }
            _ => {}
        }
        let stage = Stage::Connecting;
        let (out, kept, parts, tls) = (Vec::new(), Vec::new(), Vec::new(), None);
        Ok(Self { socket, role, stage, began: now, greetings: 0, out, kept, parts, tls })
    }

    /// Makes it secure: nothing has been sent yet.
    pub(super) fn secure(&mut self, config: Arc<ClientConfig>) -> io::Result<()> {
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        self.tls = Some(Box::new(tls));
        Ok(())
    }

    /// The client's end, if there is a connection.
    pub(super) fn end(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }

    /// Sends `request`, if it is connected.
    pub(super) fn connected(&mut self, request: &[u8]) -> io::Result<()> {
        if self.stage != Stage::Connecting {
            return self.flush();
        }
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        if self.socket.peer_addr().is_err() {
            return Ok(());
        }
        self.stage = Stage::Upgrading;
        self.out.extend_from_slice(request);
        self.flush()
    }

    /// Sends one message.
    pub(super) fn send(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        frame::write_client(&mut self.out, opcode, payload, fastrand::u32(..).to_ne_bytes());
        self.flush()
    }

    /// Offers what waits to the socket.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            // Until the handshake is over, it keeps what it takes.
            let taken = tls.writer().write(&self.out)?;
            self.out.drain(..taken);
            return offer(tls, &self.socket);
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        while !self.out.is_empty() {
            match rustix::net::send(&self.socket, &self.out, flags) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads once. With TLS, what comes is less than what is there.
    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return Ok(rustix::io::read(&self.socket, into)?);
        };
        loop {
            match tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            if tls.read_tls(&mut &self.socket)? == 0 {
                return Ok(0);
            }
            tls.process_new_packets().map_err(io::Error::other)?;
            offer(tls, &self.socket)?;
        }
    }

    /// Reads what there is, into `buffer`, and tells what was heard.
    ///
    /// A plain read that fills less than it could has emptied the socket: the next readiness is told
    /// anew.
    pub(super) fn read(
        &mut self,
        buffer: &mut Vec<u8>,
        mut heard: impl FnMut(&mut u32, Heard<'_>),
    ) -> io::Result<()> {
        while !matches!(self.stage, Stage::Closed(_)) {
            let kept = self.kept.len();
            if buffer.len() < 2 * kept {
                buffer.resize(2 * kept, 0);
            }
            buffer[..kept].copy_from_slice(&self.kept);
            let space = buffer.len() - kept;
            match self.receive(&mut buffer[kept..]) {
                Ok(0) => self.stage = Stage::Closed(None),
                Ok(count) => {
                    let all = &buffer[..kept + count];
                    let used = self.take(all, &mut heard)?;
                    self.kept.clear();
                    self.kept.extend_from_slice(&all[used..]);
                    if count < space && self.tls.is_none() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes whole frames off the front of `bytes`, and returns how many bytes they are.
    fn take(
        &mut self,
        bytes: &[u8],
        heard: &mut impl FnMut(&mut u32, Heard<'_>),
    ) -> io::Result<usize> {
        let mut used = 0;
        if self.stage == Stage::Upgrading {
            match handshake::accepted(bytes)? {
                Some(end) => used = end,
                None => return Ok(0),
            }
            self.stage = Stage::Open;
            heard(&mut self.greetings, Heard::Upgraded);
        }
        while let Some(frame) = frame::scan(&bytes[used..]).map_err(|_| no_frame())? {
            let payload = &bytes[used + frame.start..used + frame.end];
            used += frame.end;
            match (frame.opcode, frame.part) {
                (Opcode::Text | Opcode::Binary, Part::Last) => {
                    heard(&mut self.greetings, Heard::Message(payload));
                }
                (Opcode::Text | Opcode::Binary | Opcode::Continuation, part) => {
                    self.parts.extend_from_slice(payload);
                    if part == Part::Last {
                        heard(&mut self.greetings, Heard::Message(&self.parts));
                        self.parts.clear();
                    }
                }
                (Opcode::Ping, _) => self.send(Opcode::Pong, payload)?,
                (Opcode::Pong, _) => {}
                (Opcode::Close, _) => {
                    if self.stage != Stage::Leaving {
                        // Whether the echo still arrives is the server's affair.
                        let _ = self.send(Opcode::Close, payload);
                    }
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.stage = Stage::Closed(code);
                    break;
                }
            }
        }
        Ok(used)
    }
}

/// Offers what is sealed to the socket.
fn offer(tls: &mut ClientConnection, socket: &Socket) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(&mut &*socket) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn no_frame() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the server sent what is no frame")
}
