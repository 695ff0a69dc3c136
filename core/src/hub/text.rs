//! What a client's text asks for. This file does not know how rooms work.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::resume::Resumed;
use super::{Gone, Hub};
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::config::PlainText;
use crate::event::{ConnId, Framing};
use crate::name::Name;
use crate::protocol::{ErrorCode, Frame, Id, Reply, Request, json_string};
use crate::session::Greeted;
use crate::totals::Limit;

/// Refusals without `id` are told this often at the most.
const TOLD_EVERY: Duration = Duration::from_secs(1);

impl Hub {
    pub(super) fn text(&mut self, conn: ConnId, text: &str, out: &mut Vec<Command>) {
        if let Some(slot) = self.state.sessions.find(conn) {
            self.state.sessions[slot].link.heard = self.awake();
            self.counts.texts += 1;
            self.counts.text_bytes += text.len() as u64;
            let _closed_by_its_own_text = self.take_text(slot, text, out);
        }
    }

    pub(super) fn binary(&mut self, conn: ConnId, out: &mut Vec<Command>) {
        if let Some(slot) = self.state.sessions.find(conn) {
            self.close(slot, CloseCode::NoBinary, Queue::Flush, out);
        }
    }

    /// Tells the client that its request failed.
    pub(super) fn refuse(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        code: ErrorCode,
        message: impl Into<Cow<'static, str>>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        self.refuse_for(slot, id, code, message.into(), None, out)
    }

    fn take_text(&mut self, slot: u32, text: &str, out: &mut Vec<Command>) -> Result<(), Gone> {
        if let Some(code) = self.overdue(slot) {
            self.close_overdue(slot, code, out);
            return Err(Gone);
        }
        if text.len() > self.config.max_message_bytes {
            self.counts.hit(Limit::MaxMessageBytes);
            self.close(slot, CloseCode::TooBig, Queue::Flush, out);
            return Err(Gone);
        }
        if let Some(wait) = self.charge(slot, text.len() as u64) {
            return self.limit(slot, text, wait, out);
        }
        if self.state.sessions[slot].link.waiting.is_some() {
            return self.wait(slot, text, out);
        }
        self.read_text(slot, text, out)
    }

    /// Reads a text that may pass.
    pub(super) fn read_text(
        &mut self,
        slot: u32,
        text: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let session = &self.state.sessions[slot];
        let plain = session.link.framing == Framing::Lenient
            && self.config.plain_text == PlainText::Publish;
        if plain && !text.trim_start().starts_with('{') {
            return self.take_plain(slot, text, out);
        }
        match Frame::parse(text, self.config.max_depth) {
            Ok(frame) => self.take_frame(slot, frame, text, out),
            Err(refusal) => self.refuse(slot, refusal.id, refusal.code, refusal.message, out),
        }
    }

    fn take_frame(
        &mut self,
        slot: u32,
        Frame { id, request }: Frame<'_>,
        text: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.owes(slot) && !request.needs_no_token() {
            return self.refuse(slot, id, ErrorCode::Unauthorized, "show a token first", out);
        }
        match request {
            Request::Hello { token: Some(token), .. } => {
                self.show(slot, id, ("token", &token), text, out)
            }
            Request::Hello { resume: Some(_), .. } if self.drain.is_some() => {
                self.refuse(slot, id, ErrorCode::Draining, "the server stops", out)
            }
            Request::Hello { name, token: None, resume, since } => {
                let claims = self.state.sessions[slot].claims();
                let back = resume.as_deref().and_then(|of| self.find_lost(slot, of, claims));
                if let Some(back) = back {
                    return self.come_back(slot, back, id, since.as_ref(), None, out);
                }
                self.counts.not_resumed += u64::from(resume.is_some());
                self.hello(slot, id, name, out)
            }
            Request::Auth { token } => self.show(slot, id, ("auth", &token), text, out),
            Request::Join { room, since, echo } => {
                self.join(slot, id, &room, since.as_ref(), echo, out)
            }
            Request::Leave { room } => self.leave(slot, id, &room, out),
            Request::Publish { room, key, data } => {
                self.publish(slot, id, (&room, key.as_deref()), data.get(), out)
            }
            Request::Signal { room, key, data } => {
                self.signal(slot, id, (&room, &key), data.get(), out)
            }
            Request::History { room, before, limit } => {
                self.history(slot, id, &room, before.as_ref(), limit, out)
            }
            Request::Presence { room } => self.presence(slot, id, &room, out),
            Request::Kick { room, user } => self.kick(slot, id, (&room, &user), out),
            Request::Ban { room, user, span } => self.ban(slot, id, (&room, &user), span, out),
            Request::Remove { room, seq } => self.remove(slot, id, (&room, seq), out),
            Request::Ping => {
                let text = Reply::Pong { id, ts: self.wall_ms() }.text();
                self.tell(slot, text, out)
            }
            Request::Bye => {
                self.close(slot, CloseCode::Normal, Queue::Flush, out);
                Err(Gone)
            }
        }
    }

