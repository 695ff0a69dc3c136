//! Turns and time: events go in, commands are carried out, sockets are offered what was commanded,
//! and time goes exactly to the next thing that happens. This file does not know what scripts are.

use std::cmp::Reverse;
use std::time::Duration;

use roundtable::{Auth, Command, ConnId, Event, Recipients, Timestamp, Verdict, frame_len};

use super::{Driver, Observer, SLOT_BITS, What};
use crate::audit::{Frame, Kind};
use crate::generator::claims;
use crate::invariant::hold;
use crate::socket::rates;
use crate::subject::Subject;

/// More turns than any moment needs before the machine has nothing more to say.
const MOST_TURNS: usize = 200_000;

/// More wakes than any span needs in which a step waits.
const MOST_WAKES: usize = 10_000_000;

/// A driver forgets what a client has received when it knows of this many places.
const MOST_PLACES: usize = 64;

impl<M: Subject, O: Observer> Driver<M, O> {
    /// Hands an event to the machine, and carries out its commands; ends the turn where it is full.
    pub(super) fn hand_in(&mut self, event: &Event) {
        self.handle(event);
        self.turn_events += 1;
        let full = self.turn_events >= self.config.turn_events;
        if full || self.turn_bytes >= self.config.turn_bytes {
            self.end_turn();
        }
    }

    fn handle(&mut self, event: &Event) {
        let mut commands = core::mem::take(&mut self.commands);
        self.audit.clock(self.clock(), self.punctual);
        let about = conn_of(event);
        if let (Event::Flushed, Some(journal)) = (event, &mut self.journal) {
            journal.settle();
        }
        let is_live = about.is_none_or(|conn| self.is_live(slot_of(conn), conn));
        self.count_event(event);
        self.machine.handle(self.now, event.clone(), &mut commands);
        self.handled_at = self.now;
        self.figures.events += u64::from(!matches!(event, Event::Flushed));
        self.commanded |= !commands.is_empty();
        let after = commands.iter().skip(1).any(|of| matches!(of, Command::Append { .. }));
        hold!(self.audit.checked, Journaled, !after, "{event:?} gave {commands:?}");
        if let Event::Connect { conn, peer, .. } = event {
            self.audit.entered(*conn, peer, &commands);
        }
        let mut passed = false;
        for command in &commands {
            passed |= self.carry_out(command);
        }
        self.observer.observe(self.clock(), event, &commands);
        self.check_closed(event, &commands);
        while let Some(conn) = self.to_verify.pop() {
            passed |= self.verify(conn);
        }
        if !is_live {
            let nothing = commands
                .iter()
                .all(|command| matches!(command, Command::Append { .. } | Command::Drained));
            hold!(self.audit.checked, KnownConnections, nothing, "{event:?} gave {commands:?}");
        } else if let Event::Text { conn, text } = event {
            self.audit.answered();
            if passed {
                self.check_rate(slot_of(*conn), *conn, text.len());
            }
        }
        if matches!(event, Event::Admin { .. }) {
            self.audit.done();
        }
        commands.clear();
        self.commands = commands;
    }

    fn count_event(&mut self, event: &Event) {
        let is_known = conn_of(event).is_some_and(|conn| self.machine.queued_for(conn).is_some());
        self.tally.event(event, is_known);
    }

    /// Carries out a command, and says whether it shows that a text passed the rate limits.
    fn carry_out(&mut self, command: &Command) -> bool {
        assert!(!self.drained, "{command:?} after Drained");
        self.tally.command(command);
        match command {
            Command::Refuse { conn, .. } => {
                let slot = self.named(*conn, command);
                assert!(!self.audit.is_greeted(slot), "{command:?} after its welcome");
                self.forget(slot);
            }
            Command::Send { to, text } => return self.deliver(to, text, command),
            Command::Ping { conn } => {
                let slot = self.named(*conn, command);
                self.check_ping(slot);
                self.stage(slot, frame_len(0));
                let awake = self.clock().awake;
                let socket = self.socket(slot);
                socket.note_ping();
                socket.pinged_at = Some(awake);
            }
            Command::Verify { conn, .. } => {
                assert!(self.config.auth != Auth::Off, "{command:?} though `auth` is off");
                self.named(*conn, command);
                self.to_verify.push(*conn);
            }
            Command::Close { conn, code, queue } => {
                let slot = self.named(*conn, command);
                self.close(slot, *code, *queue);
            }
            Command::Append { batch } => {
                let journal = self.journal.as_mut();
                journal.expect("nobody asked for a journal").append(batch);
            }
            Command::Drained => {
                assert!(self.drain.is_some(), "Drained without a drain");
                assert_eq!(self.live, 0, "Drained though somebody is connected");
                self.drained = true;
            }
        }
        false
    }

