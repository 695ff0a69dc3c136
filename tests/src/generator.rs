//! Scripts: what happens to a hub, step by step. One generator for every use: the properties draw
//! scripts from strategies, the fuzzer decodes them from bytes. This file does not know what a hub
//! answers; what depends on answers (an epoch, a cursor) is said in words that the driver fills in.

use std::fmt;
use std::time::Duration;

use roundtable::{AfterDrain, Auth, Config, Greeting, Name, PlainText, RoomChoice, RunAhead};

pub use crate::authority::{Decision, ShownBy, claims};

/// How many clients a script plays; a step names one by its number.
pub const CLIENTS: u16 = 8;

/// The rooms that scripts name, some of them not valid as names.
pub const ROOMS: [&str; 6] = ["lobby", "den", "b\u{fc}ro 7", "  lobby ", "", "a\u{202e}b"];

/// The rooms of a crowd.
pub const CROWD_ROOMS: [&str; 32] = [
    "room 00", "room 01", "room 02", "room 03", "room 04", "room 05", "room 06", "room 07",
    "room 08", "room 09", "room 10", "room 11", "room 12", "room 13", "room 14", "room 15",
    "room 16", "room 17", "room 18", "room 19", "room 20", "room 21", "room 22", "room 23",
    "room 24", "room 25", "room 26", "room 27", "room 28", "room 29", "room 30", "room 31",
];

/// How many addresses clients come from: more than the smallest limits have room for.
pub const ADDRESSES: u8 = 3;

/// The names that scripts ask for, all valid.
pub const NAMES: [&str; 5] = ["ann", "bob", "\u{5d3}\u{5e0}\u{5d4}", "\"quoted\\", "ann-2"];

/// A whole script. Its `Debug` form has a line for each step.
#[derive(Clone)]
pub struct Script {
    /// The configuration that it is played under.
    pub limits: Limits,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?}", self.limits)?;
        self.steps.iter().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

/// Which configuration a script is played under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    /// The defaults, but that a page holds all that a script can publish, and few come from an
    /// address.
    Default,
    /// The same, without that, and with wide rate limits.
    Roomy,
    /// Everything as small as it may be, so that every limit is met.
    Tiny,
    /// The same, for a driver whose shards lie one turn behind.
    TinyBehind,
    /// As small, where some clients come with tokens: see [`claims`].
    Guarded,
    /// As wide as [`Limits::Roomy`], where some clients come with tokens.
    RoomyGuarded,
    /// The same, where nobody does anything without one.
    RoomyLocked,
}

impl Limits {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::Default,
        Self::Roomy,
        Self::Tiny,
        Self::TinyBehind,
        Self::Guarded,
        Self::RoomyGuarded,
        Self::RoomyLocked,
    ];

    /// The configuration.
    pub fn config(self) -> Config {
        let tiny = Config {
            max_sessions: 6,
            address_connections: 1,
            address_burst: 2,
            address_per_minute: 6,
            max_addresses: 2,
            max_rooms: 2,
            rooms_per_session: 2,
            members_per_room: 5,
            max_message_bytes: 256,
            byte_burst: 1 << 20,
            bytes_per_second: 1 << 20,
            message_burst: 200,
            messages_per_second: 100,
            rate_limit_strikes: 4,
            reserve_bytes: 2048,
            page_bytes: 1024,
            presence_list: 2,
            turn_events: 4,
            turn_bytes: 512,
            window_bytes: 6000,
            budget_bytes: 7000,
            history_entries: 30,
            history_bytes: 6000,
            history_age: Duration::from_mins(1),
            // The next ping may come before one that is not answered is given up.
            ping_after: Duration::from_secs(5),
            pong_wait: Duration::from_secs(12),
            recent: 5,
            tick_work: 2,
            key_age: Duration::from_secs(20),
            max_keys: 3,
            signal_bytes: 100,
            ..Config::default()
        };
        // The reference reads by no page: the longest log fits into one.
        let wide = Config {
            page_bytes: 1 << 24,
            presence_list: 3,
            window_bytes: 1 << 25,
            history_bytes: 1 << 26,
            after_drain: AfterDrain::Wait,
            ..Config::default()
        };
        let default = Config {
            address_connections: 1,
            address_burst: 2,
            address_per_minute: 6,
            max_addresses: 2,
            ..wide.clone()
        };
        let roomy = Config {
            message_burst: 10_000,
            messages_per_second: 10_000,
            byte_burst: 1 << 30,
            bytes_per_second: 1 << 30,
            ..wide
        };
        let guarded = Config {
            auth: Auth::Optional,
            auth_grace: Duration::from_secs(5),
            max_bans: 2,
            max_unverified: 3,
            address_connections: default.address_connections,
            address_burst: default.address_burst,
            max_addresses: default.max_addresses,
            ..roomy.clone()
        };
        match self {
            Self::Default => Config { after_drain: AfterDrain::End, ..default },
            Self::Roomy => roomy,
            Self::RoomyGuarded => guarded,
            // With more than one, several may have been lost at the same moment, and which of them
            // gives way is the hub's own.
            Self::RoomyLocked => Config { auth: Auth::Required, sessions_per_user: 1, ..guarded },
            Self::Tiny => tiny,
            Self::Guarded => Config {
                auth: Auth::Optional,
                auth_grace: Duration::from_secs(5),
                sessions_per_user: 2,
                max_unverified: 3,
                ..tiny
            },
            Self::TinyBehind => Config {
                run_ahead: RunAhead::One,
                plain_text: PlainText::Refuse,
                after_drain: AfterDrain::Wait,
                ..tiny
            },
        }
    }
}

