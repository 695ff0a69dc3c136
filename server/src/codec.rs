//! From a client's bytes to its messages. This file does not know sockets, rooms or people.
//!
//! tungstenite reads the frames, over memory: it is handed the bytes that came and never sees a
//! socket. What it would answer on its own is thrown away; the answers are made here and go through
//! the one writer. In front of it, [`Scanner`](crate::scanner) looks at every frame's header, since
//! an endless stream of empty fragments never becomes a message that could be counted.
//!
//! Between two messages there is nothing to remember, so nothing is: tungstenite's state and its
//! buffers live from a message's first byte to its last, and a silent connection has neither.

use std::io::{self, Read, Write};
use std::time::Duration;

use roundtable::{Bucket, CloseCode, Rate, Timestamp};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use crate::binary::{self, Binary};
use crate::frame::{self, Frame};
use crate::scanner::{Scan, Scanner};
use crate::settings::Settings;

/// Other signs of life than messages are told this often, at most.
const HEARD_EVERY: Duration = Duration::from_secs(1);

/// The bytes that tungstenite's own buffer starts with: it is fed from memory, and a small one costs
/// nothing there.
const READ_BUFFER_BYTES: usize = 128;

/// Something that a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A whole text message.
    Text(String),
    /// A whole binary message, where [`Settings::binary`] does not make a text of it.
    Binary,
    /// Any other sign of life, at most once a second, or twice in a `ping_after` that is shorter
    /// than two.
    Heard,
    /// A ping came: the answer to be queued.
    Pong(Frame),
    /// The peer closes: the answer to be queued. Nothing follows.
    Close(Frame),
    /// The peer broke the rules: the close frame to be queued. Nothing follows.
    Fail {
        /// Which rule.
        code: CloseCode,
        /// The close frame that says so.
        frame: Frame,
    },
}

/// The reading half of one WebSocket connection.
#[derive(Debug)]
pub struct Codec<'a> {
    settings: &'a Settings,
    /// What tungstenite knows of the message that is not complete.
    context: Option<Box<WebSocketContext>>,
    scanner: Scanner,
    frames: Bucket,
    told: Option<Timestamp>,
    /// When the message that is not complete began.
    began: Option<Timestamp>,
    is_over: bool,
}

impl<'a> Codec<'a> {
    /// A codec for a connection whose upgrade succeeded. It holds no copy of its limits: most
    /// connections are silent, and there may be many.
    pub fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            context: None,
            scanner: Scanner::default(),
            frames: Bucket::default(),
            told: None,
            began: None,
            is_over: false,
        }
    }

    /// Takes bytes from the peer, and appends to `inputs` what they say.
    ///
    /// How the bytes are cut into pieces changes nothing but how often [`Input::Heard`] comes.
    pub fn feed(&mut self, now: Timestamp, bytes: &[u8], inputs: &mut Vec<Input>) {
        if self.is_over || bytes.is_empty() {
            return;
        }
        let before = inputs.len();
        let wire = &self.settings.wire;
        let rate = Rate::new(wire.frame_burst, wire.frames_per_second);
        let frames = &mut self.frames;
        let scan = self.scanner.scan(bytes, || {
            let is_admitted = frames.wait(now, rate, 1).is_zero();
            if is_admitted {
                frames.take(now, rate, 1);
            }
            is_admitted
        });
        self.read(&bytes[..scan.admitted], inputs);
        if scan.admitted < bytes.len() && !self.is_over {
            self.fail(CloseCode::RateLimited, inputs);
        }
        self.remember(now, &scan);
        self.tell_life(now, before, inputs);
    }

    /// When a message that has begun must be complete: then [`Codec::expire`] is due.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.began.map(|began| began + self.settings.wire.message_timeout)
    }

    /// The deadline has passed: the peer is told so.
    pub fn expire(&mut self, inputs: &mut Vec<Input>) {
        if !self.is_over {
            self.fail(CloseCode::Protocol, inputs);
            self.forget();
        }
    }

    fn read(&mut self, bytes: &[u8], inputs: &mut Vec<Input>) {
        let most = self.settings.hub.max_message_bytes;
        let context = self.context.get_or_insert_with(|| Box::new(context(most)));
        let mut memory = Memory(bytes);
        loop {
            match context.read(&mut memory) {
                Ok(Message::Text(text)) => inputs.push(Input::Text(match self.settings.binary {
                    Binary::Announced => text.as_str().to_owned(),
                    Binary::AsText => binary::text_of_text(&text),
                })),
                Ok(Message::Binary(bytes)) => inputs.push(match self.settings.binary {
                    Binary::Announced => Input::Binary,
                    Binary::AsText => Input::Text(binary::text_of_bytes(&bytes)),
                }),
                Ok(Message::Ping(payload)) => inputs.push(Input::Pong(frame::pong(&payload))),
                Ok(Message::Pong(_) | Message::Frame(_)) => {}
                Ok(Message::Close(close)) => {
                    self.is_over = true;
                    let code = close.map(|close| close.code.into());
                    return inputs.push(Input::Close(frame::close_echo(code)));
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(Error::Capacity(_)) => return self.fail(CloseCode::TooBig, inputs),
                Err(Error::Utf8(_)) => return self.fail(CloseCode::BadUtf8, inputs),
                Err(_) => return self.fail(CloseCode::Protocol, inputs),
            }
        }
    }

    fn fail(&mut self, code: CloseCode, inputs: &mut Vec<Input>) {
        self.is_over = true;
        inputs.push(Input::Fail { code, frame: frame::close(code) });
    }

    /// Keeps what belongs to a message that is not complete, and nothing else.
    fn remember(&mut self, now: Timestamp, scan: &Scan) {
        if self.is_over || self.scanner.is_between_messages() {
            self.forget();
        } else if scan.passed_boundary || self.began.is_none() {
            self.began = Some(now);
        }
    }

    fn forget(&mut self) {
        self.context = None;
        self.began = None;
    }

    /// Adds [`Input::Heard`] where nothing else shows that the peer lives.
    fn tell_life(&mut self, now: Timestamp, before: usize, inputs: &mut Vec<Input>) {
        // The answer to a ping comes about `ping_after` behind the last sign of life, and must not go
        // untold: the hub would close on a peer that lives.
        let every = HEARD_EVERY.min(self.settings.hub.ping_after / 2);
        let shows_life = |input: &Input| matches!(input, Input::Text(_) | Input::Binary);
        if inputs[before..].iter().any(shows_life) {
            self.told = Some(now);
        } else if !self.is_over && self.told.is_none_or(|told| now >= told + every) {
            self.told = Some(now);
            inputs.push(Input::Heard);
        }
    }
}

/// tungstenite's state before a message's first byte. A longer message or frame than `most` bytes is
/// refused by its header, before there is memory for it.
fn context(most: usize) -> WebSocketContext {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(most)
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    WebSocketContext::new(Role::Server, Some(config))
}

/// The bytes that came, as the stream that tungstenite wants.
struct Memory<'a>(&'a [u8]);

impl Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buffer) }
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
