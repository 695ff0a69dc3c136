//! Every limit of the hub, its default, and the relations between them.

use alloc::string::{String, ToString};
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::protocol::MESSAGE_OVERHEAD_BYTES;

/// The limits and spans that the hub keeps to.
///
/// The names are those of the servers' settings. [`Config::default`] is a working configuration;
/// [`Config::validate`] says what is wrong with another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The room that a connection joins whose URL names none.
    pub default_room: Name,
    /// Whether text that is not JSON is published as it is, for clients that did not offer the
    /// subprotocol.
    pub plain_text: PlainText,

    /// Whether clients may, or must, show a token.
    pub auth: Auth,
    /// How long a client that must show a token may take, before it is closed with 4502.
    pub hello_timeout: Duration,
    /// How long a client whose token has expired may take to show a fresh one, before it is closed
    /// with 4010. Until then it may do what it could.
    pub auth_grace: Duration,
    /// How many frames of a client wait behind the one whose token is verified; one more gets
    /// `overloaded`.
    pub waiting_frames: usize,
    /// How many bytes these frames may have; more get `overloaded`.
    pub waiting_bytes: usize,
    /// The most sessions of a verified user. One more takes the place of the one that lost its
    /// connection first; if all are connected, it gets `session_limit`, or is closed with 1013 where
    /// the token came with the upgrade request.
    pub sessions_per_user: usize,

    /// The most sessions at a time. A connection for which there is no room takes the place of the
    /// session that lost its connection first; if all are connected, it is closed with 1013.
    pub max_sessions: usize,
    /// The most connections of an address at a time; one more is refused with 429.
    pub address_connections: u32,
    /// How many connections an address may begin at once; more are refused with 429.
    pub address_burst: u32,
    /// How many connections a minute an address may begin in the long run.
    pub address_per_minute: u32,
    /// The most addresses that are remembered. One more takes the place of one without a connection;
    /// if all have some, it is refused with 503.
    pub max_addresses: usize,
    /// The most connections that have shown no token, where tokens are taken; one more is refused with
    /// 503.
    pub max_unverified: usize,

    /// The most rooms at a time; a `join` that needs one more gets `room_limit`.
    pub max_rooms: usize,
    /// The most rooms that one session may be in; one more gets `room_limit`.
    pub rooms_per_session: usize,
    /// The most members of a room; one more gets `room_full`.
    pub members_per_room: usize,

    /// The longest message from a client, in bytes; a longer one closes with 1009. Also the longest
    /// `data` of a plain text once it is written as JSON; a longer one gets `too_large`.
    pub max_message_bytes: usize,
    /// How deep the JSON of a frame may be nested; deeper gets `bad_json`.
    pub max_depth: usize,
    /// How many messages a client may send at once; more get `rate_limited`.
    pub message_burst: u32,
    /// How many messages a second a client may send in the long run.
    pub messages_per_second: u32,
    /// How many bytes of messages a client may send at once; more get `rate_limited`.
    pub byte_burst: u32,
    /// How many bytes of messages a second a client may send in the long run.
    pub bytes_per_second: u32,
    /// How many refusals a client may collect, one being forgiven each second, before it is closed
    /// with 4029.
    pub rate_limit_strikes: u32,

    /// What may be queued for one connection, in frame bytes.
    pub window_bytes: usize,
    /// The part of the window that only control messages may use.
    pub reserve_bytes: usize,
    /// What may be queued for all connections together, in frame bytes; when reported backlogs
    /// exceed it, the largest are closed with 4003.
    pub budget_bytes: usize,
    /// The most that a page of history holds, in bytes of JSON.
    pub page_bytes: usize,
    /// The most events that a driver takes in a turn.
    pub turn_events: usize,
    /// The bytes of texts in a turn after which a driver takes no more; the last text may go past it.
    pub turn_bytes: usize,
    /// How many turns a `Flushed` lags behind.
    pub run_ahead: RunAhead,

    /// The most entries that a room keeps.
    pub history_entries: usize,
    /// The most bytes of entries that a room keeps, as sent.
    pub history_bytes: usize,
    /// How long a room keeps an entry.
    pub history_age: Duration,
    /// How many entries a fresh `join` is given, and a `history` without `limit`.
    pub recent: usize,

    /// How long the key of a `publish` stands for its entry.
    pub key_age: Duration,
    /// The most keys that are kept; one more makes the oldest be forgotten.
    pub max_keys: usize,
    /// The longest `data` of a `signal`, in bytes; a longer one gets `too_large`.
    pub signal_bytes: usize,
    /// How long a client shows a signal, as it is told with it.
    pub signal_ttl: Duration,

    /// How long a session outlives its connection, so that its client can come back to it; zero ends
    /// it at once.
    pub resume_window: Duration,
    /// How long somebody who lost the connection is still there for others, and has the name.
    pub presence_linger: Duration,

    /// How long the members of a room may be untold of who came and went: news of that time are told
    /// together.
    pub presence_tick: Duration,
    /// The most users that a list of a room's members names; of more, only the number is told.
    pub presence_list: usize,

    /// The most bans of moderators, in all rooms together. Beyond it `ban` is refused with
    /// `ban_limit`.
    pub max_bans: usize,

    /// The silence after which a ping is sent, give or take a tenth that is drawn for each ping.
    pub ping_after: Duration,
    /// How long a pong may take before the connection is closed with 4000; any byte counts.
    pub pong_wait: Duration,
    /// How long a backlog may make no progress before the connection is closed with 4001.
    pub write_timeout: Duration,
    /// How late a tick may be before the hub believes that it was away itself, and gives the peers
    /// that much more time.
    pub stall: Duration,

    /// The span that a drain's notice and its closes take for each session, up to the next two.
    pub drain_pace: Duration,
    /// The longest span over which a drain's notices are spread.
    pub drain_notice: Duration,
    /// The longest span over which a drain's closes are spread.
    pub drain_spread: Duration,

    /// What becomes of sessions when the server drains.
    #[serde(default)]
    pub after_drain: AfterDrain,

    /// Whether the driver is told what to write down, by
    /// [`Command::Append`](crate::Command::Append).
    #[serde(default)]
    pub journal: bool,

    /// The most timers that fire in one tick, and the most lagging connections that read on in one
    /// turn.
    pub tick_work: usize,
}

