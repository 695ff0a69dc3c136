//! The owner of the machine: notes in, turns, commands carried out. This file does not know how a
//! socket is written.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use roundtable::{Command, ConnId, Event, Greeting, Machine, Peer, Recipients};
use roundtable_server::admin::{Question, Told};
use roundtable_server::metrics::Measured;
use roundtable_server::{Door, Frame, Sends, frame, log};
use tracing::{debug, info};

use crate::Shared;
use crate::sockets::{Secure, Sockets};
use crate::verifier::Verifier;

/// What the other threads tell the owner.
#[derive(Debug)]
pub(crate) enum Note {
    /// The upgrade is granted, by this answer: from here on the owner writes.
    Opened {
        conn: ConnId,
        stream: Arc<TcpStream>,
        /// The TLS on it.
        secure: Option<Box<Secure>>,
        head: Box<[u8]>,
        peer: Peer,
        greeting: Greeting,
    },
    /// This came through TLS; its reader waits for what it says.
    Sealed { conn: ConnId, bytes: Vec<u8> },
    /// Something for the machine.
    Event(Event),
    /// A ping came: this is the answer.
    Pong { conn: ConnId, frame: Frame },
    /// The peer closes, or must be closed: this is the last frame.
    Closing { conn: ConnId, frame: Frame },
    /// A socket that was full takes more.
    Writable { conn: ConnId },
    /// The reader has ended.
    Gone { conn: ConnId },
    /// Somebody asks: the answer is waited for, and has its place.
    Ask(Question, SyncSender<Told>),
    /// The operator wants an end.
    Stop,
}

/// The machine, and the sockets that it speaks through.
pub(crate) struct Owner<M> {
    machine: Measured<M>,
    sockets: Sockets,
    verifier: Verifier,
    commands: Vec<Command>,
    /// What was commanded, and is not queued for its sockets yet.
    sends: Sends,
    shared: Arc<Shared>,
    is_drained: bool,
}

impl<M: Machine> Owner<M> {
    pub(crate) fn new(
        machine: M,
        shared: Arc<Shared>,
        notes: SyncSender<Note>,
    ) -> io::Result<Self> {
        let sockets = Sockets::new(&shared.settings, notes.clone())?;
        let verifier = Verifier::start(notes, shared.clone())?;
        let (commands, sends) = (Vec::new(), Sends::new(shared.settings.binary));
        let machine = Measured::new(machine, shared.settings.hub.run_ahead);
        Ok(Self { machine, sockets, verifier, commands, sends, shared, is_drained: false })
    }

    /// Takes turns until the machine has drained and every socket is closed.
    pub(crate) fn run(mut self, inbox: &Receiver<Note>) {
        let most = (self.shared.settings.hub.turn_events, self.shared.settings.hub.turn_bytes);
        while !(self.is_drained && self.sockets.is_empty()) {
            let mut note = self.wait(inbox);
            let (mut events, mut bytes) = (0, 0);
            while let Some(found) = note {
                events += 1;
                bytes += found.text_bytes();
                self.take(found);
                let is_over = events >= most.0 || bytes >= most.1;
                note = if is_over { None } else { inbox.try_recv().ok() };
            }
            if self.machine.next_deadline().is_some_and(|due| due <= self.shared.clock.now()) {
                self.handle(Event::Tick);
            }
            self.queue_sends();
            self.sockets.flush(self.shared.clock.now());
            while let Some((conn, bytes)) = self.sockets.next_report() {
                self.handle(Event::Backlog { conn, bytes });
            }
            self.handle(Event::Flushed);
            self.queue_sends();
        }
        info!("stopped");
    }

    /// Waits for a note, or until something is due. Questions are answered, and begin no turn unless
    /// something is to be done.
    fn wait(&mut self, inbox: &Receiver<Note>) -> Option<Note> {
        loop {
            match self.next_note(inbox) {
                Some(Note::Ask(question, asker)) if question.event().is_none() => {
                    self.tell(&question, &asker);
                }
                note => return note,
            }
        }
    }

