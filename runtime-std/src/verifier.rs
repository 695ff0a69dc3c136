//! The thread that verifies the tokens which come in frames: the owner of the machine does not wait
//! while a signature is checked. This file does not know what a token says or what follows from it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;

use roundtable::{ConnId, Event, Verdict};

use crate::Shared;
use crate::turn::Note;

/// The way to the thread, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// Without a bound, so that the owner never waits. A machine awaits one verdict for each
    /// connection at most, which bounds it.
    tokens: Sender<(ConnId, Box<str>)>,
}

impl Verifier {
    pub(crate) fn start(notes: SyncSender<Note>, shared: Arc<Shared>) -> io::Result<Self> {
        let (tokens, given) = channel();
        let thread = thread::Builder::new().name("verify".to_owned());
        thread.spawn(move || verify(&given, &notes, &shared))?;
        Ok(Self { tokens })
    }

    /// Has a token verified: the verdict comes as a note.
    pub(crate) fn verify(&self, conn: ConnId, token: Box<str>) {
        self.tokens.send((conn, token)).expect("the thread lives as long as this");
    }
}

fn verify(given: &Receiver<(ConnId, Box<str>)>, notes: &SyncSender<Note>, shared: &Shared) {
    for (conn, token) in given {
        // Without keys nobody is believed.
        let tokens = shared.tokens.as_ref();
        let verdict = tokens.map_or(Verdict::Invalid, |tokens| tokens.verify(Some(conn), &token));
        if notes.send(Note::Event(Event::Verified { conn, verdict })).is_err() {
            return;
        }
    }
}