    /// Says at once what a token is worth.
    fn verify(&mut self, conn: ConnId) -> bool {
        let slot = slot_of(conn);
        let now_ms = self.origin.wall_clock_ms + self.now_ms();
        self.verified += 1;
        let claims =
            self.socket(slot).client.and_then(|client| claims(client, self.verified, now_ms));
        if O::KNOWS_NO_LAGGING {
            // Who may see by now who is in a room is told when the turn is over, and lags so long.
            self.turn_events = self.config.turn_events;
        }
        self.audit.shown(slot, claims.clone());
        let verdict = claims.map_or(Verdict::Invalid, Verdict::Valid);
        let (event, mut commands) = (Event::Verified { conn, verdict }, Vec::new());
        self.count_event(&event);
        self.machine.handle(self.now, event.clone(), &mut commands);
        self.handled_at = self.now;
        let mut passed = false;
        for command in &commands {
            passed |= self.carry_out(command);
        }
        self.observer.observe(self.clock(), &event, &commands);
        self.check_closed(&event, &commands);
        self.audit.nothing_shown();
        passed
    }

    fn deliver(&mut self, to: &Recipients, text: &str, command: &Command) -> bool {
        let frame = Frame::read(text);
        let now_ms = self.origin.wall_clock_ms + self.now_ms();
        let first = to.iter().next().map(slot_of);
        let note = self.audit.told(&frame, text, now_ms, first);
        if let Recipients::Many { list, except: Some(conn) } = to {
            assert!(
                list.contains(conn),
                "{conn:?} is not on the list it is left out of: {command:?}"
            );
        }
        let gaps = frame.kind == Kind::Gap || frame.gap.is_some();
        let bytes = frame_len(text.len());
        self.sends += 1;
        let sends = self.sends;
        let mut recipients = 0;
        for conn in to.iter() {
            recipients += 1;
            let slot = self.named(conn, command);
            self.stage(slot, bytes);
            let (window, now) = (self.config.window_bytes, self.now);
            let socket = self.socket(slot);
            assert!(socket.last_send != sends, "{conn:?} is twice in one list");
            socket.last_send = sends;
            if let Some((room, log, seq)) = note.place {
                socket.stage_place(room, log, seq, now);
            }
            let held = socket.held();
            hold!(
                self.audit.checked,
                Bounded,
                held <= window,
                "{conn:?} has {held} bytes queued: {command:?}"
            );
            self.audit.given(slot, &frame, note);
            if frame.kind == Kind::Welcome {
                self.welcomed(slot, &frame);
            }
        }
        self.tally.frame(&frame, bytes, recipients);
        let recipients = recipients as u64;
        self.figures.deliveries += recipients;
        self.figures.gaps += u64::from(gaps) * recipients;
        if matches!(frame.kind, Kind::Message | Kind::Gap) {
            let (held, most) = (self.held, self.config.budget_bytes);
            hold!(self.audit.checked, Bounded, held <= most, "{held} bytes are queued in all");
        }
        match frame.kind {
            Kind::Error => frame.word() != "rate_limited",
            Kind::Bye => false,
            _ => true,
        }
    }