/// One thing that happens, in the order of a connection's life.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A client connects, unless it is connected.
    Connect {
        /// Who.
        client: u16,
        /// From which of [`ADDRESSES`], if it is held to the limits by address.
        from: Option<u8>,
        /// With which wishes.
        greeting: Greeting,
    },
    /// Unless it is connected, a client connects under a made-up name, and joins these rooms from
    /// where it stood.
    Return {
        /// Who.
        client: u16,
        /// Some of [`CROWD_ROOMS`].
        rooms: &'static [&'static str],
    },
    /// A client sends a text.
    Send {
        /// Who.
        client: u16,
        /// What.
        frame: Frame,
    },
    /// A client sends the same kind of text so many times in a row.
    Burst {
        /// Who.
        client: u16,
        /// What.
        frame: Frame,
        /// How many times.
        times: u8,
    },
    /// A client sends a binary message.
    Binary {
        /// Who.
        client: u16,
    },
    /// A client shows some other sign of life.
    Heard {
        /// Who.
        client: u16,
    },
    /// The network between a client and the hub takes this long, from the client's next connection
    /// on.
    Link {
        /// Who.
        client: u16,
        /// How long.
        latency: Duration,
    },
    /// From here on a client reads like this.
    Reads {
        /// Who.
        client: u16,
        /// How.
        reading: Reading,
    },
    /// A client that has stopped reading takes this much.
    Take {
        /// Who.
        client: u16,
        /// How much, in bytes of frames.
        bytes: usize,
    },
    /// The driver ends its turn.
    EndTurn,
    /// A client's connection is lost, with all that is on its way to the client.
    Disconnect {
        /// Who.
        client: u16,
    },
    /// A client is gone and nobody is told: its connection is half open.
    Vanish {
        /// Who.
        client: u16,
    },
    /// Time passes, exactly to the hub's next deadline.
    Sleep,
    /// Time passes, with a tick at each deadline on the way.
    Wait(Duration),
    /// Time passes and the hub is not called, as if the machine had been asleep.
    Away(Duration),
    /// The operator decides something about somebody, or about what was said.
    Decide(Decision),
    /// The operator stops the hub.
    Drain {
        /// The longest that it may take.
        within: Duration,
    },
    /// The hub's process ends without a word, and a new one begins.
    Restart,
    /// The hub's process ends, and a new one goes on with what the hub kept.
    CarryOver,
}

/// How a client treats what is sent to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// It takes everything and answers pings.
    #[default]
    Prompt,
    /// Its socket takes everything, but pings are not answered: half open.
    Mute,
    /// It takes this much a second, and answers pings when it has read them.
    Slow {
        /// The pace.
        bytes_per_second: u32,
    },
    /// It takes nothing but what [`Step::Take`] says.
    Stopped,
}

