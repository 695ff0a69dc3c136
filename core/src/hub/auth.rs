//! Who a session is: tokens that are shown, what they allow, and how they end. This file does not
//! know how a token is verified.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::resume::Resumed;
use super::{Gone, Hub, State};
use crate::claims::{Action, Claims, Permissions};
use crate::close::CloseCode;
use crate::command::{Command, Queue};
use crate::config::Auth;
use crate::credential::{Credential, Notice, Proof, Waiting};
use crate::event::{ConnId, Verdict};
use crate::name::Name;
use crate::protocol::{ErrorCode, Frame, Id, Reply, Request};
use crate::session::Greeted;
use crate::time::Timestamp;
use crate::timers::Timer;
use crate::totals::Limit;

impl Hub {
    /// Whether the session may do `action` in `room`.
    pub(super) fn may(&self, slot: u32, action: Action, room: &str) -> bool {
        match self.state.sessions[slot].credential.as_deref() {
            None => Permissions::MEMBER.has(action),
            Some(credential) => credential.claims().is_some_and(|claims| claims.may(action, room)),
        }
    }

    /// Tells a client that it may not do what it wants.
    pub(super) fn forbid(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        self.refuse(slot, id, ErrorCode::Forbidden, "this is not allowed in the room", out)
    }

    /// Has the token of `text` verified; what comes behind it waits.
    pub(super) fn show(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        (field, token): (&str, &str),
        text: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        if self.config.auth == Auth::Off {
            let message = alloc::format!("this server does not do `{field}`");
            return self.refuse(slot, id, ErrorCode::Unsupported, message, out);
        }
        let session = &mut self.state.sessions[slot];
        let is_fresh_one = session.claims().is_some() && field == "auth";
        if session.greeted == Greeted::Joined && !is_fresh_one {
            let message = "the first token comes before the first `join`; connect with `?room=`";
            return self.refuse(slot, id, ErrorCode::BadType, message, out);
        }
        session.link.waiting = Some(Box::new(Waiting::new(text)));
        out.push(Command::Verify { conn: session.link.conn, token: token.into() });
        Ok(())
    }

    /// Lets a text wait for the verdict on the token before it.
    pub(super) fn wait(
        &mut self,
        slot: u32,
        text: &str,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let (most, most_bytes) = (self.config.waiting_frames, self.config.waiting_bytes);
        let waiting = self.state.sessions[slot].link.waiting.as_deref_mut();
        let waiting = waiting.expect("a token is verified");
        let is_full = waiting.rest.len() >= most;
        if is_full || waiting.bytes + text.len() > most_bytes {
            self.counts.hit(if is_full { Limit::WaitingFrames } else { Limit::WaitingBytes });
            let id = Id::peek(text, self.config.max_depth);
            let message = "wait for the answer to the token";
            return self.refuse(slot, id, ErrorCode::Overloaded, message, out);
        }
        waiting.push(text.into());
        Ok(())
    }

    /// The driver has verified a token: the frame that brought it is answered, then those that wait.
    pub(super) fn verified(&mut self, conn: ConnId, verdict: Verdict, out: &mut Vec<Command>) {
        let Some(slot) = self.state.sessions.find(conn) else { return };
        let Some(waiting) = self.state.sessions[slot].link.waiting.take() else { return };
        let Waiting { first, rest, .. } = *waiting;
        let _closed_by_its_token = self.judge(slot, &first, verdict, out);
        for text in rest {
            // It may be another session's connection by now, and may wait again.
            let Some(slot) = self.state.sessions.find(conn) else { return };
            match &mut self.state.sessions[slot].link.waiting {
                Some(waiting) => waiting.push(text),
                None => _ = self.read_text(slot, &text, out),
            }
        }
    }

