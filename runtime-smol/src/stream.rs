//! A socket, and the TLS on it where there is some. This file does not know what is said.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use roundtable_server::tls::{Flow, Layer};
use smol::Async;

/// One accepted socket.
pub(crate) struct Stream {
    pub(crate) socket: Async<TcpStream>,
    tls: Option<Box<RefCell<Layer>>>,
}

/// What one read of a socket came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Nothing has come.
    Nothing,
    /// Some bytes have come, and likely no more.
    Some,
    /// The read budget is used up.
    Budget,
    /// The peer has ended its direction.
    End,
}

/// What all streams of a thread read into.
pub(crate) struct Buffers {
    /// As long as the read budget.
    socket: Box<[u8]>,
    /// What TLS makes of that: empty between two reads.
    plain: Vec<u8>,
}

impl Buffers {
    pub(crate) fn new(budget: usize) -> Self {
        Self { socket: vec![0; budget].into(), plain: Vec::new() }
    }
}

impl Stream {
    pub(crate) fn new(socket: Async<TcpStream>, tls: Option<Layer>) -> Self {
        Self { socket, tls: tls.map(|layer| Box::new(RefCell::new(layer))) }
    }

    /// Reads once, within the read budget. With TLS, something may have come of which nothing is for
    /// `take`, and there may be something to flush afterwards.
    pub(crate) fn read(
        &self,
        buffers: &mut Buffers,
        take: impl FnOnce(&[u8]),
    ) -> io::Result<Taken> {
        let Buffers { socket, plain } = buffers;
        let len = match self.receive(socket)? {
            None => return Ok(Taken::Nothing),
            Some(0) => return Ok(Taken::End),
            Some(len) => len,
        };
        let taken = if len < socket.len() { Taken::Some } else { Taken::Budget };
        let Some(tls) = &self.tls else {
            take(&socket[..len]);
            return Ok(taken);
        };
        let fed = tls.borrow_mut().feed(&socket[..len], plain);
        let flow = fed.map_err(|error| {
            // Why is told if the socket takes it.
            let _unheard = self.flush();
            io::Error::other(error)
        });
        if !plain.is_empty() {
            take(plain);
            plain.clear();
        }
        match flow? {
            Flow::Open => Ok(taken),
            Flow::Ended => Ok(Taken::End),
        }
    }

    /// Reads once what stands before all else, so also before TLS, and no more than `most` bytes.
    pub(crate) fn read_preface(
        &self,
        buffers: &mut Buffers,
        most: usize,
        take: impl FnOnce(&[u8]),
    ) -> io::Result<Taken> {
        let most = most.min(buffers.socket.len());
        Ok(match self.receive(&mut buffers.socket[..most])? {
            None => Taken::Nothing,
            Some(0) => Taken::End,
            Some(len) => {
                take(&buffers.socket[..len]);
                Taken::Some
            }
        })
    }

    /// Reads what is there, if there is something.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.socket.get_ref().read(buffer) {
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes, and returns how much is taken.
    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.tls {
            None => write(&self.socket, slices),
            Some(tls) => tls.borrow_mut().write(slices, |sealed| write(&self.socket, sealed)),
        }
    }

    /// Writes what TLS has taken, and the socket has not.
    pub(crate) fn flush(&self) -> io::Result<()> {
        match &self.tls {
            None => Ok(()),
            Some(tls) => tls.borrow_mut().flush(|sealed| write(&self.socket, sealed)),
        }
    }

    /// Whether the socket has all that was taken.
    pub(crate) fn is_flushed(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.borrow().is_flushed())
    }

    /// Says that nothing more is said, where there are words for that.
    pub(crate) fn take_leave(&self) {
        if let Some(tls) = &self.tls {
            tls.borrow_mut().close();
            // A peer that has let its socket fill does not wait for this word.
            let _unheard = self.flush();
        }
    }

    /// Ends the writing direction.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.take_leave();
        self.socket.get_ref().shutdown(Shutdown::Write)
    }
}

fn write(socket: &Async<TcpStream>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut socket = socket.get_ref();
    match slices {
        // One frame is the usual case, and `send` is cheaper than `writev`.
        [frame] => socket.write(frame),
        _ => socket.write_vectored(slices),
    }
}
