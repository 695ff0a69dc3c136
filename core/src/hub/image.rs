//! From a hub to all that it is, and back. This file does not know how an image is written down.

use alloc::vec::Vec;

use super::snapshot::{MOST, contradiction, restore_rooms, seats};
use super::{Hub, State};
use crate::addresses::Addresses;
use crate::config::Config;
use crate::credential::Proof;
use crate::event::{ConnId, Framing};
use crate::image::{Image, Seen};
use crate::keys::Keys;
use crate::session::{Session, Sessions};
use crate::snapshot::{LostRoom, RestoreError};
use crate::timers::Timer;

/// A connection, as far as a driver knows it: what one who takes the place of another must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its number.
    pub conn: ConnId,
    /// How its texts are read.
    pub framing: Framing,
    /// What it was sent that had not left the queue at the last report, in frame bytes.
    pub outstanding: u64,
    /// The part of it that was sent since the last `Flushed`.
    pub in_turn: u64,
}

impl Hub {
    /// All that the hub is.
    ///
    /// It costs time and memory in proportion to what there is; the texts are shared with the hub.
    pub fn image(&self) -> Image {
        let State { sessions, rooms, keys, bans, addresses, lagging, .. } = &self.state;
        let seen = |(slot, session): (u32, &Session)| Seen {
            slot,
            named: sessions.holder(&session.user) == Some(slot),
            session: session.clone(),
            flow: session.is_connected().then(|| *sessions.flow(slot)),
        };
        Image {
            origin: self.origin,
            now: self.now,
            away: self.away,
            woke: self.woke,
            turn: self.turn,
            epochs: self.epochs,
            begun: self.begun,
            sent: self.sent,
            drain: self.drain.clone(),
            rooms: rooms.iter().map(|(slot, room)| LostRoom::of(slot, room)).collect(),
            free_rooms: rooms.free().to_vec(),
            sessions: sessions.iter().map(seen).collect(),
            free_sessions: sessions.free().to_vec(),
            keys: keys.iter().map(|(key, kept)| (key.clone(), kept)).collect(),
            keys_armed: keys.armed,
            bans: bans.iter().map(|(ban, end)| (ban.clone(), end)).collect(),
            bans_armed: bans.armed,
            addresses: addresses.iter().map(|(slot, of)| (slot, of.clone())).collect(),
            free_addresses: addresses.free().to_vec(),
            addresses_armed: addresses.armed,
            lagging: lagging.clone(),
        }
    }

    /// The hub that `image` was made of: it gives the same commands to the same events, at the same
    /// deadlines, as long as `config` is the same. What it has done is counted anew.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid, or no hub can have made the image.
    pub fn from_image(config: Config, image: Image) -> Result<Self, RestoreError> {
        let mut hub = Self::new(config, image.origin)?;
        (hub.now, hub.away, hub.woke) = (image.now, image.away, image.woke);
        (hub.turn, hub.epochs, hub.begun) = (image.turn, image.epochs, image.begun);
        (hub.sent, hub.drain) = (image.sent, image.drain);
        if [hub.turn, hub.epochs, hub.begun].iter().any(|count| *count >= MOST)
            || !hub.sent.is_sound(hub.turn, MOST)
        {
            return contradiction("it counts more than there can be");
        }
        if hub.drain.as_ref().is_some_and(|drain| !drain.is_sound()) {
            return contradiction("a drain has come further than it can");
        }
        hub.restore_everybody(image.sessions, image.free_sessions, image.rooms, image.free_rooms)?;
        let State { keys, bans, addresses, calendar, sessions, lagging, .. } = &mut hub.state;
        *keys = Keys::restored(image.keys.into_iter())
            .ok_or(RestoreError::Contradiction("a key is kept twice"))?;
        image.bans.into_iter().for_each(|(ban, end)| bans.set(ban, end));
        *addresses = Addresses::restored(image.addresses, image.free_addresses)
            .ok_or(RestoreError::Contradiction("two addresses have the same key or slot"))?;
        if !addresses.are_held_by(sessions.iter().filter_map(|(_, session)| session.link.hold)) {
            return contradiction("an address has other connections than it counts");
        }
        let timers = [
            (&mut keys.armed, Timer::Keys, image.keys_armed),
            (&mut bans.armed, Timer::Bans, image.bans_armed),
            (&mut addresses.armed, Timer::Addresses, image.addresses_armed),
        ];
        for (armed, timer, at) in timers {
            if let Some(at) = at {
                calendar.arm(armed, timer, at);
            }
        }
        *lagging = image.lagging;
        let mut waiting = lagging.ready.iter().chain(&lagging.covering);
        if !waiting.all(|slot| sessions.get(*slot).is_some_and(Session::is_connected)) {
            return contradiction("somebody without a connection waits for room");
        }
        Ok(hub)
    }

