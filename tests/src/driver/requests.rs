//! What clients ask, in the words of a script. This file does not know what is answered.

use roundtable::{Greeting, Name, RoomChoice};

use super::{Driver, Observer, What};
use crate::generator::{EpochChoice, Frame, Id, SeqChoice, Since, Stands, Whose};
use crate::render::Place;
use crate::subject::Subject;

impl<M: Subject, O: Observer> Driver<M, O> {
    /// Connects a client under a made-up name, and joins rooms from where it stood.
    pub(super) fn come_back(&mut self, client: u16, rooms: &'static [&'static str]) {
        if self.client(client).slot.is_some() {
            return;
        }
        self.connect(client, None, &Greeting { room: RoomChoice::None, ..Greeting::default() });
        // Every other time, so that coming back without a session is seen as well.
        if self.client(client).connects.is_multiple_of(2) {
            let (whose, stands) = (Whose::Own, Stands::Seen);
            self.send(client, &Frame::Resume { id: Id::Number, whose, stands });
        }
        for room in rooms {
            let since = Since { epoch: EpochChoice::Seen, seq: SeqChoice::Seen };
            let frame = Frame::Join { id: Id::Number, room, since: Some(since), echo: None };
            self.send(client, &frame);
        }
    }

    /// Writes a client's frame with what the client knows, and sends it.
    pub(super) fn send(&mut self, client: u16, frame: &Frame) {
        let Some(slot) = self.client(client).slot else { return };
        if matches!(
            frame,
            Frame::Join { since: Some(_), .. } | Frame::Resume { .. } | Frame::Show { .. }
        ) {
            self.receive(slot);
        }
        let whom = match frame {
            Frame::Moderate { decision, .. } => decision.client(),
            _ => None,
        };
        let user = whom.and_then(|client| self.name_of(client));
        let who = &self.clients[usize::from(client)];
        let session = match frame {
            Frame::Resume { whose: Whose::Of(other), .. } => {
                self.clients.get(usize::from(*other)).map_or("", |other| &other.sessions[0])
            }
            _ => &who.sessions[1],
        };
        let user = user.as_ref().map(Name::as_str);
        let place = Place { seen: &who.seen, session, user };
        let text = self.render.text(&self.audit.known, place, frame);
        self.post(client, What::Text(text));
    }
}