    /// The client in `slot` was given a session.
    fn welcomed(&mut self, slot: usize, frame: &Frame<'_>) {
        let session = frame.session.as_deref().unwrap_or_default();
        self.figures.resumed += u64::from(frame.resumed == Some(true));
        let Some(client) = self.socket(slot).client else { return };
        let [last, before] = &mut self.clients[usize::from(client)].sessions;
        if last != session {
            *before = core::mem::replace(last, session.to_owned());
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.now.since_start().as_millis()).expect("few millions of years")
    }

    fn named(&mut self, conn: ConnId, command: &Command) -> usize {
        let slot = slot_of(conn);
        let is_live = slot < self.sockets.len() && self.is_live(slot, conn);
        hold!(self.audit.checked, KnownConnections, is_live, "{conn:?} is not there: {command:?}");
        slot
    }

    fn stage(&mut self, slot: usize, bytes: usize) {
        self.socket(slot).stage(bytes);
        self.held += bytes;
        self.touch(slot);
    }

    fn check_rate(&mut self, slot: usize, conn: ConnId, bytes: usize) {
        if !self.is_live(slot, conn) {
            return;
        }
        let (now, rates) = (self.now, rates(&self.config, bytes));
        let socket = self.sockets[slot].as_mut().expect("it is live");
        for (debt, (tokens, burst, per_second)) in socket.passed.iter_mut().zip(rates) {
            let within = debt.add(now, tokens, burst, per_second);
            hold!(self.audit.checked, RateLimited, within, "{conn:?} at {now:?}: {debt:?}");
        }
    }

    /// The end of a turn: the sockets are offered what the turn gave, the levels are reported.
    pub(super) fn end_turn(&mut self) {
        self.turn_events = 0;
        self.turn_bytes = 0;
        self.commanded = false;
        let mut slots = core::mem::take(&mut self.touched);
        slots.extend(self.looks_due().collect::<Vec<_>>());
        let mut read = Vec::new();
        for &slot in &slots {
            self.offer(slot, &mut read);
        }
        for &slot in &slots {
            self.report(slot);
        }
        self.handle(&Event::Flushed);
        let (reported, most) = (self.reported, self.config.budget_bytes);
        hold!(self.audit.checked, Bounded, reported <= most, "{reported} bytes are reported");
        for &slot in &slots {
            self.check_figure(slot);
        }
        for (slot, conn) in read {
            if self.is_live(slot, conn) {
                let there_and_back = self.socket(slot).latency * 2;
                self.post_after(slot, there_and_back, What::Heard);
            }
        }
    }