    /// Answers the frame that brought a token.
    fn judge(
        &mut self,
        slot: u32,
        text: &str,
        verdict: Verdict,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let Ok(Frame { id, request }) = Frame::parse(text, self.config.max_depth) else {
            return Ok(());
        };
        let claims = match verdict {
            Verdict::Valid(claims) if !self.has_expired(&claims) => claims,
            Verdict::Valid(_) | Verdict::Expired => {
                return self.reject(slot, id, ErrorCode::TokenExpired, out);
            }
            Verdict::Invalid => return self.reject(slot, id, ErrorCode::Unauthorized, out),
        };
        let known = self.state.sessions[slot].claims();
        if known.is_some_and(|known| known.user != claims.user) {
            return self.reject(slot, id, ErrorCode::Unauthorized, out);
        }
        if let Request::Hello { resume: Some(ticket), since, .. } = &request
            && let Some(back) = self.find_lost(slot, ticket, Some(&claims))
        {
            return self.come_back(slot, back, id, since.as_ref(), Some(claims), out);
        }
        let wanted_back = matches!(&request, Request::Hello { resume: Some(_), .. });
        self.counts.not_resumed += u64::from(wanted_back);
        if !self.has_place_for(slot, &claims.user) {
            let message =
                alloc::format!("a user has at most {} sessions", self.config.sessions_per_user);
            return self.refuse(slot, id, ErrorCode::SessionLimit, message, out);
        }
        let blind = self.blind_rooms(slot);
        self.admit(slot, claims, out);
        self.welcome(slot, id, Resumed::No, out)?;
        self.hold_to_claims(slot, out)?;
        self.owe_lists(slot, &blind);
        Ok(())
    }

    /// Refuses a token. Who must show one has no second try on this connection.
    fn reject(
        &mut self,
        slot: u32,
        id: Option<Id<'_>>,
        code: ErrorCode,
        out: &mut Vec<Command>,
    ) -> Result<(), Gone> {
        let (message, close) = match code {
            ErrorCode::TokenExpired => ("the token has expired", CloseCode::AuthExpired),
            _ => ("the token is not valid", CloseCode::Unauthorized),
        };
        self.refuse(slot, id, code, message, out)?;
        if self.owes(slot) {
            self.close(slot, close, Queue::Flush, out);
            return Err(Gone);
        }
        Ok(())
    }

    /// Whether the session must show a token before anything is done for it.
    pub(super) fn owes(&self, slot: u32) -> bool {
        let credential = self.state.sessions[slot].credential.as_deref();
        credential.is_some_and(|credential| matches!(credential.proof, Proof::Owed { .. }))
    }

    /// Gives the session a span in which it must show a token.
    pub(super) fn ask_for_token(&mut self, slot: u32) {
        let until = self.awake() + self.config.hello_timeout;
        let credential = Credential::new(Proof::Owed { until });
        self.state.sessions[slot].credential = Some(Box::new(credential));
        self.rearm_credential(slot);
    }

    /// Lets the session go by `claims`. A stranger who had made up the user's name loses it.
    pub(super) fn admit(&mut self, slot: u32, claims: Box<Claims>, out: &mut Vec<Command>) {
        if let Some(stranger) = self.state.sessions.holder(&claims.user)
            && stranger != slot
        {
            if self.state.sessions[stranger].is_connected() {
                self.close(stranger, CloseCode::AuthRevoked, Queue::Flush, out);
            } else {
                self.go_away(stranger);
            }
        }
        self.disarm_credential(slot);
        self.state.sessions.identify(slot, claims);
        self.count_unverified(slot);
        self.rearm_credential(slot);
    }

    /// Whether the user may have one more session, unless it is this one. The session that lost its
    /// connection first gives way.
    pub(super) fn has_place_for(&mut self, slot: u32, user: &Name) -> bool {
        let others: Vec<u32> =
            self.state.sessions.of_user(user).filter(|other| *other != slot).collect();
        if others.len() < self.config.sessions_per_user {
            return true;
        }
        self.counts.hit(Limit::SessionsPerUser);
        let sessions = &self.state.sessions;
        let lost = others.into_iter().filter_map(|of| Some((sessions[of].lost_at()?, of)));
        match lost.min() {
            Some((_, first)) => {
                self.forget(first);
                true
            }
            None => false,
        }
    }

    /// Takes the session out of rooms that it may not be in.
    pub(super) fn hold_to_claims(&mut self, slot: u32, out: &mut Vec<Command>) -> Result<(), Gone> {
        let rooms: Vec<u32> =
            self.state.sessions[slot].memberships.iter().map(|of| of.room).collect();
        for room_slot in rooms {
            let name = self.state.rooms[room_slot].name.clone();
            if !self.may(slot, Action::Join, name.as_str()) {
                self.expel(slot, room_slot, "forbidden", out)?;
            }
        }
        Ok(())
    }

