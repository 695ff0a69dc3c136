//! A machine that writes down what it is told and passes it on. This file does not know what a
//! recording is made of, nor where it goes.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use roundtable::{Command, Config, ConnId, Event, Hub, Machine, Origin, Peer, Timestamp};
use tracing::error;

use super::files::Parts;
use super::format::{self, Head, Mark};
use super::hash::{Running, without_words};
use super::image::{self, reading};
use super::mask::{Mask, Reading, Redaction, Text};

/// The running hash stands in the recording at least after so many events.
const MARK_EVERY: u64 = 10_000;

/// What is recorded is written when there is so much of it, in bytes.
const BUFFER: usize = 1 << 16;

/// And after so long: a write costs more than what it writes, so not every turn has one.
const HELD_BACK: Duration = Duration::from_millis(100);

/// How a recording is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What is masked.
    pub redaction: Redaction,
    /// The size at which another part begins, in bytes.
    pub part_bytes: u64,
}

/// A machine whose every event is recorded before it is handled, and every answer after, while a
/// recording is being made.
///
/// What is recorded goes to the system ten times a second; for this the machine is ticked a little
/// more often than it asks for. If it fails, the machine goes on without being recorded, and one line
/// in the log says so.
pub struct Recorder<M, P: Parts> {
    machine: M,
    tape: Option<Tape<P>>,
}

struct Tape<P: Parts> {
    parts: P,
    part: P::Part,
    head: Head,
    part_bytes: u64,
    /// What is in the part already.
    written: u64,
    /// What is still to be written.
    buffer: Vec<u8>,
    /// When it is to be written at the latest.
    due: Option<Timestamp>,
    /// Where in the buffer the event begins that is being handled.
    pending: Option<usize>,
    mask: Mask,
    /// The connections whose plain text is published.
    lenient: HashSet<ConnId>,
    running: Running,
}

impl<M: Machine, P: Parts> Recorder<M, P> {
    /// Records `machine`, which goes by this configuration and began here, from its first event on.
    ///
    /// # Errors
    ///
    /// If the first part cannot be made.
    pub fn new(
        machine: M,
        config: Config,
        origin: Origin,
        parts: P,
        options: Options,
    ) -> io::Result<Self> {
        let tape = Tape::begin(parts, config, origin, options, None)?;
        Ok(Self { machine, tape: Some(tape) })
    }

    /// Has `machine`, and records nothing so far.
    pub fn idle(machine: M) -> Self {
        Self { machine, tape: None }
    }

    /// Records from here on, between two events, whatever has happened before: the recording begins with
    /// an image of the hub.
    ///
    /// It costs time and memory in proportion to what the hub is.
    ///
    /// # Errors
    ///
    /// If a recording is being made, the machine shows no hub, or the first part cannot be written.
    pub fn start(&mut self, parts: P, options: Options) -> io::Result<()> {
        if self.is_recording() {
            return Err(io::Error::other("a recording is being made"));
        }
        let hub = self.machine.hub().ok_or_else(|| io::Error::other("there is no hub"))?;
        // Whoever keeps a journal takes what is meant for it out of the answers.
        let config = Config { journal: false, ..hub.config().clone() };
        self.tape = Some(Tape::begin(parts, config, hub.origin(), options, Some(hub))?);
        Ok(())
    }

    /// Ends the recording well, if one is being made, between two events.
    ///
    /// # Errors
    ///
    /// If its end cannot be written; it has ended all the same.
    pub fn stop(&mut self) -> io::Result<()> {
        self.tape.take().map_or(Ok(()), |mut tape| tape.end())
    }

    /// Whether a recording is being made.
    pub fn is_recording(&self) -> bool {
        self.tape.is_some()
    }
}

impl<M: Machine, P: Parts> Machine for Recorder<M, P> {
    fn handle(&mut self, now: Timestamp, event: Event, commands: &mut Vec<Command>) {
        let Some(tape) = &mut self.tape else { return self.machine.handle(now, event, commands) };
        let text = tape.open(now, &event);
        let before = commands.len();
        self.machine.handle(now, event, commands);
        if let Err(error) = tape.close(now, text, &commands[before..]) {
            error!(%error, "recording stopped: the recording cannot be written");
            self.tape = None;
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        let due = self.tape.as_ref().and_then(|tape| tape.due);
        [self.machine.next_deadline(), due].into_iter().flatten().min()
    }

    fn commit(&mut self) {
        self.machine.commit();
    }

    fn hub(&self) -> Option<&Hub> {
        self.machine.hub()
    }
}

impl<M, P: Parts> Drop for Recorder<M, P> {
    /// Ends the recording well, or with the event that the machine did not survive.
    fn drop(&mut self) {
        if let Err(error) = self.tape.as_mut().map_or(Ok(()), Tape::end) {
            error!(%error, "the recording's end cannot be written");
        }
    }
}

impl<M: fmt::Debug, P: Parts> fmt::Debug for Recorder<M, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorded = self.tape.as_ref().map(|tape| tape.running.mark());
        f.debug_struct("Recorder")
            .field("machine", &self.machine)
            .field("recorded", &recorded)
            .finish_non_exhaustive()
    }
}