/// Whether clients show tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// Tokens are not taken: `unsupported`.
    Off,
    /// Who shows a token is its user, and may do what it allows. Who shows none has a name of its
    /// own choice, and may do everything but moderate.
    Optional,
    /// Without a token nothing is done for a client.
    Required,
}

/// Whether plain text is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PlainText {
    /// A text that does not start with `{` is published as a JSON string.
    Publish,
    /// Every text must be a JSON object.
    Refuse,
}

/// How many turns a driver's `Flushed` lags behind its commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunAhead {
    /// None: the driver flushes before it says so.
    Zero,
    /// One: the driver's shards flush one turn while the hub does the next.
    One,
}

/// What becomes of sessions when the server drains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AfterDrain {
    /// They end: nobody comes back to a server that stops.
    #[default]
    End,
    /// They wait for their clients, and a [`Snapshot`](crate::Snapshot) carries them over to the next
    /// server.
    Wait,
}

impl Default for Config {
    fn default() -> Self {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        Self {
            default_room: "lobby".parse().expect("a valid name"),
            plain_text: PlainText::Publish,
            auth: Auth::Off,
            hello_timeout: Duration::from_secs(10),
            auth_grace: Duration::from_secs(25),
            waiting_frames: 16,
            waiting_bytes: 64 * KIB,
            sessions_per_user: 100,
            max_sessions: 1_000_000,
            address_connections: 64,
            address_burst: 60,
            address_per_minute: 60,
            max_addresses: 1_000_000,
            max_unverified: 10_000,
            max_rooms: 100_000,
            rooms_per_session: 64,
            members_per_room: 1_000_000,
            max_message_bytes: 32 * KIB,
            max_depth: 32,
            message_burst: 20,
            messages_per_second: 10,
            byte_burst: 64 * 1024,
            bytes_per_second: 64 * 1024,
            rate_limit_strikes: 100,
            window_bytes: 256 * KIB,
            reserve_bytes: 4 * KIB,
            budget_bytes: 512 * MIB,
            page_bytes: 64 * KIB,
            turn_events: 128,
            turn_bytes: 64 * KIB,
            run_ahead: RunAhead::Zero,
            history_entries: 256,
            history_bytes: MIB,
            history_age: Duration::from_mins(10),
            recent: 50,
            key_age: Duration::from_mins(5),
            max_keys: 100_000,
            signal_bytes: KIB,
            signal_ttl: Duration::from_secs(5),
            resume_window: Duration::from_mins(2),
            presence_linger: Duration::from_secs(15),
            presence_tick: Duration::from_millis(500),
            presence_list: 200,
            max_bans: 10_000,
            ping_after: Duration::from_secs(25),
            pong_wait: Duration::from_secs(20),
            write_timeout: Duration::from_secs(10),
            stall: Duration::from_secs(5),
            drain_pace: Duration::from_millis(10),
            drain_notice: Duration::from_secs(5),
            drain_spread: Duration::from_secs(25),
            after_drain: AfterDrain::End,
            journal: false,
            tick_work: 1024,
        }
    }
}

