//! What clients ask, from the text to its reply: the part of the auditor that knows that each request
//! gets one. It does not know what a reply says.

use std::collections::BTreeMap;

use roundtable::{AdminAction, ConnId};

use super::Audit;
use super::frame::{Asked, Frame, Kind, Place};
use super::join::raw_id;
use super::session::Informed;
use crate::invariant::hold;
use crate::known::RoomId;

/// The text that a client has just sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) conn: ConnId,
    pub(super) slot: usize,
    pub(super) id: Option<String>,
    pub(super) what: What,
    /// The data of a publish, as the bytes that were sent.
    pub(super) data: Option<String>,
    pub(super) key: Option<String>,
    pub(super) since: Option<Place>,
    pub(super) before: Option<Place>,
    /// What a client that comes back says of where it stands, and of which session it is.
    pub(super) places: Option<BTreeMap<String, Place>>,
    pub(super) resume: Option<String>,
    /// The room that a client wants to be in.
    pub(super) wanted: Option<RoomId>,
    /// What a moderator asks for.
    pub(super) action: Option<AdminAction>,
    /// The rooms of the session that it came back to, until it is told of them.
    pub(super) owed: Vec<(RoomId, bool)>,
    pub(super) informed: Informed,
    pub(super) echo: bool,
    pub(super) replies: usize,
    pub(super) acked: bool,
    /// Its entry was given to somebody.
    pub(super) seen: bool,
}

/// What a text asks for, as far as the auditor treats it in a way of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Publish,
    /// No JSON object: published as it is, or refused.
    Plain,
    Join,
    Hello,
    Signal,
    Moderate,
    Other,
}

impl Audit {
    /// A client has sent a text; what the hub answers comes until [`Audit::answered`].
    pub(crate) fn request(&mut self, slot: usize, text: &str) {
        let conn = self.readers[slot].as_ref().expect("a live client").conn;
        let nothing = || Request {
            conn,
            slot,
            id: None,
            what: What::Plain,
            data: None,
            key: None,
            since: None,
            before: None,
            places: None,
            resume: None,
            wanted: None,
            action: None,
            owed: Vec::new(),
            informed: Informed::Wholly,
            echo: true,
            replies: 0,
            acked: false,
            seen: false,
        };
        let Some(asked) = Asked::read(text) else {
            self.request = Some(nothing());
            return;
        };
        let what = if asked.is("publish") {
            What::Publish
        } else if asked.is("join") {
            What::Join
        } else if asked.is("hello") {
            What::Hello
        } else if asked.is("signal") {
            What::Signal
        } else if asked.action().is_some() {
            What::Moderate
        } else {
            What::Other
        };
        let wanted = asked.room().filter(|_| what == What::Join);
        let wanted = wanted.map(|name| self.known.room(&name));
        self.request = Some(Request {
            id: asked.id().map(str::to_owned),
            what,
            data: asked.data.map(|data| data.get().to_owned()),
            key: asked.key(),
            since: asked.since(),
            before: asked.before(),
            places: asked.places(),
            resume: asked.resume(),
            wanted,
            action: asked.action(),
            echo: asked.wants_echo(),
            ..nothing()
        });
    }

    /// The hub has handled the text.
    ///
    /// # Panics
    ///
    /// If a request with an id got no reply, or more than one.
    pub(crate) fn answered(&mut self) {
        let Some(request) = self.request.take() else { return };
        self.done();
        let reader = self.readers[request.slot].as_ref();
        let closed = reader.is_none_or(|reader| reader.conn != request.conn);
        if !closed && request.id.is_some() {
            hold!(self.checked, OneReply, request.replies == 1, "replies to {request:?}");
        }
        if !closed {
            self.check_all_told(&request);
        }
        let publishes = matches!(request.what, What::Publish | What::Plain);
        if !closed && publishes && request.replies == 0 && !request.seen {
            let rooms = self.readers[request.slot].iter().flat_map(|reader| &reader.rooms);
            for log in rooms.filter_map(|member| self.known.last_log(member.room)) {
                self.logs[log as usize].unseen = true;
            }
        }
    }

    pub(super) fn count_reply(&mut self, conn: ConnId, frame: &Frame<'_>) {
        let request = self.request.as_mut().filter(|request| request.conn == conn);
        let request = request.unwrap_or_else(|| panic!("{conn:?} asked nothing: {frame:?}"));
        let id = raw_id(frame);
        let same = id == request.id.as_deref();
        hold!(self.checked, OneReply, same, "the id of {frame:?}, asked {request:?}");
        request.replies += 1;
        request.acked |= frame.kind == Kind::Ack;
    }
}
