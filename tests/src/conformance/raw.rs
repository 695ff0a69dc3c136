//! A peer that does as it likes: bytes out, frames in, and no manners of its own. It answers no ping
//! and no close unless a test does.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::BACKSTOP;

/// One connection, without a WebSocket library.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A frame from the server, which is never masked and here never a fragment.
#[derive(Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// RFC 6455 §5.2: 1 text, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// The head of a request that upgrades `/ws` with this query.
pub fn upgrade(query: &str) -> String {
    format!(
        "GET /ws?{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
    )
}

/// A client's frame, masked with a key of zeros where `mask` is set; RFC 6455 §5.2.
pub fn frame(first: u8, mask: bool, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if mask { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(mask_bit | u8::try_from(len).expect("at most 125")),
        len => {
            bytes.push(mask_bit | 127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if mask {
        bytes.extend_from_slice(&[0; 4]);
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// A whole text message.
pub fn text(payload: &str) -> Vec<u8> {
    frame(0x81, true, payload.as_bytes())
}

impl Raw {
    /// Connects, and sends nothing.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    pub fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).expect("the server listens");
        stream.set_read_timeout(Some(BACKSTOP)).expect("a time-out that is not zero");
        stream.set_nodelay(true).expect("an open socket");
        Self { stream, read: Vec::new() }
    }

    /// Connects and upgrades `/ws` with this query.
    ///
    /// # Panics
    ///
    /// If the server does not upgrade.
    pub fn upgraded(addr: SocketAddr, query: &str) -> Self {
        let mut raw = Self::connect(addr);
        raw.write(upgrade(query).as_bytes());
        raw.expect_upgrade();
        raw
    }

    /// Takes the answer to an upgrade, and gives its head.
    ///
    /// # Panics
    ///
    /// If the server does not upgrade.
    pub fn expect_upgrade(&mut self) -> String {
        let head = self.answer_head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let accept = head.to_lowercase().contains("sec-websocket-accept: ");
        assert!(accept, "{head}");
        head
    }

    /// The head of an answer, whatever it says.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn answer_head(&mut self) -> String {
        self.head().expect("an answer")
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    ///
    /// If the server takes them no more.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server reads");
    }

    /// Has writes fail that the server holds up for longer.
    ///
    /// # Panics
    ///
    /// If the span is zero.
    pub fn write_for_at_most(&self, span: Duration) {
        self.stream.set_write_timeout(Some(span)).expect("a time-out that is not zero");
    }

    /// Sends bytes until they are all gone or the server has had enough; says whether all are gone.
    pub fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends a frame of the protocol; says whether it is all gone.
    pub fn try_send(&mut self, frame: &serde_json::Value) -> bool {
        self.try_write(&text(&frame.to_string()))
    }

    /// Says that nothing more will be sent.
    ///
    /// # Panics
    ///
    /// If the connection is over.
    pub fn finish(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open socket");
    }

    /// Ends the connection with a reset, as if the machine had been cut off.
    ///
    /// # Panics
    ///
    /// If the system has no such option.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("an open socket");
    }

    /// A whole HTTP answer whose end is the connection's: its head and its body.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn answer(&mut self) -> (String, Vec<u8>) {
        let head = self.head().expect("an answer");
        while self.more() {}
        (head, std::mem::take(&mut self.read))
    }

    /// The next frame that is no ping; nothing once the connection is over.
    pub fn frame(&mut self) -> Option<RawFrame> {
        loop {
            let frame = self.any_frame()?;
            if frame.opcode != 9 {
                return Some(frame);
            }
        }
    }

    /// The next frame; nothing once the connection is over.
    pub fn any_frame(&mut self) -> Option<RawFrame> {
        let header = self.take(2)?;
        assert_eq!(header[0] & 0x70, 0, "reserved bits are 0");
        assert_eq!(header[0] & 0x80, 0x80, "the server sends no fragments");
        let len = match header[1] {
            len @ 0..=125 => usize::from(len),
            126 => usize::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?)),
            127 => usize::try_from(u64::from_be_bytes(self.take(8)?.try_into().ok()?)).ok()?,
            _ => panic!("the server masks nothing"),
        };
        Some(RawFrame { opcode: header[0] & 15, payload: self.take(len)? })
    }

    /// The next text, as JSON; everything else that comes before it is skipped.
    ///
    /// # Panics
    ///
    /// If none comes.
    pub fn json(&mut self) -> serde_json::Value {
        loop {
            let frame = self.frame().expect("a text");
            if frame.opcode == 1 {
                return serde_json::from_slice(&frame.payload).expect("every text is JSON");
            }
        }
    }

    /// Reads to the close; gives its code.
    ///
    /// # Panics
    ///
    /// If the connection ends without one.
    pub fn close_code(&mut self) -> u16 {
        loop {
            let frame = self.frame().expect("a close before the end");
            if frame.opcode == 8 {
                return u16::from_be_bytes([frame.payload[0], frame.payload[1]]);
            }
        }
    }

    /// Reads to the connection's end, and says whether nothing but pings came before it.
    pub fn is_over(&mut self) -> bool {
        self.frame().is_none()
    }

    fn head(&mut self) -> Option<String> {
        loop {
            let end = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if let Some(end) = end {
                let head = self.take(end + 4)?;
                return String::from_utf8(head).ok();
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        while self.read.len() < len {
            if !self.more() {
                return None;
            }
        }
        let rest = self.read.split_off(len);
        Some(std::mem::replace(&mut self.read, rest))
    }

    /// Reads some bytes, and says whether there may be more.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(len) => {
                    self.read.extend_from_slice(&buffer[..len]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return false,
                Err(error) => panic!("nothing came for {BACKSTOP:?}: {error}"),
            }
        }
    }
}