    /// Publishes a line of plain text to the room joined last.
    fn take_plain(&mut self, slot: u32, text: &str, out: &mut Vec<Command>) -> Result<(), Gone> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            return Ok(());
        }
        let data = json_string(line);
        let most = self.config.max_message_bytes;
        if data.len() > most {
            self.counts.hit(Limit::MaxMessageBytes);
            let message =
                format!("the text takes {} bytes as JSON, at most {most} are taken", data.len());
            return self.refuse(slot, None, ErrorCode::TooLarge, message, out);
        }
        if self.owes(slot) {
            return self.refuse(slot, None, ErrorCode::Unauthorized, "show a token first", out);
        }
        let Some(last) = self.state.sessions[slot].memberships.last() else {
            return self.refuse(slot, None, ErrorCode::NotJoined, "join a room first", out);
        };
        let room = self.state.rooms[last.room].name.clone();
        self.publish(slot, None, (room.as_str(), None), &data, out)
    }

    fn hello(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        name: Option<Name>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.owes(slot) {
            return self.refuse(slot, id, ErrorCode::Unauthorized, "show a token first", out);
        }
        let session = &self.state.sessions[slot];
        if session.greeted == Greeted::Joined {
            let message = "`hello` comes before the first `join`; connect with `?room=`";
            return self.refuse(slot, id, ErrorCode::BadType, message, out);
        }
        // A token decides the name.
        if let Some(name) = name.filter(|_| session.claims().is_none())
            && name != session.user
        {
            if self.is_taken(&name) {
                let message = format!("`name`: {name} is taken");
                return self.refuse(slot, id, ErrorCode::BadField, message, out);
            }
            self.state.sessions.rename(slot, name);
        }
        self.welcome(slot, id, Resumed::No, out)
    }

    /// Counts a text against the rate limits; if it may not pass, tells how long it should wait.
    fn charge(&mut self, slot: u32, bytes: u64) -> Option<Duration> {
        let (now, limits) = (self.now, self.limits);
        let session = &mut self.state.sessions[slot];
        let by_number = session.messages.wait(now, limits.messages, 1);
        let by_bytes = session.bytes.wait(now, limits.bytes, bytes);
        let wait = by_number.max(by_bytes);
        if !wait.is_zero() {
            let is_by_number = by_number >= by_bytes;
            self.counts.hit(if is_by_number {
                Limit::MessagesPerSecond
            } else {
                Limit::BytesPerSecond
            });
            return Some(wait);
        }
        session.messages.take(now, limits.messages, 1);
        session.bytes.take(now, limits.bytes, bytes);
        None
    }

    /// Refuses a text that came too early. Who goes on like that is closed.
    fn limit(
        &mut self,
        slot: u32,
        text: &str,
        wait: Duration,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let (now, strikes) = (self.now, self.limits.strikes);
        let session = &mut self.state.sessions[slot];
        if !session.strikes.wait(now, strikes, 1).is_zero() {
            self.counts.hit(Limit::RateLimitStrikes);
            self.close(slot, CloseCode::RateLimited, Queue::Flush, out);
            return Err(Gone);
        }
        session.strikes.take(now, strikes, 1);
        let message = format!(
            "{} messages at once, then {} a second; {} bytes at once, then {} a second",
            self.config.message_burst,
            self.config.messages_per_second,
            self.config.byte_burst,
            self.config.bytes_per_second,
        );
        let id = Id::peek(text, self.config.max_depth);
        self.refuse_for(slot, id, ErrorCode::RateLimited, message.into(), Some(wait), out)
    }

    /// Tells the client that its request failed, and when it need not fail any more.
    pub(super) fn refuse_for(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        code: ErrorCode,
        message: Cow<'static, str>,
        wait: Option<Duration>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if id.is_none() {
            let now = self.now;
            let refused = &mut self.state.sessions[slot].refused;
            if refused.is_some_and(|last| now.saturating_since(last) < TOLD_EVERY) {
                self.counts.untold += 1;
                return Ok(());
            }
            *refused = Some(now);
        }
        let text = Reply::Error {
            id,
            code,
            message,
            retry: code.retry(),
            retry_after_ms: wait.map(whole_millis),
        }
        .text();
        self.tell_error(slot, code, text, out)
    }

    /// Tells of an error, and counts it.
    pub(super) fn tell_error(
        &mut self,
        slot: u32,
        code: ErrorCode,
        text: String,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        self.tell(slot, text, out)?;
        self.counts.errors[code as usize] += 1;
        Ok(())
    }
}

/// The span in milliseconds, rounded up: not too early.
fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