    /// Slots where nothing was sent, and that must be looked at all the same.
    fn looks_due(&self) -> impl Iterator<Item = usize> + '_ {
        let due = self.looks.iter().take_while(|(at, _)| *at <= self.now).map(|(_, slot)| *slot);
        due.filter(|slot| self.sockets[*slot].as_ref().is_some_and(|socket| !socket.touched))
    }

    fn offer(&mut self, slot: usize, read: &mut Vec<(usize, ConnId)>) {
        let Some(socket) = &mut self.sockets[slot] else { return };
        socket.touched = false;
        let before = socket.held();
        socket.offer(self.config.run_ahead, self.now);
        self.held -= before - socket.held();
        for _ in 0..socket.pings_read() {
            read.push((slot, socket.conn));
        }
        let (uncovered, places) = (socket.is_uncovered(), socket.places());
        if uncovered {
            self.touch(slot);
        }
        if places > MOST_PLACES {
            self.receive(slot);
        }
    }

    fn report(&mut self, slot: usize) {
        let clock = self.clock();
        // An earlier report may have closed it.
        let Some(socket) = &mut self.sockets[slot] else { return };
        let (conn, before) = (socket.conn, socket.reported);
        let level = socket.report(clock);
        let look_at = socket.next_look();
        let looked_at = core::mem::replace(&mut socket.look_at, look_at);
        if look_at != looked_at {
            if let Some(at) = looked_at {
                self.looks.remove(&(at, slot));
            }
            if let Some(at) = look_at {
                self.looks.insert((at, slot));
            }
        }
        if let Some(bytes) = level {
            self.reported = self.reported - before + bytes;
            self.handle(&Event::Backlog { conn, bytes });
        }
    }

    fn check_figure(&mut self, slot: usize) {
        let Some(socket) = &self.sockets[slot] else { return };
        let (believed, held) = (socket.believed(), socket.held());
        let figure = self.machine.queued_for(socket.conn);
        let same = figure == Some(believed) && believed >= held;
        hold!(
            self.audit.checked,
            Bounded,
            same,
            "the hub counts {figure:?}, the driver {believed} and holds {held}: {socket:?}"
        );
    }

    /// Turns and ticks until there is nothing to do before time passes.
    pub(super) fn quiesce(&mut self) {
        for _ in 0..MOST_TURNS {
            let idle = self.turn_events == 0 && self.touched.is_empty() && !self.commanded;
            if !idle || self.looks_due().next().is_some() {
                self.end_turn();
            }
            if self.drained {
                return;
            }
            let due = self.machine.next_deadline().is_some_and(|deadline| deadline <= self.now);
            if due {
                self.hand_in(&Event::Tick);
            }
            let mut arrived = false;
            while let Some(Reverse(first)) = self.arrivals.peek()
                && first.at <= self.now
                && self.turn_events < self.config.turn_events
            {
                let Some(Reverse(first)) = self.arrivals.pop() else { break };
                self.arrive(first.slot, first.conn, first.what);
                arrived = true;
            }
            let idle = self.turn_events == 0 && self.touched.is_empty() && !self.commanded;
            if !due && !arrived && idle {
                self.check_liveness();
                return;
            }
        }
        hold!(self.audit.checked, DeadlinesKept, false, "never at rest: {:?}", self.machine);
    }

    pub(super) fn wait_until(&mut self, until: Timestamp) {
        self.quiesce();
        for wakes in 0.. {
            if self.now >= until || self.drained {
                break;
            }
            assert!(wakes < MOST_WAKES, "wakes all the time before {until:?}");
            let deadline = self.machine.next_deadline();
            let overdue = deadline.is_some_and(|deadline| deadline < self.now);
            hold!(self.audit.checked, DeadlinesKept, !overdue, "{deadline:?} is over");
            let look = self.looks.first().map(|(at, _)| *at);
            let arrival = self.arrivals.peek().map(|Reverse(first)| first.at);
            let next = [look, deadline, arrival].into_iter().flatten().min();
            self.now = next.map_or(until, |next| next.clamp(self.now, until));
            self.quiesce();
        }
        self.check_drained();
        // A hub that has drained waits for nothing.
        self.now = self.now.max(until);
    }

    /// The hub is not called although its time comes; then it is, and must forgive what was its
    /// own fault.
    pub(super) fn be_away(&mut self, span: Duration) {
        self.quiesce();
        let before = self.now;
        self.now = self.now + span;
        self.wake(before);
    }

    /// The hub is called for the first time since `before`.
    pub(super) fn wake(&mut self, before: Timestamp) {
        let deadline = self.machine.next_deadline();
        let late = deadline.map_or(Duration::ZERO, |deadline| self.now.saturating_since(deadline));
        if late > self.config.stall && self.now.saturating_since(before) > self.config.stall {
            self.away += late;
            self.awoke_at = self.now - self.away;
        }
        self.punctual = false;
        self.quiesce();
        self.punctual = true;
        self.check_drained();
    }
}

fn slot_of(conn: ConnId) -> usize {
    usize::try_from(conn.get() & ((1 << SLOT_BITS) - 1)).expect("a slot is small")
}

/// The connection that an event is about, but for a new one.
fn conn_of(event: &Event) -> Option<ConnId> {
    match event {
        Event::Text { conn, .. }
        | Event::Binary { conn }
        | Event::Heard { conn }
        | Event::Backlog { conn, .. }
        | Event::Verified { conn, .. }
        | Event::Disconnect { conn } => Some(*conn),
        Event::Connect { .. }
        | Event::Flushed
        | Event::Tick
        | Event::Admin { .. }
        | Event::Drain { .. } => None,
    }
}
