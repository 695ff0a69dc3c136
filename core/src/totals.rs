//! What a hub has done and has, in numbers. This file does not know how they are shown.

use serde::Serialize;

use crate::close::CloseCode;
use crate::command::{Command, Recipients, Refusal};
use crate::frame::frame_len;
use crate::protocol::ErrorCode;

/// The numbers of a hub, as they are at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// What it has done since it began: these never become smaller.
    pub counts: Counts,
    /// What it has.
    pub levels: Levels,
}

/// What a hub has done since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that came, refused ones too.
    pub connects: u64,
    /// Connections that were lost, or left, before the hub closed them.
    pub disconnects: u64,
    /// Texts that came.
    pub texts: u64,
    /// Their bytes.
    pub text_bytes: u64,
    /// Entries appended to logs: messages, and words of removal.
    pub entries: u64,
    /// Publishes that were said again, and appended nothing.
    pub duplicates: u64,
    /// Signals that somebody was given.
    pub signals: u64,
    /// Frames: each counts once, whoever is given it.
    pub sends: u64,
    /// Frames given to a connection: each recipient counts.
    pub deliveries: u64,
    /// Their bytes, as frames (RFC 6455 §5.2).
    pub delivered_bytes: u64,
    /// Pings sent.
    pub pings: u64,
    /// Tokens given to the driver, to be verified.
    pub verifies: u64,
    /// Members that could not be given what was new, and began to lag.
    pub lagged: u64,
    /// Gaps told, in a `gap` or in a `joined`.
    pub gaps: u64,
    /// Sessions that lost their connection, and waited for their client.
    pub detached: u64,
    /// Clients that came back to their session.
    pub resumed: u64,
    /// Clients that wanted to, and got another one.
    pub not_resumed: u64,
    /// Refusals without `id` that were not told, since one was told a moment before.
    pub untold: u64,
    /// Errors told, in the order of [`ErrorCode::ALL`].
    pub errors: [u64; ErrorCode::ALL.len()],
    /// Connections closed, in the order of [`CloseCode::ALL`].
    pub closes: [u64; CloseCode::ALL.len()],
    /// How often each limit held somebody up, in the order of [`Limit::ALL`].
    pub limits: [u64; Limit::ALL.len()],
}

/// What a hub has, at a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Levels {
    /// Sessions with a connection.
    pub connections: u64,
    /// Sessions without one, which wait for their clients.
    pub detached: u64,
    /// Connections that have shown no token, where tokens are taken.
    pub unverified: u64,
    /// Rooms.
    pub rooms: u64,
    /// Memberships of sessions in rooms.
    pub members: u64,
    /// Those of them that are given what is new at once; the others lag, or have no connection.
    pub live: u64,
    /// Entries in logs.
    pub entries: u64,
    /// Their bytes.
    pub entry_bytes: u64,
    /// What is queued for full sockets, as drivers have reported it, in frame bytes.
    pub backlog_bytes: u64,
    /// The same and what was sent since, at the most.
    pub queued_bytes: u64,
    /// Addresses remembered.
    pub addresses: u64,
    /// Bans.
    pub bans: u64,
    /// Keys of publishes.
    pub keys: u64,
    /// Whether the hub drains: 0 or 1.
    pub draining: u64,
}