impl<P: Parts> Tape<P> {
    /// Begins a recording of a machine with this configuration, which began here, or which has come to
    /// what `hub` is.
    fn begin(
        mut parts: P,
        config: Config,
        origin: Origin,
        options: Options,
        hub: Option<&Hub>,
    ) -> io::Result<Self> {
        let mut part = parts.create(0)?;
        let head = Head {
            build: env!("CARGO_PKG_VERSION").to_owned(),
            config,
            origin,
            redaction: options.redaction,
            part: 0,
            so_far: Mark::default(),
            image: hub.is_some(),
        };
        let mask = Mask::new(options.redaction, head.config.max_depth);
        let (mut start, mut lenient) = (Vec::new(), HashSet::new());
        format::write_start(&mut start);
        format::write_head(&mut start, &head);
        if let Some(hub) = hub {
            format::write_image(&mut start, &image::masked(hub, &mask));
            let is_plain = |framing| reading(&head.config, framing) == Reading::Plain;
            let connections = hub.connections().filter(|of| is_plain(of.framing));
            lenient.extend(connections.map(|of| of.conn));
        }
        part.write_all(&start)?;
        Ok(Self {
            mask,
            parts,
            part,
            head,
            part_bytes: options.part_bytes,
            written: start.len() as u64,
            buffer: Vec::new(),
            due: None,
            pending: None,
            lenient,
            running: Running::default(),
        })
    }

    /// Ends the recording well, or with the event that the machine did not survive.
    fn end(&mut self) -> io::Result<()> {
        match self.pending.take() {
            Some(start) => format::close_entry(&mut self.buffer, start, 0),
            None => format::write_mark(&mut self.buffer, self.running.mark()),
        }
        self.write()
    }

    fn open(&mut self, now: Timestamp, event: &Event) -> Text {
        let (event, text) = self.mask(event);
        self.pending = Some(format::open_entry(&mut self.buffer, now, &event, text));
        text
    }

    fn close(&mut self, now: Timestamp, text: Text, commands: &[Command]) -> io::Result<()> {
        let mask = &self.mask;
        let answer = self.running.take(commands, |told| match text {
            Text::Kept => mask.told(told),
            Text::Replaced => match without_words(told) {
                Cow::Borrowed(told) => mask.told(told),
                Cow::Owned(told) => Cow::Owned(told),
            },
        });
        for command in commands {
            if let Command::Refuse { conn, .. } | Command::Close { conn, .. } = command {
                self.lenient.remove(conn);
            }
        }
        if let Some(start) = self.pending.take() {
            format::close_entry(&mut self.buffer, start, answer);
        }
        let so_far = self.running.mark();
        if so_far.events.is_multiple_of(MARK_EVERY) {
            format::write_mark(&mut self.buffer, so_far);
        }
        if self.written + self.buffer.len() as u64 >= self.part_bytes {
            return self.begin_part(so_far);
        }
        let due = *self.due.get_or_insert(now + HELD_BACK);
        if due <= now || self.buffer.len() >= BUFFER { self.write() } else { Ok(()) }
    }

    fn mask<'a>(&mut self, event: &'a Event) -> (Cow<'a, Event>, Text) {
        let (conn, text) = match event {
            Event::Text { conn, text } => (*conn, text),
            Event::Connect { conn, peer, greeting } => {
                if reading(&self.head.config, greeting.framing) == Reading::Plain {
                    self.lenient.insert(*conn);
                }
                let entropy = self.mask.secret(peer.entropy);
                let address = peer.address.map(|address| self.mask.address(address));
                let peer = Peer { entropy, claims: peer.claims.clone(), address };
                let event = Event::Connect { conn: *conn, peer, greeting: greeting.clone() };
                return (Cow::Owned(event), Text::Kept);
            }
            Event::Disconnect { conn } => {
                self.lenient.remove(conn);
                return (Cow::Borrowed(event), Text::Kept);
            }
            // Texts that waited for it may have been masked whole.
            Event::Verified { .. } => return (Cow::Borrowed(event), Text::Replaced),
            Event::Binary { .. }
            | Event::Heard { .. }
            | Event::Backlog { .. }
            | Event::Flushed
            | Event::Admin { .. }
            | Event::Tick
            | Event::Drain { .. } => return (Cow::Borrowed(event), Text::Kept),
        };
        let is_lenient = self.lenient.contains(&conn);
        let reading = if is_lenient { Reading::Plain } else { Reading::Frame };
        match self.mask.heard(text, reading) {
            (Cow::Borrowed(_), how) => (Cow::Borrowed(event), how),
            (Cow::Owned(text), how) => (Cow::Owned(Event::Text { conn, text }), how),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        self.part.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        self.due = None;
        Ok(())
    }

    fn begin_part(&mut self, so_far: Mark) -> io::Result<()> {
        self.write()?;
        self.head.part += 1;
        self.head.so_far = so_far;
        self.part = self.parts.create(self.head.part)?;
        self.written = 0;
        format::write_start(&mut self.buffer);
        format::write_head(&mut self.buffer, &self.head);
        self.write()
    }
}