    /// Why the session has to end, if it has: its token is over, or did not come.
    pub(super) fn overdue(&self, slot: u32) -> Option<CloseCode> {
        match &self.state.sessions[slot].credential.as_deref()?.proof {
            Proof::Owed { until } => (*until <= self.awake()).then_some(CloseCode::HelloTimeout),
            Proof::Token { claims, .. } => self.is_over(claims).then_some(CloseCode::AuthExpired),
        }
    }

    /// Ends a session that has to end.
    pub(super) fn close_overdue(&mut self, slot: u32, code: CloseCode, out: &mut Vec<Command>) {
        let is_owed = code == CloseCode::HelloTimeout;
        self.counts.hit(if is_owed { Limit::HelloTimeout } else { Limit::AuthGrace });
        self.close(slot, code, Queue::Flush, out);
    }

    /// Whether the token has expired, and the time for a fresh one has passed.
    pub(super) fn is_over(&self, claims: &Claims) -> bool {
        self.expiry(claims).is_some_and(|at| at + self.config.auth_grace <= self.now)
    }

    pub(super) fn has_expired(&self, claims: &Claims) -> bool {
        self.expiry(claims).is_some_and(|at| at <= self.now)
    }

    /// When the token expires, by the driver's clock.
    fn expiry(&self, claims: &Claims) -> Option<Timestamp> {
        let left = claims.expires_ms?.saturating_sub(self.origin.wall_clock_ms);
        Some(Timestamp::from_millis(left))
    }

    /// A token is over, or did not come, or its client is to be told that it has expired.
    pub(super) fn credential_is_due(&mut self, slot: u32, out: &mut Vec<Command>) {
        if let Some(credential) = &mut self.state.sessions[slot].credential {
            credential.armed = None;
        }
        if let Some(code) = self.overdue(slot) {
            return self.close_overdue(slot, code, out);
        }
        let claims = self.state.sessions[slot].claims();
        if claims.is_some_and(|claims| self.has_expired(claims)) {
            self.note_told(slot);
            let code = ErrorCode::TokenExpired;
            let message = "the token has expired: send `auth` with a fresh one".into();
            let retry = code.retry();
            let text = Reply::Error { id: None, code, message, retry, retry_after_ms: None }.text();
            if self.tell_error(slot, code, text, out).is_err() {
                return;
            }
        }
        self.rearm_credential(slot);
    }

    fn note_told(&mut self, slot: u32) {
        self.state.sessions.touch(slot);
        if let Some(credential) = &mut self.state.sessions[slot].credential
            && let Proof::Token { notice, .. } = &mut credential.proof
        {
            *notice = Notice::Given;
        }
    }

    /// Sets the credential's timer to what comes next.
    pub(super) fn rearm_credential(&mut self, slot: u32) {
        self.disarm_credential(slot);
        let Some(credential) = self.state.sessions[slot].credential.as_deref() else { return };
        let at = match &credential.proof {
            Proof::Owed { until } => Some(*until),
            Proof::Token { claims, notice } => self.expiry(claims).map(|at| match notice {
                Notice::Due => at,
                Notice::Given => at + self.config.auth_grace,
            }),
        };
        let Some(at) = at else { return };
        let State { sessions, waking, calendar, .. } = &mut self.state;
        let Some(credential) = &mut sessions[slot].credential else { return };
        let timers = match credential.proof {
            Proof::Owed { .. } => waking,
            Proof::Token { .. } => calendar,
        };
        timers.arm(&mut credential.armed, Timer::Credential(slot), at);
    }

    pub(super) fn disarm_credential(&mut self, slot: u32) {
        let State { sessions, waking, calendar, .. } = &mut self.state;
        let Some(credential) = &mut sessions[slot].credential else { return };
        let timers = match credential.proof {
            Proof::Owed { .. } => waking,
            Proof::Token { .. } => calendar,
        };
        timers.disarm(&mut credential.armed, Timer::Credential(slot));
    }
}