impl Config {
    /// Checks each limit, and the relations between them.
    ///
    /// # Errors
    ///
    /// The first limit that is out of its bounds, with its value and what to do.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.validate_counts()?;
        self.validate_spans()?;
        self.validate_flow()
    }

    /// What one message may cost its recipients, in frame bytes, beyond its own length.
    const fn entry_bytes(&self) -> usize {
        crate::frame_len(self.max_message_bytes + MESSAGE_OVERHEAD_BYTES)
    }

    fn validate_counts(&self) -> Result<(), ConfigError> {
        let counts = [
            ("max_sessions", self.max_sessions),
            ("address_connections", self.address_connections as usize),
            ("address_burst", self.address_burst as usize),
            ("address_per_minute", self.address_per_minute as usize),
            ("max_addresses", self.max_addresses),
            ("max_unverified", self.max_unverified),
            ("max_rooms", self.max_rooms),
            ("rooms_per_session", self.rooms_per_session),
            ("members_per_room", self.members_per_room),
            ("max_depth", self.max_depth),
            ("turn_events", self.turn_events),
            ("turn_bytes", self.turn_bytes),
            ("history_entries", self.history_entries),
            ("tick_work", self.tick_work),
            ("max_keys", self.max_keys),
            ("waiting_frames", self.waiting_frames),
            ("waiting_bytes", self.waiting_bytes),
            ("sessions_per_user", self.sessions_per_user),
            ("max_bans", self.max_bans),
            ("signal_bytes", self.signal_bytes),
            ("message_burst", self.message_burst as usize),
            ("messages_per_second", self.messages_per_second as usize),
            ("bytes_per_second", self.bytes_per_second as usize),
            ("rate_limit_strikes", self.rate_limit_strikes as usize),
        ];
        for (setting, value) in counts {
            at_least(setting, value, 1)?;
            at_most(setting, value, MAX_COUNT)?;
        }
        // Below this a frame of the protocol does not fit.
        at_least("max_message_bytes", self.max_message_bytes, 256)?;
        at_most("max_message_bytes", self.max_message_bytes, 16 << 20)?;
        // Many readers stop at 127, and a page of history nests `data` two deeper than it came.
        at_most("max_depth", self.max_depth, 125)?;
        at_most("recent", self.recent, self.history_entries)?;
        if (self.byte_burst as usize) < self.max_message_bytes {
            return Err(ConfigError::new(
                "byte_burst",
                self.byte_burst,
                "must be at least max_message_bytes, or the longest message never passes",
            ));
        }
        Ok(())
    }

    fn validate_spans(&self) -> Result<(), ConfigError> {
        let any = Duration::ZERO;
        let (moment, second) = (Duration::from_millis(1), Duration::from_secs(1));
        for (setting, least, span) in [
            ("history_age", second, self.history_age),
            ("key_age", second, self.key_age),
            ("signal_ttl", second, self.signal_ttl),
            ("hello_timeout", second, self.hello_timeout),
            ("ping_after", second, self.ping_after),
            ("pong_wait", second, self.pong_wait),
            ("write_timeout", second, self.write_timeout),
            ("stall", second, self.stall),
            ("presence_tick", moment, self.presence_tick),
            ("resume_window", any, self.resume_window),
            ("presence_linger", any, self.presence_linger),
            ("auth_grace", any, self.auth_grace),
            ("drain_pace", any, self.drain_pace),
            ("drain_notice", any, self.drain_notice),
            ("drain_spread", any, self.drain_spread),
        ] {
            if span < least {
                let remedy = format_args!("must be from {least:?} to 100 days");
                return Err(ConfigError::new(setting, format_args!("{span:?}"), remedy));
            }
            if span > MAX_SPAN {
                let remedy = "must be at most 100 days";
                return Err(ConfigError::new(setting, format_args!("{span:?}"), remedy));
            }
        }
        Ok(())
    }

    fn validate_flow(&self) -> Result<(), ConfigError> {
        at_most("window_bytes", self.window_bytes, 1 << 30)?;
        // A `welcome`, a `joined` without history and a `bye` fit together.
        at_least("reserve_bytes", self.reserve_bytes, 2048)?;
        at_most("reserve_bytes", self.reserve_bytes, self.window_bytes / 2)?;
        if self.page_bytes < self.entry_bytes() {
            return Err(ConfigError::new(
                "page_bytes",
                self.page_bytes,
                "must hold the longest message: at least max_message_bytes and 1 KiB",
            ));
        }
        let list = self.presence_list.saturating_mul(PRESENT_BYTES);
        if list.saturating_add(LIST_FRAME_BYTES) > self.page_bytes {
            return Err(ConfigError::new(
                "presence_list",
                self.presence_list,
                "must be at most (page_bytes - 640) / 160: a list is no longer than a page",
            ));
        }
        let turn = self.turn_bytes + self.max_message_bytes;
        let turn = turn.saturating_add(self.turn_events.saturating_mul(MESSAGE_OVERHEAD_BYTES));
        let data = self.window_bytes - self.reserve_bytes;
        if turn.saturating_add(self.page_bytes) > data {
            return Err(ConfigError::new(
                "window_bytes",
                self.window_bytes,
                "less reserve_bytes must hold a turn and a page: turn_bytes, max_message_bytes, \
                 480 bytes for each of turn_events, and page_bytes",
            ));
        }
        if self.rooms_per_session.saturating_mul(JOINED_BYTES) > data {
            return Err(ConfigError::new(
                "rooms_per_session",
                self.rooms_per_session,
                "must be at most (window_bytes - reserve_bytes) / 640: who comes back is told of \
                 each room at once",
            ));
        }
        if self.window_bytes > self.history_bytes {
            return Err(ConfigError::new(
                "history_bytes",
                self.history_bytes,
                "must be at least window_bytes, or a reader is told of a gap that it could have read",
            ));
        }
        if self.budget_bytes < self.window_bytes {
            return Err(ConfigError::new(
                "budget_bytes",
                self.budget_bytes,
                "must be at least window_bytes",
            ));
        }
        Ok(())
    }
}