/// A text of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// A wish to be renamed.
    Hello {
        /// The request's id.
        id: Id,
        /// The wished name.
        name: &'static str,
    },
    /// To come back to a session.
    Resume {
        /// The request's id.
        id: Id,
        /// Which one.
        whose: Whose,
        /// What the client says of where it stands.
        stands: Stands,
    },
    /// To be in a room.
    Join {
        /// The request's id.
        id: Id,
        /// One of [`ROOMS`].
        room: &'static str,
        /// Where to go on.
        since: Option<Since>,
        /// Whether the client's own messages come back; `None` leaves the field away.
        echo: Option<bool>,
    },
    /// To be in a room no longer.
    Leave {
        /// The request's id.
        id: Id,
        /// One of [`ROOMS`].
        room: &'static str,
    },
    /// To say something in a room.
    Publish {
        /// The request's id.
        id: Id,
        /// One of [`ROOMS`].
        room: &'static str,
        /// How long the data is, in letters.
        letters: usize,
    },
    /// To say something under a key, so that it can be said again.
    Keyed {
        /// The request's id.
        id: Id,
        /// One of [`ROOMS`].
        room: &'static str,
        /// Which key, of a few.
        key: u8,
        /// How long the data is, in letters.
        letters: usize,
    },
    /// To say something that is not kept.
    Signal {
        /// The request's id.
        id: Id,
        /// One of [`ROOMS`].
        room: &'static str,
        /// How long the data is, in letters.
        letters: usize,
    },
    /// To be given a page of the past.
    History {
        /// The request's id.
        id: Id,
        /// One of [`ROOMS`].
        room: &'static str,
        /// Where the page ends.
        before: Option<Since>,
        /// How many entries.
        limit: Option<u16>,
    },
    /// To be told who is there.
    Presence {
        /// The request's id.
        id: Id,
        /// One of [`ROOMS`].
        room: &'static str,
    },
    /// To decide something as a moderator.
    Moderate {
        /// The request's id: what is not acknowledged cannot be told from what is refused.
        id: Id,
        /// What; what only an operator can decide is no frame.
        decision: Decision,
    },
    /// To go by a token. What it says is the driver's to decide.
    Show {
        /// The request's id.
        id: Id,
        /// In which frame it comes.
        by: ShownBy,
    },
    /// To be answered.
    Ping {
        /// The request's id.
        id: Id,
    },
    /// To be closed.
    Bye,
    /// What a person types who has no client: this many letters and a line break.
    Plain {
        /// How many letters.
        letters: usize,
    },
    /// One of [`ODD`](crate::odd::ODD).
    Odd(&'static str),
}

/// Whether a request has an id, and of which kind. The driver makes each one unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// None: there is no reply unless it is refused.
    None,
    /// An integer.
    Number,
    /// A string that JSON must escape.
    Text,
}

/// A session, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the client's connection before this one.
    Own,
    /// The last one of this client.
    Of(u16),
}

/// What a client that comes back says of where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// The last place that it has received, in each room.
    Seen,
    /// That it has received nothing.
    Nowhere,
    /// Nothing.
    Untold,
}

/// A place in a room's log, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// In which run of the log.
    pub epoch: EpochChoice,
    /// Where in it.
    pub seq: SeqChoice,
}

/// A run of a room's log, as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochChoice {
    /// The last one that anybody was told.
    Last,
    /// The one before it.
    Before,
    /// None that there ever was.
    Foreign,
    /// The one in which the client itself stands.
    Seen,
}

/// A place in a log, as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeqChoice {
    /// Its start.
    Zero,
    /// This far behind the newest entry that anybody was told of.
    Behind(u8),
    /// This far ahead of it.
    Ahead(u8),
    /// Where the client itself stands: the last place that it has received.
    Seen,
}

/// How long `letters` the byte stands for: mostly few, sometimes up to the longest message.
pub(crate) fn letters(size: u8) -> usize {
    match size {
        0..=239 => usize::from(size % 160),
        240..=250 => usize::from(size),
        _ => 300,
    }
}

pub(crate) fn valid(name: &str) -> Name {
    name.parse().expect("the tables hold valid names where they say so")
}

pub(crate) fn room_choice(choice: u8) -> RoomChoice {
    match choice {
        0..=2 => RoomChoice::Default,
        3 => RoomChoice::None,
        4 => RoomChoice::Named(valid(ROOMS[1])),
        _ => RoomChoice::Named(valid(ROOMS[2])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_is_valid() {
        for limits in Limits::ALL {
            limits.config().validate().unwrap_or_else(|error| panic!("{limits:?}: {error}"));
        }
    }
}