    /// Every connection.
    pub fn connections(&self) -> impl Iterator<Item = Connection> + '_ {
        let sessions = self.state.sessions.iter().filter(|(_, session)| session.is_connected());
        sessions.map(|(slot, session)| {
            let (outstanding, in_turn) = self.state.sessions.flow(slot).outstanding(self.turn);
            let (conn, framing) = (session.link.conn, session.link.framing);
            Connection { conn, framing, outstanding, in_turn }
        })
    }

    /// The limits that the hub keeps to.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its time and its chances began.
    pub fn origin(&self) -> super::Origin {
        self.origin
    }

    /// The sessions, connected or not, and the rooms that they are in.
    fn restore_everybody(
        &mut self,
        seen: Vec<Seen>,
        free: Vec<u32>,
        rooms: Vec<LostRoom>,
        free_rooms: Vec<u32>,
    ) -> Result<(), RestoreError> {
        let named: Vec<u32> = seen.iter().filter(|of| of.named).map(|of| of.slot).collect();
        let flows: Vec<_> = seen.iter().map(|of| (of.slot, of.flow)).collect();
        let sessions: Vec<_> = seen.into_iter().map(|of| (of.slot, of.session)).collect();
        let seats = seats(&sessions)?;
        restore_rooms(rooms, free_rooms, seats, self)?;
        self.state.sessions = Sessions::restored(sessions, &named, free)
            .ok_or(RestoreError::Contradiction("two sessions have the same name or slot"))?;
        for (slot, flow) in flows {
            let State { sessions, waking, calendar, unverified, .. } = &mut self.state;
            let session = &mut sessions[slot];
            let link = &session.link;
            if link.pings >= MOST || link.waiting.as_ref().is_some_and(|of| !of.is_sound()) {
                return contradiction("it counts more than there can be");
            }
            let has_ended = link.hold.is_none() && link.waiting.is_none() && !link.is_unverified;
            if flow.is_some() != session.is_connected() || (flow.is_none() && !has_ended) {
                return contradiction("a connection is there, and is gone");
            }
            *unverified += usize::from(link.is_unverified);
            if let Some(at) = session.armed.take() {
                waking.arm(&mut session.armed, Timer::Session(slot), at);
            }
            if let Some(credential) = &mut session.credential
                && let Some(at) = credential.armed.take()
            {
                let timers = match credential.proof {
                    Proof::Owed { .. } => waking,
                    Proof::Token { .. } => calendar,
                };
                timers.arm(&mut credential.armed, Timer::Credential(slot), at);
            }
            let Some(flow) = flow else { continue };
            let is_its_own = flow.conn == session.link.conn;
            if !is_its_own || !flow.is_sound(self.config.run_ahead, self.turn, MOST) {
                return contradiction("more has left a queue than was sent");
            }
            *sessions.flow_mut(slot) = flow;
            if flow.backlog > 0 {
                self.state.backlogs.insert((flow.backlog, slot));
            }
            self.state.reported = self.state.reported.saturating_add(flow.backlog);
        }
        if self.state.reported >= MOST {
            return contradiction("it counts more than there can be");
        }
        Ok(())
    }
}