/// Makes the list of limits, each with the setting that it is.
macro_rules! limits {
    ($($(#[$doc:meta])+ $limit:ident = $setting:literal,)+) => {
        /// A limit that may hold somebody up. Each is a field of [`Config`](crate::Config).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit {
            $($(#[$doc])+ $limit,)+
        }

        impl Limit {
            /// Every limit, in the order of their declaration.
            pub const ALL: [Self; [$($setting),+].len()] = [$(Self::$limit),+];

            /// The field of [`Config`](crate::Config).
            pub const fn setting(self) -> &'static str {
                match self {
                    $(Self::$limit => $setting,)+
                }
            }
        }
    };
}

limits! {
    /// A session gave way to another one, or a connection was turned away.
    MaxSessions = "max_sessions",
    /// An upgrade was refused, for its address has too many connections.
    AddressConnections = "address_connections",
    /// An upgrade was refused, for its address began too many; `address_burst` is a part of it.
    AddressPerMinute = "address_per_minute",
    /// An upgrade was refused, for there are too many addresses.
    MaxAddresses = "max_addresses",
    /// An upgrade was refused, for too many have shown no token.
    MaxUnverified = "max_unverified",
    /// A user's session gave way to another one, or a token was not taken.
    SessionsPerUser = "sessions_per_user",
    /// A token that was needed did not come.
    HelloTimeout = "hello_timeout",
    /// A token expired, and no fresh one came.
    AuthGrace = "auth_grace",
    /// A text came while a token was verified, and too many waited.
    WaitingFrames = "waiting_frames",
    /// The same, and too many bytes waited.
    WaitingBytes = "waiting_bytes",
    /// A room was not made.
    MaxRooms = "max_rooms",
    /// A session did not join one more room.
    RoomsPerSession = "rooms_per_session",
    /// A room was not joined.
    MembersPerRoom = "members_per_room",
    /// A text was too long.
    MaxMessageBytes = "max_message_bytes",
    /// A text came too early, by their number; `message_burst` is a part of it.
    MessagesPerSecond = "messages_per_second",
    /// A text came too early, by their bytes; `byte_burst` is a part of it.
    BytesPerSecond = "bytes_per_second",
    /// Too many texts came too early, and the connection was closed.
    RateLimitStrikes = "rate_limit_strikes",
    /// A signal was too long.
    SignalBytes = "signal_bytes",
    /// A key of a publish gave way to another one.
    MaxKeys = "max_keys",
    /// An entry gave way to another one.
    HistoryEntries = "history_entries",
    /// An entry gave way to another one, for its bytes.
    HistoryBytes = "history_bytes",
    /// An entry was too old.
    HistoryAge = "history_age",
    /// A ban was not set.
    MaxBans = "max_bans",
    /// A member began to lag, or a connection was closed, for want of room in its window.
    WindowBytes = "window_bytes",
    /// Members began to lag, or a connection was closed, for the queues of all together.
    BudgetBytes = "budget_bytes",
    /// A connection's queue made no progress.
    WriteTimeout = "write_timeout",
    /// A ping was not answered.
    PongWait = "pong_wait",
    /// A session's client did not come back.
    ResumeWindow = "resume_window",
    /// A session's client did not come back, and others were told.
    PresenceLinger = "presence_linger",
    /// The hub itself was away.
    Stall = "stall",
}

impl Counts {
    /// How many connections were closed with `code`.
    pub fn closes(&self, code: CloseCode) -> u64 {
        self.closes[code as usize]
    }

    /// How many errors with `code` were told.
    pub fn errors(&self, code: ErrorCode) -> u64 {
        self.errors[code as usize]
    }

    /// How often `limit` held somebody up.
    pub fn limits(&self, limit: Limit) -> u64 {
        self.limits[limit as usize]
    }

    pub(crate) fn hit(&mut self, limit: Limit) {
        self.limits[limit as usize] += 1;
    }

    /// Counts what was commanded: once for each command, whoever is given it.
    pub(crate) fn note(&mut self, commands: &[Command]) {
        for command in commands {
            match command {
                Command::Send { to, text } => {
                    let recipients = match to {
                        Recipients::One(_) => 1,
                        Recipients::Many { list, except } => {
                            list.len() as u64 - u64::from(except.is_some())
                        }
                    };
                    self.sends += 1;
                    self.deliveries += recipients;
                    self.delivered_bytes += recipients * frame_len(text.len()) as u64;
                }
                Command::Ping { .. } => self.pings += 1,
                Command::Verify { .. } => self.verifies += 1,
                Command::Close { code, .. } => self.closes[*code as usize] += 1,
                Command::Refuse { refusal, .. } => self.hit(match refusal {
                    Refusal::TooManyConnections => Limit::AddressConnections,
                    Refusal::TooFast => Limit::AddressPerMinute,
                    Refusal::TooManyAddresses => Limit::MaxAddresses,
                    Refusal::TooManyUnverified => Limit::MaxUnverified,
                }),
                Command::Append { .. } | Command::Drained => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts are found by the place of a variant.
    #[test]
    fn every_variant_has_its_place() {
        assert!(CloseCode::ALL.iter().enumerate().all(|(at, code)| *code as usize == at));
        assert!(ErrorCode::ALL.iter().enumerate().all(|(at, code)| *code as usize == at));
        assert!(Limit::ALL.iter().enumerate().all(|(at, limit)| *limit as usize == at));
    }
}