/// Tables are indexed with 32 bits.
const MAX_COUNT: usize = u32::MAX as usize - 1;

/// What a user takes in a list at the most: a name with every character at its longest, a number, and
/// what is around them.
const PRESENT_BYTES: usize = 160;

/// What a `presence` takes beside its list at the most, in frame bytes.
const LIST_FRAME_BYTES: usize = 640;

/// What a `joined` without a page takes at the most, in frame bytes.
const JOINED_BYTES: usize = 640;

/// Longer spans serve nobody, and adding a few of them cannot overflow.
pub(crate) const MAX_SPAN: Duration = Duration::from_hours(100 * 24);

fn at_least(setting: &'static str, value: usize, least: usize) -> Result<(), ConfigError> {
    if value < least {
        Err(ConfigError::new(setting, value, format_args!("must be at least {least}")))
    } else {
        Ok(())
    }
}

fn at_most(setting: &'static str, value: usize, most: usize) -> Result<(), ConfigError> {
    if value > most {
        Err(ConfigError::new(setting, value, format_args!("must be at most {most}")))
    } else {
        Ok(())
    }
}

/// A limit that is out of its bounds. Printed, it says which, its value, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    value: String,
    remedy: String,
}

impl ConfigError {
    fn new(setting: &'static str, value: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { setting, value: value.to_string(), remedy: remedy.to_string() }
    }

    /// The name of the limit, as in [`Config`].
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// What is wrong with its value, and what to do.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.setting, self.value, self.remedy)
    }
}

impl core::error::Error for ConfigError {}