    fn next_note(&self, inbox: &Receiver<Note>) -> Option<Note> {
        if self.sockets.are_touched() {
            return inbox.try_recv().ok();
        }
        let due = [self.machine.next_deadline(), self.sockets.next_deadline()];
        match due.into_iter().flatten().min() {
            None => inbox.recv().ok(),
            Some(due) => inbox.recv_timeout(self.shared.clock.until(due)).ok(),
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Opened { conn, stream, secure, head, peer, greeting } => {
                let room = log::room(&self.shared.settings, &greeting);
                debug!(conn = conn.get(), room, "connected");
                self.sockets.add(conn, stream, secure, head);
                self.handle(Event::Connect { conn, peer, greeting });
            }
            Note::Sealed { conn, bytes } => {
                if self.sockets.unseal(conn, &bytes).is_err() {
                    self.shared.edge.tls_failed();
                }
            }
            Note::Event(event) => self.handle(event),
            Note::Pong { conn, frame } => self.sockets.pong(conn, frame),
            Note::Closing { conn, frame } => {
                self.disconnect(conn);
                self.queue_sends();
                self.sockets.answer_close(conn, frame, self.shared.clock.now());
            }
            Note::Writable { conn } => self.sockets.is_writable(conn),
            Note::Gone { conn } => {
                debug!(conn = conn.get(), "disconnected");
                self.disconnect(conn);
                self.sockets.remove(conn);
            }
            Note::Ask(question, asker) => self.tell(&question, &asker),
            Note::Stop => {
                info!("draining");
                self.handle(Event::Drain { within: self.shared.settings.drain_within });
            }
        }
    }

    fn tell(&mut self, question: &Question, asker: &SyncSender<Told>) {
        let told = question.answer(self.shared.clock.now(), &mut self.machine);
        if let Some(event) = question.event() {
            self.handle(event);
        }
        // Whoever asked may have given up.
        let _unheard = asker.try_send(told);
    }

    /// Tells the machine that a connection is gone: once, and not where it closed it itself.
    fn disconnect(&mut self, conn: ConnId) {
        if self.sockets.is_open(conn) {
            self.handle(Event::Disconnect { conn });
        }
    }

    /// Queues for each socket what it is sent, once that may be known.
    fn queue_sends(&mut self) {
        self.machine.commit();
        queue_sends(&mut self.sends, &mut self.sockets);
    }

    /// Hands one event to the machine, and carries out what it commands.
    fn handle(&mut self, event: Event) {
        self.machine.handle(self.shared.clock.now(), event, &mut self.commands);
        for command in self.commands.drain(..) {
            match command {
                Command::Refuse { conn, refusal, retry_after } => {
                    debug!(conn = conn.get(), ?refusal, "refused");
                    let answer = Door::refusal_answer(refusal, retry_after);
                    self.sockets.refuse(conn, answer, self.shared.clock.now());
                }
                Command::Send { to, text } => self.sends.text(&to, &text),
                Command::Ping { conn } => self.sends.ping(&Recipients::One(conn)),
                Command::Verify { conn, token } => self.verifier.verify(conn, token),
                Command::Close { conn, code, queue } => {
                    debug!(
                        conn = conn.get(),
                        code = code.number(),
                        reason = code.reason(),
                        "closed"
                    );
                    self.machine.commit();
                    queue_sends(&mut self.sends, &mut self.sockets);
                    self.sockets.close(conn, frame::close(code), queue, self.shared.clock.now());
                }
                // Who made the machine sees to it, when it commits.
                Command::Append { .. } => {}
                Command::Drained => self.is_drained = true,
            }
        }
    }
}

/// Queues for each socket what it is sent: at the end of a turn, and before a close, behind which
/// nothing can be queued.
fn queue_sends(sends: &mut Sends, sockets: &mut Sockets) {
    for (to, piece) in sends.drain() {
        to.iter().for_each(|conn| sockets.send(conn, &piece));
    }
}

impl Note {
    fn text_bytes(&self) -> usize {
        match self {
            Self::Event(Event::Text { text, .. }) => text.len(),
            _ => 0,
        }
    }
}
