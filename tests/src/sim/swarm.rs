//! What can happen at all in a run, and how often. Each run draws it anew: a mix that is always the
//! same hides what happens only when one kind of fault is rare, or alone.

use std::time::Duration;

use fastrand::Rng;
use roundtable::{AfterDrain, Auth, Config, RunAhead};

use crate::generator::Limits;

/// The faults and weights of one run.
#[derive(Clone, Debug)]
pub(super) struct Swarm {
    pub(super) config: Config,
    /// How many clients have each habit, as weights.
    pub(super) habits: [u32; Habit::ALL.len()],
    /// The mean time between two things that a client does.
    pub(super) every: Duration,
    /// The mean time that a client stays.
    pub(super) stay: Duration,
    /// The mean time between two faults of the hub's machine, if there are any.
    pub(super) faults: Option<Duration>,
    /// The longest that the network takes.
    pub(super) latency: Duration,
    /// How often, in a thousand, something comes in a burst of many clients.
    pub(super) bursts: u32,
    /// How often, in a thousand, a client does something else than talk.
    pub(super) else_than_talk: u32,
    /// How often, in a thousand, a message goes to everybody's room.
    pub(super) lobby: u32,
    /// How often an act is followed by a decision of the operator, in a thousand.
    pub(super) decisions: u32,
    /// How often a client does what takes a token, in a thousand.
    pub(super) moderations: u32,
    /// How long a message is at the most, in letters.
    pub(super) letters: usize,
}

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Talks, and reads what it is sent.
    Prompt,
    /// Reads slowly.
    Slow,
    /// Takes nothing, or a little now and then.
    Never,
    /// Does not answer pings.
    Mute,
    /// Goes away without a word.
    Vanishing,
    /// Sends as much as it can.
    Flooding,
    /// Sends what is no request.
    Malformed,
    /// Does everything that a client should not.
    Hostile,
}

impl Habit {
    pub(super) const ALL: [Self; 8] = [
        Self::Prompt,
        Self::Slow,
        Self::Never,
        Self::Mute,
        Self::Vanishing,
        Self::Flooding,
        Self::Malformed,
        Self::Hostile,
    ];
}

impl Swarm {
    /// People who chat: everybody reads, a few networks are slow, a few connections are lost.
    pub(super) fn chat() -> Self {
        Self {
            config: Config::default(),
            habits: [94, 2, 0, 1, 2, 0, 1, 0],
            every: Duration::from_mins(1),
            stay: Duration::from_mins(30),
            faults: Some(Duration::from_hours(6)),
            latency: Duration::from_millis(300),
            bursts: 2,
            else_than_talk: 30,
            lobby: 20,
            decisions: 1,
            moderations: 0,
            letters: 200,
        }
    }

    /// The same people on the way: most of what is lost is lost without a word, and they come back
    /// within a minute.
    pub(super) fn roam() -> Self {
        Self {
            habits: [30, 2, 0, 1, 65, 0, 1, 0],
            every: Duration::from_secs(15),
            stay: Duration::from_secs(20),
            else_than_talk: 100,
            ..Self::chat()
        }
    }

    /// Faults of every kind, some of them off, the others weighted wildly.
    pub(super) fn draw(clients: u16, rng: &mut Rng) -> Self {
        let mut habits = [0; Habit::ALL.len()];
        for weight in &mut habits {
            *weight = if rng.bool() { wild(rng, 1, 100) } else { 0 };
        }
        habits[0] += 5;
        let maybe = |rng: &mut Rng, most| if rng.bool() { wild(rng, 1, most) } else { 0 };
        Self {
            config: config(clients, rng),
            habits,
            // From a text in two seconds to ten in one, of all together.
            every: Duration::from_millis(wild(rng, 100, 2000).into()) * u32::from(clients),
            stay: Duration::from_secs(wild(rng, 5, 3600).into()),
            faults: rng.bool().then(|| Duration::from_secs(wild(rng, 60, 7200).into())),
            latency: Duration::from_millis(maybe(rng, 5000).into()),
            bursts: maybe(rng, 200),
            else_than_talk: wild(rng, 5, 900),
            lobby: maybe(rng, 500),
            decisions: maybe(rng, 100),
            letters: usize::try_from(wild(rng, 2, 400)).expect("few letters"),
            moderations: maybe(rng, 100),
        }
    }
}

/// A number from `least` to `most` whose size, and not only whose value, is by chance.
fn wild(rng: &mut Rng, least: u32, most: u32) -> u32 {
    let sizes = (most / least).max(1).ilog2();
    let low = least << rng.u32(0..=sizes);
    rng.u32(low.min(most)..=(2 * low).min(most))
}

/// Limits that are met by `clients` in one run, and not in the next.
fn config(clients: u16, rng: &mut Rng) -> Config {
    let clients = usize::from(clients);
    let base = match rng.u8(0..4) {
        0 => Config::default(),
        1 => Limits::Tiny.config(),
        2 => Limits::TinyBehind.config(),
        _ => Config { run_ahead: RunAhead::One, ..Config::default() },
    };
    let around = |rng: &mut Rng| rng.usize(clients / 2..=clients * 2).max(1);
    Config {
        max_sessions: around(rng),
        max_rooms: rng.usize(2..=64),
        rooms_per_session: rng.usize(1..=4),
        members_per_room: around(rng),
        budget_bytes: base.window_bytes * rng.usize(1..=clients),
        tick_work: rng.usize(1..=256),
        turn_events: rng.usize(1..=base.turn_events),
        presence_list: rng.usize(0..=base.presence_list.min(clients)),
        presence_tick: Duration::from_millis(rng.u64(1..=2000)),
        presence_linger: Duration::from_secs(rng.u64(0..=30)),
        journal: rng.bool(),
        after_drain: if rng.bool() { AfterDrain::Wait } else { AfterDrain::End },
        auth: if rng.u8(0..4) == 0 { Auth::Optional } else { Auth::Off },
        sessions_per_user: around(rng),
        auth_grace: Duration::from_secs(rng.u64(0..=10)),
        ..base
    }
}
